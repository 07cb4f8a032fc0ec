"""The one form in memory that every annotation format is read into: data set, picture, instance.

The fields are COCO's (https://cocodataset.org/#format-data). What a format says beyond them (title, years, style of a
picture; pose, truncated, difficult of an object) is kept by its name in ``extras`` and goes through every form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Box = tuple[float, float, float, float]

SPLITS = ("train", "val", "test")
"""The splits there are, in the order in which they are shown."""

EDGE_TOLERANCE = 1.0
"""Pixels by which a box may lie outside its picture: tools disagree by one (counting from 0 or 1, ends in or out)."""


class Slice(Protocol):
    """A part of a larger file that holds one encoded picture, such as a member of a tar shard."""

    def read_bytes(self) -> bytes:
        """Return the part; raises ``InputError`` where it is damaged."""

    def __str__(self) -> str:
        """Return the file and the place in it, for messages."""


@dataclass(frozen=True)
class Instance:
    """One object in a picture.

    Attributes:
        class_index: 1 and up, into the data set's classes.
        box: ``(x, y, width, height)`` in pixels.
        crowd: a region of many objects, neither right nor wrong to find.
        segmentation: COCO polygons or run-length code, or None where no mask is known.
        area: pixels of the object where the source says so; COCO's size classes go by it.
        extras: further fields of the source, JSON values.
    """

    class_index: int
    box: Box
    crowd: bool
    segmentation: Any
    area: float | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """One picture and what is in it.

    Attributes:
        picture_id: unique within its split.
        path: absolute, of the file that holds it: the picture's own, or a shard.
        width, height: in pixels, of the picture as it is shown (turned as its EXIF orientation says).
        instances: what is in it.
        file_name: its name in the data set.
        extras: further fields of the source, JSON values: title, year_from, year_to, style, anachronistic, ...
        stored: where in ``path`` it is; None where it is the whole file.
    """

    picture_id: int
    path: Path
    width: int
    height: int
    instances: tuple[Instance, ...]
    file_name: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)
    stored: Slice | None = None

    def read_bytes(self) -> bytes:
        """Return the encoded picture (JPEG, PNG, ...).

        Raises:
            OSError: the file cannot be read.
            InputError: the shard is damaged.
        """
        return self.path.read_bytes() if self.stored is None else self.stored.read_bytes()

    def __str__(self) -> str:
        """Return where the picture is, for messages."""
        return str(self.path) if self.stored is None else f"{self.stored} ({self.file_name})"


@dataclass(frozen=True)
class Dataset:
    """One split of a data set.

    Attributes:
        source: the annotation file or folder.
        classes: names, in the order of the network's classes 1 and up.
        category_ids: COCO category of each class.
        pictures: in the order of their ids.
        supercategories: kind of each class, empty where the source has none; as many as ``classes``, or none at all.
    """

    source: Path
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    pictures: tuple[Picture, ...]
    supercategories: tuple[str, ...] = ()

    @property
    def instances_with_mask(self) -> int:
        """Number of instances whose mask is known."""
        return sum(instance.segmentation is not None for picture in self.pictures for instance in picture.instances)

    @property
    def instance_count(self) -> int:
        """Number of all instances."""
        return sum(len(picture.instances) for picture in self.pictures)


def fit_box(box: Sequence[float], width: int, height: int, tolerance: float = EDGE_TOLERANCE) -> Box:
    """Return a box cut to its picture.

    Args:
        box: ``(x, y, width, height)`` in pixels.
        width: the picture's.
        height: the picture's.
        tolerance: pixels by which it may lie outside.

    Raises:
        ValueError: it is not finite, has no area, or lies outside; the message says which.
    """
    x, y, w, h = (float(number) for number in box)
    if not all(math.isfinite(number) for number in (x, y, w, h)):
        raise ValueError("must be finite numbers")
    if w <= 0 or h <= 0:
        raise ValueError("must have a positive width and height: it has no area")
    if x < -tolerance or y < -tolerance or x + w > width + tolerance or y + h > height + tolerance:
        raise ValueError(f"lies outside its picture of {width} x {height} pixels")
    left, top = max(x, 0.0), max(y, 0.0)
    # Whole boxes pass untouched: subtracting the corner again would cost the last bits of a fraction.
    new_width = w if left == x and x + w <= width else min(x + w, width) - left
    new_height = h if top == y and y + h <= height else min(y + h, height) - top
    if new_width <= 0 or new_height <= 0:
        raise ValueError(f"lies outside its picture of {width} x {height} pixels")
    return left, top, new_width, new_height


def json_value(value: Any) -> Any:
    """Return a value as JSON can hold it: numbers that are not finite, which Python reads, become None."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(name): json_value(entry) for name, entry in value.items()}
    return [json_value(entry) for entry in value] if isinstance(value, (list, tuple)) else value
