"""Feature pyramid network: Lin et al. (arXiv 1612.03144), Matterport's layer names."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig
from sgob_tasks.detection.network.backbone import resnet
from sgob_tasks.detection.network.layers import Conv3x3

layers = tf.keras.layers


def feature_model(config: DetectorConfig) -> Any:
    """Return the Keras model from ``[B, S, S, 3]`` pictures (mean subtracted) to the list of pyramid levels in use.

    The outputs are ordered as :func:`used_levels` says.
    """
    image = layers.Input((config.image_size, config.image_size, 3), name="input_image")
    stages = resnet(image, config)
    channels, used = config.fpn_channels, used_levels(config)
    lowest = min(used)
    merged = {5: layers.Conv2D(channels, 1, name="fpn_c5p5")(stages[5])}
    for level in range(4, lowest - 1, -1):
        up = layers.UpSampling2D(2, name=f"fpn_p{level + 1}upsampled")(merged[level + 1])
        lateral = layers.Conv2D(channels, 1, name=f"fpn_c{level}p{level}")(stages[level])
        merged[level] = layers.Add(name=f"fpn_p{level}add")([up, lateral])
    smoothed = sorted({min(level, 5) for level in used})
    pyramid = {level: Conv3x3(channels, f"fpn_p{level}")(merged[level]) for level in smoothed}
    if 6 in used:
        pyramid[6] = layers.MaxPooling2D(1, strides=2, name="fpn_p6")(pyramid[5])
    return tf.keras.Model(image, [pyramid[level] for level in used], name="features")


def used_levels(config: DetectorConfig) -> list[int]:
    """Return the pyramid levels that the proposal network or the heads read, fine to coarse."""
    return sorted(set(config.rpn_levels) | set(config.roi_levels))
