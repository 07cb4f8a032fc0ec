"""Harvest update windows: Europeana's search -> records and the list of pictures to fetch.

A page and the cursor behind it are committed together, so that a harvest that was killed goes on where it was; every
record is upserted on its id, so that reading one twice changes nothing. Memory holds one page.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa

from sgob_tasks.config import EuropeanaSettings
from sgob_tasks.errors import PermanentError, TransientError
from sgob_tasks.harvest.client import ROWS, START, BadCursorError, EuropeanaClient, KeyRefusedError, Page
from sgob_tasks.harvest.parse import Record, Unusable, parse_item, refusal
from sgob_tasks.harvest.query import query_hash
from sgob_tasks.harvest.rights import judge_picture
from sgob_tasks.harvest.windows import Window, following
from sgob_tasks.progress import track
from sgob_tasks.store import media, records

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HarvestCounts:
    """What a harvest brought.

    Attributes:
        new: records that the store did not have.
        changed: records whose metadata or state (gone, refused) have changed since they were stored.
        same: records that the store had as they are.
        refused: of the new and changed ones, those kept but not enriched, by reason.
        unusable: items that could not be kept, by reason.
        notes: fields missing or malformed in the new and changed ones, by note.
        pages: pages read.
        windows: windows finished.
        windows_open: windows left open by an error; the next harvest goes on with them.
        errors: what went wrong, by window.
    """

    new: int = 0
    changed: int = 0
    same: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    unusable: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, int] = field(default_factory=dict)
    pages: int = 0
    windows: int = 0
    windows_open: int = 0
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        """Number of items read."""
        return self.new + self.changed + self.same + sum(self.unusable.values())

    def __add__(self, other: HarvestCounts) -> HarvestCounts:
        return HarvestCounts(
            new=self.new + other.new,
            changed=self.changed + other.changed,
            same=self.same + other.same,
            refused=_sum(self.refused, other.refused),
            unusable=_sum(self.unusable, other.unusable),
            notes=_sum(self.notes, other.notes),
            pages=self.pages + other.pages,
            windows=self.windows + other.windows,
            windows_open=self.windows_open + other.windows_open,
            errors={**self.errors, **other.errors},
        )


def _sum(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(left) + Counter(right)).items()))


def next_window(engine: sa.Engine, settings: EuropeanaSettings, now: datetime | None = None) -> Window:
    """Return the window that the next harvest covers: from one hour before the high-water mark until now.

    Args:
        engine: the store.
        settings: the query.
        now: end of the window; the present by default.
    """
    return following(records.high_water(engine, query_hash(settings)), now or datetime.now(timezone.utc))


def harvest(
    engine: sa.Engine,
    client: EuropeanaClient,
    window_from: datetime,
    window_to: datetime,
    settings: EuropeanaSettings,
    *,
    again: bool = False,
) -> HarvestCounts:
    """Harvest all records updated in a window, and what earlier harvests of the same query left open.

    An error in one window leaves it open and the others go on; an error that concerns all of them ends the harvest.

    Args:
        engine: the store.
        client: asks Europeana.
        window_from: first instant, UTC.
        window_to: last instant, UTC.
        settings: the query, and how many records a window may hold before it is split.
        again: read windows once more that are finished already; without it they are left alone.

    Returns:
        What this call has done; ``windows_open`` above 0 means that the harvest is not complete.

    Raises:
        KeyRefusedError: Europeana does not accept the key; the windows stay open.
        PermanentError: Europeana does not accept the query; the window is marked as failed and tried last next time.
        TransientError: another harvest is running.
    """
    ledger = query_hash(settings)
    asked = Window(window_from, window_to)
    counts = HarvestCounts()
    with records.exclusive(engine, "harvest"):
        with engine.begin() as connection:
            records.add_windows(connection, ledger, [(asked.start, asked.end)], again=again)
        tried: set[int] = set()
        if not records.open_windows(engine, ledger):
            log.info("window %s is harvested already", asked)
        while waiting := [w for w in records.open_windows(engine, ledger) if w.id not in tried]:
            window = waiting[0]
            tried.add(window.id)
            counts += _window(engine, client, ledger, window, settings.max_window_records, again=again)
    log.info("harvested %d new, %d changed, %d same records", counts.new, counts.changed, counts.same)
    return counts


def _window(
    engine: sa.Engine,
    client: EuropeanaClient,
    ledger: str,
    row: records.HarvestWindow,
    max_records: int,
    *,
    again: bool,
) -> HarvestCounts:
    """Split or walk one window, and write how it ended."""
    window = Window(row.window_from, row.window_to)
    walk = _Walk(engine, client, window, row)
    try:
        if row.cursor is None:
            total = client.count(window)
            halves = window.halves() if total > max_records else None
            if halves:
                parts = [(half.start, half.end) for half in halves]
                records.split_window(engine, ledger, row.id, total, parts, again=again)
                return HarvestCounts()
            walk.expected = total
        try:
            walk.run()
        except BadCursorError as error:
            log.warning("window %s: %s; walking it from the beginning", window, error)
            walk.restart()
            walk.run()
    except KeyRefusedError as error:
        records.mark_window(engine, row.id, error=str(error))
        raise
    except TransientError as error:
        log.warning("window %s stays open: %s", window, error)
        records.mark_window(engine, row.id, error=str(error))
        return walk.counts + HarvestCounts(windows_open=1, errors={str(window): str(error)})
    except PermanentError as error:
        records.mark_window(engine, row.id, state="failed", error=str(error))
        raise
    return walk.counts + HarvestCounts(windows=1)


class _Walk:
    """A cursor walk through one window, from wherever the ledger says it is."""

    def __init__(self, engine: sa.Engine, client: EuropeanaClient, window: Window, row: records.HarvestWindow) -> None:
        self.engine, self.client, self.window, self.row = engine, client, window, row
        self.counts = HarvestCounts()
        self.expected: int | None = None

    def restart(self) -> None:
        """Forget the cursor; what is stored stays and is found to be the same."""
        self.row = replace(self.row, cursor=None, pages=0, counts={})

    def run(self) -> None:
        """Read page after page until the end.

        Raises:
            TransientError: a page cannot be had, or the walk ended early; the ledger has how far it came.
        """
        pages = None if self.expected is None else -(-self.expected // ROWS)
        for page in track(self._pages(), f"Harvesting {self.window}", total=pages):
            self._store(page)

    def _pages(self) -> Iterator[Page]:
        """Yield pages; the one that is yielded is stored before the next is asked for."""
        while True:
            page = self.client.search_page(self.window, self.row.cursor or START)
            yield page
            walked = int(self.row.counts.get("seen", 0))
            if page.next_cursor is None:
                return
            if walked > 2 * page.total + ROWS:
                self._forget_cursor()
                raise TransientError(f"the walk does not end: {walked} items of {page.total} announced")

    def _store(self, page: Page) -> None:
        with self.engine.begin() as connection:
            brought = store_items(connection, page.items)
            so_far = self.row.counts
            walked = int(so_far.get("seen", 0)) + len(page.items)
            summary = {
                "seen": walked,
                "new": int(so_far.get("new", 0)) + brought.new,
                "changed": int(so_far.get("changed", 0)) + brought.changed,
                "same": int(so_far.get("same", 0)) + brought.same,
                "refused": _sum(so_far.get("refused", {}), brought.refused),
                "unusable": _sum(so_far.get("unusable", {}), brought.unusable),
            }
            self.row = replace(self.row, cursor=page.next_cursor, pages=self.row.pages + 1, counts=summary)
            # Records leave a window while it is walked (they are updated again); a page that is missing is more.
            missing = page.total - walked if page.next_cursor is None else 0
            ended_early = missing > max(1, page.total // 100)
            finished = page.next_cursor is None and not ended_early
            records.commit_page(connection, self.row, page.total, finished=finished)
        self.counts += brought
        if ended_early:
            self._forget_cursor()
            raise TransientError(f"the walk ended after {walked} of {page.total} records")

    def _forget_cursor(self) -> None:
        self.restart()
        records.mark_window(self.engine, self.row.id, cursor=None, pages=0, counts={})


def store_items(connection: sa.Connection, items: tuple[Any, ...]) -> HarvestCounts:
    """Store the items of one page.

    Args:
        connection: inside a transaction.
        items: of a search answer, scrubbed.

    Returns:
        The counts of this page.
    """
    parsed: dict[str, Record] = {}
    unusable: Counter[str] = Counter()
    repeated = 0
    for item in items:
        record = parse_item(item)
        if isinstance(record, Unusable):
            unusable[record.reason] += 1
        else:
            repeated += record.id in parsed
            parsed[record.id] = record
    stored = records.known(connection, list(parsed))
    rows: list[dict[str, Any]] = []
    touched: dict[str, datetime | None] = {}
    refused: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    new = 0
    for record in parsed.values():
        before = stored.get(record.id)
        reason = _refusal(record, before)
        row = _row(record, reason)
        if before and (before.content_hash, before.state, before.reason) == (
            record.content_hash,
            row["state"],
            reason,
        ):
            if before.timestamp_update != record.timestamp_update:
                touched[record.id] = record.timestamp_update
            continue
        new += before is None
        rows.append(row)
        notes.update(record.notes)
        if reason:
            refused[reason] += 1
    records.upsert(connection, rows)
    records.touch(connection, touched)
    media.add_pictures(connection, [(row["id"], row["image_url"]) for row in rows if row["state"] == "active"])
    return HarvestCounts(
        new=new,
        changed=len(rows) - new,
        same=len(parsed) - len(rows) + repeated,
        refused=dict(refused),
        unusable=dict(unusable),
        notes=dict(notes),
        pages=1,
    )


def _refusal(record: Record, before: records.Known | None) -> str | None:
    """Return why a record is not enriched; what is known of the rights of this very picture overrides the record's."""
    reason = refusal(record)
    if before and before.picture_rights and before.image_url == record.image_url:
        return reason or judge_picture(record.rights, before.picture_rights).reason
    return reason


def _row(record: Record, reason: str | None) -> dict[str, Any]:
    return {
        "id": record.id,
        "state": "refused" if reason else "active",
        "reason": reason,
        "title": record.title,
        "creator": record.creator,
        "description": record.description,
        "language": record.language,
        "date_text": record.date_text,
        "rights": record.rights,
        "data_provider": record.data_provider,
        "image_url": record.image_url,
        "landing_url": record.landing_url,
        "timestamp_update": record.timestamp_update,
        "content_hash": record.content_hash,
        "raw": record.raw,
    }
