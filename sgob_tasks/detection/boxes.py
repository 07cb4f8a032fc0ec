"""Box geometry in numpy.

Outside the network a box is COCO's ``[x, y, width, height]`` in pixels. Inside, it is ``(y1, x1, y2, x2)``, normalised
as Matterport's Mask R-CNN does it: the first corner divided by ``size - 1``, the second moved in by one pixel first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating[Any]]

MIN_SIDE = 1e-6
"""Sides are kept at least this long, so that the logarithm of a degenerate box exists."""

MAX_LOG_SCALE = float(np.log(1000.0 / 16))
"""Largest correction of a side's logarithm, as in Detectron: a network gone wild must not overflow."""


def xywh_to_corners(boxes: Floats) -> Array:
    """Turn ``[..., (x, y, width, height)]`` into ``[..., (y1, x1, y2, x2)]``, in the same unit."""
    x, y, width, height = np.moveaxis(np.asarray(boxes, np.float64), -1, 0)
    return np.stack([y, x, y + height, x + width], axis=-1)


def corners_to_xywh(boxes: Floats) -> Array:
    """Turn ``[..., (y1, x1, y2, x2)]`` into ``[..., (x, y, width, height)]``, in the same unit."""
    y1, x1, y2, x2 = np.moveaxis(np.asarray(boxes, np.float64), -1, 0)
    return np.stack([x1, y1, x2 - x1, y2 - y1], axis=-1)


def normalise(boxes: Floats, size: int) -> Array:
    """Turn pixel corners in a square of ``size`` pixels into network coordinates."""
    result: Array = (np.asarray(boxes, np.float64) - np.array([0.0, 0.0, 1.0, 1.0])) / (size - 1)
    return result


def denormalise(boxes: Floats, size: int) -> Array:
    """Turn network coordinates into pixel corners (not rounded) in a square of ``size`` pixels."""
    result: Array = np.asarray(boxes, np.float64) * (size - 1) + np.array([0.0, 0.0, 1.0, 1.0])
    return result


def area(boxes: Floats) -> Array:
    """Return the area of ``[..., (y1, x1, y2, x2)]``; an inverted box has none."""
    boxes = np.asarray(boxes, np.float64)
    result: Array = np.maximum(boxes[..., 2] - boxes[..., 0], 0.0) * np.maximum(boxes[..., 3] - boxes[..., 1], 0.0)
    return result


def iou(first: Floats, second: Floats) -> Array:
    """Return the ``[N, M]`` intersection over union of ``[N, 4]`` and ``[M, 4]`` corners; 0 where both are empty."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    overlap = np.prod(np.maximum(high - low, 0.0), axis=-1)
    union = area(first)[:, None] + area(second)[None, :] - overlap
    # An area below the smallest normal number divides to nonsense: such boxes overlap nothing.
    return np.where(union > np.finfo(np.float64).tiny, overlap / np.maximum(union, np.finfo(np.float64).tiny), 0.0)


def encode(boxes: Floats, targets: Floats, std: tuple[float, float, float, float]) -> Array:
    """Return the corrections ``(dy, dx, log dh, log dw) / std`` that turn ``boxes`` into ``targets``.

    Args:
        boxes: ``[..., 4]`` corners.
        targets: ``[..., 4]`` corners, in the same unit.
        std: what the corrections are divided by.
    """
    boxes, targets = np.asarray(boxes, np.float64), np.asarray(targets, np.float64)
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], MIN_SIDE)
    target_sides = np.maximum(targets[..., 2:] - targets[..., :2], MIN_SIDE)
    centres, target_centres = boxes[..., :2] + 0.5 * sides, targets[..., :2] + 0.5 * target_sides
    result: Array = np.concatenate(
        [(target_centres - centres) / sides, np.log(target_sides / sides)], axis=-1
    ) / np.asarray(std)
    return result


def decode(boxes: Floats, deltas: Floats, std: tuple[float, float, float, float]) -> Array:
    """Apply corrections to boxes: the inverse of :func:`encode`, with the side's change limited to 62.5 times."""
    boxes = np.asarray(boxes, np.float64)
    deltas = np.asarray(deltas, np.float64) * np.asarray(std)
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], MIN_SIDE)
    centres = boxes[..., :2] + 0.5 * sides + deltas[..., :2] * sides
    sides = sides * np.exp(np.minimum(deltas[..., 2:], MAX_LOG_SCALE))
    return np.concatenate([centres - 0.5 * sides, centres + 0.5 * sides], axis=-1)


def non_maximum_suppression(boxes: Floats, scores: Floats, threshold: float, limit: int) -> npt.NDArray[np.intp]:
    """Return the indices of the boxes to keep, best first.

    A box goes when one that is kept overlaps it by more than ``threshold``. Equal scores keep their order.

    Args:
        boxes: ``[N, 4]`` corners.
        scores: ``[N]``.
        threshold: IoU above which two boxes are one.
        limit: most boxes to keep.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    overlaps = iou(np.asarray(boxes)[order], np.asarray(boxes)[order])
    alive = np.ones(len(order), bool)
    kept: list[int] = []
    for place in range(len(order)):
        if not alive[place]:
            continue
        kept.append(place)
        if len(kept) == limit:
            break
        alive &= overlaps[place] <= threshold
    return order[np.asarray(kept, np.intp)]
