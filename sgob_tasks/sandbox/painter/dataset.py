"""The detector's data set: pictures with COCO and Pascal VOC annotations."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from sgob_tasks.errors import InputError
from sgob_tasks.sandbox.painter.by_lot import KINDS, paint_by_lot
from sgob_tasks.sandbox.painter.composition import ORDINARY
from sgob_tasks.sandbox.painter.scene import CLASSES, SIZE, Scene, paint_scene
from sgob_tasks.sandbox.painter.twofold import WITH_LOOK_ALIKE

JPEG_QUALITY = 90
TRAINING_LOOK_ALIKES = 0.47
"""Share of training pictures with a look-alike; one in seven of them is old."""
HELD_OUT_AMBIGUOUS, HELD_OUT_MODERN = 0.3, 0.2
"""Shares of held-out pictures with an old and with a modern look-alike."""
SERVED_AMBIGUOUS, SERVED_MODERN = 0.2, 0.12
"""The same for the collection that the stand-in Europeana serves."""

_SPLIT_CODES = {"train": 0, "held_out": 1, "served": 2}
_MAX_PICTURES = 1 << 24


@dataclass(frozen=True)
class Order:
    """What to paint: the arguments of :func:`paint_scene`, or of :func:`paint_by_lot`."""

    seed: int
    split: str
    subject: str
    ambiguous: bool


def scene_seed(seed: int, split: str, index: int) -> int:
    """Return the seed of one picture; no two (seed, split, index) share one, so splits share no picture."""
    return (seed * len(_SPLIT_CODES) + _SPLIT_CODES[split]) * _MAX_PICTURES + index


def orders(count: int, seed: int, split: str) -> list[Order]:
    """Return what to paint for a split: subjects in equal numbers, shuffled, with its share of look-alikes.

    Raises:
        InputError: ``count`` or ``seed`` is negative or too large.
    """
    check_numbers(count, seed)
    if split == "train":
        old, modern = TRAINING_LOOK_ALIKES / 7, TRAINING_LOOK_ALIKES * 6 / 7
    elif split == "held_out":
        old, modern = HELD_OUT_AMBIGUOUS, HELD_OUT_MODERN
    else:
        old, modern = SERVED_AMBIGUOUS, SERVED_MODERN
    ambiguous, known = round(count * old), round(count * modern)
    look_alikes, ordinary = tuple(WITH_LOOK_ALIKE), tuple(ORDINARY)
    plan = [(look_alikes[i % len(look_alikes)], True) for i in range(ambiguous)]
    plan += [(look_alikes[i % len(look_alikes)], False) for i in range(known)]
    plan += [(ordinary[i % len(ordinary)], False) for i in range(count - len(plan))]
    random.Random(scene_seed(seed, split, _MAX_PICTURES - 1)).shuffle(plan)  # noqa: S311 - pictures, not secrets
    return [Order(scene_seed(seed, split, i), split, subject, old) for i, (subject, old) in enumerate(plan)]


def check_numbers(count: int, seed: int) -> None:
    """Refuse a number of pictures or a seed that is out of range.

    Raises:
        InputError: ``count`` or ``seed`` is negative or too large.
    """
    if not 0 <= count < _MAX_PICTURES:
        raise InputError("painter", "count", count, f"a number from 0 to {_MAX_PICTURES - 1} expected")
    if seed < 0:
        raise InputError("painter", "seed", seed, "a number from 0 expected")


def paint_order(order: Order, size: tuple[int, int] = SIZE) -> Scene:
    """Paint what is ordered."""
    if order.subject in KINDS:
        return paint_by_lot(order.subject, order.seed, split=order.split, size=size)
    return paint_scene(order.seed, split=order.split, subject=order.subject, ambiguous=order.ambiguous, size=size)


def _paint_job(job: tuple[Order, Path, tuple[int, int]]) -> Scene:
    order, folder, size = job
    scene = paint_order(order, size)
    scene.picture.save(folder / scene.file_name, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return scene.without_image()


def paint_all(
    plan: Iterable[Order], folder: Path, *, size: tuple[int, int] = SIZE, processes: int = 1
) -> Iterator[Scene]:
    """Paint and save pictures; yield the scenes in order, without their images.

    Args:
        plan: what to paint.
        folder: where the JPEG files go; made if missing.
        size: width and height in pixels.
        processes: how many processes paint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(order, folder, size) for order in plan]
    if processes <= 1:
        yield from map(_paint_job, jobs)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(_paint_job, jobs, chunksize=8)


def coco(scenes: Iterable[Scene]) -> dict[str, Any]:
    """Return scenes as one COCO document.

    Images carry the extra fields ``title``, ``creator``, ``date_text``, ``year_from``, ``year_to``, ``anachronistic``,
    ``subject``, ``seed``, ``sentences`` and ``reference_caption``; annotations the extra fields ``ambiguous`` and, of
    staffage, ``behind``.
    Segmentations are uncompressed RLE, column-major.
    """
    categories = [{"id": i, "name": name, "supercategory": ""} for i, name in enumerate(CLASSES, 1)]
    ids = {name: i for i, name in enumerate(CLASSES, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, scene in enumerate(scenes, 1):
        images.append(
            {
                "id": image_id,
                "file_name": scene.file_name,
                "width": scene.width,
                "height": scene.height,
                "title": scene.title,
                "creator": scene.creator,
                "date_text": scene.dating.text,
                "year_from": scene.dating.year_from,
                "year_to": scene.dating.year_to,
                "anachronistic": scene.anachronistic,
                "subject": scene.subject,
                "seed": scene.seed,
                "sentences": [{"text": s.text, "label": s.label} for s in scene.sentences],
                "reference_caption": scene.reference_caption,
            }
        )
        for thing in scene.objects:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": ids[thing.class_name],
                    "bbox": list(thing.bbox),
                    "area": thing.area,
                    "iscrowd": 0,
                    "segmentation": thing.mask,
                    "ambiguous": thing.ambiguous,
                }
                | ({"behind": True} if thing.behind else {})
            )
    return {"images": images, "categories": categories, "annotations": annotations}


def voc(scene: Scene) -> str:
    """Return a scene as a Pascal VOC document; its boxes count pixels from 1, ends included."""
    root = ET.Element("annotation")
    for tag, text in (("folder", "images"), ("filename", scene.file_name)):
        ET.SubElement(root, tag).text = text
    ET.SubElement(ET.SubElement(root, "source"), "database").text = "painter"
    size = ET.SubElement(root, "size")
    for tag, number in (("width", scene.width), ("height", scene.height), ("depth", 3)):
        ET.SubElement(size, tag).text = str(number)
    ET.SubElement(root, "segmented").text = "1"
    for thing in scene.objects:
        node = ET.SubElement(root, "object")
        ET.SubElement(node, "name").text = thing.class_name
        ET.SubElement(node, "pose").text = "Unspecified"
        x, y, width, height = thing.bbox
        cut = x == 0 or y == 0 or x + width == scene.width or y + height == scene.height
        ET.SubElement(node, "truncated").text = str(int(cut))
        ET.SubElement(node, "difficult").text = "0"  # VOC leaves difficult ones uncounted; the ambiguous count
        box = ET.SubElement(node, "bndbox")
        for tag, number in (("xmin", x + 1), ("ymin", y + 1), ("xmax", x + width), ("ymax", y + height)):
            ET.SubElement(box, tag).text = str(number)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def write_json(path: Path, document: object) -> None:
    """Write a JSON document under a temporary name, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    part.replace(path)


def refuse_strangers(folder: Path, names: set[str]) -> None:
    """Make sure that a folder holds only what was just written, since whoever reads it takes all that is there.

    Raises:
        InputError: there are other files, of an earlier painting with other arguments.
    """
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in names)
    if strangers:
        raise InputError(
            folder, "file", strangers[0], f"{len(strangers)} files of another painting: use an empty folder"
        )


def default_processes() -> int:
    """Return how many processes paint unless told otherwise."""
    return min(2, os.cpu_count() or 1)


def paint_training_set(
    out: Path, train: int, held_out: int, seed: int, *, size: tuple[int, int] = SIZE, processes: int | None = None
) -> Path:
    """Paint the detector's data set: ``images/``, ``annotations/*.xml``, ``train.json``, ``val.json``.

    The held-out pictures (``val.json``) hold 30 % old pictures whose horse, angel, bird or book cannot be told from its
    modern look-alike by its pixels; in the training pictures these are one in seven of the look-alikes.

    Args:
        out: folder to write into; made if missing.
        train: number of training pictures.
        held_out: number of held-out pictures.
        seed: the same seed paints the same data set.
        size: width and height of the pictures in pixels.
        processes: how many processes paint; two where there are two cores, if omitted.

    Returns:
        ``out``.

    Raises:
        InputError: a number is out of range, or ``out`` holds another painting.
    """
    plans = {"train.json": orders(train, seed, "train"), "val.json": orders(held_out, seed, "held_out")}
    return paint_set(out, plans, size, processes)


def paint_set(out: Path, plans: Mapping[str, Sequence[Order]], size: tuple[int, int], processes: int | None) -> Path:
    """Paint a data set: ``images/``, ``annotations/*.xml``, and a COCO document for each plan.

    Args:
        out: folder to write into; made if missing.
        plans: name of the document -> what to paint.
        size: width and height of the pictures in pixels.
        processes: how many processes paint; two where there are two cores, if omitted.

    Returns:
        ``out``.

    Raises:
        InputError: ``out`` holds another painting.
    """
    processes = default_processes() if processes is None else processes
    (out / "annotations").mkdir(parents=True, exist_ok=True)
    names: set[str] = set()
    for name, plan in plans.items():
        scenes = []
        for scene in paint_all(plan, out / "images", size=size, processes=processes):
            (out / "annotations" / scene.file_name).with_suffix(".xml").write_text(voc(scene), encoding="utf-8")
            scenes.append(scene)
        names |= {scene.file_name for scene in scenes}
        write_json(out / name, coco(scenes))
    refuse_strangers(out / "images", names)
    refuse_strangers(out / "annotations", {Path(name).with_suffix(".xml").name for name in names})
    return out
