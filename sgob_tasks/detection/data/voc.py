"""Pascal VOC annotations to a COCO data set: how DEArt's release becomes what training reads.

The format: one XML file per picture with ``filename``, ``size`` and an ``object`` per box (``name``, ``pose``,
``truncated``, ``difficult``, ``bndbox``). Its pixels count from 1, ends included.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from PIL import Image

from sgob_tasks.detection.data.split import split_of
from sgob_tasks.detection.files import write_json
from sgob_tasks.detection.pictures import DECODING_ERRORS
from sgob_tasks.errors import InputError

log = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class VocObject:
    """One box of an annotation: ``box`` is COCO's ``(x, y, width, height)`` in pixels."""

    name: str
    box: tuple[float, float, float, float]
    pose: str
    truncated: bool
    difficult: bool


@dataclass(frozen=True)
class VocPicture:
    """One annotation file: the picture's file name, its size in pixels, its boxes."""

    file_name: str
    width: int
    height: int
    objects: tuple[VocObject, ...]


@dataclass(frozen=True)
class Conversion:
    """What a conversion gave.

    Attributes:
        pictures: pictures by split.
        boxes: boxes by split.
        classes: class names in the order of their category ids.
        boxes_per_class: over all splits.
        skipped: what was left out and why, one line each.
    """

    pictures: dict[str, int]
    boxes: dict[str, int]
    classes: tuple[str, ...]
    boxes_per_class: dict[str, int]
    skipped: tuple[str, ...]


def _text(node: ET.Element, tag: str, source: Path, where: str) -> str:
    value = node.findtext(tag)
    if value is None or not value.strip():
        raise InputError(source, f"{where}{tag}", value, "is missing or empty")
    return value.strip()


def _number(node: ET.Element, tag: str, source: Path, where: str) -> float:
    text = _text(node, tag, source, where)
    try:
        value = float(text)
    except ValueError as error:
        raise InputError(source, f"{where}{tag}", text, "is no number") from error
    if not abs(value) < 1e6:  # also refuses NaN
        raise InputError(source, f"{where}{tag}", text, "is no pixel position")
    return value


def _object(node: ET.Element, source: Path, where: str, width: int, height: int) -> VocObject:
    box = node.find("bndbox")
    if box is None:
        raise InputError(source, f"{where}bndbox", None, "is missing")
    inside = f"{where}bndbox/"
    x1, y1, x2, y2 = (_number(box, tag, source, inside) for tag in ("xmin", "ymin", "xmax", "ymax"))
    # Tools disagree by a pixel (labels from 0, ends left out): what is one pixel outside is cut, more is an error.
    if min(x1, y1) < 0 or x2 > width + 1 or y2 > height + 1:
        raise InputError(source, f"{where}bndbox", [x1, y1, x2, y2], f"outside the picture of {width} x {height}")
    left, top = max(x1 - 1, 0.0), max(y1 - 1, 0.0)
    right, bottom = min(x2, float(width)), min(y2, float(height))
    if right <= left or bottom <= top:
        raise InputError(source, f"{where}bndbox", [x1, y1, x2, y2], "has no area")
    return VocObject(
        _text(node, "name", source, where),
        (left, top, right - left, bottom - top),
        (node.findtext("pose") or "Unspecified").strip(),
        (node.findtext("truncated") or "0").strip() == "1",
        (node.findtext("difficult") or "0").strip() == "1",
    )


def parse_voc(content: bytes, source: Path) -> VocPicture:
    """Read one annotation document.

    Args:
        content: of the file.
        source: its path, for messages.

    Raises:
        InputError: what does not hold, by file, field and value.
    """
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise InputError(source, "document type", content[:60], "is not allowed")
    try:
        root = ET.fromstring(content)  # noqa: S314 - see above: no entities
    except (ET.ParseError, ValueError, LookupError) as error:
        raise InputError(source, "document", content[:60], f"is no XML: {error}") from error
    if root.tag != "annotation":
        raise InputError(source, "document", root.tag, "must be <annotation>")
    size = root.find("size")
    if size is None:
        raise InputError(source, "size", None, "is missing")
    width, height = (int(_number(size, tag, source, "size/")) for tag in ("width", "height"))
    if width < 1 or height < 1:
        raise InputError(source, "size", [width, height], "must be positive")
    name = _text(root, "filename", source, "")
    if Path(name).name != name:
        raise InputError(source, "filename", name, "must be a plain file name")
    nodes = enumerate(root.findall("object"), 1)
    objects = tuple(_object(node, source, f"object[{index}]/", width, height) for index, node in nodes)
    return VocPicture(name, width, height, objects)


def _read(path: Path, images: Path, before: Container[str]) -> VocPicture:
    """Read an annotation file and check it against its picture and the file names that came ``before``."""
    try:
        picture = parse_voc(path.read_bytes(), path)
    except OSError as error:
        raise InputError(path, "file", path.name, error.strerror or str(error)) from error
    if picture.file_name in before:
        raise InputError(path, "filename", picture.file_name, "another annotation file names it too")
    file = images / picture.file_name
    try:
        with Image.open(file) as opened:
            found = opened.size
    except DECODING_ERRORS as error:
        raise InputError(path, "filename", picture.file_name, "is no picture in the images folder") from error
    if found != (picture.width, picture.height):
        raise InputError(path, "size", [picture.width, picture.height], f"the picture is {found[0]} x {found[1]}")
    return picture


def _read_all(files: Sequence[Path], images: Path, strict: bool) -> tuple[dict[str, VocPicture], list[str]]:
    """Return the pictures by file name, and what was left out and why."""
    pictures: dict[str, VocPicture] = {}
    skipped: list[str] = []
    for path in files:
        try:
            picture = _read(path, images, pictures)
        except InputError as error:
            if strict:
                raise
            log.warning("left out: %s", error)
            skipped.append(str(error))
        else:
            pictures[picture.file_name] = picture
    return pictures, skipped


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where that cannot be done (another file system)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def voc_to_coco(
    folder: Path,
    out: Path,
    *,
    classes: Sequence[str] | None = None,
    val_fraction: float = 0.1,
    test_fraction: float = 0.0,
    salt: str = "",
    strict: bool = True,
) -> Conversion:
    """Convert ``folder/annotations/*.xml`` and ``folder/images/`` into a COCO data set.

    Writes ``train.json``, ``val.json``, ``test.json`` where a test share is asked for, and ``images/`` (hard links
    where possible). Which split a picture is in depends on its file name only. There are no masks: the annotations
    have no ``segmentation``, and training leaves the mask loss out for them.

    Args:
        folder: the Pascal VOC folder.
        out: where the data set goes; it is made, files of the same name are replaced.
        classes: names to keep, in the order of their category ids; None takes all that occur, sorted.
        val_fraction: share of the pictures for validation.
        test_fraction: share of the pictures for test.
        salt: another text gives another split.
        strict: False leaves a faulty annotation file out and lists it instead of raising.

    Raises:
        InputError: a folder is missing or empty, or (if ``strict``) an annotation does not hold.
    """
    files = sorted((folder / "annotations").glob("*.xml"))
    if not files:
        raise InputError(folder, "annotations/*.xml", 0, "there is no annotation file")
    pictures, skipped = _read_all(files, folder / "images", strict)
    occurring = {item.name for picture in pictures.values() for item in picture.objects}
    names = tuple(classes) if classes is not None else tuple(sorted(occurring))
    if not names:
        raise InputError(folder, "object/name", [], "no annotation file holds a box")
    ids = {name: index for index, name in enumerate(names, 1)}
    parts: dict[str, list[VocPicture]] = {split: [] for split in SPLITS}
    for name, picture in pictures.items():
        parts[split_of(name, val_fraction, test_fraction, salt)].append(picture)
        _link(folder / "images" / name, out / "images" / name)
    boxes: dict[str, int] = {}
    per_class: Counter[str] = Counter()
    for split, members in parts.items():
        document = _coco(members, ids)
        boxes[split] = len(document["annotations"])
        per_class.update(item.name for picture in members for item in picture.objects if item.name in ids)
        if split != "test" or test_fraction > 0:
            write_json(out / f"{split}.json", document)
    counts = {split: len(members) for split, members in parts.items()}
    return Conversion(counts, boxes, names, {name: per_class[name] for name in names}, tuple(skipped))


def _coco(pictures: Sequence[VocPicture], ids: dict[str, int]) -> dict[str, Any]:
    """Return pictures as a COCO document; boxes of other classes are left out."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, picture in enumerate(pictures, 1):
        images.append(
            {"id": image_id, "file_name": picture.file_name, "width": picture.width, "height": picture.height}
        )
        for item in picture.objects:
            if item.name in ids:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image_id,
                        "category_id": ids[item.name],
                        "bbox": list(item.box),
                        "area": item.box[2] * item.box[3],
                        "iscrowd": 0,
                        "pose": item.pose,
                        "truncated": item.truncated,
                        "difficult": item.difficult,
                    }
                )
    categories = [{"id": index, "name": name, "supercategory": ""} for name, index in ids.items()]
    return {"images": images, "categories": categories, "annotations": annotations}
