"""A picture's scene graph: its boxes, what they do, and which subjects that speaks for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgob_tasks.context.dates import parse_date
from sgob_tasks.context.scene_graph.relate import Plausibility, relate
from sgob_tasks.context.scene_graph.things import Relation, Thing
from sgob_tasks.context.time_context import weight
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError

if TYPE_CHECKING:
    from sgob_tasks.context.iconography.rank import Subject


@dataclass(frozen=True)
class Graph:
    """A picture's scene graph.

    Attributes:
        id: URI of the record or the picture.
        image: URL (or file name) of the picture that the boxes refer to.
        things: the nodes.
        relations: the edges, by the ids of the things.
        subjects: saints and scenes, the likeliest first.
        title: of the work.
        size: width and height of the picture in pixels; None where they are not known.
    """

    id: str
    image: str
    things: tuple[Thing, ...]
    relations: tuple[Relation, ...]
    subjects: tuple[Subject, ...] = ()
    title: str | None = None
    size: tuple[int, int] | None = None


def graph_of_file(path: Path, plausibility: Plausibility | None = None) -> Graph:
    """Build the scene graph of a picture from a file, without a store.

    The file is JSON: ``{"id", "image", "title", "description", "date_text", "width", "height", "objects": [...]}``; an
    object has ``label`` (or ``class_name``), ``score``, ``bbox`` ([x, y, width, height]) and may have ``mask`` (COCO's
    run-length code) and ``id``. Only ``objects`` has to be there.

    Raises:
        InputError: the file is none such; names the field.
    """
    from sgob_tasks.context.iconography.rank import rank_subjects  # it reads these relations

    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, "file", str(error), "cannot be read as JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("objects"), list):
        raise InputError(path, "objects", type(document).__name__, "must be a list in a JSON object")
    texts = {name: document.get(name) for name in ("id", "image", "title", "description", "date_text")}
    for name, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise InputError(path, name, value, "must be a text")
    table, date = ClassTable.load(), parse_date(texts["date_text"])
    things = [_thing(path, place, entry) for place, entry in enumerate(document["objects"])]
    if len({thing.id for thing in things}) != len(things):
        raise InputError(path, "objects.id", [thing.id for thing in things], "must be unique")
    things = [
        Thing(t.id, t.label, t.score, t.box, t.mask, weight(t.label, date, table)) for t in things
    ]  # fmt: skip
    relations = relate(things, table, plausibility)
    subjects = rank_subjects(things, relations, texts["title"], texts["description"], date)
    width, height = document.get("width"), document.get("height")
    size = (width, height) if isinstance(width, int) and isinstance(height, int) else None
    image = texts["image"] or path.stem
    return Graph(
        texts["id"] or image, image, tuple(things), tuple(relations), tuple(subjects), texts["title"], size
    )  # fmt: skip


def _thing(path: Path, place: int, entry: Any) -> Thing:
    where = f"objects[{place}]"
    if not isinstance(entry, Mapping):
        raise InputError(path, where, entry, "must be an object")
    label = entry.get("label") or entry.get("class_name")
    if not isinstance(label, str):
        raise InputError(path, f"{where}.label", label, "must be a class name")
    score = entry.get("score", 1.0)
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise InputError(path, f"{where}.score", score, "must be between 0 and 1")
    key = entry.get("id", place + 1)
    if isinstance(key, bool) or not isinstance(key, int):
        raise InputError(path, f"{where}.id", key, "must be a whole number")
    mask = entry.get("mask")
    if mask is not None and not isinstance(mask, Mapping):
        raise InputError(path, f"{where}.mask", mask, "must be a run-length code")
    return Thing(key, label, float(score), _box(path, where, entry.get("bbox")), mask)


def _box(path: Path, where: str, value: Any) -> tuple[float, float, float, float]:
    numbers = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if len(numbers) != 4 or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        raise InputError(path, f"{where}.bbox", value, "must be [x, y, width, height]")
    x, y, width, height = map(float, numbers)
    return x, y, width, height
