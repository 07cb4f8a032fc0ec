"""What the network should have said: targets of anchors and of regions of interest.

Everything is padded to fixed counts and done for the whole batch at once, so that the training step is traced once and
every rank computes the same graph, whether or not its pictures hold an instance.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig
from sgob_tasks.detection.network import tensors

CROWD_OVERLAP = 1e-3
"""A box of which more than this share lies in a crowd region is no negative."""

ROI_POSITIVE_IOU = 0.5


class Instances(NamedTuple):
    """Ground truth of a batch.

    Attributes:
        boxes: ``[B, G, (y1, x1, y2, x2)]`` in network coordinates; padding is zero.
        classes: ``[B, G]`` int32: 1 and up for a class, 0 for padding, -1 for a crowd region.
        masks: ``[B, G, m, m]`` float 0 or 1, relative to the box.
        has_mask: ``[B, G]`` float: 1 where the mask is known.
    """

    boxes: Any
    classes: Any
    masks: Any
    has_mask: Any


def trimmed(truth: Instances) -> Instances:
    """Drop the places that no picture of the batch fills: tens of thousands of boxes are compared with every place."""
    filled = tf.reduce_any(truth.classes != 0, 0)
    most = tf.reduce_max(tf.where(filled, tf.range(1, tf.size(filled) + 1), 1))
    return Instances(*(values[:, :most] for values in truth))


class RoiTargets(NamedTuple):
    """Sampled regions of interest of a batch; the first ``config.positive_rois`` places are for positives.

    Attributes:
        boxes: ``[B, R, 4]``.
        weights: ``[B, R]``: 1 for a sampled RoI, 0 for a place that stayed free.
        classes: ``[B, R]`` int32, 0 for background.
        deltas: ``[B, P, 4]`` corrections of the positive places.
        positive: ``[B, P]``: 1 where the place holds a positive.
        masks: ``[B, P, 2 * mask_pool, 2 * mask_pool]``.
        mask_weights: ``[B, P]``: 1 where the positive's mask is known.
    """

    boxes: Any
    weights: Any
    classes: Any
    deltas: Any
    positive: Any
    masks: Any
    mask_weights: Any


def _overlaps(boxes: Any, truth: Instances) -> tuple[Any, Any, Any]:
    """Return (best IoU ``[B, N]``, its instance ``[B, N]``, IoUs ``[B, N, G]``), crowds and padding left out."""
    real = tf.cast(truth.classes > 0, tf.float32)[:, None, :]
    overlaps = tensors.iou(boxes, truth.boxes) * real
    return tf.reduce_max(overlaps, -1), tf.argmax(overlaps, -1, output_type=tf.int32), overlaps


def _in_crowd(boxes: Any, truth: Instances) -> Any:
    """Return ``[B, N]`` bool: the box lies in a crowd region."""
    crowd = tf.cast(truth.classes < 0, tf.float32)[:, None, :]
    share = tf.math.divide_no_nan(tensors.intersection(boxes, truth.boxes), tensors.area(boxes)[..., None])
    return tf.reduce_max(share * crowd, -1) > CROWD_OVERLAP


def _noise(count: Any, seeds: Any) -> Any:
    """Return ``[B, count]`` numbers from 0 to 1, each picture's from its own seed: no matter which batch it is in."""
    return tf.map_fn(lambda seed: tf.random.stateless_uniform([count], seed), seeds, fn_output_signature=tf.float32)


def _sample(candidates: Any, count: int, noise: Any) -> tuple[Any, Any]:
    """Choose up to ``count`` of the candidates of each picture at random.

    Returns:
        indices ``[B, count]`` and whether each place is filled, ``[B, count]`` float.
    """
    keys = tf.where(candidates, 1.0 + noise, noise * 0.5)
    best = tf.math.top_k(keys, count, sorted=True)
    return best.indices, tf.cast(best.values >= 1.0, tf.float32)


def _take(weights: Any, allowed: Any) -> Any:
    """Keep only the first ``allowed[b]`` filled places of each row."""
    return weights * tf.cast(tf.cumsum(weights, axis=1) <= tf.cast(allowed, weights.dtype)[:, None], weights.dtype)


class AnchorTargets(NamedTuple):
    """Sampled anchors of a batch.

    Attributes:
        indices: ``[B, S]`` into the anchors; the first half of the places is for positives.
        weights: ``[B, S]``: 1 for a sampled anchor.
        classes: ``[B, S]`` int32: 1 for an object.
        deltas: ``[B, S / 2, 4]`` corrections of the positive places.
    """

    indices: Any
    weights: Any
    classes: Any
    deltas: Any


def anchor_targets(anchors: Any, truth: Instances, config: DetectorConfig, seeds: Any) -> AnchorTargets:
    """Match anchors with instances (IoU, and the best anchor of each instance) and sample as many of both kinds.

    Args:
        anchors: ``[A, 4]`` in network coordinates.
        truth: the batch's instances.
        config: thresholds and sample sizes.
        seeds: int32 ``[B, 2]``, of each picture's sampling.
    """
    batch = tf.shape(truth.boxes)[0]
    boxes = tf.broadcast_to(anchors[None], [batch, anchors.shape[0], 4])
    best, match, overlaps = _overlaps(boxes, truth)
    # An instance that no anchor fits well is still learnt: its best anchor is positive, whatever their IoU.
    best_of_instance = tf.reduce_max(overlaps, axis=1, keepdims=True)
    forced = tf.reduce_any((overlaps >= best_of_instance - 1e-6) & (best_of_instance > 1e-3), axis=-1)
    positive = forced | (best >= config.rpn_positive_iou)
    negative = ~positive & (best < config.rpn_negative_iou) & ~_in_crowd(boxes, truth)
    half = config.rpn_samples // 2
    noise = _noise(tf.shape(best)[1], seeds)
    chosen, weight = _sample(positive, half, noise)
    others, other_weight = _sample(negative, config.rpn_samples, noise)
    other_weight = _take(other_weight, config.rpn_samples - tf.reduce_sum(weight, 1))
    target = tf.gather(truth.boxes, tf.gather(match, chosen, batch_dims=1), batch_dims=1)
    return AnchorTargets(
        tf.concat([chosen, others], 1),
        tf.concat([weight, other_weight], 1),
        tf.concat([tf.cast(weight, tf.int32), tf.zeros_like(others)], 1),
        tensors.encode(tf.gather(anchors, chosen), target, config.rpn_box_std),
    )


def _mask_targets(boxes: Any, matched: Any, masks: Any, side: int) -> Any:
    """Cut ``masks`` (relative to the ``matched`` boxes) along ``boxes``: ``[B, P, side, side]`` of 0 and 1."""
    flat, origin = tf.reshape(boxes, [-1, 4]), tf.reshape(matched, [-1, 4])
    size = tf.tile(tf.maximum(origin[:, 2:] - origin[:, :2], 1e-6), [1, 2])
    relative = (flat - tf.tile(origin[:, :2], [1, 2])) / size
    shape = tf.shape(masks)
    images = tf.reshape(masks, [-1, shape[2], shape[3], 1])
    crops = tf.image.crop_and_resize(images, relative, tf.range(tf.shape(flat)[0]), [side, side])
    return tf.round(tf.reshape(crops, [shape[0], shape[1], side, side]))


def roi_targets(proposals: Any, truth: Instances, config: DetectorConfig, seeds: Any) -> RoiTargets:
    """Match proposals with instances and sample a fixed number of both kinds for the heads.

    Args:
        proposals: ``[B, N, 4]``, padded with zeros.
        truth: the batch's instances.
        config: thresholds and sample sizes.
        seeds: int32 ``[B, 2]``, of each picture's sampling.
    """
    if config.propose_instances:
        # Padding and crowds go in as empty boxes, which are never sampled.
        real = tf.cast(truth.classes > 0, tf.float32)[..., None]
        proposals = tf.concat([proposals, truth.boxes * real], axis=1)
    best, match, _ = _overlaps(proposals, truth)
    real_box = tensors.area(proposals) > 0.0
    positive = real_box & (best >= ROI_POSITIVE_IOU)
    negative = real_box & (best < ROI_POSITIVE_IOU) & ~_in_crowd(proposals, truth)
    places = config.positive_rois
    noise = _noise(tf.shape(best)[1], seeds)
    chosen, weight = _sample(positive, places, noise)
    others, other_weight = _sample(negative, config.roi_samples - places, noise)
    indices = tf.concat([chosen, others], 1)
    boxes = tf.gather(proposals, indices, batch_dims=1)
    matched = tf.gather(match, chosen, batch_dims=1)
    matched_boxes = tf.gather(truth.boxes, matched, batch_dims=1)
    classes = tf.gather(truth.classes, matched, batch_dims=1) * tf.cast(weight, tf.int32)
    return RoiTargets(
        boxes,
        tf.concat([weight, other_weight], 1),
        tf.concat([classes, tf.zeros_like(others)], 1),
        tensors.encode(boxes[:, :places], matched_boxes, config.box_std),
        weight,
        _mask_targets(
            boxes[:, :places], matched_boxes, tf.gather(truth.masks, matched, batch_dims=1), 2 * config.mask_pool
        ),
        weight * tf.gather(truth.has_mask, matched, batch_dims=1),
    )
