"""ResNet with the layer names of Matterport's Mask R-CNN (``res4b_branch2a``, ``bn4b_branch2a``, ...).

He et al., Deep Residual Learning for Image Recognition (arXiv 1512.03385). Convolutions have biases, as in
the weights that are loaded by these names.
"""

from __future__ import annotations

import string
from typing import Any

import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig
from sgob_tasks.detection.network.layers import ConvNorm

layers = tf.keras.layers


def _block(x: Any, config: DetectorConfig, stage: int, letter: str, stride: int, project: bool) -> Any:
    """Add one bottleneck block: 1x1 to ``width``, 3x3, 1x1 to ``width * expansion``, plus the shortcut."""
    width = config.widths[stage - 2]
    wide = width * config.expansion

    def branch(suffix: str) -> tuple[str, str]:
        return f"res{stage}{letter}_branch{suffix}", f"bn{stage}{letter}_branch{suffix}"

    stride_a, stride_b = (stride, 1) if config.downsample_at == "2a" else (1, stride)
    y = ConvNorm(config, branch("2a"), width, stride=stride_a)(x)
    y = ConvNorm(config, branch("2b"), width, 3, stride=stride_b)(y)
    y = ConvNorm(config, branch("2c"), wide, activate=False)(y)
    if project:
        x = ConvNorm(config, branch("1"), wide, stride=stride, activate=False)(x)
    return layers.ReLU(name=f"res{stage}{letter}_out")(layers.Add()([y, x]))


def resnet(image: Any, config: DetectorConfig) -> dict[int, Any]:
    """Return the outputs C2 to C5 of the four stages, by level.

    Args:
        image: ``[B, S, S, 3]`` float, mean subtracted.
        config: blocks, widths, stem channels, place of the stride.
    """
    x = layers.ZeroPadding2D((3, 3))(image)
    x = ConvNorm(config, ("conv1", "bn_conv1"), config.stem_channels, 7, stride=2, padding="valid")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    outputs = {}
    for stage, count in enumerate(config.blocks, 2):
        for index in range(count):
            stride = 2 if index == 0 and stage > 2 else 1
            x = _block(x, config, stage, string.ascii_lowercase[index], stride, project=index == 0)
        outputs[stage] = x
    return outputs
