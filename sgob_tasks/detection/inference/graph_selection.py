"""The choice of detections as TensorFlow operations: as ``selection.select``, for graphs that run without this code."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig
from sgob_tasks.detection.network import tensors


class Chosen(NamedTuple):
    """Chosen boxes of one picture, best first, padded with zeros to ``max_detections`` (D).

    Attributes:
        boxes: ``[D, (y1, x1, y2, x2)]`` in network coordinates.
        classes: ``[D]`` int32, 1 and up; 0 for padding.
        scores: ``[D]``.
        probabilities: ``[D, classes]``, background first.
        count: number of detections.
    """

    boxes: Any
    classes: Any
    scores: Any
    probabilities: Any
    count: Any


def select_in_graph(boxes: Any, probabilities: Any, proposed: Any, config: DetectorConfig, min_score: float) -> Chosen:
    """Choose the detections of one picture.

    Args:
        boxes: ``[N, k, 4]`` corrected boxes in network coordinates; k is 1 or the number of classes.
        probabilities: ``[N, classes]``, background first.
        proposed: ``[N]`` bool, False for padding.
        config: thresholds.
        min_score: detections below it are dropped.
    """
    classes = 1 + tf.argmax(probabilities[:, 1:], axis=1, output_type=tf.int32)
    scores = tf.gather(probabilities, classes, batch_dims=1)
    chosen = boxes[:, 0] if boxes.shape[1] == 1 else tf.gather(boxes, classes, batch_dims=1)
    alive = proposed & (scores >= min_score) & (tensors.area(chosen) > 0.0)
    places = tf.where(alive)[:, 0]
    chosen, classes, scores = (tf.gather(value, places) for value in (chosen, classes, scores))
    # In double precision, as in numpy: a box at the threshold must fall on the same side.
    exact = tf.cast(chosen, tf.float64)[None]
    overlaps = tensors.iou(exact, exact)[0]
    same = classes[:, None] == classes[None, :]
    first = _suppress(same & (overlaps > config.detection_nms_iou), scores, tf.size(scores))
    # Of one class, no more than max_detections go on.
    same = tf.gather(tf.gather(same, first), first, axis=1)
    better = tf.reduce_sum(tf.linalg.band_part(tf.cast(same, tf.int32), -1, 0), axis=1) - 1
    first = tf.boolean_mask(first, better < config.max_detections)
    across = tf.gather(tf.gather(overlaps, first), first, axis=1) > config.cross_class_iou
    kept = tf.gather(first, _suppress(across, tf.gather(scores, first), config.max_detections))
    count = tf.size(kept)

    def padded(values: Any) -> Any:
        rest = config.max_detections - count
        whole = tf.pad(values, [[0, rest], *([[0, 0]] * (values.shape.rank - 1))])
        return tf.ensure_shape(whole, [config.max_detections, *values.shape[1:]])

    chosen, classes, scores = (tf.gather(value, kept) for value in (chosen, classes, scores))
    every = tf.gather(probabilities, tf.gather(places, kept))
    return Chosen(padded(chosen), padded(classes), padded(scores), padded(every), count)


def _suppress(clashes: Any, scores: Any, limit: Any) -> Any:
    """Return the indices to keep, best first: one goes when it clashes with a better one that is kept."""
    return tf.image.non_max_suppression_overlaps(tf.cast(clashes, tf.float32), scores, limit, overlap_threshold=0.5)
