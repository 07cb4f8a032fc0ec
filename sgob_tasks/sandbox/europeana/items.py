"""What the stand-in serves: records from a folder of pictures, or any number of synthetic ones made on the fly."""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol

from PIL import Image

FIELDS = frozenset({"type", "contentTier", "metadataTier", "country", "dataProvider", "provider", "webResourceRights"})
SYNTHETIC_DATASET = "90000"
SYNTHETIC_START = datetime(2026, 1, 1, tzinfo=timezone.utc)
SYNTHETIC_STEP = timedelta(seconds=1)


@dataclass(frozen=True)
class Item:
    """One record, as the stand-in knows it.

    Attributes:
        record_id: ``/dataset/local``.
        rights: URI of the rights statement.
        updated: ``timestamp_update``.
        path: picture file; None for a record without one.
        has_media: the record names a picture (which may still fail to be served).
        fault: how its picture misbehaves when it is fetched (see ``media``), or None.
        extra: further fields, of those in ``FIELDS``.
    """

    record_id: str
    title: str
    creator: str
    date_text: str
    description: str
    language: str
    rights: str
    updated: datetime
    path: Path | None = None
    has_media: bool = True
    fault: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def dataset(self) -> str:
        """Data set id: what stands between the two slashes of the id."""
        return self.record_id.split("/")[1]

    @property
    def local(self) -> str:
        """Local id: what stands behind the second slash of the id."""
        return self.record_id.split("/")[2]


class Source(Protocol):
    """Records in the order of their id."""

    def __len__(self) -> int: ...

    def at(self, index: int) -> Item:
        """Return the record at this place of the order."""

    def find(self, record_id: str) -> int | None:
        """Return the place of a record, or None when there is none of this id."""


class ListSource:
    """Records that are all held in memory."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = sorted(items, key=lambda item: item.record_id)
        self._ids = [item.record_id for item in self._items]

    def __len__(self) -> int:
        return len(self._items)

    def at(self, index: int) -> Item:
        """Return the record at this place of the order."""
        return self._items[index]

    def find(self, record_id: str) -> int | None:
        """Return the place of a record, or None when there is none of this id."""
        place = bisect_left(self._ids, record_id)
        return place if place < len(self._ids) and self._ids[place] == record_id else None


class SyntheticSource:
    """``count`` records without pictures, each made when it is asked for: memory does not grow with ``count``."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def at(self, index: int) -> Item:
        """Return the record at this place of the order."""
        return Item(
            record_id=f"/{SYNTHETIC_DATASET}/synthetic_{index:09d}",
            title=f"Synthetic painting {index}",
            creator=f"Painter {index % 997}",
            date_text=str(1300 + index % 600),
            description=f"A saint and a horse before a castle, number {index}.",
            language="en",
            rights="http://creativecommons.org/publicdomain/mark/1.0/",
            updated=SYNTHETIC_START + index * SYNTHETIC_STEP,
        )

    def find(self, record_id: str) -> int | None:
        """Return the place of a record, or None when there is none of this id."""
        prefix = f"/{SYNTHETIC_DATASET}/synthetic_"
        digits = record_id.removeprefix(prefix)
        if len(digits) != 9 or not digits.isdecimal() or not record_id.startswith(prefix):
            return None
        return int(digits) if int(digits) < self._count else None


@functools.lru_cache(maxsize=4096)
def picture_size(path: Path) -> tuple[int, int] | None:
    """Return (width, height) in pixels, or None when the file is no picture."""
    try:
        with Image.open(path) as image:
            return image.size
    except OSError:
        return None
