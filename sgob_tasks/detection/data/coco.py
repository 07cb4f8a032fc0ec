"""COCO-format data sets: reading, checking and writing them.

The format is described at https://cocodataset.org/#format-data. A data set is a folder with ``train.json`` and
``val.json``; a picture's ``file_name`` is relative to its subfolder ``images``. Fields that the format does not know
are kept as ``extras``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Any

from pycocotools import mask as rle_codec

from sgob_tasks.detection.data.dataset import Box, Dataset, Instance, Picture, fit_box, json_value
from sgob_tasks.detection.data.problems import Problems
from sgob_tasks.detection.files import load_json
from sgob_tasks.detection.masks import decode_mask
from sgob_tasks.errors import InputError

__all__ = ["Dataset", "Instance", "Picture", "instance_area", "read_coco", "to_coco"]

_IMAGE_FIELDS = frozenset({"id", "file_name", "width", "height"})
_ANNOTATION_FIELDS = frozenset({"id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation"})


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


def _expect(holds: bool, source: Path, field: str, value: Any, reason: str) -> None:
    if not holds:
        raise InputError(source, field, value, reason)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _box(value: Any, source: Path, where: str, width: int, height: int) -> Box:
    if not isinstance(value, list) or len(value) != 4 or not all(_is_number(side) for side in value):
        raise InputError(source, f"{where}.bbox", value, "must be [x, y, width, height]")
    try:
        return fit_box(value, width, height)
    except (ValueError, OverflowError) as error:
        raise InputError(source, f"{where}.bbox", value, str(error)) from error


def _categories(data: Any, source: Path, wanted: tuple[str, ...] | None) -> dict[str, int]:
    """Return category ids by name, in the order of the network's classes."""
    found: dict[str, int] = {}
    entries = _entries(data, source, "categories")
    ids = [_whole(entry, source, f"categories[{index}]", "id") for index, entry in enumerate(entries)]
    for index in sorted(range(len(entries)), key=ids.__getitem__):
        name = entries[index].get("name")
        if not isinstance(name, str) or not name or name in found:
            raise InputError(source, f"categories[{index}].name", name, "must be a name that occurs once")
        if ids[index] in found.values():
            raise InputError(source, f"categories[{index}].id", ids[index], "occurs twice")
        found[name] = ids[index]
    if wanted is None:
        return found
    missing = [name for name in wanted if name not in found]
    if missing:
        raise InputError(source, "categories", sorted(found), f"lacks the class {missing[0]!r}")
    return {name: found[name] for name in wanted}


def _supercategories(data: Any, source: Path, names: dict[str, int]) -> tuple[str, ...]:
    """Return the super-category of each class; nothing at all where none has one."""
    kinds = {entry.get("name"): entry.get("supercategory") for entry in _entries(data, source, "categories")}
    result = tuple(str(kinds[name] or "") for name in names)
    return result if any(result) else ()


def _images(data: Any, source: Path, images: Path, problems: Problems) -> tuple[dict[int, Picture], set[int]]:
    """Return the pictures, without instances, by id, and the ids of those that were left out."""
    found: dict[int, Picture] = {}
    left_out: set[int] = set()
    for index, entry in enumerate(_entries(data, source, "images")):
        where = f"images[{index}]"
        try:
            picture = _image(entry, source, where, images, found)
        except InputError as error:
            problems.report("picture", error)
            picture_id = entry.get("id")
            if isinstance(picture_id, int) and picture_id not in found:
                left_out.add(picture_id)
        else:
            found[picture.picture_id] = picture
    return found, left_out - found.keys()


def _image(entry: dict[str, Any], source: Path, where: str, images: Path, before: Container[int]) -> Picture:
    picture_id = _whole(entry, source, where, "id")
    if picture_id in before:
        raise InputError(source, f"{where}.id", picture_id, "occurs twice")
    name = entry.get("file_name")
    plain = isinstance(name, str) and name and "\0" not in name
    if not isinstance(name, str) or not plain or Path(name).is_absolute() or ".." in Path(name).parts:
        raise InputError(source, f"{where}.file_name", name, "must be a path below the images folder")
    width, height = (_whole(entry, source, where, side, 1) for side in ("width", "height"))
    extras = {field: json_value(value) for field, value in entry.items() if field not in _IMAGE_FIELDS}
    return Picture(picture_id, images / name, width, height, (), name, extras)


def _instance(
    entry: dict[str, Any], source: Path, where: str, picture: Picture, known: set[int], indices: dict[int, int]
) -> Instance | None:
    """Return a checked instance; None where its category is not wanted."""
    category = _whole(entry, source, where, "category_id")
    if category not in known:
        raise InputError(source, f"{where}.category_id", category, "is the id of no category")
    if category not in indices:
        return None
    box = _box(entry.get("bbox"), source, where, picture.width, picture.height)
    area = entry.get("area")
    extras = {field: json_value(value) for field, value in entry.items() if field not in _ANNOTATION_FIELDS}
    return Instance(
        indices[category],
        box,
        bool(entry.get("iscrowd", 0)),
        entry.get("segmentation") or None,
        float(area) if isinstance(area, (int, float)) and 0 < area < float("inf") else None,
        extras,
    )


def read_coco(
    source: Path, images: Path, classes: tuple[str, ...] | None = None, problems: Problems | None = None
) -> Dataset:
    """Read a COCO annotation file. The pictures themselves are not looked at.

    Args:
        source: the JSON file.
        images: folder that ``file_name`` is relative to.
        classes: names to use, in this order; None takes all categories in the order of their ids.
        problems: collects what does not hold and is left out: pictures and boxes, each alone. None raises.

    Raises:
        InputError: what does not hold, named by its place in the file; with ``problems`` only what spoils all of it.
    """
    problems = problems if problems is not None else Problems(strict=True)
    data = load_json(source)
    categories = _categories(data, source, classes)
    indices = {category: index for index, category in enumerate(categories.values(), 1)}
    known = {entry["id"] for entry in _entries(data, source, "categories")}
    pictures, left_out = _images(data, source, images, problems)
    instances: dict[int, list[Instance]] = defaultdict(list)
    for index, entry in enumerate(_entries(data, source, "annotations")):
        where = f"annotations[{index}]"
        try:
            picture_id = _whole(entry, source, where, "image_id")
            if picture_id in left_out:
                continue  # reported with its picture
            _expect(picture_id in pictures, source, f"{where}.image_id", picture_id, "is the id of no picture")
            instance = _instance(entry, source, where, pictures[picture_id], known, indices)
        except InputError as error:
            problems.report("label" if error.field.endswith("category_id") else "box", error)
        else:
            if instance is not None:
                instances[picture_id].append(instance)
    filled = (replace(pictures[picture_id], instances=tuple(instances[picture_id])) for picture_id in sorted(pictures))
    kinds = _supercategories(data, source, categories)
    return Dataset(source, tuple(categories), tuple(categories.values()), tuple(filled), kinds)


def instance_area(instance: Instance, picture: Picture) -> float:
    """Return the pixels of an instance: as the source says, else of its mask, else of its box.

    Raises:
        InputError: its mask does not hold.
    """
    if instance.area is not None:
        return instance.area
    if instance.segmentation is None:
        return instance.box[2] * instance.box[3]
    if isinstance(instance.segmentation, list):
        codes = rle_codec.frPyObjects(instance.segmentation, picture.height, picture.width)
        return float(rle_codec.area(rle_codec.merge(codes)))
    return float(decode_mask(instance.segmentation, picture.width, picture.height, str(picture)).sum())


def to_coco(dataset: Dataset) -> dict[str, Any]:
    """Return a data set as a COCO document: what :func:`read_coco` reads back as the same data set.

    Raises:
        InputError: a mask whose area has to be counted does not hold.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for picture in dataset.pictures:
        size = {"width": picture.width, "height": picture.height}
        name = picture.file_name or picture.path.name
        images.append({**picture.extras, "id": picture.picture_id, "file_name": name, **size})
        for instance in picture.instances:
            entry: dict[str, Any] = {
                "id": len(annotations) + 1,
                "image_id": picture.picture_id,
                "category_id": dataset.category_ids[instance.class_index - 1],
                "bbox": list(instance.box),
                "area": instance_area(instance, picture),
                "iscrowd": int(instance.crowd),
            }
            if instance.segmentation is not None:
                entry["segmentation"] = instance.segmentation
            annotations.append({**instance.extras, **entry})
    kinds = dataset.supercategories or ("",) * len(dataset.classes)
    categories = [
        {"id": category, "name": name, "supercategory": kind}
        for category, name, kind in zip(dataset.category_ids, dataset.classes, kinds, strict=True)
    ]
    return {"images": images, "categories": categories, "annotations": annotations}
