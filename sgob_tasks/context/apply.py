"""The context by hand: COCO results and a table of works in, corrected results with their reasons out."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sgob_tasks.context.coco_pictures import read_json, work_of
from sgob_tasks.context.dates import DateRange, parse_date, parse_title_date
from sgob_tasks.context.evidence import Work
from sgob_tasks.context.picture_context import ContextModels, correct_with_context
from sgob_tasks.context.time_context import Correction, Seen
from sgob_tasks.detection.vocabularies import COCO_CATEGORIES
from sgob_tasks.errors import InputError
from sgob_tasks.progress import track

_KEYS = ("id", "image_id", "file", "file_name")


@dataclass(frozen=True)
class ApplyCounts:
    """What was done.

    Attributes:
        pictures: that have detections.
        dated: of these, those with a date that could be read.
        detections, relabelled, rescored, removed: as ``refine.ContextCounts`` has them.
        out: the file.
    """

    pictures: int
    dated: int
    detections: int
    relabelled: int
    rescored: int
    removed: int
    out: str


def apply_to_file(results: Path, works: Path, out: Path, models: ContextModels) -> ApplyCounts:
    """Correct detections by what a table says of their works.

    Args:
        results: detections, as a JSON list or one object a line (``.jsonl``): COCO results (``image_id``,
            ``category_id`` or ``class_name`` or ``label``, ``score``, ``bbox``, and ``candidates``, the class scores of
            the box). A ``category_id`` is looked up in ``works`` where that is a COCO data set, else it is COCO's own.
        works: a COCO data set whose images carry title and date; or a CSV table or JSON lines with ``id`` (or
            ``image_id``, ``file``), any of ``title``, ``description``, ``date`` (as a museum writes it), ``year``,
            ``year_from`` and ``year_to``.
        out: file to write: the same detections in the same order, with ``label`` (null where nothing is left),
            ``label_before``, ``score``, ``score_before``, ``reason`` and ``evidence``; ``category_id`` follows the
            label. One object a line where its name ends with ``.jsonl``.
        models: what corrects them.

    Raises:
        InputError: a file or a field does not fit, or a detection's picture is not in the table.
    """
    by_picture, names = read_works(works)
    numbers = {name: number for number, name in names.items()}
    entries = _read_list(results)
    groups: dict[Any, list[int]] = {}
    for place, entry in enumerate(entries):
        groups.setdefault(_picture(entry, place, results, by_picture), []).append(place)
    written: list[dict[str, Any]] = [{} for _ in entries]
    counts: Counter[str] = Counter()
    for picture, places in track(list(groups.items()), "Context"):
        work = by_picture[picture]
        counts["dated"] += work.date is not None
        seen = [_seen(entries[place], place, results, names) for place in places]
        for place, one, correction in zip(places, seen, correct_with_context(seen, work, models), strict=True):
            written[place] = _result(entries[place], one, correction, numbers)
            counts[_change(one, correction)] += 1
    text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in written)
    if out.suffix != ".jsonl":
        text = json.dumps(written, ensure_ascii=False, indent=1) + "\n"
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise InputError("apply", "out", str(out), error.strerror or str(error)) from error
    return ApplyCounts(
        pictures=len(groups),
        dated=counts["dated"],
        detections=len(entries),
        relabelled=counts["relabelled"],
        rescored=counts["rescored"],
        removed=counts["removed"],
        out=str(out),
    )


def read_works(path: Path) -> tuple[dict[str, Work], dict[int, str]]:
    """Return what a file says of works by the id (and file name) of their pictures, and names by category id.

    Raises:
        InputError: the file cannot be read, or a field does not fit.
    """
    if path.suffix == ".csv":
        rows: Iterable[Mapping[str, Any]] = _read_csv(path)
    elif path.suffix == ".jsonl":
        rows = _read_list(path)
    else:
        document = read_json(path, str(path), dict)
        names = {int(one["id"]): str(one["name"]) for one in document.get("categories", ())}
        images = document.get("images")
        if not isinstance(images, list):
            raise InputError(path, "images", images, "must be a list; a table has the name .csv or .jsonl")
        known: dict[str, Work] = {}
        for image in images:
            _add(known, image, work_of(image, str(path)))
        return known, names
    known = {}
    for row in rows:
        _add(known, row, _work(row, path))
    return known, {number: "computer mouse" if name == "mouse" else name for number, name in COCO_CATEGORIES}


def _add(known: dict[str, Work], row: Mapping[str, Any], work: Work) -> None:
    for field in _KEYS:
        if row.get(field) not in (None, ""):
            key = str(row[field])
            known[key] = work
            known.setdefault(PurePosixPath(key).name, work)


def _work(row: Mapping[str, Any], path: Path) -> Work:
    years: list[int | None] = []
    for field in ("year_from", "year_to"):
        value = row.get(field) if row.get(field) not in (None, "") else row.get("year")
        if isinstance(value, str) and not value.strip().lstrip("-").isdecimal():
            parsed = parse_date(value)
            years.append(None if parsed is None else getattr(parsed, field))
        else:
            years.append(None if value in (None, "") else int(value))
    title = str(row.get("title") or "")
    stated = parse_date(str(row.get("date") or row.get("date_text") or "")) or parse_title_date(title)
    if years == [None, None]:
        return Work(title, str(row.get("description") or ""), stated)
    try:
        doubts = (stated.circa, stated.uncertain) if stated is not None else (False, False)
        date = DateRange(years[0], years[1], *doubts)
    except ValueError as error:
        name = next((row[key] for key in _KEYS if row.get(key)), "")
        raise InputError(path, f"{name}: year_from, year_to", tuple(years), str(error)) from error
    return Work(title, str(row.get("description") or ""), date)


def _read_csv(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not set(_KEYS) & set(reader.fieldnames or ()):
                raise InputError(path, "columns", reader.fieldnames, f"must have one of {', '.join(_KEYS)}")
            return list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "file", str(error), "cannot be read as CSV in UTF-8") from error


def _read_list(path: Path) -> Sequence[dict[str, Any]]:
    try:
        text = path.read_text("utf-8")
        found = [json.loads(line) for line in text.splitlines() if line.strip()] if path.suffix == ".jsonl" else None
        found = json.loads(text) if found is None else found
    except (OSError, ValueError) as error:
        raise InputError(path, "file", str(error), "cannot be read as JSON") from error
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise InputError(path, "document", type(found).__name__, "must be a list of objects")
    return found


def _picture(entry: Mapping[str, Any], place: int, source: Path, works: Mapping[str, Work]) -> str:
    for field in ("image_id", "file_name", "id", "sha256"):
        key = str(entry.get(field, ""))
        for name in (key, PurePosixPath(key).name):
            if name and name in works:
                return name
    raise InputError(source, f"[{place}].image_id", entry.get("image_id"), "is the picture of no work of the table")


def _seen(entry: Mapping[str, Any], place: int, source: Path, names: Mapping[int, str]) -> Seen:
    name = entry.get("class_name") or entry.get("label") or names.get(entry.get("category_id", -1))
    if not isinstance(name, str):
        raise InputError(source, f"[{place}].category_id", entry.get("category_id"), "is the id of no class")
    score, candidates = entry.get("score"), entry.get("candidates") or {}
    if not isinstance(score, int | float) or isinstance(score, bool) or not 0 <= score <= 1:
        raise InputError(source, f"[{place}].score", score, "must be a number from 0 to 1")
    scores = candidates.values() if isinstance(candidates, dict) else [None]
    if not all(isinstance(value, int | float) and 0 <= value <= 1 for value in scores):
        raise InputError(source, f"[{place}].candidates", candidates, "must give a score from 0 to 1 for each class")
    box = entry.get("bbox") or [0.0, 0.0, 0.0, 0.0]
    if not isinstance(box, list) or len(box) != 4:
        raise InputError(source, f"[{place}].bbox", box, "must be [x, y, width, height]")
    return Seen(name, float(score), candidates, (box[0], box[1], box[2], box[3]))


def _result(entry: Mapping[str, Any], seen: Seen, correction: Correction, numbers: Mapping[str, int]) -> dict[str, Any]:
    result = dict(entry) | {
        "label": correction.label,
        "label_before": seen.class_name,
        "score": correction.label_score,
        "score_before": seen.score,
        "reason": correction.reason,
        "evidence": correction.evidence,
    }
    if "category_id" in entry:
        result["category_id"] = None if correction.label is None else numbers.get(correction.label)
    return result


def _change(seen: Seen, correction: Correction) -> str:
    if correction.label is None:
        return "removed"
    if correction.label != seen.class_name:
        return "relabelled"
    return "rescored" if correction.reason else "kept"
