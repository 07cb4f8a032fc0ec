"""Region proposal network: Ren et al., Faster R-CNN (arXiv 1506.01497), shared by all pyramid levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig
from sgob_tasks.detection.network import winograd
from sgob_tasks.detection.network.anchors import level_shape

layers = tf.keras.layers

SHARED, CLASSES, BOXES = "rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred"


def rpn_model(config: DetectorConfig) -> Any:
    """Return the Keras model from a ``[B, H, W, C]`` level to (class logits, box corrections).

    Outputs: ``[B, H * W * k, (background, object)]`` and ``[B, H * W * k, 4]`` with k anchors a cell.
    """
    feature = layers.Input((None, None, config.fpn_channels), name="input_rpn_feature_map")
    shared = layers.Conv2D(config.rpn_channels, 3, padding="same", activation="relu", name=SHARED)(feature)
    logits = layers.Conv2D(2 * config.anchors_per_cell, 1, name=CLASSES)(shared)
    deltas = layers.Conv2D(4 * config.anchors_per_cell, 1, name=BOXES)(shared)
    return tf.keras.Model(feature, [layers.Reshape((-1, 2))(logits), layers.Reshape((-1, 4))(deltas)], name="rpn_model")


def score_levels(config: DetectorConfig, model: Any, levels: Sequence[Any], *, training: bool) -> list[tuple[Any, Any]]:
    """Return what :func:`rpn_model` says of each level.

    Where Winograd's convolution pays, the wide features between the two convolutions, the largest tensor of the whole
    network, never leave the processor's cache.

    Args:
        config: anchors.
        model: from :func:`rpn_model`.
        levels: ``[B, H, W, C]`` each.
        training: whether this is for training.
    """
    kernel, bias = weights_of(model, SHARED, levels[0].dtype)
    ends = [weights_of(model, name, levels[0].dtype) for name in (CLASSES, BOXES)]
    then = tf.concat([end[0][0, 0] for end in ends], -1), tf.concat([end[1] for end in ends], -1)

    def score(level: Any) -> tuple[Any, Any]:
        if not winograd.pays(level, kernel):
            logits, deltas = model(level, training=training)
            return logits, deltas
        both = winograd.convolve(level, kernel, bias, activate=True, then=then)
        logits, deltas = tf.split(both, [2 * config.anchors_per_cell, 4 * config.anchors_per_cell], -1)
        count = tf.shape(level)[0]
        return tf.reshape(logits, [count, -1, 2]), tf.reshape(deltas, [count, -1, 4])

    return [score(level) for level in levels]


def weights_of(model: Any, name: str, dtype: Any) -> tuple[Any, Any]:
    """Return kernel and bias of one of the model's convolutions."""
    kernel, bias = (tf.cast(weight, dtype) for weight in model.get_layer(name).weights)
    return kernel, bias


class SampledAnchors:
    """The proposal network at some anchors only, for the loss.

    The loss sees a few hundred of tens of thousands of anchors. All must be scored, for the proposals; but the gradient
    passes through the sampled ones only. Their 3x3 surroundings are cut out of the pyramid and go through the same
    weights once more: the same numbers and gradients, without differentiating the widest convolution of the network
    over all of its largest feature maps, which would be a third of the whole backward pass.

    Args:
        config: levels and anchors.
        model: from :func:`rpn_model`.
    """

    def __init__(self, config: DetectorConfig, model: Any) -> None:
        self._config, self._model = config, model
        sides = [level_shape(config, level) for level in config.rpn_levels]
        widths = np.array([side + 2 for side in sides])
        starts = np.cumsum([0, *(widths**2)[:-1]])
        # The upper left cell of an anchor's surroundings, in the levels with a border of one cell, one after another.
        corners = [
            start + np.add.outer(np.arange(side) * width, np.arange(side)).ravel()
            for side, width, start in zip(sides, widths, starts, strict=True)
        ]
        cells = [side * side for side in sides]
        self._corner = tf.constant(np.concatenate(corners), tf.int32)
        self._width = tf.constant(np.repeat(widths, cells), tf.int32)

    def __call__(self, pyramid: dict[int, Any], indices: Any) -> tuple[Any, Any]:
        """Return logits ``[B, S, 2]`` and corrections ``[B, S, 4]`` of the anchors ``indices``, ``[B, S]``."""
        config = self._config
        cell, anchor = indices // config.anchors_per_cell, indices % config.anchors_per_cell
        levels = [tf.pad(pyramid[level], [[0, 0], [1, 1], [1, 1], [0, 0]]) for level in config.rpn_levels]
        flat = tf.concat([tf.reshape(level, [tf.shape(level)[0], -1, config.fpn_channels]) for level in levels], 1)
        first, width = tf.gather(self._corner, cell), tf.gather(self._width, cell)
        around = tf.stack([first + row * width + column for row in range(3) for column in range(3)], -1)
        patches = tf.reshape(tf.gather(flat, around, batch_dims=1), [-1, 9 * config.fpn_channels])

        def apply(x: Any, name: str) -> Any:
            kernel, bias = weights_of(self._model, name, x.dtype)
            return tf.matmul(x, tf.reshape(kernel, [-1, kernel.shape[-1]])) + bias

        def of_anchor(outputs: Any, numbers: int) -> Any:
            shape = [tf.shape(indices)[0], tf.shape(indices)[1], config.anchors_per_cell, numbers]
            return tf.cast(tf.gather(tf.reshape(outputs, shape), anchor, batch_dims=2), tf.float32)

        shared = tf.nn.relu(apply(patches, SHARED))
        return of_anchor(apply(shared, CLASSES), 2), of_anchor(apply(shared, BOXES), 4)
