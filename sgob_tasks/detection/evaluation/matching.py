"""Detections matched to instances by pycocotools, once, and what follows from the matches.

Everything that is measured afterwards (average precision of all, of a class, of a century, of a bootstrap sample; the
curves; the kinds of mistakes) reads the same matches, so that the figures agree with each other and with COCO's.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools.cocoeval import COCOeval

from sgob_tasks.detection.evaluation.truth import Id, Truth
from sgob_tasks.errors import InputError

IOU_TYPES = ("bbox", "segm")
COCO_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""COCO's twelve figures in the order of ``COCOeval.stats`` (https://cocodataset.org/#detection-eval)."""

MAX_DETECTIONS = 100
"""Detections of one class in one picture that count, best first."""

Precision = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClassMatches:
    """The detections of one class over all pictures, best first, equal scores in the order of the pictures.

    Attributes:
        category_id: the class.
        scores: ``[D]``.
        images: ``[D]`` places in ``Matching.images``.
        detections: ``[D]`` places in ``Matching.results``.
        matched: ``[10 IoUs, D]`` the ``id`` of the instance it was matched to; 0 for none.
        ignored: ``[10 IoUs, D]`` neither right nor wrong, as it lies in a crowd region.
        instances: ``[images]`` number of instances, crowd regions left out.
    """

    category_id: int
    scores: npt.NDArray[np.float64]
    images: npt.NDArray[np.intp]
    detections: npt.NDArray[np.intp]
    matched: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]
    instances: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Matching:
    """All detections of an evaluation, matched.

    Attributes:
        iou_type: ``bbox`` or ``segm``.
        truth: what there was to find.
        results: checked detections, as :func:`sgob_tasks.detection.evaluation.results.check_results` returns them.
        images: ids of the evaluated pictures, in order.
        evaluator: pycocotools' ``COCOeval`` after ``evaluate``.
    """

    iou_type: str
    truth: Truth
    results: Sequence[dict[str, Any]]
    images: tuple[Id, ...]
    evaluator: Any

    @functools.cached_property
    def classes(self) -> tuple[ClassMatches, ...]:
        """The matches of each class, in the order of the categories."""
        step = len(self.images) * len(self.evaluator.params.areaRng)  # the first area range is "all"
        found = self.evaluator.evalImgs
        return tuple(
            _class_matches(category, found[place * step : place * step + len(self.images)])
            for place, category in enumerate(self.truth.categories)
        )

    @functools.cached_property
    def _accumulated(self) -> dict[str, Any]:
        if not self.truth.categories:  # nothing that pycocotools could put together
            return {"precision": np.full((10, 101, 0, 4, 3), -1.0), "recall": np.full((10, 0, 4, 3), -1.0)}
        with contextlib.redirect_stdout(io.StringIO()):
            self.evaluator.accumulate()
        return dict(self.evaluator.eval)

    @property
    def precision(self) -> Precision:
        """COCO's precision, ``[10 IoUs, 101 recalls, classes]``, over all sizes; -1 for a class without instances."""
        return np.asarray(self._accumulated["precision"][:, :, :, 0, -1])

    @property
    def instances(self) -> int:
        """Number of instances in the evaluated pictures, crowd regions left out."""
        return int(sum(of_class.instances.sum() for of_class in self.classes))

    def summary(self) -> dict[str, float | None]:
        """Return COCO's twelve figures by name, as ``COCOeval.summarize`` computes them.

        A figure is None where there is no instance to measure it on.

        Raises:
            ValueError: the matching was made without sizes.
        """
        if len(self.evaluator.params.areaRng) != 4:
            raise ValueError("matched without sizes")
        if not self._accumulated["recall"].size:
            return dict.fromkeys(COCO_NAMES)
        with contextlib.redirect_stdout(io.StringIO()):
            self.evaluator.summarize()
        return {
            name: float(value) if value > -1 else None
            for name, value in zip(COCO_NAMES, self.evaluator.stats, strict=True)
        }


def _class_matches(category: int, pictures: Sequence[dict[str, Any] | None]) -> ClassMatches:
    """Put the matches of one class in all pictures together, as ``COCOeval.accumulate`` does."""
    present = [(place, found) for place, found in enumerate(pictures) if found is not None]
    instances = np.zeros(len(pictures), np.int64)
    for place, found in present:
        instances[place] = np.count_nonzero(np.asarray(found["gtIgnore"]) == 0)
    if not present:
        none = np.zeros((10, 0))
        empty = np.zeros(0, np.intp)
        return ClassMatches(
            category, np.zeros(0), empty, empty, none.astype(np.int64), none.astype(np.bool_), instances
        )
    scores = np.concatenate([np.asarray(found["dtScores"], np.float64) for _, found in present])
    # COCO sorts with mergesort: another way orders equal scores differently, and so gives slightly different figures.
    order = np.argsort(-scores, kind="mergesort")
    images = np.concatenate([np.full(len(found["dtScores"]), place, np.intp) for place, found in present])
    detections = np.concatenate([np.asarray(found["dtIds"], np.intp) - 1 for _, found in present])
    matched = np.concatenate([found["dtMatches"] for _, found in present], axis=1).astype(np.int64)
    ignored = np.concatenate([found["dtIgnore"] for _, found in present], axis=1).astype(np.bool_)
    return ClassMatches(
        category, scores[order], images[order], detections[order], matched[:, order], ignored[:, order], instances
    )


def match(
    truth: Truth,
    results: Sequence[dict[str, Any]],
    iou_type: str = "bbox",
    *,
    images: Collection[Id] | None = None,
    sizes: bool = True,
) -> Matching:
    """Match detections to instances in every picture, class by class, at ten IoUs, as COCO does.

    The size of a detection, for COCO's small, medium and large, is that of its box for ``bbox`` and of its mask for
    ``segm`` (pycocotools itself takes the box in both cases where results carry both: Detectron2 takes the box away
    for the same reason).

    Args:
        truth: what there is to find.
        results: checked results; other pictures' are left out.
        iou_type: what is compared: ``bbox`` or ``segm``.
        images: pictures to evaluate; None for all.
        sizes: also match by COCO's three sizes, which takes about three times as long.

    Raises:
        InputError: no such ``iou_type``, no such picture, or masks that do not fit.
    """
    if iou_type not in IOU_TYPES:
        raise InputError("evaluate", "iou_type", iou_type, "must be bbox or segm")
    shown = set(truth.images if images is None else images)
    for image in shown:
        if image not in truth.images:
            raise InputError("evaluate", "image_ids", image, "is the id of no picture of the ground truth")
    chosen = tuple(image for image in truth.images if image in shown)
    if iou_type == "segm":
        truth.check_masks()
    kept = [entry for entry in results if entry["image_id"] in shown]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        evaluator = COCOeval(truth.index(), _detections(truth, kept, iou_type), iou_type)
        evaluator.params.imgIds = list(chosen)
        evaluator.params.catIds = list(truth.categories)
        if not sizes:
            evaluator.params.areaRng, evaluator.params.areaRngLbl = evaluator.params.areaRng[:1], ["all"]
            evaluator.params.maxDets = [MAX_DETECTIONS]
        evaluator.evaluate()
    return Matching(iou_type, truth, kept, chosen, evaluator)


def _detections(truth: Truth, results: Sequence[dict[str, Any]], iou_type: str) -> Any:
    """Return pycocotools' index of results; its own ``loadRes`` cannot read an empty list."""
    index = truth.index(())
    if not results:
        return index
    if iou_type == "bbox":
        fields = ("image_id", "category_id", "score", "bbox")
    else:
        fields = ("image_id", "category_id", "score", "segmentation")
    for place, entry in enumerate(results):
        if "segmentation" in fields and "segmentation" not in entry:
            raise InputError("detections", f"[{place}].segmentation", None, "is missing")
    return index.loadRes([{field: entry[field] for field in fields} for entry in results])
