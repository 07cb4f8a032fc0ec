"""A convolution with its batch norm, in the fewest passes over the feature map."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig
from sgob_tasks.detection.network import winograd

BATCH_NORM_EPSILON = 1e-3
"""As in Matterport's weights."""


class Conv3x3(tf.keras.layers.Conv2D):  # type: ignore[misc]
    """A 3x3 convolution with a border of zeros and without activation, by the fastest way that is allowed."""

    def __init__(self, filters: int, name: str) -> None:
        super().__init__(filters, 3, padding="same", name=name)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def call(self, x: Any, training: bool | None = None) -> Any:
        """Apply to ``[B, H, W, C]``."""
        if not winograd.pays(x, self.kernel):
            return super().call(x)
        return winograd.convolve(x, self.kernel, self.bias, activate=False)


class ConvNorm(tf.keras.layers.Layer):  # type: ignore[misc]  # TensorFlow has no types
    """Convolution, batch norm and, if asked for, ReLU.

    Batch norm with fixed statistics multiplies and shifts each channel by constants. These go into the convolution's
    kernel and bias, which are a thousand times smaller than the feature map; what is left is one fused operation. The
    result is the same to rounding, and so are the gradients of the convolution's weights. Only where batch norm is
    learnt does training run it on its own.

    Args:
        config: whether batch norm is learnt.
        names: of the convolution and of the batch norm, as weights files have them.
        filters: channels out.
        size: side of the kernel.
        stride: of the convolution.
        padding: of the convolution, ``same`` or ``valid``.
        activate: apply a ReLU.

    Attributes:
        conv: holds the kernel and its bias.
        norm: holds the batch norm's four vectors.
    """

    def __init__(
        self,
        config: DetectorConfig,
        names: tuple[str, str],
        filters: int,
        size: int = 1,
        *,
        stride: int = 1,
        padding: str = "same",
        activate: bool = True,
    ) -> None:
        super().__init__(name=f"{names[0]}_folded")
        self.conv = tf.keras.layers.Conv2D(filters, size, strides=stride, padding=padding, name=names[0])
        self.norm = tf.keras.layers.BatchNormalization(
            name=names[1],
            epsilon=BATCH_NORM_EPSILON,
            momentum=config.batch_norm_momentum,
            trainable=config.train_batch_norm,
        )
        self.activate = activate

    def build(self, shape: Any) -> None:
        """Make the weights, named after the layer that holds them."""
        with tf.name_scope(f"{self.conv.name}/"):
            self.conv.build(shape)
        with tf.name_scope(f"{self.norm.name}/"):
            self.norm.build(self.conv.compute_output_shape(shape))
        super().build(shape)

    def folded(self) -> tuple[Any, Any]:
        """Return kernel and bias of the convolution that does what both do."""
        conv, norm = self.conv, self.norm
        scale = norm.gamma * tf.math.rsqrt(norm.moving_variance + norm.epsilon)
        bias = (tf.cast(conv.bias, scale.dtype) - norm.moving_mean) * scale + norm.beta
        kernel = tf.cast(conv.kernel, scale.dtype) * scale
        return tf.cast(kernel, self.compute_dtype), tf.cast(bias, self.compute_dtype)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]  # nothing to convert: builds faster
    def call(self, x: Any, training: bool | None = None) -> Any:
        """Apply to ``[B, H, W, C]``."""
        if training and self.norm.trainable:
            x = self.norm(self.conv(x), training=True)
        else:
            kernel, bias = self.folded()
            if self._one_cell_around() and winograd.pays(x, kernel):
                return winograd.convolve(x, kernel, bias, activate=self.activate)
            x = tf.nn.bias_add(self._convolve(x, kernel), bias)
        return tf.nn.relu(x) if self.activate else x

    def _one_cell_around(self) -> bool:
        return self.conv.padding == "same" and tuple(self.conv.strides) == (1, 1)

    def _convolve(self, x: Any, kernel: Any) -> Any:
        covered = tuple(x.shape[1:3]) == self.conv.kernel_size
        if not covered or (self.conv.padding == "same" and self.conv.kernel_size != (1, 1)):
            return tf.nn.conv2d(x, kernel, self.conv.strides, self.conv.padding.upper())
        # One step of the kernel covers the whole input: a matrix product, for which CPUs have faster code.
        depth = math.prod(kernel.shape[:3])
        return tf.matmul(tf.reshape(x, [-1, depth]), tf.reshape(kernel, [depth, -1]))[:, None, None]
