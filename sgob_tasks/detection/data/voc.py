"""Reading Pascal VOC annotations, the format of DEArt's release.

The format: one XML file per picture with ``filename``, ``size`` and an ``object`` per box (``name``, ``pose``,
``truncated``, ``difficult``, ``bndbox``). Its pixels count from 1, ends included. See "The PASCAL Visual Object
Classes Challenge 2012 (VOC2012) Development Kit", section 10, for the format and section 4 for ``ImageSets``.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from sgob_tasks.detection.data.dataset import SPLITS, Dataset, fit_box
from sgob_tasks.detection.data.find import PictureFinder
from sgob_tasks.detection.data.labels import LabelledObject, LabelledPicture, build_dataset, clean_label
from sgob_tasks.detection.data.problems import Problems
from sgob_tasks.detection.pictures import picture_size
from sgob_tasks.errors import InputError

_NOT_EXTRAS = frozenset({"filename", "folder", "path", "segmented", "difficult", "width", "height"})
_YEARS = frozenset({"year", "year_from", "year_to"})


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


def _object(node: ET.Element, source: Path, where: str, width: int, height: int) -> LabelledObject:
    label = clean_label(_text(node, "name", source, where))
    box = node.find("bndbox")
    if box is None:
        raise InputError(source, f"{where}bndbox", None, "is missing")
    inside = f"{where}bndbox/"
    x1, y1, x2, y2 = (_number(box, tag, source, inside) for tag in ("xmin", "ymin", "xmax", "ymax"))
    try:
        fitted = fit_box((x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1), width, height)
    except ValueError as error:
        raise InputError(source, f"{where}bndbox", [x1, y1, x2, y2], str(error)) from error
    extras = {
        "pose": (node.findtext("pose") or "Unspecified").strip(),
        "truncated": (node.findtext("truncated") or "0").strip() == "1",
        "difficult": (node.findtext("difficult") or "0").strip() == "1",
    }
    return LabelledObject(label, fitted, None, extras)


def _extras(root: ET.Element) -> dict[str, Any]:
    """Return the plain text fields of an annotation that its format does not need: style, title, year, ..."""
    found: dict[str, Any] = {}
    for node in root:
        text = (node.text or "").strip()
        if len(node) == 0 and text and node.tag not in _NOT_EXTRAS:
            is_year = node.tag in _YEARS and text.lstrip("-").isdecimal() and text.isascii()
            found[node.tag] = int(text) if is_year else text
    return found


def parse_voc(content: bytes, source: Path, problems: Problems | None = None) -> LabelledPicture:
    """Read one annotation document.

    Args:
        content: of the file.
        source: its path, for messages.
        problems: collects what is wrong with single objects, which are left out. None raises.

    Raises:
        InputError: what does not hold, by file, field and value; with ``problems`` only what spoils all of the file.
    """
    problems = problems if problems is not None else Problems(strict=True)
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
    objects: list[LabelledObject] = []
    for index, node in enumerate(root.findall("object"), 1):
        try:
            objects.append(_object(node, source, f"object[{index}]/", width, height))
        except InputError as error:
            problems.report("label" if error.field.endswith("]/name") else "box", error)
    return LabelledPicture(name, width, height, tuple(objects), _extras(root))


def read_voc(files: Sequence[Path], images: Path, source: Path, problems: Problems | None = None) -> Dataset:
    """Read annotation files. Of the pictures only the size is looked at.

    A picture is looked for by the annotation's ``filename``, then by the annotation file's own name, in the folder
    ``images`` and then in its subfolders: archives come in parts, and tools write wrong endings.

    Args:
        files: the XML files.
        images: folder of the pictures.
        source: names the data set.
        problems: collects what does not hold and is left out: annotation files, pictures, single boxes. None raises.

    Raises:
        InputError: what does not hold, by file, field and value.
    """
    problems = problems if problems is not None else Problems(strict=True)
    finder = PictureFinder(images)
    members: dict[Path, LabelledPicture] = {}
    for path in files:
        try:
            picture = parse_voc(_content(path), path, problems)
        except InputError as error:
            problems.report("document", error)
            continue
        try:
            file = _file(picture, path, finder, members)
        except InputError as error:
            problems.report("picture", error)
        else:
            members[file] = replace(picture, file_name=file.relative_to(images).as_posix())
    return build_dataset(source, ((picture, file) for file, picture in members.items()))


def _file(picture: LabelledPicture, path: Path, finder: PictureFinder, before: Container[Path]) -> Path:
    """Return the checked file of the picture that the annotation file ``path`` describes."""
    file = finder.find(picture.file_name, or_stem=path.stem)
    if file is None:
        raise InputError(path, "filename", picture.file_name, "is no picture in the images folder")
    if file in before:
        raise InputError(path, "filename", picture.file_name, "another annotation file names it too")
    found = picture_size(file)
    if found != (picture.width, picture.height):
        size = [picture.width, picture.height]
        raise InputError(path, "size", size, f"the picture is {found[0]} x {found[1]}")
    return file


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, "file", path.name, error.strerror or str(error)) from error


def image_sets(folder: Path) -> dict[str, str]:
    """Return the split of each picture id (name without ending) that ``folder/*.txt`` lists.

    ``train.txt``, ``val.txt`` and ``test.txt`` hold an id per line, perhaps followed by a flag. ``trainval.txt`` is
    used where neither of the first two is there; its pictures' split is the empty text: still to be divided.

    Raises:
        InputError: a list cannot be read, or two of them name the same picture.
    """
    lists = {split: folder / f"{split}.txt" for split in SPLITS if (folder / f"{split}.txt").is_file()}
    if not lists.keys() & {"train", "val"} and (folder / "trainval.txt").is_file():
        lists[""] = folder / "trainval.txt"
    found: dict[str, str] = {}
    for split, path in lists.items():
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(path, "file", path.name, str(error)) from error
        for number, line in enumerate(lines, 1):
            name = line.split()[0] if line.strip() else ""
            if name and found.setdefault(name, split) != split:
                raise InputError(path, f"line {number}", name, f"is in the list {found[name] or 'trainval'} too")
    return found
