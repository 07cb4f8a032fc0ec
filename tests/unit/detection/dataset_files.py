"""Small data sets in the three annotation formats, for tests: pictures that differ, and what is drawn in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def write_picture(path: Path, width: int = 80, height: int = 60, seed: int = 0) -> None:
    """Write a picture whose bytes depend on the seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def voc_object(label: str = "horse", box: tuple[object, ...] = (11, 11, 30, 40), pose: str = "Left") -> str:
    x1, y1, x2, y2 = box
    return (
        f"<object><name>{label}</name><pose>{pose}</pose><truncated>1</truncated><difficult>0</difficult>"
        f"<bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
    )


def voc_document(name: str, objects: str, width: int = 80, height: int = 60, more: str = "") -> str:
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><folder>f</folder><filename>{name}</filename>{more}{size}{objects}</annotation>"


def write_voc(folder: Path, count: int = 12) -> Path:
    """Write a Pascal VOC folder of pictures with a horse, and every second with a dragon too."""
    (folder / "annotations").mkdir(parents=True)
    for number in range(count):
        write_picture(folder / "images" / f"{number}.png", seed=number)
        objects = voc_object() + (voc_object("dragon", (1, 1, 80, 60)) if number % 2 else "")
        more = f"<style>Gothic</style><year>{1400 + number * 10}</year><series>{number // 3}</series>"
        document = voc_document(f"{number}.png", objects, more=more)
        (folder / "annotations" / f"{number}.xml").write_text(document)
    return folder


def coco_document(names: list[str], **changes: Any) -> dict[str, Any]:
    """Return a COCO document in which every picture has a horse with a polygon and a dragon with a box only."""
    images = [
        {"id": i, "file_name": name, "width": 80, "height": 60, "title": f"Picture {i}", "year_from": 1500 + i}
        for i, name in enumerate(names, 1)
    ]
    annotations = [
        entry
        for i in range(1, len(names) + 1)
        for entry in (
            {
                "id": 2 * i,
                "image_id": i,
                "category_id": 7,
                "bbox": [10, 10, 20, 30],
                "area": 600,
                "iscrowd": 0,
                "segmentation": [[10, 10, 30, 10, 30, 40, 10, 40]],
                "pose": "left",
            },
            {"id": 2 * i + 1, "image_id": i, "category_id": 3, "bbox": [40, 0, 40, 60], "area": 2400, "iscrowd": 0},
        )
    ]
    categories = [{"id": 7, "name": "horse", "supercategory": "animal"}, {"id": 3, "name": "dragon"}]
    return {"images": images, "annotations": annotations, "categories": categories, **changes}


def write_coco(folder: Path, train: int = 6, val: int = 3) -> Path:
    """Write ``train.json``, ``val.json`` and ``images/``."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number}.png" for number in range(train + val)]
    for number, name in enumerate(names):
        write_picture(folder / "images" / name, seed=number)
    for split, part in (("train", names[:train]), ("val", names[train:])):
        (folder / f"{split}.json").write_text(json.dumps(coco_document(part)))
    return folder


RECT = {"name": "rect", "x": 10, "y": 10, "width": 20, "height": 30}


def via_region(shape: dict[str, Any] | None = None, label: Any = "horse", **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": shape or RECT, "region_attributes": {"class": label, **attributes}}


def via_entry(name: str, regions: Any, **attributes: Any) -> dict[str, Any]:
    return {"filename": name, "size": -1, "regions": regions, "file_attributes": attributes}


def write_via(folder: Path, entries: list[dict[str, Any]], *, project: bool = True) -> Path:
    """Write ``via.json``; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {f"{entry['filename']}{entry['size']}": entry for entry in entries}
    if project:
        document = {"_via_settings": {}, "_via_img_metadata": document, "_via_attributes": {"region": {}, "file": {}}}
    (folder / "via.json").write_text(json.dumps(document))
    return folder / "via.json"
