"""The five losses of Mask R-CNN, one value a picture.

Each is a weighted mean over a picture's own anchors or regions, and 0, with zero gradients, where it has none. The loss
of a batch is the mean over its pictures, so that a batch may be cut into parts of any size, on any number of ranks, and
the sum of the parts' gradients is exactly the whole's.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig
from sgob_tasks.detection.network.heads import MASKS_AT_ONCE
from sgob_tasks.detection.network.targets import AnchorTargets, RoiTargets


def weighted_mean(values: Any, weights: Any) -> Any:
    """Return ``sum(values * weights) / max(sum(weights), 1)`` over the last axis: ``[B, N]`` gives ``[B]``.

    Never NaN, and always part of the graph: a loss that is skipped instead would leave a rank without its gradients,
    and the others waiting for them.
    """
    return tf.reduce_sum(values * weights, -1) / tf.maximum(tf.reduce_sum(weights, -1), 1.0)


def smooth_l1(error: Any) -> Any:
    """Return the Huber loss with its corner at 1, by element (Girshick, Fast R-CNN, arXiv 1504.08083)."""
    size = tf.abs(error)
    return tf.where(size < 1.0, 0.5 * size * size, size - 0.5)


def rpn_losses(logits: Any, deltas: Any, targets: AnchorTargets) -> dict[str, Any]:
    """Return the class and box losses of the proposal network, ``[B]`` each.

    Args:
        logits: ``[B, S, 2]`` of the sampled anchors.
        deltas: ``[B, S, 4]`` of the sampled anchors.
        targets: sampled anchors.
    """
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(targets.classes, logits)
    places = targets.deltas.shape[1]
    error = targets.deltas - deltas[:, :places]
    return {
        "rpn_class": weighted_mean(entropy, targets.weights),
        "rpn_box": weighted_mean(tf.reduce_mean(smooth_l1(error), -1), targets.weights[:, :places]),
    }


def _of_class(values: Any, classes: Any) -> Any:
    """Choose along the last axis but the trailing ones: ``[N, k, ...]`` and ``[N]`` give ``[N, ...]``."""
    if values.shape[1] == 1:
        return values[:, 0]
    return tf.gather(values, classes, batch_dims=1)


def box_losses(logits: Any, deltas: Any, targets: RoiTargets) -> dict[str, Any]:
    """Return the class and box losses of the box head, ``[B]`` each.

    Args:
        logits: ``[B * R, classes]``.
        deltas: ``[B * R, k, 4]``.
        targets: sampled RoIs.
    """
    classes = tf.reshape(targets.classes, [-1])
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(classes, tf.cast(logits, tf.float32))
    chosen = tf.reshape(_of_class(tf.cast(deltas, tf.float32), classes), [-1, targets.boxes.shape[1], 4])
    error = targets.deltas - chosen[:, : targets.deltas.shape[1]]
    return {
        "class": weighted_mean(tf.reshape(entropy, tf.shape(targets.classes)), targets.weights),
        "box": weighted_mean(tf.reduce_mean(smooth_l1(error), -1), targets.positive),
    }


def mask_loss(logits: Any, places: Any, targets: RoiTargets, config: DetectorConfig) -> Any:
    """Return the mask loss over the positives whose mask is known, ``[B]``.

    Args:
        logits: ``[M, 2 * pool, 2 * pool, k]``.
        places: ``[M]``, from :func:`mask_places`.
        targets: sampled RoIs.
        config: the side of the pooled masks.
    """
    side = 2 * config.mask_pool
    count = tf.shape(targets.mask_weights)
    classes = tf.gather(tf.reshape(targets.classes[:, : targets.positive.shape[1]], [-1]), places)
    chosen = _of_class(tf.transpose(tf.cast(logits, tf.float32), [0, 3, 1, 2]), classes)
    wanted = tf.gather(tf.reshape(targets.masks, [-1, side, side]), places)
    entropy = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(wanted, chosen), [1, 2])
    spread = tf.scatter_nd(places[:, None], entropy, [count[0] * count[1]])
    return weighted_mean(tf.reshape(spread, count), targets.mask_weights)


def mask_places(targets: RoiTargets) -> Any:
    """Return which of the ``B * P`` positive places need a mask drawn, ``[M]`` int32.

    Few places are filled as a rule, and the mask head is the dearest part of the network by region. M is a multiple of
    ``MASKS_AT_ONCE``, at least one; the rest are places whose loss does not count.
    """
    weights = tf.reshape(targets.mask_weights, [-1])
    filled = tf.math.count_nonzero(weights, dtype=tf.int32)
    wanted = MASKS_AT_ONCE * tf.maximum((filled + MASKS_AT_ONCE - 1) // MASKS_AT_ONCE, 1)
    return tf.argsort(weights, direction="DESCENDING", stable=True)[:wanted]
