from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.errors import InputError
from sgob_tasks.harvest.windows import FIRST_UPDATE, OVERLAP, SMALLEST, Window, following

UTC = timezone.utc
moments = st.datetimes(datetime(2008, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - st adds the zone


def leaves(window: Window, crowded: int) -> list[Window]:
    """Split ``crowded`` levels deep, as a harvest of a crowded window would."""
    halves = window.halves() if crowded else None
    return [window] if halves is None else [leaf for half in halves for leaf in leaves(half, crowded - 1)]


@given(moments, st.timedeltas(timedelta(0), timedelta(days=400)), st.integers(0, 6))
def test_the_parts_cover_the_window_and_share_their_borders(start: datetime, length: timedelta, depth: int) -> None:
    window = Window(start, start + length)
    parts = leaves(window, depth)
    assert parts[0].start == window.start
    assert parts[-1].end == window.end
    assert all(left.end == right.start for left, right in itertools.pairwise(parts))
    assert all(part.start < part.end for part in parts) or length == timedelta(0)


@given(moments, st.timedeltas(timedelta(0), SMALLEST))
def test_a_minute_is_not_split(start: datetime, length: timedelta) -> None:
    assert Window(start, start + length).halves() is None


def test_a_window_is_written_as_solr_reads_it() -> None:
    window = Window(datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 1, 16, 0, 0, 0, 500_000, tzinfo=UTC))
    assert window.filter == "timestamp_update:[2026-01-15T00:00:00Z TO 2026-01-16T00:00:00.500Z]"


def test_other_zones_become_utc() -> None:
    east = timezone(timedelta(hours=2))
    assert str(Window(datetime(2026, 7, 1, 2, tzinfo=east), datetime(2026, 7, 1, 3, tzinfo=east))) == (
        "2026-07-01T00:00:00Z TO 2026-07-01T01:00:00Z"
    )


def test_ends_without_zone_or_in_the_wrong_order_are_refused() -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(InputError, match="has no time zone"):
        Window(day.replace(tzinfo=None), day)
    with pytest.raises(InputError, match="before the start"):
        Window(day, day - timedelta(seconds=1))


def test_the_first_window_begins_with_europeana_and_the_next_overlap() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    first = following(None, now)
    assert (first.start, first.end) == (FIRST_UPDATE, now.replace(microsecond=0))
    assert following(first.end, now + timedelta(days=1)).start == first.end - OVERLAP


@given(moments, moments)
def test_the_next_window_never_ends_before_it_begins(high_water: datetime, now: datetime) -> None:
    window = following(high_water, now)
    assert window.start <= window.end <= now
