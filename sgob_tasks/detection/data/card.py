"""The card of a data set: what it holds, and what was left out and why, as JSON (the picture: ``card_picture``)."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sgob_tasks.detection.data.dataset import Dataset, Picture
from sgob_tasks.detection.data.prepare import class_map
from sgob_tasks.detection.data.shards import PREPARATION, data_hash, is_sharded, open_split, read_index, split_names
from sgob_tasks.detection.files import load_json

COCO_SIZES = (("small", 0.0, 32.0**2), ("medium", 32.0**2, 96.0**2), ("large", 96.0**2, math.inf))
"""COCO's size classes: area in pixels, from and below."""

RELATIVE_EDGES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Classes of the root of a box's share of its picture: what is left of its size whatever the pictures' own."""

MANY_BOXES = 20
"""Pictures with this many boxes or more are counted together."""

_YEAR = re.compile(r"-?\d{1,4}")
_REASONS = 12


def year_of(picture: Picture) -> int | None:
    """Return the year of a picture: ``year``, else the middle of ``year_from`` and ``year_to``; None if unknown."""
    year = _whole(picture.extras.get("year"))
    if year is not None:
        return year
    ends = [_whole(picture.extras.get(name)) for name in ("year_from", "year_to")]
    known = [end for end in ends if end is not None]
    return sum(known) // len(known) if known else None


def _whole(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and _YEAR.fullmatch(value.strip()) else None


def century_of(picture: Picture) -> int | None:
    """Return the century of a picture, 15 for 1401 to 1500; None where its year is unknown or before the year 1."""
    year = year_of(picture)
    return (year - 1) // 100 + 1 if year is not None and year > 0 else None


def dataset_card(folder: Path) -> dict[str, Any]:
    """Count what a prepared data set (sharded or not) holds.

    Returns:
        JSON values: ``name, sha256, max_side, splits, classes, supercategories, sizes, boxes_per_picture, centuries,
        styles, masks, left_out``; ``left_out`` is None where nothing is known of it.

    Raises:
        InputError: the folder holds no prepared data set, or it does not hold.
    """
    splits = {split: open_split(folder, split) for split in split_names(folder)}
    first = next(iter(splits.values()))
    rows = read_index(folder)["classes"] if is_sharded(folder) else class_map(first)
    pictures = [picture for dataset in splits.values() for picture in dataset.pictures]
    instances = [(instance, picture) for picture in pictures for instance in picture.instances]
    with_mask = sum(instance.segmentation is not None for instance, _ in instances)
    classes = _classes(rows, splits)
    kinds: Counter[str] = Counter()
    for entry in classes:
        kinds[entry["supercategory"] or "unknown"] += entry["boxes"]
    return {
        "name": folder.resolve().name,
        "sha256": data_hash(folder),
        "sharded": is_sharded(folder),
        "max_side": read_index(folder)["max_side"] if is_sharded(folder) else None,
        "splits": {split: _split(dataset) for split, dataset in splits.items()},
        "classes": classes,
        "supercategories": dict(kinds.most_common()),
        "sizes": {
            "coco": {
                name: sum(low <= (i.area or i.box[2] * i.box[3]) < high for i, _ in instances)
                for name, low, high in COCO_SIZES
            },
            "relative": _relative((i.box[2] * i.box[3] / (p.width * p.height)) ** 0.5 for i, p in instances),
        },
        "boxes_per_picture": _boxes_per_picture(pictures),
        "centuries": _known(century_of(picture) for picture in pictures),
        "styles": dict(Counter(str(p.extras["style"]) for p in pictures if p.extras.get("style")).most_common()),
        "masks": {
            "boxes": len(instances),
            "with_mask": with_mask,
            "share": round(with_mask / max(1, len(instances)), 4),
        },
        "left_out": _left_out(folder),
    }


def _split(dataset: Dataset) -> dict[str, int]:
    crowds = sum(instance.crowd for picture in dataset.pictures for instance in picture.instances)
    return {
        "pictures": len(dataset.pictures),
        "boxes": dataset.instance_count,
        "with_mask": dataset.instances_with_mask,
        "crowds": crowds,
        "without_boxes": sum(not picture.instances for picture in dataset.pictures),
    }


def _classes(rows: list[dict[str, Any]], splits: Mapping[str, Dataset]) -> list[dict[str, Any]]:
    """Return the class map with the boxes of each class, in all and by split, and the pictures that show it."""
    boxes = {
        split: Counter(instance.class_index for picture in dataset.pictures for instance in picture.instances)
        for split, dataset in splits.items()
    }
    shown: Counter[int] = Counter()
    for dataset in splits.values():
        for picture in dataset.pictures:
            shown.update({instance.class_index for instance in picture.instances})
    return [
        row
        | {
            "boxes": sum(count[row["index"]] for count in boxes.values()),
            "pictures": shown[row["index"]],
            "by_split": {split: count[row["index"]] for split, count in boxes.items()},
        }
        for row in rows
    ]


def _relative(sides: Iterable[float]) -> dict[str, int]:
    counts = [0] * (len(RELATIVE_EDGES) - 1)
    for side in sides:
        place = sum(side >= edge for edge in RELATIVE_EDGES[1:-1])
        counts[place] += 1
    names = [f"{low:.0%} to {high:.0%}" for low, high in itertools.pairwise(RELATIVE_EDGES)]
    return dict(zip(names, counts, strict=True))


def _boxes_per_picture(pictures: Iterable[Picture]) -> dict[str, int]:
    counts = Counter(min(len(picture.instances), MANY_BOXES) for picture in pictures)
    return {
        (f"{MANY_BOXES}+" if number == MANY_BOXES else str(number)): counts[number]
        for number in range(max(counts, default=0) + 1)
    }


def _known(centuries: Iterable[int | None]) -> dict[str, int]:
    counts = Counter(century for century in centuries if century is not None)
    return {str(century): counts[century] for century in sorted(counts)}


def _left_out(folder: Path) -> dict[str, Any] | None:
    """Return how much was left out by kind, and the commonest reasons; None where no preparation says so."""
    path = folder / PREPARATION
    if not path.is_file():
        return None
    problems = load_json(path)["left_out"]
    reasons = Counter((entry["kind"], _reason(entry)) for entry in problems["list"])
    return {
        "counts": problems["counts"],
        "reasons": [
            {"kind": kind, "reason": reason, "count": count} for (kind, reason), count in reasons.most_common(_REASONS)
        ],
    }


def _reason(entry: dict[str, str]) -> str:
    """Return a reason by which alike faults can be counted: with the label, without the numbers."""
    if entry["kind"] == "label" and entry["value"].strip() not in {"", "None"}:
        return f"{entry['value'].strip()!r} {entry['reason']}"
    return re.sub(r"\d+", "#", entry["reason"])
