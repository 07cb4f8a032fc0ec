"""Records with their present state: search with sort, pages and cursors."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from array import array
from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sgob_tasks.sandbox.europeana.items import Item, Source
from sgob_tasks.sandbox.europeana.query import Predicate, compile_query
from sgob_tasks.sandbox.europeana.state import ItemState, State
from sgob_tasks.sandbox.europeana.views import Views

# Encodes to "+/+/": a client that forgets to percent-encode the cursor is found out at its first page.
_CURSOR_MAGIC = b"\xfb\xff\xbf"
_CACHED_QUERIES = 8
_SORTABLE = {"timestamp_update", "timestamp_created", "europeana_id", "score", "COMPLETENESS", "random", "has_media"}


class CursorError(ValueError):
    """The cursor is none of ours (an unencoded ``+`` became a space)."""


@dataclass(frozen=True)
class Sort:
    """One sort key: a field and its direction."""

    field: str
    descending: bool


def parse_sort(text: str) -> list[Sort]:
    """Return the sort keys of ``timestamp_update+asc,europeana_id desc``; unknown fields are left out."""
    keys = []
    for part in text.replace("+", " ").split(","):
        words = part.split()
        if words and words[0].split("_")[0] in {"random"} | {name.split("_")[0] for name in _SORTABLE}:
            keys.append(Sort(words[0], len(words) < 2 or words[1].lower() != "asc"))
    return keys


def encode_cursor(position: int, record_id: str) -> str:
    """Return an opaque cursor that stands behind a record; always holds ``+`` and ``/``."""
    payload = json.dumps([position, record_id], separators=(",", ":")).encode()
    return base64.b64encode(_CURSOR_MAGIC + payload).decode()


def decode_cursor(cursor: str) -> tuple[int, str]:
    """Return (place in the order, record id) of a cursor.

    Raises:
        CursorError: it is not Base64 or not one of ours.
    """
    try:
        data = base64.b64decode(cursor, validate=True)
        if not data.startswith(_CURSOR_MAGIC):
            raise CursorError(cursor)
        position, record_id = json.loads(data.removeprefix(_CURSOR_MAGIC))
        return int(position), str(record_id)
    except (binascii.Error, ValueError, TypeError) as error:
        raise CursorError(cursor) from error


class Catalogue:
    """The records of a source, minus the deleted ones, with touched times."""

    def __init__(self, source: Source, state: State, views: Views) -> None:
        self.source, self.state, self.views = source, state, views
        self._matches: OrderedDict[tuple[object, ...], array[int]] = OrderedDict()

    def __len__(self) -> int:
        gone = sum(1 for rid, item in self.state.items.items() if item.deleted and self.source.find(rid) is not None)
        return len(self.source) - gone

    def item_state(self, record_id: str) -> ItemState:
        """Return what has happened to a record since it was collected."""
        return self.state.items.get(record_id, ItemState())

    def updated(self, item: Item) -> datetime:
        """Return the present ``timestamp_update`` of a record."""
        return self.item_state(item.record_id).updated or item.updated

    def get(self, record_id: str) -> Item | None:
        """Return a record by its id or, after a merge, by its old one; None when it is unknown or deleted."""
        redirect = self.item_state(record_id).redirect
        if redirect is not None:
            return self.get(redirect)
        if self.item_state(record_id).deleted:
            return None
        place = self.source.find(record_id)
        return None if place is None else self.source.at(place)

    def matches(self, query: str, filters: Sequence[str], rights: frozenset[str], sort: Sequence[Sort]) -> array[int]:
        """Return the places of all matching records in sort order.

        Kept for the next page of the same walk: four bytes a record, whatever the records hold.

        Raises:
            QueryError: the query or a filter cannot be parsed.
        """
        key = (query, tuple(filters), rights, tuple(sort), self.state.version)
        if key in self._matches:
            self._matches.move_to_end(key)
            return self._matches[key]
        predicates: list[Predicate] = [compile_query(text) for text in (query, *filters)]
        if rights:
            predicates.append(lambda lookup: lookup("REUSABILITY")[0] in rights)
        found = array("L" if array("I").itemsize < 4 else "I")
        hidden = {rid for rid, item in self.state.items.items() if item.deleted or item.redirect}
        for place in range(len(self.source)):
            item = self.source.at(place)
            if item.record_id in hidden:
                continue
            lookup = self.views.lookup(item, self.updated(item))
            if all(predicate(lookup) for predicate in predicates):
                found.append(place)
        found = self._sorted(found, sort)
        self._matches[key] = found
        while len(self._matches) > _CACHED_QUERIES:
            self._matches.popitem(last=False)
        return found

    def _sorted(self, places: array[int], sort: Sequence[Sort]) -> array[int]:
        for key in reversed(sort):  # sorts are stable: the least important key goes first
            if key.field.startswith("timestamp"):
                times = {place: self.updated(self.source.at(place)) for place in places}
                places = array("I", sorted(places, key=times.__getitem__, reverse=key.descending))
            elif key.field == "europeana_id":
                places = array("I", sorted(places, reverse=key.descending))
            elif key.field.startswith("random"):
                places = array("I", sorted(places, key=lambda p: hashlib.sha256(f"{key.field}{p}".encode()).digest()))
        return places

    def page_after(self, places: array[int], cursor: str, rows: int, *, by_id: bool) -> tuple[array[int], int]:
        """Return one page of a cursor walk and the place in the order where it ends.

        Args:
            places: all matches, in order.
            cursor: ``*`` or an earlier ``nextCursor``.
            rows: size of the page.
            by_id: the order is ascending by id: then records that came or went in between move nothing.

        Raises:
            CursorError: the cursor is none.
        """
        start = 0
        if cursor != "*":
            start, record_id = decode_cursor(cursor)
            last = self.source.find(record_id)
            if by_id and last is not None:
                start = bisect_right(places, last)
        page = places[start : start + rows]
        return page, start + len(page)

    def facet(self, places: array[int], name: str, limit: int, offset: int) -> dict[str, Any]:
        """Return the counts of one facet over all matches, most frequent first."""
        counts: Counter[str] = Counter()
        for place in places:
            item = self.source.at(place)
            counts.update(value for value in self.views.lookup(item, self.updated(item))(name) if value)
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[offset : offset + limit]
        return {"name": name, "fields": [{"label": label, "count": count} for label, count in ranked]}
