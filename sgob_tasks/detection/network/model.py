"""Mask R-CNN put together: He et al. (arXiv 1703.06870) on a feature pyramid."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig
from sgob_tasks.detection.network import tensors
from sgob_tasks.detection.network.anchors import pyramid_anchors
from sgob_tasks.detection.network.fpn import feature_model, used_levels
from sgob_tasks.detection.network.heads import box_head, mask_head
from sgob_tasks.detection.network.layers import ConvNorm
from sgob_tasks.detection.network.losses import box_losses, mask_loss, mask_places, rpn_losses
from sgob_tasks.detection.network.proposals import pool, propose
from sgob_tasks.detection.network.rpn import SampledAnchors, rpn_model, score_levels
from sgob_tasks.detection.network.targets import Instances, anchor_targets, roi_targets, trimmed


class Regions(NamedTuple):
    """What the box head says of a batch, before detections are chosen.

    Attributes:
        boxes: ``[B, N, k, (y1, x1, y2, x2)]`` corrected boxes in network coordinates, clipped to the picture.
        probabilities: ``[B, N, classes]``, background first.
        proposed: ``[B, N]`` bool: False for padding.
    """

    boxes: Any
    probabilities: Any
    proposed: Any


class MaskRCNN:
    """The network: a feature pyramid, a proposal network and two heads, each a Keras model.

    Attributes:
        config: its shape.
        anchors: ``[A, 4]`` in network coordinates.
    """

    def __init__(self, config: DetectorConfig) -> None:
        self.config = config
        self.features = feature_model(config)
        self.rpn = rpn_model(config)
        self.box_head = box_head(config)
        self.mask_head = mask_head(config)
        self.anchors = tf.constant(pyramid_anchors(config))
        self._sampled_anchors = SampledAnchors(config, self.rpn)
        self._levels = used_levels(config)

    @property
    def parts(self) -> tuple[Any, ...]:
        """The four Keras models."""
        return (self.features, self.rpn, self.box_head, self.mask_head)

    def layers(self) -> dict[str, Any]:
        """Return the layers that hold weights, by name."""
        outer = (layer for part in self.parts for layer in part.layers if layer.weights)
        inner = ((layer.conv, layer.norm) if isinstance(layer, ConvNorm) else (layer,) for layer in outer)
        return {layer.name: layer for pair in inner for layer in pair}

    @property
    def weights(self) -> list[Any]:
        """All variables, trained or not, in a fixed order."""
        return [weight for part in self.parts for weight in part.weights]

    @property
    def trainable_weights(self) -> list[Any]:
        """The variables that training changes, in a fixed order."""
        return [weight for part in self.parts for weight in part.trainable_weights]

    @property
    def averaged_weights(self) -> list[Any]:
        """Batch norm's moving statistics where they are learnt: each rank sees its own, so they must be averaged."""
        if not self.config.train_batch_norm:
            return []
        norms = (layer for layer in self.layers().values() if hasattr(layer, "moving_mean"))
        return [weight for layer in norms for weight in (layer.moving_mean, layer.moving_variance)]

    def pyramid(self, images: Any, training: bool) -> dict[int, Any]:
        """Return the feature pyramid of ``[B, S, S, 3]`` RGB pictures (0 to 255, any number type), by level."""
        inputs = tf.cast(images, tf.float32) - tf.constant(self.config.pixel_mean)
        outputs = self.features(inputs, training=training)
        return dict(zip(self._levels, outputs))  # noqa: B905 - the autograph of TensorFlow 2.11 knows no strict

    def score_anchors(self, pyramid: dict[int, Any], training: bool) -> tuple[Any, Any]:
        """Return the proposal network's ``[B, A, 2]`` logits and ``[B, A, 4]`` corrections, level after level."""
        levels = [pyramid[level] for level in self.config.rpn_levels]
        outputs = score_levels(self.config, self.rpn, levels, training=training)
        logits, deltas = (tf.concat(parts, 1) for parts in zip(*outputs))  # noqa: B905 - as above
        return tf.cast(logits, tf.float32), tf.cast(deltas, tf.float32)

    def losses(self, images: Any, truth: Instances, seeds: Any, masks: bool = True) -> dict[str, Any]:
        """Return the losses of each picture, ``[B]``, by name.

        Args:
            images: ``[B, S, S, 3]`` RGB, 0 to 255.
            truth: their instances.
            seeds: int32 ``[B, 2]``: with them the sampling of each picture is repeatable.
            masks: False leaves out the mask head and its loss.
        """
        config = self.config
        pyramid = self.pyramid(images, training=True)
        # No gradient passes here: the proposals are constants to the heads, and the loss has its own way below.
        scores = self.score_anchors({level: tf.stop_gradient(pyramid[level]) for level in pyramid}, training=True)
        proposals = propose(*scores, self.anchors, config, config.proposals_training)
        wanted = anchor_targets(self.anchors, trimmed(truth), config, seeds)
        rois = roi_targets(proposals, truth, config, seeds + 1)
        logits, deltas = self.box_head(pool(pyramid, rois.boxes, config, config.roi_pool), training=True)
        sampled = self._sampled_anchors(pyramid, wanted.indices)
        found = {**rpn_losses(*sampled, wanted), **box_losses(logits, deltas, rois)}
        if masks:
            positives, places = rois.boxes[:, : config.positive_rois], mask_places(rois)
            drawn = self.mask_head(pool(pyramid, positives, config, config.mask_pool, places), training=True)
            found["mask"] = mask_loss(drawn, places, rois, config)
        return found

    def regions(self, pyramid: dict[int, Any]) -> Regions:
        """Return corrected boxes and class probabilities of the proposals."""
        config = self.config
        rpn_logits, rpn_deltas = self.score_anchors(pyramid, training=False)
        rois = propose(rpn_logits, rpn_deltas, self.anchors, config, config.proposals_inference)
        answers = self.box_head(pool(pyramid, rois, config, config.roi_pool), training=False)
        logits, deltas = (tf.cast(answer, tf.float32) for answer in answers)
        shape = tf.shape(rois)
        deltas = tf.reshape(deltas, [shape[0], shape[1], -1, 4])
        boxes = tensors.clip(tensors.decode(rois[:, :, None, :], deltas, config.box_std))
        probabilities = tf.reshape(tf.nn.softmax(logits), [shape[0], shape[1], config.class_count])
        return Regions(boxes, probabilities, tensors.area(rois) > 0.0)

    def masks(self, pyramid: dict[int, Any], boxes: Any, classes: Any) -> Any:
        """Return the mask probabilities of boxes, ``[B, N, 2 * pool, 2 * pool]``, relative to the boxes.

        Args:
            pyramid: from :meth:`pyramid`.
            boxes: ``[B, N, 4]`` in network coordinates.
            classes: ``[B, N]`` int32, background 0.
        """
        shape, side = tf.shape(boxes), 2 * self.config.mask_pool
        drawn = self.masks_of(pyramid, boxes, classes, tf.range(shape[0] * shape[1]))
        return tf.reshape(drawn, [shape[0], shape[1], side, side])

    def masks_of(self, pyramid: dict[int, Any], boxes: Any, classes: Any, places: Any) -> Any:
        """Return the mask probabilities of some boxes only, ``[M, 2 * pool, 2 * pool]``.

        Args:
            pyramid: from :meth:`pyramid`.
            boxes: ``[B, N, 4]`` in network coordinates.
            classes: ``[B, N]`` int32, background 0.
            places: ``[M]`` int32: which of the ``B * N`` boxes.
        """
        logits = self.mask_head(pool(pyramid, boxes, self.config, self.config.mask_pool, places), training=False)
        logits = tf.transpose(tf.cast(logits, tf.float32), [0, 3, 1, 2])
        if self.config.class_agnostic:
            return tf.sigmoid(logits[:, 0])
        return tf.sigmoid(tf.gather(logits, tf.gather(tf.reshape(classes, [-1]), places), batch_dims=1))
