"""Average precision as COCO defines it (https://cocodataset.org/#detection-eval), computed by pycocotools.

Needs numpy and pycocotools only, so that the control plane can evaluate as well.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.detection.evaluation.matching import match
from sgob_tasks.detection.evaluation.results import check_results
from sgob_tasks.detection.evaluation.truth import read_truth


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


def mean(precision: Any) -> float | None:
    """Return the mean of COCO's precision array, in which -1 marks what could not be measured."""
    valid = precision[precision > -1]
    return float(valid.mean()) if valid.size else None


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
    known = read_truth(truth)
    results = check_results(detections, known, masks=iou_type == "segm")
    matching = match(known, results, iou_type, images=image_ids, sizes=False)
    precision = matching.precision
    names = list(known.categories.values())
    return Evaluation(
        iou_type,
        mean(precision),
        mean(precision[0]),
        mean(precision[5]),
        {name: mean(precision[:, :, place]) for place, name in enumerate(names)},
        {name: mean(precision[0, :, place]) for place, name in enumerate(names)},
        len(matching.images),
        matching.instances,
        len(matching.results),
    )
