"""The ground truth of an evaluation: a COCO data set (https://cocodataset.org/#format-data), checked once.

Nothing of the caller's object is changed. Image ids are whole numbers or texts, of one kind in one file.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO

from sgob_tasks.detection.files import load_json
from sgob_tasks.detection.masks import decode_mask
from sgob_tasks.errors import InputError

Id = int | str


@dataclass(frozen=True)
class Truth:
    """What there is to find.

    Attributes:
        source: where it was read, for messages.
        images: each picture's entry by its id, in the order of the ids, which is the order pycocotools takes.
        categories: names by id, in the order of the ids.
        annotations: instances. ``id`` is 1 and up in this order, ``iscrowd`` and ``area`` are always there.
    """

    source: str
    images: dict[Id, dict[str, Any]]
    categories: dict[int, str]
    annotations: tuple[dict[str, Any], ...]

    @property
    def without_mask(self) -> int:
        """Number of instances without a mask; a crowd region counts."""
        return sum(not annotation.get("segmentation") for annotation in self.annotations)

    def check_masks(self) -> None:
        """Look at every mask.

        Raises:
            InputError: an instance has none, or one that does not fit its picture, or its picture has no size.
        """
        for place, annotation in enumerate(self.annotations):
            where = f"annotations[{place}]"
            if not annotation.get("segmentation"):
                raise InputError(self.source, f"{where}.segmentation", None, "is missing: masks cannot be compared")
            width, height = self.size(annotation["image_id"])
            decode_mask(annotation["segmentation"], width, height, f"{self.source}: {where}")

    def size(self, image: Id) -> tuple[int, int]:
        """Return a picture's width and height in pixels.

        Raises:
            InputError: the ground truth does not say them.
        """
        sides = [self.images[image].get(side) for side in ("width", "height")]
        for side, value in zip(("width", "height"), sides, strict=True):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(self.source, f"images[id={image}].{side}", value, "must be a whole number, 1 or more")
        return sides[0], sides[1]  # type: ignore[return-value]  # checked above

    def index(self, annotations: Collection[dict[str, Any]] | None = None) -> Any:
        """Return pycocotools' index of these pictures and classes, with these or other annotations in it."""
        index = COCO()
        index.dataset = {
            "images": list(self.images.values()),
            "categories": [{"id": number, "name": name} for number, name in self.categories.items()],
            # pycocotools writes into annotations, and replaces a segmentation by another: a copy of one level is enough
            "annotations": [dict(entry) for entry in (self.annotations if annotations is None else annotations)],
        }
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
            index.createIndex()
        return index


def read_truth(truth: Path | dict[str, Any], source: str = "ground truth") -> Truth:
    """Read and check a COCO data set.

    Args:
        truth: a file, or what it holds.
        source: what it is called in messages where it is no file.

    Raises:
        InputError: a field that does not fit, named by its place.
    """
    data: Any = truth
    if isinstance(truth, Path):
        source, data = str(truth), load_json(truth)
    if not isinstance(data, dict):
        raise InputError(source, "document", type(data).__name__, "must be a COCO data set: an object")
    images = _images(_entries(data, source, "images"), source)
    categories = _categories(_entries(data, source, "categories"), source)
    annotations = tuple(
        _annotation(entry, place, source, images, categories)
        for place, entry in enumerate(_entries(data, source, "annotations"))
    )
    return Truth(source, images, categories, annotations)


def _entries(data: dict[str, Any], source: str, field: str) -> list[dict[str, Any]]:
    value = data.get(field)
    if value is None:
        raise InputError(source, field, None, "is missing: not a COCO data set")
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise InputError(source, field, type(value).__name__, "must be a list of objects")
    return value


def _images(entries: list[dict[str, Any]], source: str) -> dict[Id, dict[str, Any]]:
    if not entries:
        raise InputError(source, "images", [], "is empty: nothing to evaluate on")
    found: dict[Id, dict[str, Any]] = {}
    for place, entry in enumerate(entries):
        number = entry.get("id")
        if not isinstance(number, int | str) or isinstance(number, bool):
            raise InputError(source, f"images[{place}].id", number, "must be a whole number or a text")
        if number in found:
            raise InputError(source, f"images[{place}].id", number, "occurs twice")
        if type(number) is not type(entries[0]["id"]):
            raise InputError(source, f"images[{place}].id", number, "must be of the same kind as the others")
        found[number] = entry
    return {number: found[number] for number in sorted(found)}


def _categories(entries: list[dict[str, Any]], source: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for place, entry in enumerate(entries):
        number, name = entry.get("id"), entry.get("name")
        if not isinstance(number, int) or isinstance(number, bool) or number in found:
            raise InputError(source, f"categories[{place}].id", number, "must be a whole number that occurs once")
        if not isinstance(name, str) or not name or name in found.values():
            raise InputError(source, f"categories[{place}].name", name, "must be a name that occurs once")
        found[number] = name
    return dict(sorted(found.items()))


def _annotation(
    entry: dict[str, Any], place: int, source: str, images: Collection[Id], categories: Collection[int]
) -> dict[str, Any]:
    where = f"annotations[{place}]"
    for field, known, what in (("image_id", images, "picture"), ("category_id", categories, "category")):
        value = entry.get(field)
        if not isinstance(value, int | str) or value not in known:
            raise InputError(source, f"{where}.{field}", value, f"is the id of no {what}")
    box = checked_box(entry.get("bbox"), source, f"{where}.bbox")
    area = entry.get("area", box[2] * box[3])
    if not is_number(area) or area < 0:
        raise InputError(source, f"{where}.area", area, "must be a number of square pixels")
    # COCOeval takes the id 0 for "no match"; ids may also be missing or double. So they are given anew.
    return entry | {"id": place + 1, "bbox": box, "area": area, "iscrowd": int(bool(entry.get("iscrowd", 0)))}


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a number that is finite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def checked_box(value: Any, source: str, field: str) -> list[float]:
    """Return a box ``[x, y, width, height]`` in pixels.

    Raises:
        InputError: it is missing, has another form, or a side that is negative or not finite.
    """
    if value is None:
        raise InputError(source, field, None, "is missing")
    if not isinstance(value, list | tuple) or len(value) != 4 or not all(is_number(number) for number in value):
        raise InputError(source, field, value, "must be [x, y, width, height] in pixels")
    if value[2] < 0 or value[3] < 0:
        raise InputError(source, field, value, "must not have a negative width or height")
    return list(value)
