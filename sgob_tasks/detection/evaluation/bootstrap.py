"""How sure a precision, or the difference of two, is: the bootstrap over pictures.

Pictures are drawn with replacement, and everything is measured on each draw (Efron and Tibshirani, An Introduction to
the Bootstrap, 1993, chapters 13 and 16). Two models are measured on the same draws (paired), so that hard pictures are
hard for both and the difference is seen more sharply than the two alone. The interval is the percentile interval. It
speaks of other pictures of the same kind, not of other trainings of the same model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sgob_tasks.detection.evaluation.matching import Matching, match
from sgob_tasks.detection.evaluation.results import check_results
from sgob_tasks.detection.evaluation.truth import Truth, read_truth
from sgob_tasks.detection.evaluation.weighted import mean_precision
from sgob_tasks.errors import InputError

Array = npt.NDArray[np.float64]
Progress = Callable[[Sequence[int], str], Iterator[int]]

_BLOCK = 50
"""Samples between two signs of progress."""


@dataclass(frozen=True)
class Interval:
    """One model's precision and where it would lie on other pictures of the same kind.

    A value is None where the ground truth has no instance.

    Attributes:
        iou_type: ``bbox`` or ``segm``.
        ap50, ap: on all pictures, as COCO defines them.
        ap50_low, ap50_high, ap_low, ap_high: ends of the intervals.
        images: number of pictures.
        resamples: number of draws.
        seed: of the draws.
        confidence: share of the draws between the ends.
    """

    iou_type: str
    ap50: float | None
    ap50_low: float | None
    ap50_high: float | None
    ap: float | None
    ap_low: float | None
    ap_high: float | None
    images: int
    resamples: int
    seed: int
    confidence: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """Two models on the same pictures. A value is None where the ground truth has no instance.

    Attributes:
        iou_type: ``bbox`` or ``segm``.
        ap50_first, ap50_second, ap_first, ap_second: each model's precision on all pictures, as COCO defines it.
        ap50_difference, ap_difference: second minus first.
        ap50_low, ap50_high, ap_low, ap_high: ends of the intervals of the differences. Where both lie above 0, the
            second is better, and the draw of the pictures does not explain it.
        images: number of pictures.
        resamples: number of draws.
        seed: of the draws.
        confidence: share of the draws between the ends.
    """

    iou_type: str
    ap50_first: float | None
    ap50_second: float | None
    ap50_difference: float | None
    ap50_low: float | None
    ap50_high: float | None
    ap_first: float | None
    ap_second: float | None
    ap_difference: float | None
    ap_low: float | None
    ap_high: float | None
    images: int
    resamples: int
    seed: int
    confidence: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


def compare(
    truth: Path | dict[str, Any] | Truth,
    first: Sequence[dict[str, Any]],
    second: Sequence[dict[str, Any]],
    *,
    iou_type: str = "bbox",
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two models by AP50 and AP, with intervals of the differences.

    Args:
        truth: a COCO data set, as a file, decoded, or checked already.
        first: COCO results of one model.
        second: COCO results of the other.
        iou_type: what is compared: ``bbox`` or ``segm``.
        resamples: number of draws.
        seed: of the draws; the same seed gives the same result.
        confidence: of the intervals.
        progress: shows how far the work is; called as ``progress(range, label)``, such as ``progress.track``.

    Raises:
        InputError: an argument or a field does not fit.
    """
    known = truth if isinstance(truth, Truth) else read_truth(truth)
    masks = iou_type == "segm"
    matchings = [
        match(known, check_results(results, known, name, masks=masks), iou_type, sizes=False)
        for name, results in (("first", first), ("second", second))
    ]
    return compare_matchings(
        matchings[0], matchings[1], resamples=resamples, seed=seed, confidence=confidence, progress=progress
    )


def compare_matchings(
    first: Matching,
    second: Matching,
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two models whose results have been matched already; see :func:`compare`.

    Raises:
        InputError: an argument does not fit, or the two were not matched on the same pictures.
    """
    if first.images != second.images or first.iou_type != second.iou_type:
        raise InputError("compare", "images", len(second.images), "both models must be matched on the same pictures")
    whole = [_precision(one) for one in (first, second)]
    samples = _samples((first, second), resamples, seed, confidence, progress)
    ap50_low, ap50_high = _ends(samples[1][0] - samples[0][0], confidence)
    ap_low, ap_high = _ends(samples[1][1] - samples[0][1], confidence)
    return Comparison(
        first.iou_type,
        whole[0][0],
        whole[1][0],
        _difference(whole[0][0], whole[1][0]),
        ap50_low,
        ap50_high,
        whole[0][1],
        whole[1][1],
        _difference(whole[0][1], whole[1][1]),
        ap_low,
        ap_high,
        len(first.images),
        resamples,
        seed,
        confidence,
    )


def interval(
    truth: Path | dict[str, Any] | Truth,
    results: Sequence[dict[str, Any]],
    *,
    iou_type: str = "bbox",
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    progress: Progress | None = None,
) -> Interval:
    """Return one model's AP50 and AP with their intervals; the arguments are those of :func:`compare`.

    Raises:
        InputError: an argument or a field does not fit.
    """
    known = truth if isinstance(truth, Truth) else read_truth(truth)
    checked = check_results(results, known, masks=iou_type == "segm")
    matching = match(known, checked, iou_type, sizes=False)
    return matching_interval(matching, resamples=resamples, seed=seed, confidence=confidence, progress=progress)


def matching_interval(
    matching: Matching,
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    progress: Progress | None = None,
) -> Interval:
    """Return the intervals of a model whose results have been matched already; see :func:`interval`."""
    ap50, ap = _precision(matching)
    ((sampled50, sampled),) = _samples((matching,), resamples, seed, confidence, progress)
    ends = (*_ends(sampled50, confidence), *_ends(sampled, confidence))
    images = len(matching.images)
    return Interval(
        matching.iou_type, ap50, ends[0], ends[1], ap, ends[2], ends[3], images, resamples, seed, confidence
    )


def _precision(matching: Matching) -> tuple[float | None, float | None]:
    """Return AP50 and AP on all pictures."""
    ap50, ap = mean_precision(matching, np.ones((1, len(matching.images)), np.int64))
    return _value(ap50[0]), _value(ap[0])


def _value(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _difference(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else second - first


def _samples(
    matchings: Sequence[Matching], resamples: int, seed: int, confidence: float, progress: Progress | None
) -> list[tuple[Array, Array]]:
    """Return AP50 and AP of each model on the same draws, ``[resamples]`` each."""
    if resamples < 1:
        raise InputError("compare", "resamples", resamples, "must be 1 or more")
    if not 0 < confidence < 1:
        raise InputError("compare", "confidence", confidence, "must lie between 0 and 1")
    images = len(matchings[0].images)
    generator = np.random.default_rng(seed)
    starts = range(0, resamples, _BLOCK)
    found: list[list[tuple[Array, Array]]] = [[] for _ in matchings]
    for start in progress(starts, f"Drawing {resamples} samples of the pictures") if progress else starts:
        size = min(_BLOCK, resamples - start)
        # How often each picture occurs among as many draws with replacement as there are pictures.
        weights = generator.multinomial(images, np.full(images, 1.0 / images), size=size)
        for one, matching in zip(found, matchings, strict=True):
            one.append(mean_precision(matching, weights))
    return [(np.concatenate([a for a, _ in one]), np.concatenate([b for _, b in one])) for one in found]


def _ends(samples: Array, confidence: float) -> tuple[float | None, float | None]:
    """Return the percentile interval; samples without an instance are left out."""
    measured = samples[np.isfinite(samples)]
    if not measured.size:
        return None, None
    tail = (1.0 - confidence) / 2
    low, high = np.quantile(measured, [tail, 1.0 - tail])
    return float(low), float(high)
