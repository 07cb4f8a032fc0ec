"""ResNet with the layer names of Matterport's Mask R-CNN (``res4b_branch2a``, ``bn4b_branch2a``, ...).

He et al., Deep Residual Learning for Image Recognition (arXiv 1512.03385). Convolutions have biases and batch norm
uses epsilon 1e-3, as in the weights that are loaded by these names.
"""

from __future__ import annotations

import string
from typing import Any

import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig

layers = tf.keras.layers

BATCH_NORM_EPSILON = 1e-3


def batch_norm(config: DetectorConfig, name: str) -> Any:
    """Return a batch norm layer; a frozen one stays in inference mode whatever it is called with."""
    return layers.BatchNormalization(
        name=name,
        epsilon=BATCH_NORM_EPSILON,
        momentum=config.batch_norm_momentum,
        trainable=config.train_batch_norm,
    )


def _block(x: Any, config: DetectorConfig, stage: int, letter: str, stride: int, project: bool) -> Any:
    """Add one bottleneck block: 1x1 to ``width``, 3x3, 1x1 to ``width * expansion``, plus the shortcut."""
    width = config.widths[stage - 2]
    conv, norm = f"res{stage}{letter}_branch", f"bn{stage}{letter}_branch"
    stride_a, stride_b = (stride, 1) if config.downsample_at == "2a" else (1, stride)
    y = layers.Conv2D(width, 1, strides=stride_a, name=conv + "2a")(x)
    y = layers.ReLU()(batch_norm(config, norm + "2a")(y))
    y = layers.Conv2D(width, 3, strides=stride_b, padding="same", name=conv + "2b")(y)
    y = layers.ReLU()(batch_norm(config, norm + "2b")(y))
    y = layers.Conv2D(width * config.expansion, 1, name=conv + "2c")(y)
    y = batch_norm(config, norm + "2c")(y)
    if project:
        x = layers.Conv2D(width * config.expansion, 1, strides=stride, name=conv + "1")(x)
        x = batch_norm(config, norm + "1")(x)
    return layers.ReLU(name=f"res{stage}{letter}_out")(layers.Add()([y, x]))


def resnet(image: Any, config: DetectorConfig) -> dict[int, Any]:
    """Return the outputs C2 to C5 of the four stages, by level.

    Args:
        image: ``[B, S, S, 3]`` float, mean subtracted.
        config: blocks, widths, stem channels, place of the stride.
    """
    x = layers.ZeroPadding2D((3, 3))(image)
    x = layers.Conv2D(config.stem_channels, 7, strides=2, name="conv1")(x)
    x = layers.ReLU()(batch_norm(config, "bn_conv1")(x))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    outputs = {}
    for stage, count in enumerate(config.blocks, 2):
        for index in range(count):
            stride = 2 if index == 0 and stage > 2 else 1
            x = _block(x, config, stage, string.ascii_lowercase[index], stride, project=index == 0)
        outputs[stage] = x
    return outputs
