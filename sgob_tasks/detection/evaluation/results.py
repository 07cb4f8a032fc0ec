"""The results of a detector: COCO results lists and the platform's own result lines, checked and resolved.

COCO's format: https://cocodataset.org/#format-results. Our own is a JSON object per picture and line, as
``sgob_tasks.detection.infer`` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pycocotools import mask as rle_codec

from sgob_tasks.detection.evaluation.truth import Id, Truth, checked_box, is_number
from sgob_tasks.detection.masks import decode_mask, encode_mask
from sgob_tasks.errors import InputError

Result = dict[str, Any]


def read_results(path: Path, truth: Truth, *, masks: bool | None = None) -> list[Result]:
    """Read a results file: a COCO results list, or lines of the platform's inference.

    Args:
        path: the file. One whose name ends with ``.jsonl`` holds lines.
        truth: what the ids must belong to.
        masks: as :func:`check_results` takes it.

    Returns:
        ``image_id``, ``category_id``, ``score``, ``bbox`` and, where there is a mask, ``segmentation`` of each result.

    Raises:
        InputError: the file cannot be read, is empty or not JSON, or a field does not fit.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise InputError(path, "file", path.name, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise InputError(path, "file", path.name, "is not JSON: no UTF-8 text") from error
    if not text.strip():
        raise InputError(path, "file", path.name, "is empty; the results of a detector that found nothing are []")
    if path.suffix == ".jsonl":
        return check_results(_from_lines(text, truth, path), truth, str(path), masks=masks)
    return check_results(_decode(text, path, "file", path.name), truth, str(path), masks=masks)


def _decode(text: str, path: Path, field: str, shown: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(path, field, shown, f"is not JSON: {error}") from error


def check_results(entries: Any, truth: Truth, source: str = "detections", *, masks: bool | None = None) -> list[Result]:
    """Check COCO results and bring them to one form; the objects given are not changed.

    Ids that do not fit the ground truth (unknown, missing, or standing for another name than the entry gives) are
    resolved by ``file_name`` and ``class_name``, if every entry has them.

    Args:
        entries: the results. Other keys than those of :func:`read_results` are left out.
        truth: what the ids must belong to.
        source: what they are called in messages.
        masks: True: every result must have a mask. False: masks are not looked at. None: they are kept where they are.

    Raises:
        InputError: a field that does not fit, named by its place.
    """
    if not isinstance(entries, Sequence) or isinstance(entries, str | bytes):
        raise InputError(source, "document", type(entries).__name__, "must be a list of results")
    for place, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise InputError(source, f"[{place}]", entry, "must be an object")
    images = _resolve(entries, source, "image_id", "file_name", *_images_by_name(truth))
    names = {name: number for number, name in truth.categories.items()}
    classes = _resolve(entries, source, "category_id", "class_name", truth.categories, names.get)
    return [
        {"image_id": image, "category_id": category} | _fields(entry, place, source, truth, image, masks=masks)
        for place, (entry, image, category) in enumerate(zip(entries, images, classes, strict=True))
    ]


def _images_by_name(truth: Truth) -> tuple[dict[Id, str], Callable[[str], Id | None]]:
    """Return pictures' names, and what finds a picture by its file name, with or without its folder."""
    names = {number: str(image.get("file_name", "")) for number, image in truth.images.items()}
    whole: dict[str, Id | None] = {}
    last: dict[str, Id | None] = {}
    for number, name in names.items():
        for table, key in ((whole, name), (last, PurePosixPath(name).name)):
            table[key] = None if key in table else number  # a name of two pictures stands for neither

    def find(name: str) -> Id | None:
        return whole[name] if name in whole else last.get(PurePosixPath(name).name)

    return names, find


def _resolve(
    entries: Sequence[Mapping[str, Any]],
    source: str,
    id_field: str,
    name_field: str,
    known: Mapping[Any, str],
    find: Callable[[str], Any],
) -> list[Any]:
    """Return the ids of all entries: as they stand if all fit, or else by their names."""
    what = "picture" if id_field == "image_id" else "category"
    if all(_fits(entry.get(id_field), entry.get(name_field), known, find) for entry in entries):
        return [entry[id_field] for entry in entries]
    named = all(isinstance(entry.get(name_field), str) for entry in entries)
    found = []
    for place, entry in enumerate(entries):
        number, name = entry.get(id_field), entry.get(name_field)
        if named:
            if (by_name := find(name)) is None:  # type: ignore[arg-type]  # a text, as `named` says
                raise InputError(source, f"[{place}].{name_field}", name, f"is the name of no {what}")
            found.append(by_name)
        elif id_field not in entry:
            raise InputError(source, f"[{place}].{id_field}", None, "is missing")
        elif not _known(number, known):
            raise InputError(source, f"[{place}].{id_field}", number, f"is the id of no {what}")
        elif not _fits(number, name, known, find):
            raise InputError(source, f"[{place}].{name_field}", name, f"but {id_field} {number} is {known[number]!r}")
        else:
            found.append(number)
    return found


def _known(number: Any, known: Collection[Any]) -> bool:
    return isinstance(number, int | str) and not isinstance(number, bool) and number in known


def _fits(number: Any, name: Any, known: Mapping[Any, str], find: Callable[[str], Any]) -> bool:
    """Return whether an id is known and stands for what the entry's name says, where both sides have a name."""
    if not _known(number, known):
        return False
    return not isinstance(name, str) or known[number] in {"", name} or find(name) == number


def _fields(
    entry: Mapping[str, Any], place: int, source: str, truth: Truth, image: Id, *, masks: bool | None
) -> dict[str, Any]:
    score = entry.get("score")
    if "score" not in entry:
        raise InputError(source, f"[{place}].score", None, "is missing")
    if not is_number(score):
        raise InputError(source, f"[{place}].score", score, "must be a number that is finite")
    mask = entry.get("segmentation")
    if masks is False and entry.get("bbox") is not None:
        mask = None
    if mask is None:
        if masks:
            raise InputError(source, f"[{place}].segmentation", None, "is missing")
        return {"score": score, "bbox": checked_box(entry.get("bbox"), source, f"[{place}].bbox")}
    code = _run_length_code(mask, *truth.size(image), f"{source}: [{place}]")
    if entry.get("bbox") is None:
        box = [float(side) for side in rle_codec.toBbox(code)]
    else:
        box = checked_box(entry["bbox"], source, f"[{place}].bbox")
    return {"score": score, "bbox": box, "segmentation": code}


def _run_length_code(segmentation: Any, width: int, height: int, source: str) -> dict[str, Any]:
    """Return any segmentation as the compressed run-length code that pycocotools takes for results."""
    pixels = decode_mask(segmentation, width, height, source)
    if isinstance(segmentation, dict) and isinstance(segmentation["counts"], str):
        return {"size": segmentation["size"], "counts": segmentation["counts"]}
    return encode_mask(np.asarray(pixels, np.uint8))


def _from_lines(text: str, truth: Truth, path: Path) -> list[Result]:
    """Turn the platform's result lines into COCO results with names; a picture with an error has no detections."""
    by_hash: dict[str, Id] = {}
    for number, image in truth.images.items():
        for key in (image.get("sha256"), PurePosixPath(str(image.get("file_name", ""))).stem):
            if key:
                by_hash.setdefault(key, number)
    numbers = {name: number for number, name in truth.categories.items()}
    results: list[Result] = []
    for row, content in enumerate(text.splitlines(), 1):
        where = f"line {row}"
        line = _decode(content, path, where, content[:80])
        if not isinstance(line, dict) or not isinstance(line.get("sha256"), str):
            raise InputError(path, where, content[:80], "is no result: it has no sha256")
        if (image_id := by_hash.get(line["sha256"])) is None:
            raise InputError(path, f"{where}: sha256", line["sha256"], "is the sha256 or file name of no picture")
        if "error" in line:
            continue
        if (line.get("width"), line.get("height")) != truth.size(image_id):
            size = (line.get("width"), line.get("height"))
            raise InputError(path, f"{where}: width, height", size, f"the ground truth says {truth.size(image_id)}")
        found = line.get("detections")
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise InputError(path, f"{where}: detections", found, "must be a list of objects")
        for place, entry in enumerate(found):
            name = entry.get("class_name")
            if not isinstance(name, str) or name not in numbers:
                raise InputError(path, f"{where}: detections[{place}].class_name", name, "is the name of no category")
            results.append(
                entry | {"image_id": image_id, "category_id": numbers[name], "segmentation": entry.get("mask")}
            )
    return results
