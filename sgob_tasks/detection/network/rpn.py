"""Region proposal network: Ren et al., Faster R-CNN (arXiv 1506.01497), shared by all pyramid levels."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig

layers = tf.keras.layers


def rpn_model(config: DetectorConfig) -> Any:
    """Return the Keras model from a ``[B, H, W, C]`` level to (class logits, box corrections).

    Outputs: ``[B, H * W * k, (background, object)]`` and ``[B, H * W * k, 4]`` with k anchors a cell.
    """
    feature = layers.Input((None, None, config.fpn_channels), name="input_rpn_feature_map")
    shared = layers.Conv2D(config.rpn_channels, 3, padding="same", activation="relu", name="rpn_conv_shared")(feature)
    logits = layers.Conv2D(2 * config.anchors_per_cell, 1, name="rpn_class_raw")(shared)
    deltas = layers.Conv2D(4 * config.anchors_per_cell, 1, name="rpn_bbox_pred")(shared)
    return tf.keras.Model(feature, [layers.Reshape((-1, 2))(logits), layers.Reshape((-1, 4))(deltas)], name="rpn_model")
