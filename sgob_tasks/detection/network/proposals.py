"""From the proposal network's scores to a fixed number of regions of interest, and their features."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig
from sgob_tasks.detection.network import tensors


def propose(logits: Any, deltas: Any, anchors: Any, config: DetectorConfig, count: int) -> Any:
    """Return ``[B, count, (y1, x1, y2, x2)]`` proposals in network coordinates, best first, padded with zeros.

    Args:
        logits: ``[B, A, 2]`` of the proposal network.
        deltas: ``[B, A, 4]`` of the proposal network.
        anchors: ``[A, 4]`` in network coordinates.
        config: thresholds.
        count: number of proposals of a picture.
    """
    scores = logits[..., 1] - logits[..., 0]  # monotonic in the softmax score, which is all that counts here
    best = tf.math.top_k(scores, min(config.pre_nms, anchors.shape[0]), sorted=True)
    boxes = tensors.decode(
        tf.gather(anchors, best.indices), tf.gather(deltas, best.indices, batch_dims=1), config.rpn_box_std
    )
    kept = tf.image.combined_non_max_suppression(
        tensors.clip(boxes)[:, :, None, :],
        tf.sigmoid(best.values)[:, :, None],
        max_output_size_per_class=count,
        max_total_size=count,
        iou_threshold=config.rpn_nms_iou,
        score_threshold=0.0,
        clip_boxes=False,
    )
    return tf.stop_gradient(kept.nmsed_boxes)


def roi_level(boxes: Any, config: DetectorConfig) -> Any:
    """Return the pyramid level of each box, int32: 4 + log2(side / 224 pixels), inside ``config.roi_levels``.

    Equation 1 of the feature pyramid paper, rounded as Matterport does.
    """
    side = tf.sqrt(tensors.area(boxes))
    ratio = tf.maximum(side, 1e-6) * (config.image_size / 224.0)
    level = 4 + tf.cast(tf.round(tf.math.log(ratio) / math.log(2.0)), tf.int32)
    return tf.clip_by_value(level, min(config.roi_levels), max(config.roi_levels))


def pool(features: dict[int, Any], boxes: Any, config: DetectorConfig, side: int, places: Any = None) -> Any:
    """Cut every box out of its pyramid level by bilinear sampling.

    Args:
        features: levels by number, ``[B, H, W, C]``.
        boxes: ``[B, N, 4]`` in network coordinates.
        config: which levels to use.
        side: cells of the result's side.
        places: ``[M]``, which of the ``B * N`` boxes; None for all.

    Returns:
        ``[M, side, side, C]``, in the order of the places, or of the boxes.
    """
    boxes = tf.stop_gradient(boxes)
    batch, count = tf.shape(boxes)[0], tf.shape(boxes)[1]
    flat = tf.reshape(boxes, [-1, 4])
    picture = tf.repeat(tf.range(batch), count)
    if places is not None:
        flat, picture = tf.gather(flat, places), tf.gather(picture, places)
    levels = roi_level(flat, config)
    pooled, order = [], []
    for level in config.roi_levels:
        place = tf.where(levels == level)[:, 0]
        level_features = tf.cast(features[level], tf.float32)
        where = tf.gather(flat, place), tf.gather(picture, place)
        pooled.append(tf.image.crop_and_resize(level_features, *where, [side, side]))
        order.append(place)
    result = tf.gather(tf.concat(pooled, 0), tf.math.invert_permutation(tf.concat(order, 0)))
    return tf.ensure_shape(result, [None, side, side, config.fpn_channels])
