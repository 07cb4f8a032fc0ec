"""Training data of the caption generator from painted scenes, and what a detector found on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sgob_tasks.captions.generator.prepare import file_sha256, write_lines, write_split
from sgob_tasks.captions.seen import ruled_out
from sgob_tasks.context.dates import DateRange, parse_date
from sgob_tasks.context.time_context import Seen, correct_picture
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.detection.files import load_json
from sgob_tasks.sandbox.painter.references import coco_references


def painted_captions(painted: Path, images: Path) -> dict[str, Any]:
    """Return the reference captions of a painted data set, with what the generator may know of each picture.

    Args:
        painted: ``train.json`` or ``val.json`` of a painted training set.
        images: folder of its pictures.

    Returns:
        As ``references.coco_references``; the images also have ``sha256`` and ``forbidden``.

    Raises:
        InputError: a picture is not there.
    """
    document = load_json(painted)
    captions, table = coco_references(document), ClassTable.load()
    dates = {image["id"]: _date(image) for image in document["images"]}
    for image in captions["images"]:
        image["sha256"] = file_sha256(images / image["file_name"])
        image["forbidden"] = sorted(ruled_out(table, dates[image["id"]]))
    return captions


def _date(image: Mapping[str, Any]) -> DateRange:
    return parse_date(image["date_text"]) or DateRange(image["year_from"], image["year_to"])


def after_time_context(
    images: Iterable[Mapping[str, Any]], found: Mapping[Any, Iterable[Mapping[str, Any]]]
) -> dict[Any, list[dict[str, Any]]]:
    """Return detections with the labels and scores that the time context gives them; what it removes is left out.

    Args:
        images: of a painted data set: ``id``, ``date_text``, ``year_from``, ``year_to``.
        found: on each image, by its id: ``class_name, score, bbox, candidates``.
    """
    table, corrected = ClassTable.load(), {}
    for image in images:
        entries = list(found.get(image["id"], ()))
        seen = [Seen(e["class_name"], e["score"], e.get("candidates", {}), tuple(e["bbox"])) for e in entries]
        kept = zip(entries, correct_picture(seen, _date(image), table), strict=True)
        corrected[image["id"]] = [
            {"class_name": after.label, "score": after.label_score, "bbox": entry["bbox"]}
            for entry, after in kept
            if after.label is not None
        ]
    return corrected


def painted_things(painted: Path) -> dict[Any, list[dict[str, Any]]]:
    """Return what a painted data set shows, by image id, as a detector that never errs would have found it.

    Args:
        painted: ``train.json`` or ``val.json`` of a painted training set.
    """
    document = load_json(painted)
    names = {category["id"]: str(category["name"]) for category in document["categories"]}
    found: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in document["images"]}
    for thing in document["annotations"]:
        entry = {"class_name": names[thing["category_id"]], "score": 1.0, "bbox": thing["bbox"]}
        found[thing["image_id"]].append(entry)
    return found


def write_painted_records(path: Path, painted: Path) -> None:
    """Write what the works of a painted data set show, as JSON lines that ``context.language`` learns from.

    Args:
        path: to write.
        painted: ``train.json`` of a painted training set; never the held-out one.
    """
    document, things = load_json(painted), painted_things(painted)
    kept = ("title", "year_from", "year_to")
    write_lines(
        path,
        (
            {"id": str(image["id"]), **{name: image[name] for name in kept}}
            | {"captions": [one["text"] for one in image["sentences"]] + [image["reference_caption"]]}
            | {"labels": sorted({thing["class_name"] for thing in things[image["id"]]})}
            for image in document["images"]
        ),
    )


def write_painted_split(
    folder: Path, painted: Path, images: Path, found: Mapping[Any, Iterable[Mapping[str, Any]]]
) -> dict[str, Any]:
    """Write a split of the generator's training data, and return its captions.

    Args:
        folder: to write into.
        painted: ``train.json`` or ``val.json`` of a painted training set.
        images: folder of its pictures.
        found: the detector's results by image id: ``class_name, score, bbox, candidates``.
    """
    captions = painted_captions(painted, images)
    write_split(folder, captions, after_time_context(load_json(painted)["images"], found))
    return captions
