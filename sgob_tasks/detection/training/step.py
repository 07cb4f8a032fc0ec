"""The detector's training step: its losses, and which of its weights are trained."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from sgob_tasks.detection.data.batches import Batch
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.network.targets import Instances
from sgob_tasks.detection.parameters import LOSSES, TrainingParameters
from sgob_tasks.detection.training.stages import freeze
from sgob_tasks.detection.training.update import LOSS_SCALE, AccumulatedStep, Update

__all__ = ["LOSS_SCALE", "TrainingStep", "Update"]


class TrainingStep(AccumulatedStep):
    """The step of a detector (see :class:`AccumulatedStep`).

    Args:
        model: the network.
        parameters: losses' weights, optimizer, clipping, stages.
        masks: the mask head is trained.
        scaled: for float16.
    """

    def __init__(
        self, model: MaskRCNN, parameters: TrainingParameters, *, masks: bool = True, scaled: bool = False
    ) -> None:
        self.model, self.masks = model, masks
        self._without = () if masks else tuple(id(weight) for weight in model.mask_head.weights)
        super().__init__(model, parameters, LOSSES, scaled=scaled)

    def chosen(self, trainable: str) -> list[Any]:
        """Return the weights that a stage of the training changes (see ``stages.freeze``)."""
        return [weight for weight in freeze(self.model, trainable) if id(weight) not in self._without]

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The configuration, and whether masks are trained."""
        return super().fingerprint | {"mask_loss": self.masks}

    def found_losses(self, images: Any, truth: Instances, seeds: Any) -> dict[str, Any]:
        """Return the losses of each picture, by name (see ``MaskRCNN.losses``)."""
        truth = truth._replace(masks=tf.cast(truth.masks, tf.float32))
        return self.model.losses(images, truth, seeds, masks=self.masks)

    def add(self, batch: Batch) -> None:
        """Add a part of a batch: this rank's, ``weights`` says which of its pictures count."""
        truth = Instances(*map(tf.constant, (batch.boxes, batch.classes, batch.masks, batch.has_mask)))
        self.add_tensors(batch.weights, tf.constant(batch.images), truth, tf.constant(batch.seeds))
