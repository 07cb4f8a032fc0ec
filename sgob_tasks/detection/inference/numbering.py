"""Which pictures a run looks at, and the ids of pictures and categories in its COCO results."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.detection.files import load_json
from sgob_tasks.detection.vocabularies import COCO_CATEGORIES, coco_classes, vocabulary_of
from sgob_tasks.errors import InputError

ENDINGS = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".jp2"})

_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"BM")


@dataclass(frozen=True)
class Picture:
    """One picture of a run.

    Attributes:
        image_id: its id in the results.
        file_name: below the folder, with ``/`` between parts.
        path: the file.
    """

    image_id: int
    file_name: str
    path: Path


@dataclass(frozen=True)
class Truth:
    """Ids of a COCO file.

    Attributes:
        source: the file.
        images: id by file name.
        categories: id by class name.
    """

    source: Path
    images: dict[str, int]
    categories: dict[str, int]


def find_pictures(folder: Path) -> list[str]:
    """Return the pictures below a folder, sorted: files with a picture's ending, and those without one that begin so.

    Hidden files and folders are left out.

    Raises:
        InputError: it is no folder, or has no picture.
    """
    if not folder.is_dir():
        raise InputError(folder, "images", str(folder), "is no folder")
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in files if not name.startswith(".") and _is_picture(Path(place, name))]
    if not found:
        raise InputError(folder, "images", str(folder), "has no picture")
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _is_picture(path: Path) -> bool:
    if path.suffix:
        return path.suffix.lower() in ENDINGS
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(_BEGINNINGS) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def read_truth(path: Path) -> Truth:
    """Read the ids of a COCO file's pictures and categories.

    COCO's own files call the computer mouse ``mouse``; here it has the name that detectors give it.

    Raises:
        InputError: the file cannot be read, or an id or a name is missing, of another type, or there twice.
    """
    described = load_json(path)
    if not isinstance(described, dict):
        raise InputError(path, "file", path.name, "must be a JSON object")
    images = _ids(path, described, "images", "file_name")
    categories = _ids(path, described, "categories", "name")
    ours = dict(zip(COCO_CATEGORIES, coco_classes(), strict=True))
    if all(categories.get(name) == number for number, name in COCO_CATEGORIES):
        categories = {ours.get((number, name), name): number for name, number in categories.items()}
    return Truth(path, images, categories)


def _ids(path: Path, described: dict[str, Any], field: str, name: str) -> dict[str, int]:
    entries = described.get(field)
    if not isinstance(entries, list):
        raise InputError(path, field, entries, "must be a list")
    ids: dict[str, int] = {}
    for place, entry in enumerate(entries):
        number, text = (entry.get("id"), entry.get(name)) if isinstance(entry, dict) else (None, None)
        if not isinstance(number, int) or isinstance(number, bool):
            raise InputError(path, f"{field}[{place}].id", number, "must be a whole number")
        if not isinstance(text, str) or not text or text in ids:
            raise InputError(path, f"{field}[{place}].{name}", text, "must be a text that no other has")
        ids[text] = number
    return ids


def number_pictures(folder: Path, names: Sequence[str], truth: Truth | None) -> tuple[list[Picture], list[str]]:
    """Return the pictures with their ids, and the names of those that the truth does not know.

    Without a truth, ids count from 1 in the order of the names. With one, a picture has the id of the entry with its
    name below the folder, else of the only entry with its last part.

    Raises:
        InputError: the truth knows none of them.
    """
    if truth is None:
        return [Picture(number, name, folder / name) for number, name in enumerate(names, 1)], []
    by_last: dict[str, list[int]] = {}
    for name, number in truth.images.items():
        by_last.setdefault(name.rsplit("/", 1)[-1], []).append(number)
    pictures: list[Picture] = []
    unknown: list[str] = []
    for name in names:
        same = by_last.get(name.rsplit("/", 1)[-1], [])
        if name in truth.images or len(same) == 1:
            pictures.append(Picture(truth.images.get(name, same[0]), name, folder / name))
        else:
            unknown.append(name)
    taken: dict[int, str] = {}
    for picture in pictures:
        if picture.image_id in taken:
            reason = f"is the picture {picture.image_id} of {truth.source}, as is {taken[picture.image_id]}"
            raise InputError(folder, "images", picture.file_name, reason)
        taken[picture.image_id] = picture.file_name
    if not pictures:
        raise InputError(truth.source, "images", len(truth.images), f"none of them is in {folder}")
    return pictures, unknown


def number_categories(classes: tuple[str, ...], truth: Truth | None) -> dict[str, int]:
    """Return the category id of each class.

    A truth's, by name, where one is given; classes that it does not know get numbers above its own, which an evaluation
    against it leaves out. Else COCO's ids (1 to 90, with gaps) for COCO's 80 classes in their order, and 1, 2, ... for
    all others, in the order of the classes.
    """
    if truth is not None:
        above = itertools.count(max(truth.categories.values(), default=0) + 1)
        return {name: truth.categories[name] if name in truth.categories else next(above) for name in classes}
    if vocabulary_of(classes) == "coco":
        return {name: number for name, (number, _) in zip(classes, COCO_CATEGORIES, strict=True)}
    return {name: number for number, name in enumerate(classes, 1)}
