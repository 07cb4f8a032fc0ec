"""The detector's features of given regions: pooled from the feature pyramid, mean over the region.

What bottom-up attention needs (Anderson et al. 2018, arXiv 1707.07998): one vector for a region, made by the network
that found it. Boxes may be any: those after the time context, or drawn by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from sgob_tasks.detection.boxes import normalise, xywh_to_corners
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.network.proposals import pool
from sgob_tasks.detection.pictures import Pixels, prepare

Features = npt.NDArray[np.float16]


class RegionPooler:
    """Pools the features of regions.

    Args:
        model: the detector's network.
        batch_size: pictures that go through it together.
        most: regions of a picture; the rest gets zeros.
    """

    def __init__(self, model: MaskRCNN, *, batch_size: int = 8, most: int | None = None) -> None:
        self._model, self.batch_size = model, batch_size
        self._most = most or model.config.max_detections
        side, spec = model.config.image_size, tf.TensorSpec
        signature = [spec([batch_size, side, side, 3], tf.uint8), spec([batch_size, self._most, 4])]
        self._pooled = tf.function(self._pool, input_signature=signature, autograph=False)

    @property
    def size(self) -> int:
        """Numbers of a region: the pyramid's channels."""
        return self._model.config.fpn_channels

    def _pool(self, images: Any, boxes: Any) -> Any:
        config = self._model.config
        pooled = pool(self._model.pyramid(images, training=False), boxes, config, config.roi_pool)
        means = tf.reduce_mean(tf.cast(pooled, tf.float32), axis=[1, 2])
        return tf.reshape(means, [self.batch_size, self._most, self.size])

    def features(
        self, pictures: Sequence[Pixels], boxes: Sequence[Sequence[tuple[float, float, float, float]]]
    ) -> list[Features]:
        """Return ``[R, size]`` for each of at most ``batch_size`` pictures.

        Args:
            pictures: ``[height, width, 3]`` RGB each.
            boxes: COCO boxes in pixels of each picture.

        Raises:
            ValueError: more pictures than ``batch_size``, or not as many lists of boxes.
        """
        if not len(pictures) == len(boxes) <= self.batch_size:
            raise ValueError(f"{len(pictures)} pictures and {len(boxes)} lists for a batch of {self.batch_size}")
        side = self._model.config.image_size
        images = np.zeros((self.batch_size, side, side, 3), np.uint8)
        places = np.zeros((self.batch_size, self._most, 4), np.float32)
        for row, (pixels, found) in enumerate(zip(pictures, boxes, strict=True)):
            prepared = prepare(pixels, side)
            images[row] = prepared.square
            count = min(len(found), self._most)
            if count:
                corners = prepared.placement.to_square(xywh_to_corners(np.asarray(found[:count], np.float64)))
                places[row, :count] = normalise(corners, side)
        pooled = self._pooled(tf.constant(images), tf.constant(places)).numpy()
        largest = np.finfo(np.float16).max
        result: list[Features] = []
        for row, found in enumerate(boxes):
            values = np.zeros((len(found), self.size), np.float16)
            count = min(len(found), self._most)
            values[:count] = np.clip(pooled[row, :count], -largest, largest)
            result.append(values)
        return result
