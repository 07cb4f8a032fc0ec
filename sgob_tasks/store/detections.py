"""Queries on detections: what inference brings, and what the context reads and writes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sgob_tasks.errors import InputError
from sgob_tasks.progress import track
from sgob_tasks.store.detection_results import Found, ResultLine, read_results
from sgob_tasks.store.media import shown
from sgob_tasks.store.tables import batch_items, batches, detections, media, models, records

ROWS_AT_ONCE = 1000
RECORDS_AT_ONCE = 500
EXAMPLES_KEPT = 10


@dataclass(frozen=True)
class LoadCounts:
    """What loading a batch's results did, and how the batch stands now.

    Attributes:
        loaded: pictures whose results were loaded by this call.
        loaded_before: pictures with a result whose detections were in the store already.
        failed: pictures that this call marked failed, each with its reason in the store.
        missing: pictures of the batch that still have no result; they stay planned.
        detections: rows written; one for each record that shows the picture.
        malformed: lines that could not be used.
        examples: the first of these lines, with file, line and what is wrong.
    """

    loaded: int
    loaded_before: int
    failed: int
    missing: int
    detections: int
    malformed: int
    examples: tuple[str, ...] = ()


@dataclass
class _Tally:
    loaded: int = 0
    loaded_before: int = 0
    failed: int = 0
    detections: int = 0
    malformed: int = 0
    examples: list[str] = field(default_factory=list)

    def refuse(self, reason: str) -> None:
        self.malformed += 1
        if len(self.examples) < EXAMPLES_KEPT:
            self.examples.append(reason)


def among(column: sa.ColumnElement[Any], values: Collection[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a column has one of many values: one array parameter, however many they are."""
    return column == sa.any_(sa.literal(list(values), sa.ARRAY(sa.Text)))


def load_results(engine: sa.Engine, batch_id: str, results_dir: Path) -> LoadCounts:
    """Load the results of a batch into the store, exactly once.

    Each results file is one transaction: its detections and the states of its pictures are written together or not at
    all, so the call may be repeated, also while the job still writes. A picture that has failed is loaded when a later
    run has a result for it; one that is loaded is never touched again.

    Args:
        engine: the store.
        batch_id: the batch that the job was made from.
        results_dir: the job's folder with ``0000.jsonl``, ...; one file for each shard, missing ones are waited for.

    Raises:
        InputError: there is no such batch or folder. Unusable lines do not raise: their pictures are marked failed.
    """
    with engine.connect() as connection:
        model_id = connection.execute(sa.select(batches.c.model_id).where(batches.c.id == batch_id)).scalar()
    if model_id is None:
        raise InputError("batches", "id", batch_id, "is no batch of this store")
    if not results_dir.is_dir():
        raise InputError(results_dir, "folder", str(results_dir), "is no folder")
    tally = _Tally()
    for path in track(sorted(results_dir.glob("*.jsonl")), "Loading results"):
        with engine.begin() as connection:
            _load_shard(connection, batch_id, str(model_id), path, tally)
    waiting = sa.select(sa.func.count()).where(batch_items.c.batch_id == batch_id, batch_items.c.state == "planned")
    with engine.connect() as connection:
        missing = int(connection.execute(waiting).scalar_one())
    return LoadCounts(
        tally.loaded,
        tally.loaded_before,
        tally.failed,
        missing,
        tally.detections,
        tally.malformed,
        tuple(tally.examples),
    )


def _load_shard(connection: sa.Connection, batch_id: str, model_id: str, path: Path, tally: _Tally) -> None:
    best: dict[str, ResultLine] = {}
    for line in read_results(path):
        if line.sha256 is None:
            tally.refuse(line.error or "")
            continue
        known = best.get(line.sha256)
        if known is None or (known.error is not None and line.error is None):
            best[line.sha256] = line
    item = batch_items.c
    query = (
        sa.select(item.sha256, item.state)
        .where(item.batch_id == batch_id, among(item.sha256, best))
        .order_by(item.sha256)
        .with_for_update()
    )
    states = {str(sha256): str(state) for sha256, state in connection.execute(query)}
    good: dict[str, tuple[Found, ...]] = {}
    failed: dict[str, str] = {}
    for sha256, line in best.items():
        if sha256 not in states:
            tally.refuse(f"{path.name}, line {line.number}: sha256 = {sha256!r}: is no picture of batch {batch_id}")
        elif states[sha256] == "loaded":
            tally.loaded_before += 1
        elif line.error is None:
            good[sha256] = line.detections
        else:
            if line.malformed:
                tally.refuse(line.error)
            failed[sha256] = line.error
    tally.detections += _insert_detections(connection, model_id, good)
    connection.execute(
        sa.update(batch_items)
        .where(item.batch_id == batch_id, among(item.sha256, good))
        .values(state="loaded", reason=None)
    )
    tally.loaded += len(good)
    tally.failed += _mark_failed(connection, batch_id, failed)


def _mark_failed(connection: sa.Connection, batch_id: str, reasons: Mapping[str, str]) -> int:
    """Mark pictures failed; return how many had not failed for the same reason before."""
    item, changed = batch_items.c, 0
    for sha256, reason in reasons.items():
        changed += connection.execute(
            sa.update(batch_items)
            .where(item.batch_id == batch_id, item.sha256 == sha256)
            .where(sa.or_(item.state != "failed", item.reason.is_distinct_from(reason)))
            .values(state="failed", reason=reason)
        ).rowcount
    return changed


def _insert_detections(connection: sa.Connection, model_id: str, found: Mapping[str, tuple[Found, ...]]) -> int:
    """Write the detections of pictures for every record that shows them and has none by this model yet."""
    d = detections.c
    has_some = sa.exists().where(
        d.record_id == media.c.record_id, d.sha256 == media.c.sha256, d.model_id == model_id
    )  # fmt: skip
    lacking = connection.execute(
        sa.select(media.c.record_id, media.c.sha256)
        .distinct()
        .select_from(media.join(records, shown()))
        .where(among(media.c.sha256, found), ~has_some)
    ).all()
    rows = [
        {
            "record_id": record_id,
            "sha256": sha256,
            "model_id": model_id,
            "ordinal": ordinal,
            "class_name": one.class_name,
            "score": one.score,
            "x": one.box[0],
            "y": one.box[1],
            "width": one.box[2],
            "height": one.box[3],
            "mask": sa.null() if one.mask is None else one.mask,
            "candidates": one.candidates,
        }
        for record_id, sha256 in lacking
        for ordinal, one in enumerate(found[sha256])
    ]
    written = 0
    for first in range(0, len(rows), ROWS_AT_ONCE):
        statement = insert(detections).values(rows[first : first + ROWS_AT_ONCE]).on_conflict_do_nothing()
        written += len(connection.execute(statement.returning(detections.c.id)).all())
    return written


def share_detections(engine: sa.Engine, model_id: str | None = None) -> int:
    """Copy a model's detections to records that show a picture which was examined for another record.

    Pictures are examined once, however many records show them; a record that comes later gets what is known, also from
    an earlier champion: the night does not examine the picture again. Running it twice writes nothing more.

    Args:
        engine: the store.
        model_id: whose; None for every model.

    Returns:
        The number of rows written.
    """
    d, other = detections.c, detections.alias("other").c
    chosen = d.model_id == model_id if model_id is not None else sa.true()
    one_record = (
        sa.select(d.sha256, d.model_id, sa.func.min(d.record_id).label("record_id"))
        .where(chosen)
        .group_by(d.sha256, d.model_id)
        .subquery()
    )
    has_some = sa.exists().where(
        other.record_id == media.c.record_id,
        other.sha256 == media.c.sha256,
        other.model_id == one_record.c.model_id,
    )
    copied = [column.name for column in detections.columns if column.name not in {"id", "record_id"} | _CONTEXT]
    query = (
        sa.select(media.c.record_id, *(d[name] for name in copied))
        .select_from(
            media.join(records, shown())
            .join(one_record, one_record.c.sha256 == media.c.sha256)
            .join(
                detections,
                sa.and_(
                    d.sha256 == one_record.c.sha256,
                    d.record_id == one_record.c.record_id,
                    d.model_id == one_record.c.model_id,
                ),
            )
        )
        .where(~has_some)
    )
    statement = insert(detections).from_select(["record_id", *copied], query).on_conflict_do_nothing()
    with engine.begin() as connection:
        return len(connection.execute(statement.returning(d.id)).all())


_CONTEXT = frozenset({"label", "label_score", "label_reason", "label_evidence", "context_version"})


def model_classes(connection: sa.Connection) -> dict[str, frozenset[str]]:
    """Return the class names of every model in the registry whose configuration lists them, by model id."""
    rows = connection.execute(sa.select(models.c.id, models.c.config["classes"]))
    return {str(key): frozenset(map(str, names)) for key, names in rows if isinstance(names, list)}


def record_pages(
    engine: sa.Engine, columns: Sequence[sa.ColumnElement[Any]], scope: sa.ColumnElement[bool]
) -> Iterator[Sequence[sa.Row[Any]]]:
    """Yield records in the order of their ids, ``RECORDS_AT_ONCE`` at a time; the first column has to be the id."""
    last = ""
    while True:
        query = sa.select(*columns).where(scope, records.c.id > last).order_by(records.c.id).limit(RECORDS_AT_ONCE)
        with engine.connect() as connection:
            page = connection.execute(query).all()
        if not page:
            return
        yield page
        last = page[-1][0]


def count_records(engine: sa.Engine, scope: sa.ColumnElement[bool]) -> int:
    """Return how many records fulfil a condition."""
    with engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(records).where(scope)).scalar_one())


def detections_of(connection: sa.Connection, record_ids: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return all detections of records, by record, picture, model and rank."""
    d = detections.c
    query = (
        sa.select(detections)
        .where(among(d.record_id, record_ids))
        .order_by(d.record_id, d.sha256, d.model_id, d.ordinal)
    )
    return connection.execute(query).all()


def save_years(connection: sa.Connection, years: Mapping[str, tuple[int | None, int | None]]) -> None:
    """Write the years of records, by record id."""
    if years:
        connection.execute(
            sa.update(records)
            .where(records.c.id == sa.bindparam("key"))
            .values(year_from=sa.bindparam("first"), year_to=sa.bindparam("last")),
            [{"key": key, "first": first, "last": last} for key, (first, last) in years.items()],
        )


def save_corrections(connection: sa.Connection, changes: Sequence[Mapping[str, Any]]) -> None:
    """Write what the context makes of detections.

    Args:
        connection: inside a transaction.
        changes: ``{"key": id, "new_label", "new_score", "new_reason", "new_evidence", "new_version"}`` of each
            detection that changes.
    """
    if changes:
        connection.execute(
            sa.update(detections)
            .where(detections.c.id == sa.bindparam("key"))
            .values(
                label=sa.bindparam("new_label"),
                label_score=sa.bindparam("new_score"),
                label_reason=sa.bindparam("new_reason"),
                label_evidence=sa.bindparam("new_evidence"),
                context_version=sa.bindparam("new_version"),
            ),
            list(changes),
        )
