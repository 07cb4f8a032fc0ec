"""The two heads of Mask R-CNN: He et al. (arXiv 1703.06870), Matterport's layer names.

RoIs of all pictures are one batch dimension here. The weights have the same shapes and names as under the
``TimeDistributed`` wrappers of the original, so that its files fit.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig
from sgob_tasks.detection.network.layers import ConvNorm

layers = tf.keras.layers

CLASS_LAYERS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask")
"""Layers whose shape depends on the classes: not taken over from a model of other classes."""

MASKS_AT_ONCE = 4
"""The mask head gets a multiple of this many regions: GPUs choose their kernels anew for every other number."""


def box_head(config: DetectorConfig) -> Any:
    """Return the Keras model from pooled RoIs to (class logits, box corrections).

    Input ``[N, pool, pool, C]``; outputs ``[N, classes]`` and ``[N, k, 4]``, where k is the number of classes with the
    background, or 1 for a class-agnostic head.
    """
    pooled = layers.Input((config.roi_pool, config.roi_pool, config.fpn_channels), name="pooled_boxes")
    names = ("mrcnn_class_conv1", "mrcnn_class_bn1"), ("mrcnn_class_conv2", "mrcnn_class_bn2")
    x = ConvNorm(config, names[0], config.head_channels, config.roi_pool, padding="valid")(pooled)
    x = ConvNorm(config, names[1], config.head_channels)(x)
    x = layers.Reshape((config.head_channels,))(x)
    if config.head_dropout:
        x = layers.Dropout(config.head_dropout)(x)
    logits = layers.Dense(config.class_count, name="mrcnn_class_logits")(x)
    boxes = 1 if config.class_agnostic else config.class_count
    deltas = layers.Dense(boxes * 4, name="mrcnn_bbox_fc")(x)
    return tf.keras.Model(pooled, [logits, layers.Reshape((boxes, 4), name="mrcnn_bbox")(deltas)], name="box_head")


def mask_head(config: DetectorConfig) -> Any:
    """Return the Keras model from pooled RoIs to mask logits.

    Input ``[N, pool, pool, C]``; output ``[N, 2 * pool, 2 * pool, k]``, k as in :func:`box_head`. The sigmoid is left
    to the loss and to inference.
    """
    pooled = layers.Input((config.mask_pool, config.mask_pool, config.fpn_channels), name="pooled_masks")
    x = pooled
    for index in range(1, 5):
        x = ConvNorm(config, (f"mrcnn_mask_conv{index}", f"mrcnn_mask_bn{index}"), config.mask_channels, 3)(x)
    x = layers.Conv2DTranspose(config.mask_channels, 2, strides=2, activation="relu", name="mrcnn_mask_deconv")(x)
    masks = 1 if config.class_agnostic else config.class_count
    return tf.keras.Model(pooled, layers.Conv2D(masks, 1, name="mrcnn_mask")(x), name="mask_head")
