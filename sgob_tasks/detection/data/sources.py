"""Whatever a data set comes as: recognise its format, find its parts, read it."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sgob_tasks.detection.data.coco import read_coco
from sgob_tasks.detection.data.dataset import Dataset, Picture
from sgob_tasks.detection.data.labels import same_classes
from sgob_tasks.detection.data.problems import Problems
from sgob_tasks.detection.data.shards import is_sharded, open_split, split_names
from sgob_tasks.detection.data.split import UNDIVIDED
from sgob_tasks.detection.data.via import read_via, via_entries
from sgob_tasks.detection.data.voc import image_sets, read_voc
from sgob_tasks.detection.files import load_json
from sgob_tasks.errors import InputError

FORMATS = ("coco", "shards", "via", "voc")
_SPLIT_WORDS = re.compile(r"(?:^|[^a-z])(train|val|test)(?=[^a-z]|$)")
_ANNOTATION_FOLDERS = ("annotations", "Annotations", ".")
_IMAGE_FOLDERS = ("images", "JPEGImages", "Images")
_NAME_COLUMNS = ("file", "file_name", "filename")
_WHOLE = re.compile(r"-?\d{1,9}")


@dataclass(frozen=True)
class Source:
    """What was read: the format, and the data by split; ``UNDIVIDED`` where the source has no splits of its own."""

    format: str
    splits: Mapping[str, Dataset]


@dataclass(frozen=True)
class _Parts:
    """A recognised source: its format, annotation files (none for shards) and the folder they belong to."""

    format: str
    files: tuple[Path, ...]
    folder: Path


def _json_format(path: Path) -> str | None:
    document = load_json(path)
    if isinstance(document, dict) and {"images", "annotations", "categories"} <= document.keys():
        return "coco"
    return "via" if via_entries(document) is not None else None


def _recognise_file(path: Path) -> _Parts:
    name = _json_format(path) if path.suffix.lower() == ".json" else "voc" if path.suffix.lower() == ".xml" else None
    if name is None:
        raise InputError(path, "format", path.name, "is no COCO, VIA or Pascal VOC annotation file")
    in_subfolder = path.parent.name in _ANNOTATION_FOLDERS
    return _Parts(name, (path,), path.parent.parent if in_subfolder else path.parent)


def _recognise(path: Path) -> _Parts:
    if path.is_file():
        return _recognise_file(path)
    if not path.is_dir():
        raise InputError(path, "source", path.name, "is no file and no folder")
    if is_sharded(path):
        return _Parts("shards", (), path)
    folder = path.parent if path.name in _ANNOTATION_FOLDERS else path
    found: dict[str, list[Path]] = {"coco": [], "via": []}
    for subfolder in reversed(_ANNOTATION_FOLDERS):
        for file in sorted((path / subfolder).glob("*.json")):
            if (name := _json_format(file)) is not None:
                found[name].append(file)
        for name, files in found.items():
            if files:
                return _Parts(name, tuple(files), folder)
    for subfolder in _ANNOTATION_FOLDERS:
        files = sorted((path / subfolder).glob("*.xml"))
        if files:
            return _Parts("voc", tuple(files), folder)
    raise InputError(path, "format", path.name, "holds no COCO, VIA or Pascal VOC annotations")


def recognise(path: Path) -> str:
    """Return the format of a file or folder: ``coco``, ``via``, ``voc``, or ``shards`` (a prepared data set).

    A folder may hold its annotations itself or in ``annotations/``; COCO is preferred to VIA and VIA to Pascal VOC
    where it has several.

    Raises:
        InputError: it is none of them.
    """
    return _recognise(path).format


def split_of_file(path: Path) -> str:
    """Return the split that an annotation file's name says: ``instances_train2017.json`` is ``train``."""
    found = _SPLIT_WORDS.findall(re.sub(r"\d+", "", path.stem.lower()))
    return found[-1] if found else UNDIVIDED


def _images(folder: Path, split: str, given: Path | None) -> Path:
    """Return the folder of the pictures: the given one, else the first usual one that is there, else the source's."""
    if given is not None:
        return given
    usual = [folder / name for name in _IMAGE_FOLDERS]
    if split:
        usual += [folder / split, *sorted(folder.glob(f"{split}[0-9]*"))]
    return next((path for path in usual if path.is_dir()), folder)


def read_source(path: Path, *, images: Path | None = None, problems: Problems | None = None) -> Source:
    """Read a data set in any of the formats.

    Splits that the source has are kept: COCO and VIA files named after them (``train.json``,
    ``instances_val2017.json``), Pascal VOC's ``ImageSets/Main/*.txt``, the splits of a prepared data set.

    Args:
        path: an annotation file, or a folder.
        images: folder of the pictures; by default ``images/`` or ``JPEGImages/`` beside the annotations.
        problems: collects what does not hold and is left out. None raises.

    Raises:
        InputError: it is of no known format, or does not hold.
    """
    problems = problems if problems is not None else Problems(strict=True)
    parts = _recognise(path)
    if images is not None and not images.is_dir():
        raise InputError("--images", "folder", str(images), "is no folder")
    if parts.format == "shards":
        splits = {split: open_split(path, split) for split in split_names(path)}
    elif parts.format == "voc":
        dataset = read_voc(parts.files, _images(parts.folder, "", images), path, problems)
        splits = _by_image_sets(dataset, parts.folder / "ImageSets" / "Main", problems)
    else:
        splits = {}
        for file in parts.files:
            split = split_of_file(file)
            if split in splits:
                raise InputError(file, "split", split, f"{splits[split].source.name} is of the same split: name one")
            folder = _images(parts.folder, split, images)
            read = read_coco if parts.format == "coco" else read_via
            splits[split] = read(file, folder, problems=problems)
    return Source(parts.format, same_classes(splits))


def _by_image_sets(dataset: Dataset, folder: Path, problems: Problems) -> dict[str, Dataset]:
    """Divide a Pascal VOC data set as its ``ImageSets`` say; a picture that no list names is left out."""
    lists = image_sets(folder) if folder.is_dir() else {}
    if not lists:
        return {UNDIVIDED: dataset}
    members: dict[str, list[Picture]] = {}
    for picture in dataset.pictures:
        split = lists.get(picture.path.stem)
        if split is None:
            error = InputError(folder, "id", picture.path.stem, "the picture is in none of the lists")
            problems.report("split", error)
            continue
        members.setdefault(split, []).append(picture)
    return {split: replace(dataset, pictures=tuple(members[split])) for split in sorted(members)}


def read_metadata(path: Path) -> dict[str, dict[str, Any]]:
    """Read a table of facts about pictures: CSV with a header, one column of which names the file.

    Args:
        path: the CSV file; the column is ``file``, ``file_name`` or ``filename``.

    Returns:
        By file name, the other columns that are filled; whole numbers in columns that begin with ``year`` as such.

    Raises:
        InputError: it cannot be read, has no such column, or names a file twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            column = next((name for name in _NAME_COLUMNS if name in (reader.fieldnames or ())), None)
            if column is None:
                raise InputError(path, "header", reader.fieldnames, f"needs one of {', '.join(_NAME_COLUMNS)}")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "file", path.name, f"cannot be read as CSV in UTF-8: {error}") from error
    found: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(rows, 2):
        name = row.pop(column)
        if name in found:
            raise InputError(path, f"line {number}, {column}", name, "is there twice")
        filled = {key: value.strip() for key, value in row.items() if key and isinstance(value, str) and value.strip()}
        found[name] = {
            key: int(value) if key.startswith("year") and _WHOLE.fullmatch(value) else value
            for key, value in filled.items()
        }
    return found


def with_metadata(dataset: Dataset, metadata: Mapping[str, Mapping[str, Any]]) -> Dataset:
    """Add facts to the pictures of the same file name (whole, or without its folders); what is there is kept."""

    def facts(picture: Picture) -> Mapping[str, Any]:
        return metadata.get(picture.file_name) or metadata.get(Path(picture.file_name).name) or {}

    pictures = (replace(picture, extras={**facts(picture), **picture.extras}) for picture in dataset.pictures)
    return replace(dataset, pictures=tuple(pictures))
