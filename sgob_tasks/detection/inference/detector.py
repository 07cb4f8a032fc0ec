"""Finding objects in pictures with a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from sgob_tasks.detection.boxes import corners_to_xywh, denormalise, normalise
from sgob_tasks.detection.config import DetectorConfig
from sgob_tasks.detection.inference.selection import Detection, Selected, background, candidates, select
from sgob_tasks.detection.masks import encode_mask, paste_mask
from sgob_tasks.detection.network import winograd
from sgob_tasks.detection.network.anchors import level_shape
from sgob_tasks.detection.network.heads import MASKS_AT_ONCE
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.pictures import Pixels, Prepared, prepare
from sgob_tasks.detection.weights.model_files import load_model


class Detector:
    """A trained network, ready for batches of pictures.

    Args:
        model: the network.
        has_masks: the mask head was trained.
        batch_size: pictures that go through the network together; the last batch is padded, so that the graph is
            traced once.
        min_score: detections below it are dropped; None takes the model's own threshold.
    """

    def __init__(
        self, model: MaskRCNN, *, has_masks: bool, batch_size: int = 8, min_score: float | None = None
    ) -> None:
        self.model, self.has_masks, self.batch_size = model, has_masks, batch_size
        self.min_score = model.config.detection_min_score if min_score is None else min_score
        config, spec = model.config, tf.TensorSpec
        pictures = spec([batch_size, config.image_size, config.image_size, 3], tf.uint8)
        pyramid = {
            level: spec(
                [batch_size, *[level_shape(config, level)] * 2, config.fpn_channels], model.features.compute_dtype
            )
            for level in config.roi_levels
        }
        boxes, classes = (
            spec([batch_size, config.max_detections, 4]),
            spec([batch_size, config.max_detections], tf.int32),
        )
        # Whatever is found, each is traced once. Neither branches on a tensor: AutoGraph, which would look for that,
        # takes longer than the tracing itself.
        self._find = tf.function(self._regions, input_signature=[pictures], autograph=False)
        self._draw = tf.function(
            model.masks_of, input_signature=[pyramid, boxes, classes, spec([None], tf.int32)], autograph=False
        )

    @classmethod
    def load(cls, folder: Path, *, batch_size: int = 8, min_score: float | None = None) -> Detector:
        """Read a model that training wrote.

        Raises:
            InputError: a file is missing or does not fit.
        """
        model, info = load_model(folder)
        return cls(model, has_masks=info.has_masks, batch_size=batch_size, min_score=min_score)

    def with_batch_size(self, batch_size: int) -> Detector:
        """Return a detector with the same network for batches of another size."""
        return Detector(self.model, has_masks=self.has_masks, batch_size=batch_size, min_score=self.min_score)

    @property
    def config(self) -> DetectorConfig:
        """The network's shape and classes."""
        return self.model.config

    def _regions(self, images: Any) -> Any:
        with winograd.preferred(not tf.config.list_logical_devices("GPU")):
            pyramid = self.model.pyramid(images, training=False)
            used = {level: pyramid[level] for level in self.config.roi_levels}
            return self.model.regions(pyramid), used

    def detect(self, pictures: Sequence[Pixels]) -> list[list[Detection]]:
        """Return the detections of pictures, best first.

        Args:
            pictures: ``[height, width, 3]`` RGB each, of any size, at most ``batch_size`` of them.

        Raises:
            ValueError: more pictures than ``batch_size``.
        """
        return self.detect_prepared([prepare(pixels, self.config.image_size) for pixels in pictures])

    def detect_prepared(self, pictures: Sequence[Prepared]) -> list[list[Detection]]:
        """Return the detections of pictures that other threads may have prepared, best first.

        Args:
            pictures: at most ``batch_size`` of them, in squares of ``config.image_size``.

        Raises:
            ValueError: more pictures than ``batch_size``.
        """
        if len(pictures) > self.batch_size:
            raise ValueError(f"{len(pictures)} pictures do not fit into a batch of {self.batch_size}")
        side = self.config.image_size
        images = np.zeros((self.batch_size, side, side, 3), np.uint8)
        for place, picture in enumerate(pictures):
            images[place] = picture.square
        regions, pyramid = self._find(tf.constant(images))
        boxes, probabilities, proposed = (value.numpy() for value in regions)
        selected = [
            select(
                boxes[place], probabilities[place], proposed[place], self.config, self.min_score, self._window(picture)
            )
            for place, picture in enumerate(pictures)
        ]
        masks = self._masks(pyramid, selected) if self.has_masks else [None] * len(pictures)
        return [self._describe(*found) for found in zip(selected, masks, pictures, strict=True)]

    def _window(self, picture: Prepared) -> tuple[float, float, float, float]:
        """Return where a picture lies in the square, in network coordinates."""
        corners = picture.placement.to_square(np.array([0.0, 0.0, picture.height, picture.width]))
        y1, x1, y2, x2 = (float(value) for value in normalise(corners, self.config.image_size)[0])
        return y1, x1, y2, x2

    def _masks(self, pyramid: Any, selected: Sequence[Selected]) -> list[Any]:
        """Return mask probabilities ``[D, 2 * pool, 2 * pool]`` of each picture; only what was found is drawn."""
        most = self.config.max_detections
        boxes = np.zeros((self.batch_size, most, 4), np.float32)
        classes = np.zeros((self.batch_size, most), np.int32)
        places: list[int] = []
        for number, found in enumerate(selected):
            count = len(found.classes)
            boxes[number, :count], classes[number, :count] = found.boxes, found.classes
            places.extend(range(number * most, number * most + count))
        if not places:
            return [np.zeros((0, 1, 1), np.float32) for _ in selected]
        padded = places + [0] * (-len(places) % MASKS_AT_ONCE)
        drawn = self._draw(pyramid, tf.constant(boxes), tf.constant(classes), tf.constant(padded, tf.int32)).numpy()
        ends = np.cumsum([len(found.classes) for found in selected])
        return np.split(drawn[: len(places)], ends[:-1])

    def _describe(self, found: Selected, masks: Any, picture: Prepared) -> list[Detection]:
        """Move a picture's detections into its own pixels; what lies outside the picture is cut off."""
        height, width = picture.height, picture.width
        corners = picture.placement.to_picture(denormalise(found.boxes, self.config.image_size))
        corners = np.clip(corners, 0.0, [height, width, height, width])
        detections = []
        for place, box in enumerate(corners_to_xywh(corners)):
            if box[2] < 1.0 or box[3] < 1.0:
                continue
            x, y, w, h = (round(float(value), 2) for value in box)
            mask = None
            if masks is not None:
                pasted = paste_mask(masks[place], (x, y, w, h), width, height, self.config.mask_threshold)
                mask = encode_mask(pasted)
            detections.append(
                Detection(
                    self.config.classes[found.classes[place] - 1],
                    round(float(found.scores[place]), 6),
                    (x, y, w, h),
                    mask,
                    candidates(found.probabilities[place], self.config.classes),
                    background(found.probabilities[place]),
                )
            )
        return detections
