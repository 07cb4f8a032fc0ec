"""Average precision as COCO defines it (https://cocodataset.org/#detection-eval), computed by pycocotools.

Needs numpy and pycocotools only, so that the control plane can evaluate as well.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sgob_tasks.detection.files import load_json
from sgob_tasks.errors import InputError


@dataclass(frozen=True)
class Evaluation:
    """How good detections are. A value is None where no ground truth exists to measure it on.

    Attributes:
        iou_type: ``bbox`` or ``segm``.
        ap: average precision over IoU 0.50, 0.55, ..., 0.95 and all classes.
        ap50, ap75: at one IoU.
        ap_per_class, ap50_per_class: by class name; classes without an instance are None.
        pictures: number of pictures evaluated.
        instances: number of instances in them, crowd regions left out.
        detections: number of detections in them.
    """

    iou_type: str
    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_per_class: dict[str, float | None]
    ap50_per_class: dict[str, float | None]
    pictures: int
    instances: int
    detections: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


def _mean(precision: Any) -> float | None:
    """Return the mean of COCO's precision array, in which -1 marks what could not be measured."""
    valid = precision[precision > -1]
    return float(valid.mean()) if valid.size else None


def _ground_truth(truth: Path | dict[str, Any]) -> Any:
    """Return pycocotools' index of a data set, quiet and without touching the caller's object."""
    source = str(truth) if isinstance(truth, Path) else "ground truth"
    data = load_json(truth) if isinstance(truth, Path) else copy.deepcopy(truth)
    for index, entry in enumerate(data.get("annotations", ()), 1):
        entry.setdefault("iscrowd", 0)
        entry["id"] = index  # COCOeval takes id 0 for "no match"; ids may also be missing or double
        if "bbox" not in entry:
            raise InputError(source, f"annotations[{index - 1}].bbox", None, "is missing")
        entry.setdefault("area", entry["bbox"][2] * entry["bbox"][3])
    index_of = COCO()
    index_of.dataset = data
    try:
        index_of.createIndex()
    except (KeyError, TypeError) as error:
        raise InputError(source, "images, annotations, categories", str(error), "is no COCO data set") from error
    return index_of


def evaluate(
    truth: Path | dict[str, Any],
    detections: Sequence[dict[str, Any]],
    *,
    iou_type: str = "bbox",
    image_ids: Collection[int] | None = None,
) -> Evaluation:
    """Compute average precision.

    Args:
        truth: a COCO data set, as a file or decoded.
        detections: COCO results: ``image_id``, ``category_id``, ``score``, ``bbox`` and, for ``segm``,
            ``segmentation``. Other keys are ignored; the objects are not changed.
        iou_type: what is compared: ``bbox`` or ``segm``.
        image_ids: pictures to evaluate; None for all.

    Raises:
        InputError: a detection names a picture or class that the ground truth lacks, or lacks a field.
    """
    if iou_type not in {"bbox", "segm"}:
        raise InputError("evaluate", "iou_type", iou_type, "must be bbox or segm")
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        index = _ground_truth(truth)
        chosen = sorted(index.imgs) if image_ids is None else sorted(set(image_ids))
        unknown = [image for image in chosen if image not in index.imgs]
        if unknown:
            raise InputError("evaluate", "image_ids", unknown[0], "is the id of no picture of the ground truth")
        results = [_checked(entry, place, index, iou_type) for place, entry in enumerate(detections)]
        kept = set(chosen)
        results = [entry for entry in results if entry["image_id"] in kept]
        categories = sorted(index.cats)
        names = [str(index.cats[category]["name"]) for category in categories]
        precision = _precision(index, results, iou_type, chosen, categories)
    counted = [a for a in index.dataset.get("annotations", ()) if a["image_id"] in kept and not a["iscrowd"]]
    return Evaluation(
        iou_type,
        _mean(precision),
        _mean(precision[0]),
        _mean(precision[5]),
        {name: _mean(precision[:, :, place]) for place, name in enumerate(names)},
        {name: _mean(precision[0, :, place]) for place, name in enumerate(names)},
        len(chosen),
        len(counted),
        len(results),
    )


def _checked(entry: dict[str, Any], place: int, index: Any, iou_type: str) -> dict[str, Any]:
    """Return the fields of a detection that count, as a new object."""
    needed = ["image_id", "category_id", "score", "bbox"] + (["segmentation"] if iou_type == "segm" else [])
    for field in needed:
        if field not in entry:
            raise InputError("detections", f"[{place}].{field}", None, "is missing")
    if entry["image_id"] not in index.imgs:
        raise InputError("detections", f"[{place}].image_id", entry["image_id"], "is the id of no picture")
    if entry["category_id"] not in index.cats:
        raise InputError("detections", f"[{place}].category_id", entry["category_id"], "is the id of no category")
    return {field: copy.deepcopy(entry[field]) for field in needed}


def _precision(index: Any, results: list[dict[str, Any]], iou_type: str, images: list[int], classes: list[int]) -> Any:
    """Return COCO's precision, ``[10 IoUs, 101 recalls, classes]``, over all sizes with 100 detections a picture."""
    if not results or not images:
        # pycocotools cannot load an empty list. Without detections precision is 0 wherever there is an instance.
        shown = set(images)
        present = {a["category_id"] for a in index.anns.values() if a["image_id"] in shown and not a["iscrowd"]}
        empty = np.full((10, 101, len(classes)), -1.0)
        empty[:, :, [category in present for category in classes]] = 0.0
        return empty
    evaluator = COCOeval(index, index.loadRes(results), iou_type)
    evaluator.params.imgIds = images
    evaluator.params.catIds = classes
    evaluator.evaluate()
    evaluator.accumulate()
    return evaluator.eval["precision"][:, :, :, 0, -1]
