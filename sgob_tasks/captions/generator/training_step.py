"""The generator's training step: the detector's machinery with another network."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from sgob_tasks.captions.generator.dataset import Batch
from sgob_tasks.captions.generator.encoding import Seen
from sgob_tasks.captions.generator.network import CaptionNetwork
from sgob_tasks.captions.generator.parameters import LOSSES, GeneratorTraining
from sgob_tasks.detection.training.update import AccumulatedStep


class CaptionStep(AccumulatedStep):
    """The step of a caption generator (see :class:`AccumulatedStep`); a "picture" is one caption of one.

    Args:
        model: the network.
        parameters: losses' weights, clipping.
    """

    def __init__(self, model: CaptionNetwork, parameters: GeneratorTraining) -> None:
        self.model = model
        # One that is left out would count as divergence when it rises.
        super().__init__(model, parameters, LOSSES if parameters.coverage else LOSSES[:1])

    def chosen(self, trainable: str) -> list[Any]:
        """Return all weights: there are no stages."""
        del trainable
        return self.model.trainable_weights

    def found_losses(self, seen: Seen, captions: Any, seed: Any) -> dict[str, Any]:
        """Return the losses of each caption, by name (see ``CaptionNetwork.losses``)."""
        return self.model.losses(seen, captions, seed)

    def add(self, batch: Batch) -> None:
        """Add a part of a batch: this rank's."""
        seen = Seen(*map(tf.constant, batch.seen))
        self.add_tensors(batch.weights, seen, tf.constant(batch.captions), tf.constant(batch.seed))
