"""Applies the context to the detections in the store: dates, bounds, time priors, language model."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from sgob_tasks.context.date_range import of_years
from sgob_tasks.context.dates import DateRange, parse_date, parse_title_date
from sgob_tasks.context.evidence import Work
from sgob_tasks.context.picture_context import ContextModels, correct_with_context
from sgob_tasks.context.time_context import Correction, Seen
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.progress import track
from sgob_tasks.store import detections as queries
from sgob_tasks.store import step_inputs
from sgob_tasks.store.due import context_fingerprint
from sgob_tasks.store.tables import records

EXAMPLES_KEPT = 10
_COLUMNS: tuple[sa.ColumnElement[Any], ...] = (
    records.c.id,
    records.c.title,
    records.c.description,
    records.c.date_text,
    records.c.year_from,
    records.c.year_to,
)


@dataclass(frozen=True)
class ContextCounts:
    """What the context did.

    Attributes:
        records: records looked at: those that were due, or asked for.
        dated: those with a date that could be read; from a title: ``dated_by_title`` of them.
        undated: those without a date text.
        unparsable: those with a date text that could not be read.
        examples: the first of these texts.
        detections: detections looked at.
        relabelled: those whose class the context changed.
        rescored: those that kept their class at another score.
        removed: those of which nothing is left (label null, with a reason).
        changed: rows written; 0 when nothing is new since the last time.
    """

    records: int
    dated: int
    dated_by_title: int
    undated: int
    unparsable: int
    examples: tuple[str, ...]
    detections: int
    relabelled: int
    rescored: int
    removed: int
    changed: int


@dataclass
class _Tally:
    records: int = 0
    dated: int = 0
    dated_by_title: int = 0
    undated: int = 0
    unparsable: int = 0
    examples: list[str] = field(default_factory=list)
    detections: int = 0
    relabelled: int = 0
    rescored: int = 0
    removed: int = 0
    changed: int = 0


def apply_time_context(
    engine: sa.Engine, record_ids: Collection[str] | None = None, classes: ClassTable | None = None
) -> ContextCounts:
    """Apply the bounds alone; see :func:`apply_context`."""
    return apply_context(engine, ContextModels(classes or ClassTable.load()), record_ids)


def apply_context(engine: sa.Engine, models: ContextModels, record_ids: Collection[str] | None = None) -> ContextCounts:
    """Fill the years of records from their dates, and label, score, reason, evidence and version of their detections.

    Everything of a record is computed anew from what the detector said, so the result does not depend on earlier calls;
    only rows that differ are written. Records go page by page, each page in one transaction.

    The date is that of ``date_text``; where that is empty or cannot be read, one set off at the end of the title; else
    the years that the store has already. A detection of which nothing is left keeps its row: label null, score 0 and
    the reason.

    Args:
        engine: the store.
        models: what corrects the detections.
        record_ids: the records with these ids, whether they are due or not; None: all that are due, which are those
            that are new or of which anything has changed since this version of the models has last seen them (see
            ``store.step_inputs``).
    """
    chosen = _chosen(models.version, record_ids)
    with engine.connect() as connection:
        known = queries.model_classes(connection)
    tally = _Tally()
    pages = queries.record_pages(engine, [records.c.id], chosen)
    rows = itertools.chain.from_iterable(_pages_done(engine, pages, models, known, tally))
    for _ in track(rows, "Context"):
        tally.records += 1
    return ContextCounts(**{**vars(tally), "examples": tuple(tally.examples)})


def _chosen(version: str, record_ids: Collection[str] | None) -> sa.ColumnElement[bool]:
    if record_ids is not None:
        return queries.among(records.c.id, record_ids)
    return step_inputs.is_due(step_inputs.CONTEXT, records.c.id, context_fingerprint(version))


def _pages_done(
    engine: sa.Engine,
    pages: Iterable[Sequence[sa.Row[Any]]],
    models: ContextModels,
    known: Mapping[str, frozenset[str]],
    tally: _Tally,
) -> Iterator[Sequence[sa.Row[Any]]]:
    """Refine each page in a transaction of its own, and hand it on."""
    for page in pages:
        with engine.begin() as connection:
            _refine(connection, [row.id for row in page], models, known, tally)
        yield page


def _refine(
    connection: sa.Connection,
    ids: Sequence[str],
    models: ContextModels,
    known: Mapping[str, frozenset[str]],
    tally: _Tally,
) -> None:
    works: dict[str, Work] = {}
    years: dict[str, tuple[int | None, int | None]] = {}
    # Locked: the fingerprints are taken after the years are written, and must be of the records that were read.
    locked = sa.select(*_COLUMNS).where(queries.among(records.c.id, ids)).order_by(records.c.id)
    for row in connection.execute(locked.with_for_update(key_share=True)):
        date = _date_of(row, tally)
        works[row.id] = Work(row.title or "", row.description or "", date)
        if date is not None and (date.year_from, date.year_to) != (row.year_from, row.year_to):
            years[row.id] = (date.year_from, date.year_to)
    queries.save_years(connection, years)
    version = models.version
    present = sa.select(records.c.id, context_fingerprint(version)).where(queries.among(records.c.id, ids))
    step_inputs.keep(connection, step_inputs.CONTEXT, {row[0]: row[1] for row in connection.execute(present)})
    found = queries.detections_of(connection, ids)
    changes = []
    for (record_id, _, model_id), group in itertools.groupby(found, lambda r: (r.record_id, r.sha256, r.model_id)):
        rows = list(group)
        seen = [Seen(r.class_name, r.score, r.candidates, (r.x, r.y, r.width, r.height)) for r in rows]
        corrections = correct_with_context(seen, works[record_id], models, known.get(model_id))
        for row, correction in zip(rows, corrections, strict=True):
            _count(row, correction, tally)
            new = {
                "label": correction.label,
                "score": correction.label_score,
                "reason": correction.reason,
                "evidence": correction.evidence,
                "version": version,
            }
            old = (row.label, row.label_score, row.label_reason, row.label_evidence, row.context_version)
            if old != tuple(new.values()):
                changes.append({"key": row.id} | {f"new_{name}": value for name, value in new.items()})
    queries.save_corrections(connection, changes)
    tally.changed += len(years) + len(changes)


def _count(row: sa.Row[Any], correction: Correction, tally: _Tally) -> None:
    tally.detections += 1
    if correction.label is None:
        tally.removed += 1
    elif correction.label != row.class_name:
        tally.relabelled += 1
    elif correction.reason is not None:
        tally.rescored += 1


def _date_of(row: sa.Row[Any], tally: _Tally) -> DateRange | None:
    date = parse_date(row.date_text)
    if date is None:
        if row.date_text:
            tally.unparsable += 1
            if len(tally.examples) < EXAMPLES_KEPT:
                tally.examples.append(row.date_text[:80])
        else:
            tally.undated += 1
        date = parse_title_date(row.title)
        tally.dated_by_title += date is not None
    tally.dated += date is not None
    return date or of_years(row.year_from, row.year_to)
