"""COCO-format data sets: reading and checking them.

The format is described at https://cocodataset.org/#format-data. A data set is a folder with ``train.json`` and
``val.json``; a picture's ``file_name`` is relative to its subfolder ``images``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.detection.files import load_json
from sgob_tasks.errors import InputError


@dataclass(frozen=True)
class Instance:
    """One object in a picture.

    Attributes:
        class_index: 1 and up, into the data set's classes.
        box: ``(x, y, width, height)`` in pixels.
        crowd: a region of many objects, neither right nor wrong to find.
        segmentation: COCO polygons or run-length code, or None where no mask is known.
    """

    class_index: int
    box: tuple[float, float, float, float]
    crowd: bool
    segmentation: Any


@dataclass(frozen=True)
class Picture:
    """One picture and what is in it. ``path`` is absolute; ``width`` and ``height`` are pixels."""

    picture_id: int
    path: Path
    width: int
    height: int
    instances: tuple[Instance, ...]


@dataclass(frozen=True)
class Dataset:
    """One split of a data set.

    Attributes:
        source: the annotation file.
        classes: names, in the order of the network's classes 1 and up.
        category_ids: COCO category of each class.
        pictures: in the order of their ids.
    """

    source: Path
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    pictures: tuple[Picture, ...]

    @property
    def instances_with_mask(self) -> int:
        """Number of instances whose mask is known."""
        return sum(instance.segmentation is not None for picture in self.pictures for instance in picture.instances)

    @property
    def instance_count(self) -> int:
        """Number of all instances."""
        return sum(len(picture.instances) for picture in self.pictures)


def _entries(data: Any, source: Path, field: str) -> list[dict[str, Any]]:
    value = data.get(field) if isinstance(data, dict) else None
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise InputError(source, field, type(value).__name__, "must be a list of objects")
    return value


def _whole(entry: dict[str, Any], source: Path, where: str, field: str, at_least: int = 0) -> int:
    value = entry.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise InputError(source, f"{where}.{field}", value, f"must be a whole number, {at_least} or more")
    return value


def _box(value: Any, source: Path, where: str, width: int, height: int) -> tuple[float, float, float, float]:
    numbers = isinstance(value, list) and all(isinstance(side, (int, float)) for side in value)
    if not numbers or len(value) != 4:
        raise InputError(source, f"{where}.bbox", value, "must be [x, y, width, height]")
    x, y, w, h = (float(side) for side in value)
    if not (w > 0 and h > 0):
        raise InputError(source, f"{where}.bbox", value, "must have a positive width and height")
    if x < -1 or y < -1 or x + w > width + 1 or y + h > height + 1:
        raise InputError(source, f"{where}.bbox", value, f"lies outside its picture of {width} x {height} pixels")
    left, top = max(x, 0.0), max(y, 0.0)
    return left, top, min(x + w, width) - left, min(y + h, height) - top


def _categories(data: Any, source: Path, wanted: tuple[str, ...] | None) -> dict[str, int]:
    """Return category ids by name, in the order of the network's classes."""
    found: dict[str, int] = {}
    entries = _entries(data, source, "categories")
    for index, entry in enumerate(sorted(entries, key=lambda entry: entry.get("id", 0))):
        name = entry.get("name")
        if not isinstance(name, str) or not name or name in found:
            raise InputError(source, f"categories[{index}].name", name, "must be a name that occurs once")
        found[name] = _whole(entry, source, f"categories[{index}]", "id")
    if wanted is None:
        return found
    missing = [name for name in wanted if name not in found]
    if missing:
        raise InputError(source, "categories", sorted(found), f"lacks the class {missing[0]!r}")
    return {name: found[name] for name in wanted}


def _instances(
    data: Any, source: Path, indices: dict[int, int], sizes: dict[int, tuple[int, int]]
) -> dict[int, list[Instance]]:
    """Return the checked instances of each picture id; those of other categories are left out."""
    known = {entry.get("id") for entry in _entries(data, source, "categories")}
    result: dict[int, list[Instance]] = defaultdict(list)
    for index, entry in enumerate(_entries(data, source, "annotations")):
        where = f"annotations[{index}]"
        picture_id = _whole(entry, source, where, "image_id")
        if picture_id not in sizes:
            raise InputError(source, f"{where}.image_id", picture_id, "is the id of no picture")
        category = _whole(entry, source, where, "category_id")
        if category not in known:
            raise InputError(source, f"{where}.category_id", category, "is the id of no category")
        if category not in indices:
            continue
        box = _box(entry.get("bbox"), source, where, *sizes[picture_id])
        segmentation = entry.get("segmentation") or None
        result[picture_id].append(Instance(indices[category], box, bool(entry.get("iscrowd", 0)), segmentation))
    return result


def read_coco(source: Path, images: Path, classes: tuple[str, ...] | None = None) -> Dataset:
    """Read a COCO annotation file.

    Args:
        source: the JSON file.
        images: folder that ``file_name`` is relative to.
        classes: names to use, in this order; None takes all categories in the order of their ids.

    Raises:
        InputError: what does not hold, named by its place in the file.
    """
    data = load_json(source)
    categories = _categories(data, source, classes)
    indices = {category: index for index, category in enumerate(categories.values(), 1)}
    files: dict[int, Path] = {}
    sizes: dict[int, tuple[int, int]] = {}
    for index, entry in enumerate(_entries(data, source, "images")):
        where = f"images[{index}]"
        picture_id = _whole(entry, source, where, "id")
        if picture_id in files:
            raise InputError(source, f"{where}.id", picture_id, "occurs twice")
        name = entry.get("file_name")
        if not isinstance(name, str) or not name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise InputError(source, f"{where}.file_name", name, "must be a path below the images folder")
        files[picture_id] = images / name
        sizes[picture_id] = (_whole(entry, source, where, "width", 1), _whole(entry, source, where, "height", 1))
    instances = _instances(data, source, indices, sizes)
    pictures = tuple(
        Picture(picture_id, files[picture_id], *sizes[picture_id], tuple(instances[picture_id]))
        for picture_id in sorted(files)
    )
    return Dataset(source, tuple(categories), tuple(categories.values()), pictures)
