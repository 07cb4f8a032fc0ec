"""Box geometry on tensors: the same formulas as in ``boxes``, for the graph."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from sgob_tasks.detection.boxes import MAX_LOG_SCALE, MIN_SIDE


def area(boxes: Any) -> Any:
    """Return the area of ``[..., (y1, x1, y2, x2)]``."""
    return tf.maximum(boxes[..., 2] - boxes[..., 0], 0.0) * tf.maximum(boxes[..., 3] - boxes[..., 1], 0.0)


def intersection(first: Any, second: Any) -> Any:
    """Return the ``[B, N, M]`` overlap areas of ``[B, N, 4]`` and ``[B, M, 4]`` boxes (each picture for itself)."""
    y1, x1, y2, x2 = (value[..., None] for value in tf.unstack(first, axis=-1))
    v1, u1, v2, u2 = (value[..., None, :] for value in tf.unstack(second, axis=-1))
    height = tf.maximum(tf.minimum(y2, v2) - tf.maximum(y1, v1), 0.0)
    width = tf.maximum(tf.minimum(x2, u2) - tf.maximum(x1, u1), 0.0)
    return height * width


def iou(first: Any, second: Any) -> Any:
    """Return the ``[B, N, M]`` intersection over union of ``[B, N, 4]`` and ``[B, M, 4]`` boxes."""
    overlap = intersection(first, second)
    union = area(first)[..., None] + area(second)[..., None, :] - overlap
    return tf.math.divide_no_nan(overlap, union)


def encode(boxes: Any, targets: Any, std: tuple[float, ...]) -> Any:
    """Return the corrections that turn boxes into targets; see ``boxes.encode``."""
    sides = tf.maximum(boxes[..., 2:] - boxes[..., :2], MIN_SIDE)
    target_sides = tf.maximum(targets[..., 2:] - targets[..., :2], MIN_SIDE)
    centres, target_centres = boxes[..., :2] + 0.5 * sides, targets[..., :2] + 0.5 * target_sides
    shift = (target_centres - centres) / sides
    return tf.concat([shift, tf.math.log(target_sides / sides)], axis=-1) / tf.constant(std, boxes.dtype)


def decode(boxes: Any, deltas: Any, std: tuple[float, ...]) -> Any:
    """Apply corrections to boxes; see ``boxes.decode``."""
    deltas = deltas * tf.constant(std, boxes.dtype)
    sides = tf.maximum(boxes[..., 2:] - boxes[..., :2], MIN_SIDE)
    centres = boxes[..., :2] + 0.5 * sides + deltas[..., :2] * sides
    sides = sides * tf.exp(tf.minimum(deltas[..., 2:], MAX_LOG_SCALE))
    return tf.concat([centres - 0.5 * sides, centres + 0.5 * sides], axis=-1)


def clip(boxes: Any) -> Any:
    """Cut boxes in network coordinates to the picture."""
    return tf.clip_by_value(boxes, 0.0, 1.0)
