"""Average precision of many weighted samples of the same pictures, from matches that were made once.

A sample gives each picture a whole number: how often it occurs. Zeros and ones choose a subset; the counts of a draw
with replacement make a bootstrap sample. Detections of a picture match only its own instances, so that a sample's
matches are those of its pictures, and only the cumulative sums have to be done again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sgob_tasks.detection.evaluation.matching import ClassMatches, Matching

Array = npt.NDArray[np.float64]
Weights = npt.NDArray[np.integer[Any]]

RECALLS = np.linspace(0.0, 1.0, 101)
"""COCO's recalls, at which precision is read."""

_CELLS = 2_000_000
"""Samples are worked off in blocks of about this many numbers, so that memory stays small and caches are used."""


def class_precision(matches: ClassMatches, weights: Weights) -> Array:
    """Return the average precision of one class in each sample, ``[10 IoUs, samples]``; NaN where it has no instance.

    With all weights 1 this is the mean over recalls of pycocotools' ``precision``. A picture with the weight n counts
    as n pictures that are alike; equal scores within and between them keep the order of the pictures.

    Args:
        matches: of one class.
        weights: ``[samples, images]``, 0 or more.
    """
    weights = np.asarray(weights)
    samples = len(weights)
    result = np.zeros((10, samples))
    block = max(1, _CELLS // max(1, len(matches.scores)))
    for first in range(0, samples, block):
        part = weights[first : first + block]
        instances = part @ matches.instances
        with np.errstate(invalid="ignore", divide="ignore"):
            _block(matches, part, instances, result[:, first : first + block])
        result[:, first : first + block][:, instances == 0] = np.nan
    return result


def _block(matches: ClassMatches, weights: Weights, instances: Weights, result: Array) -> None:
    """Write the average precision of some samples into ``result``."""
    counts = weights[:, matches.images].astype(np.int32)
    plain = None
    for iou in range(10):
        ignored = matches.ignored[iou]
        right = (matches.matched[iou] > 0) & ~ignored
        # Recall grows, and the best precision at or beyond a recall is reached, only at right detections: the others
        # are needed for their number alone.
        places = np.flatnonzero(right)
        if not places.size:
            continue
        if ignored.any():
            answered = np.cumsum(counts * ~ignored, axis=1)[:, places]
        else:
            plain = np.cumsum(counts, axis=1) if plain is None else plain
            answered = plain[:, places]
        found = np.cumsum(counts[:, places], axis=1)
        # The same operations as in COCOeval.accumulate, so that the same recalls are reached to the last bit.
        precision = found / (answered + np.spacing(1))
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(RECALLS, found / instances[:, None], side="right")
        result[iou] = np.sum(best * np.diff(reached, axis=1, prepend=0), axis=1) / len(RECALLS)


def mean_precision(matching: Matching, weights: Weights) -> tuple[Array, Array]:
    """Return COCO's AP50 and AP of each sample, ``[samples]`` each: means over the classes with instances in it.

    A sample without any instance is NaN.
    """
    total50, total, counted = np.zeros(len(weights)), np.zeros(len(weights)), np.zeros(len(weights))
    for matches in matching.classes:
        if not matches.instances.any():
            continue
        of_class = class_precision(matches, weights)
        there = np.isfinite(of_class[0])
        counted += there
        total50 += np.where(there, of_class[0], 0.0)
        total += np.where(there, of_class.mean(axis=0), 0.0)
    with np.errstate(invalid="ignore"):
        return total50 / counted, total / counted
