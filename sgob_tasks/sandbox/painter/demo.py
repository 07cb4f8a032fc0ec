"""The collection that the stand-in Europeana serves: pictures, a CSV as a museum would hand it in, and the truth."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from sgob_tasks.sandbox.collection import FAULTS, PUBLIC_DOMAIN
from sgob_tasks.sandbox.painter.dataset import (
    coco,
    default_processes,
    orders,
    paint_all,
    refuse_strangers,
    scene_seed,
    write_json,
)
from sgob_tasks.sandbox.painter.scene import SIZE, Scene

COLUMNS = ("file", "title", "creator", "year", "description", "language", "rights", "subject", "fault")
RIGHTS = (
    PUBLIC_DOMAIN,
    PUBLIC_DOMAIN,
    "http://creativecommons.org/publicdomain/zero/1.0/",
    "http://creativecommons.org/licenses/by/4.0/",
    "http://creativecommons.org/licenses/by-sa/4.0/",
)
PICTURES_PER_FAULT = 6
"""One picture in this many has a fault, until there is one of each kind."""

GENRES = {
    "george": "religious art",
    "michael": "religious art",
    "annunciation": "religious art",
    "jerome": "religious art",
    "vision": "religious art",
    "ruler": "portrait",
    "court": "genre painting",
    "in hand": "portrait",
    "ships": "marine art",
    "vanitas": "still life",
    "treasury": "still life",
    "arms": "heraldry",
    "tournament": "history painting",
    "hunt": "genre painting",
    "pastoral": "landscape",
    "mounted": "genre painting",
    "aloft": "landscape",
}


def faults_of(scenes: list[Scene]) -> dict[str, str]:
    """Return which pictures are served with which fault; never one with a look-alike, of which every one counts."""
    plain = [scene.file_name for scene in scenes if scene.subject not in {"mounted", "aloft", "in hand"}]
    count = min(len(FAULTS), len(scenes) // PICTURES_PER_FAULT, len(plain))
    step = len(plain) / max(1, count)
    return {plain[int(i * step)]: FAULTS[i] for i in range(count)}


def paint_collection(
    out: Path, count: int, seed: int, *, size: tuple[int, int] = SIZE, processes: int | None = None, faults: bool = True
) -> Path:
    """Paint a collection: ``images/*.jpg``, ``collection.csv`` and ``truth.json``.

    ``truth.json`` is a COCO document whose images also carry title, dates, labelled sentences, the reference caption,
    whether they are anachronistic, and their fault; see :func:`dataset.coco`.

    Args:
        out: folder to write into; made if missing.
        count: number of pictures.
        seed: the same seed paints the same collection; its pictures are in no training set.
        size: width and height in pixels.
        processes: how many processes paint; two where there are two cores, if omitted.
        faults: whether a handful of records are broken, as a night of harvesting finds them.

    Returns:
        ``out``.

    Raises:
        InputError: a number is out of range, or ``out`` holds another painting.
    """
    processes = default_processes() if processes is None else processes
    scenes = list(paint_all(orders(count, seed, "served"), out / "images", size=size, processes=processes))
    broken = faults_of(scenes) if faults else {}
    rng = random.Random(scene_seed(seed, "served", count))  # noqa: S311 - pictures, not secrets
    with (out / "collection.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for scene in scenes:
            fault, rights = broken.get(scene.file_name, ""), rng.choice(RIGHTS)
            words = (scene.title, scene.creator, scene.dating.text, scene.description)
            writer.writerow((scene.file_name, *words, "en", rights, GENRES[scene.subject], fault))
    truth = coco(scenes)
    for image in truth["images"]:
        image["fault"] = broken.get(image["file_name"], "")
    write_json(out / "truth.json", truth)
    refuse_strangers(out / "images", {scene.file_name for scene in scenes})
    return out
