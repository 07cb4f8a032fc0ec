"""The harvest against a stand-in Europeana and a real PostgreSQL."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.errors import PermanentError, TransientError
from sgob_tasks.harvest.clean import scrub
from sgob_tasks.harvest.client import BadCursorError, EuropeanaClient, KeyRefusedError, Page
from sgob_tasks.harvest.ingest import HarvestCounts, harvest, next_window, store_items
from sgob_tasks.harvest.query import query_hash
from sgob_tasks.harvest.recheck import recheck
from sgob_tasks.harvest.windows import FIRST_UPDATE, OVERLAP, Window
from sgob_tasks.store.records import exclusive
from sgob_tasks.store.tables import harvests, media, records
from tests.integration.harvest.conftest import KEY, PDM, StandIn

pytestmark = pytest.mark.integration

UTC = timezone.utc
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
Synthetic = Callable[[int], StandIn]
Collected = Callable[..., StandIn]


def run(
    engine: sa.Engine, stand_in: StandIn, start: datetime = START, end: datetime = END, **changes: Any
) -> HarvestCounts:
    again = changes.pop("again", False)
    with stand_in.client(**changes) as client:
        return harvest(engine, client, start, end, stand_in.settings(**changes), again=again)


def contents(engine: sa.Engine) -> list[list[tuple[Any, ...]]]:
    """Return everything in the tables of the harvest."""
    with engine.connect() as connection:
        return [
            [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in (harvests, records, media)
        ]


def ledger(engine: sa.Engine, *columns: sa.Column[Any]) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        rows = connection.execute(sa.select(*columns).order_by(harvests.c.window_from, harvests.c.window_to))
        return [tuple(row) for row in rows]


def number(engine: sa.Engine, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    with engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one())


def row_of(engine: sa.Engine, record_id: str) -> dict[str, Any]:
    with engine.connect() as connection:
        return dict(connection.execute(sa.select(records).where(records.c.id == record_id)).mappings().one())


def item(local: str = "a", **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": f"/1/{local}",
        "title": ["A knight"],
        "year": ["1500"],
        "rights": [PDM],
        "edmIsShownBy": [f"https://m.example/{local}.jpg"],
        "timestamp_update": "2026-01-01T00:00:00.000Z",
    }
    return {name: value for name, value in (values | changes).items() if value is not None}


def store_page(engine: sa.Engine, *items: Any) -> HarvestCounts:
    with engine.begin() as connection:
        return store_items(connection, items)


def test_everything_arrives_and_a_second_run_changes_nothing(store: sa.Engine, synthetic: Synthetic) -> None:
    stand_in = synthetic(250)
    counts = run(store, stand_in)
    assert (counts.new, counts.windows, counts.windows_open) == (250, 1, 0)
    assert number(store, records, records.c.state == "active") == 250
    assert number(store, media, media.c.state == "pending") == 250
    assert ledger(store, harvests.c.state, harvests.c.total, harvests.c.cursor) == [("done", 250, None)]
    before = contents(store)
    assert run(store, stand_in) == HarvestCounts()  # the window is finished
    assert contents(store) == before
    again = run(store, stand_in, again=True)
    assert (again.new, again.changed, again.same) == (0, 0, 250)
    assert contents(store)[1:] == before[1:]


def test_the_key_is_stored_nowhere(store: sa.Engine, synthetic: Synthetic) -> None:
    run(store, synthetic(30))
    assert KEY not in json.dumps(contents(store), default=str)
    assert "wskey=REMOVED" in row_of(store, "/90000/synthetic_000000000")["raw"]["link"]


def test_crowded_windows_are_split_and_nothing_is_lost_at_the_borders(store: sa.Engine, synthetic: Synthetic) -> None:
    counts = run(store, synthetic(900), max_window_records=100)
    assert counts.new == 900
    assert counts.windows_open == 0
    states = [state for (state,) in ledger(store, harvests.c.state)]
    assert states.count("split") >= 8
    assert set(states) == {"split", "done"}
    done = [
        row[:2]
        for row in ledger(store, harvests.c.window_from, harvests.c.window_to, harvests.c.state)
        if row[2] == "done"
    ]
    assert done[0][0] == START
    assert done[-1][1] == END
    assert all(left[1] == right[0] for left, right in itertools.pairwise(done))


@pytest.mark.parametrize("kind", ["status", "cut", "cut_body"])
def test_faults_that_pass_are_not_noticed(store: sa.Engine, synthetic: Synthetic, kind: str) -> None:
    stand_in = synthetic(250)
    stand_in.control("faults", {"path": "/record/v2/search.json", "kind": kind, "status": 502, "count": 3, "skip": 1})
    counts = run(store, stand_in)
    assert (counts.new, counts.windows_open) == (250, 0)


def test_a_page_that_fails_leaves_its_window_open_and_the_next_night_goes_on(
    store: sa.Engine, synthetic: Synthetic
) -> None:
    stand_in = synthetic(450)
    other = datetime(2026, 1, 1, 0, 3, tzinfo=UTC)
    # count, page 1 and page 2 of the first window pass; page 3 fails until it is given up
    stand_in.control(
        "faults", {"path": "/record/v2/search.json", "kind": "status", "status": 503, "count": 5, "skip": 3}
    )
    first = run(store, stand_in)
    assert (first.new, first.windows, first.windows_open) == (200, 0, 1)
    assert "503" in next(iter(first.errors.values()))
    assert number(store, records) == 200
    state, pages, cursor, error = ledger(
        store, harvests.c.state, harvests.c.pages, harvests.c.cursor, harvests.c.error
    )[0]
    assert (state, pages) == ("open", 2)
    assert cursor
    assert "gave up after 5 attempts" in error
    stand_in.control("reset")
    second = run(store, stand_in, START, other)
    assert (second.new, second.windows, second.windows_open) == (250, 2, 0)
    # the other window alone (three minutes of one record a second, both ends included): page 1 and 2 are not read again
    assert second.same == 181
    assert ledger(store, harvests.c.state, harvests.c.error) == [("done", None), ("done", None)]


def test_a_window_that_fails_does_not_stop_the_others(store: sa.Engine, synthetic: Synthetic) -> None:
    stand_in = synthetic(300)
    # the whole is counted (1); the first half fails when it is counted
    stand_in.control(
        "faults", {"path": "/record/v2/search.json", "kind": "status", "status": 503, "count": 5, "skip": 1}
    )
    end = START + timedelta(seconds=299)
    counts = run(store, stand_in, START, end, max_window_records=200)
    assert counts.windows == 1
    assert counts.windows_open == 1
    assert 149 <= counts.new <= 151
    assert run(store, stand_in, START, end, max_window_records=200).windows_open == 0
    assert number(store, records) == 300


def test_a_killed_harvest_goes_on_behind_its_last_page(store: sa.Engine, synthetic: Synthetic) -> None:
    stand_in = synthetic(350)

    class Killed(BaseException):
        pass

    class Dying(EuropeanaClient):
        def search_page(self, window: Window, cursor: str = "*") -> Page:
            if number(store, records) >= 200:
                raise Killed
            return super().search_page(window, cursor)

    with Dying(stand_in.settings()) as client, pytest.raises(Killed):
        harvest(store, client, START, END, stand_in.settings())
    assert number(store, records) == 200
    stand_in.control("reset")
    counts = run(store, stand_in)
    assert (counts.new, counts.same) == (150, 0)


def test_a_cursor_that_is_refused_means_beginning_again(store: sa.Engine, synthetic: Synthetic) -> None:
    stand_in = synthetic(250)

    class Forgetful(EuropeanaClient):
        refused = False

        def search_page(self, window: Window, cursor: str = "*") -> Page:
            if cursor != "*" and not self.refused:
                self.refused = True
                raise BadCursorError("cursor not accepted (400-SC)")
            return super().search_page(window, cursor)

    with Forgetful(stand_in.settings()) as client:
        counts = harvest(store, client, START, END, stand_in.settings())
    assert (counts.new, counts.same, counts.windows) == (250, 100, 1)
    assert ledger(store, harvests.c.counts)[0][0]["seen"] == 250


@pytest.mark.parametrize(("pages", "text"), [("short", "ended after 100 of 250"), ("endless", "does not end")])
def test_a_walk_that_is_not_whole_stays_open(store: sa.Engine, synthetic: Synthetic, pages: str, text: str) -> None:
    stand_in = synthetic(250)

    class Odd(EuropeanaClient):
        def search_page(self, window: Window, cursor: str = "*") -> Page:
            page = super().search_page(window)
            return replace(page, next_cursor=None if pages == "short" else cursor + "x")

    with Odd(stand_in.settings()) as client:
        counts = harvest(store, client, START, END, stand_in.settings())
    assert counts.windows_open == 1
    assert text in next(iter(counts.errors.values()))
    assert ledger(store, harvests.c.state, harvests.c.cursor) == [("open", None)]
    assert run(store, stand_in).windows_open == 0
    assert number(store, records) == 250


def test_a_refused_key_stops_the_run_and_leaves_the_window_open(store: sa.Engine, synthetic: Synthetic) -> None:
    stand_in = synthetic(20)
    with pytest.raises(KeyRefusedError, match="401"):
        run(store, stand_in, api_key="another-key")
    assert ledger(store, harvests.c.state)[0][0] == "open"
    assert run(store, stand_in).new == 20


def test_a_refused_query_is_told_and_tried_last_next_time(store: sa.Engine, synthetic: Synthetic) -> None:
    stand_in = synthetic(20)
    stand_in.control("faults", {"path": "/record/v2/search.json", "kind": "status", "status": 400})
    with pytest.raises(PermanentError, match="400"):
        run(store, stand_in)
    assert ledger(store, harvests.c.state)[0][0] == "failed"
    assert run(store, stand_in).new == 20
    assert ledger(store, harvests.c.state, harvests.c.error) == [("done", None)]


def test_two_harvests_at_once_are_one_too_many(store: sa.Engine, synthetic: Synthetic) -> None:
    stand_in = synthetic(20)
    with exclusive(store, "harvest"), pytest.raises(TransientError, match="another harvest is running"):
        run(store, stand_in)
    assert run(store, stand_in).new == 20


def test_the_next_window_begins_an_hour_before_the_last_one_ended(store: sa.Engine, synthetic: Synthetic) -> None:
    stand_in = synthetic(5)
    settings = stand_in.settings()
    assert next_window(store, settings).start == FIRST_UPDATE
    run(store, stand_in)
    assert next_window(store, settings).start == END - OVERLAP
    run(store, stand_in, END, datetime(2100, 1, 1, tzinfo=UTC))
    window = next_window(store, settings)
    assert timedelta(0) <= datetime.now(UTC) - window.start - OVERLAP < timedelta(minutes=1)  # not 2100
    other = settings.model_copy(update={"query": "horse"})
    assert query_hash(other) != query_hash(settings)
    assert next_window(store, other).start == FIRST_UPDATE


def test_records_new_changed_same_and_refused(store: sa.Engine) -> None:
    first = store_page(
        store,
        item("a"),
        item("b", title=None, year=None),
        item("c", rights=["http://rightsstatements.org/vocab/InC/1.0/"]),
        item("d", edmIsShownBy=None),
        item("e"),
        item("e"),
        {"title": ["no id"]},
        "no object",
    )
    assert (first.new, first.changed, first.same) == (5, 0, 1)
    assert first.refused == {"rights: in copyright": 1, "no image": 1}
    assert first.unusable == {"no id": 1, "item is not an object": 1}
    assert first.notes == {"no title": 1, "no date": 1}
    assert number(store, media) == 3
    assert (row_of(store, "/1/c")["state"], row_of(store, "/1/c")["reason"]) == ("refused", "rights: in copyright")
    before = contents(store)
    assert store_page(store, item("a"), item("c", rights=["http://rightsstatements.org/vocab/InC/1.0/"])).same == 2
    assert contents(store) == before
    touched = item("d", timestamp_update="2026-01-05T00:00:00Z", edmIsShownBy=None)
    later = store_page(store, item("a", title=["A horse"]), item("c"), touched)
    assert (later.new, later.changed, later.same) == (0, 2, 1)
    assert row_of(store, "/1/a")["title"] == "A horse"
    assert row_of(store, "/1/c")["state"] == "active"
    assert row_of(store, "/1/d")["timestamp_update"] == datetime(2026, 1, 5, tzinfo=UTC)
    assert number(store, media, media.c.record_id == "/1/c") == 1


def test_a_changed_image_is_another_picture_and_a_changed_date_empties_the_years(store: sa.Engine) -> None:
    store_page(store, item("a"), item("b"))
    with store.begin() as connection:
        connection.execute(sa.update(records).values(year_from=1500, year_to=1510))
    store_page(store, item("a", edmIsShownBy=["https://m.example/new.jpg"]), item("b", year=["1600"]))
    assert number(store, media, media.c.record_id == "/1/a") == 2
    assert (row_of(store, "/1/a")["year_from"], row_of(store, "/1/a")["year_to"]) == (1500, 1510)
    assert (row_of(store, "/1/b")["year_from"], row_of(store, "/1/b")["year_to"]) == (None, None)


def test_text_that_postgresql_cannot_hold_does_not_stop_a_page(store: sa.Engine) -> None:
    odd = json.loads(r'{"id": "/1/odd", "title": ["a\u0000b\ud800"], "score": 1e999, "year": [NaN]}')
    assert store_page(store, scrub(odd)).new == 1
    assert row_of(store, "/1/odd")["title"] == "ab"


def test_recheck_finds_what_is_gone_merged_and_not_allowed(store: sa.Engine, collection: Collected) -> None:
    closed = "http://creativecommons.org/licenses/by-nc-nd/4.0/"
    stand_in = collection({}, {}, {}, {"extra": {"webResourceRights": closed}})
    counts = run(store, stand_in, FIRST_UPDATE, datetime.now(UTC))
    assert counts.new == 4
    ids = [row[0] for row in contents(store)[1]]
    stand_in.control(f"items{ids[0]}", method="DELETE")
    stand_in.control(f"items{ids[1]}/redirect", {"to": ids[2]})
    with stand_in.client() as client:
        found = recheck(store, client, limit=10)
    assert (found.checked, found.gone, found.merged, found.failed) == (4, 1, 1, 0)
    assert found.refused == {"rights: no derivatives": 1}
    states = [(row_of(store, id_)["state"], row_of(store, id_)["reason"]) for id_ in ids]
    assert states == [
        ("gone", "gone (404)"),
        ("gone", f"merged into {ids[2]}"),
        ("active", None),
        ("refused", "rights: no derivatives"),
    ]
    # what the search says again does not overrule what the Record API knows of the picture
    assert run(store, stand_in, FIRST_UPDATE, datetime.now(UTC)).changed == 0
    assert row_of(store, ids[3])["state"] == "refused"
    stand_in.control(f"items{ids[0]}/restore")
    assert run(store, stand_in, FIRST_UPDATE, datetime.now(UTC)).changed == 1
    assert row_of(store, ids[0])["state"] == "active"


def test_recheck_takes_turns(store: sa.Engine, synthetic: Synthetic) -> None:
    stand_in = synthetic(12)
    run(store, stand_in)
    with stand_in.client() as client:
        for ever_checked in (5, 8, 11, 12):  # two of five are kept for old ones once there are any
            assert recheck(store, client, limit=5).checked == 5
            assert number(store, records, records.c.checked_at > START) == ever_checked
        stand_in.control("faults", {"path": "/record/v2/90000", "kind": "status", "status": 503, "count": 100})
        with pytest.raises(TransientError, match="3 failures in a row"):
            recheck(store, client, limit=5)
