"""Data sets and detections for the tests of evaluation: made at random, from a seed."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from sgob_tasks.detection.masks import encode_mask

SIDE = 200


def box_mask(box: list[float]) -> dict[str, Any]:
    """Return the run-length code of an ellipse in a box."""
    x, y, width, height = box
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = ((columns - x - width / 2) / (width / 2)) ** 2 + ((rows - y - height / 2) / (height / 2)) ** 2 <= 1
    return encode_mask(inside.astype(np.uint8))


def make_truth(
    seed: int = 0, images: int = 12, classes: int = 4, most: int = 6, *, masks: bool = False
) -> dict[str, Any]:
    """Draw a data set: some pictures are empty, some instances are crowds, sizes from small to large."""
    draw = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    for image in range(1, images + 1):
        for _ in range(draw.integers(0, most + 1)):
            width, height = (float(side) for side in draw.choice([12, 20, 40, 60, 110], 2))
            box = [float(draw.integers(0, SIDE - width)), float(draw.integers(0, SIDE - height)), width, height]
            annotations.append(
                {
                    "id": len(annotations),  # starts with 0 on purpose
                    "image_id": image * 3,
                    "category_id": int(draw.integers(1, classes + 1)) * 2,
                    "bbox": box,
                    "area": width * height,
                    "iscrowd": int(draw.random() < 0.08),
                }
                | ({"segmentation": box_mask(box)} if masks else {})
            )
    return {
        "images": [
            {"id": image * 3, "file_name": f"folder/{image}.jpg", "width": SIDE, "height": SIDE}
            for image in range(1, images + 1)
        ],
        "categories": [{"id": 2 * number, "name": f"class {number}"} for number in range(1, classes + 1)],
        "annotations": annotations,
    }  # fmt: skip


def make_results(
    truth: dict[str, Any],
    seed: int = 1,
    *,
    drop: float = 0.2,
    relabel: float = 0.1,
    shift: float = 6.0,
    extra: float = 0.5,
    digits: int = 2,
    masks: bool = False,
) -> list[dict[str, Any]]:
    """Spoil the truth: drop, relabel, shift, double and add. Scores are rounded, so that some are equal."""
    draw = np.random.default_rng(seed)
    numbers = [category["id"] for category in truth["categories"]]
    results: list[dict[str, Any]] = []

    def add(image: int, category: int, box: list[float], score: float) -> None:
        entry = {"image_id": image, "category_id": category, "bbox": box, "score": round(float(score), digits)}
        results.append(entry | ({"segmentation": box_mask(box)} if masks else {}))

    for annotation in truth["annotations"]:
        if draw.random() < drop:
            continue
        x, y, width, height = annotation["bbox"]
        moved = draw.normal(0, shift, 2)
        box = [float(x + moved[0]), float(y + moved[1]), width, height]
        category = int(draw.choice(numbers)) if draw.random() < relabel else annotation["category_id"]
        add(annotation["image_id"], category, box, draw.beta(5, 2))
        if draw.random() < 0.1:
            add(annotation["image_id"], category, box, draw.beta(2, 2))
    for image in truth["images"]:
        for _ in range(draw.poisson(extra)):
            box = [float(side) for side in (*draw.integers(0, 120, 2), *draw.integers(10, 70, 2))]
            add(image["id"], int(draw.choice(numbers)), box, draw.beta(2, 4))
    return copy.deepcopy(results)
