"""One update on all ranks, from as many examples as it takes: what does not depend on the network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from sgob_tasks.detection.training import distributed
from sgob_tasks.detection.training.noise import signal_and_noise
from sgob_tasks.detection.training.protocols import Network, StepParameters

LOSS_SCALE, GROW_AFTER = 2.0**15, 2000
"""The first factor of a loss in float16, and after how many good updates it is doubled."""


def make_optimizer(parameters: StepParameters, variables: list[Any]) -> Any:
    """Return the optimizer with all its variables made.

    Its own variables exist before the first step, so that a checkpoint can be restored into them and rank 0's values
    can be broadcast.

    Args:
        parameters: kind, momentum and weight decay.
        variables: all that it may ever change.
    """
    decay = parameters.weight_decay or None
    if parameters.optimizer_name == "adam":
        optimizer = tf.keras.optimizers.Adam(1e-3, weight_decay=decay, jit_compile=False)
    else:
        optimizer = tf.keras.optimizers.SGD(1e-3, parameters.momentum, weight_decay=decay, jit_compile=False)
    if decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(variables)
    return optimizer


@dataclass(frozen=True)
class Update:
    """What came of an update; the same on every rank.

    Attributes:
        losses: in the order of the step's ``losses``, means over all pictures.
        gradient_norm: before it was clipped; not finite where the update was left out (see ``AccumulatedStep``).
        pictures: that the update was made from.
        elapsed_s: mean of the ranks' clocks.
        stop: a rank wants to stop.
        signal_and_noise: see ``noise.signal_and_noise``; None where the batch had one part only.
    """

    losses: Any
    gradient_norm: float
    pictures: int
    elapsed_s: float
    stop: bool
    signal_and_noise: tuple[float, float] | None = None


class AccumulatedStep:
    """Losses and gradients of any number of pictures, summed up on every rank; then their mean, and the update.

    ``add`` is called for every part of a batch, ``apply`` once for the whole. Because a loss is one number a picture,
    the mean is exact however a batch is cut: into parts, over ranks, and with a rest that fills no part. Every rank
    runs the same graphs on the same shapes, whatever its pictures hold: Horovod waits for each gradient of each rank.

    A subclass says what the losses of a batch are (``found_losses``), which weights are trained (``chosen``), and turns
    a batch into tensors (``add``, which calls ``add_tensors``).

    Args:
        model: the network.
        parameters: losses' weights, optimizer, clipping, stages.
        losses: their names, in the order in which they are reported.
        scaled: for float16: the loss is multiplied so that small gradients do not vanish, and the gradients divided
            again (Micikevicius et al., Mixed Precision Training, arXiv 1710.03740). Where that was too much, they are
            not finite: the update is left out, and the factor halved.
    """

    def __init__(
        self, model: Network, parameters: StepParameters, losses: tuple[str, ...], *, scaled: bool = False
    ) -> None:
        self._network, self.losses = model, losses
        self.variables = self.chosen("all")
        self.optimizer = make_optimizer(parameters, self.variables)
        self.scaled, self._clip_norm = scaled, parameters.clip_norm
        self._weights = [float(parameters.loss_weights.get(name, 1.0)) for name in losses]
        self._sums = [tf.Variable(tf.zeros(v.shape), trainable=False, name="sum") for v in self.variables]
        self._totals = tf.Variable(tf.zeros(len(losses) + 4), trainable=False, name="totals")
        self._scale = tf.Variable(LOSS_SCALE if scaled else 1.0, trainable=False, name="loss_scale")
        self._good = tf.Variable(0.0, trainable=False, name="updates_at_this_scale")
        self.trainable = ""
        self.train(parameters.parts[0][0])

    def chosen(self, trainable: str) -> list[Any]:
        """Return the weights that a stage of the training changes, in a fixed order."""
        raise NotImplementedError

    def found_losses(self, *tensors: Any) -> dict[str, Any]:
        """Return the losses of each picture of a part, ``[B]``, by name; one that is left out counts as zero."""
        raise NotImplementedError

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What of the network must be equal for a training to go on from a checkpoint, as JSON values."""
        return {"config": json.loads(json.dumps(self._network.config.to_json()))}

    def train(self, trainable: str) -> None:
        """Change only some of the weights from now on (see ``chosen``); the graphs are traced anew."""
        if trainable == self.trainable:
            return
        self.trainable = trainable
        chosen = {id(weight) for weight in self.chosen(trainable)}
        places = [place for place, weight in enumerate(self.variables) if id(weight) in chosen]
        self._active = [(self.variables[place], self._sums[place]) for place in places]
        self._add = tf.function(self._add_part)
        self._apply = tf.function(self._apply_sums)

    @property
    def state(self) -> list[Any]:
        """All variables that must survive the end of a job, but for :attr:`sums`."""
        variables = self.optimizer.variables  # a method in Keras 2.11, a list since 2.13
        return [*self._network.weights, *(variables() if callable(variables) else variables), self._scale, self._good]

    @property
    def averaged_weights(self) -> list[Any]:
        """Statistics that each rank gathers on its own; their mean is what counts."""
        return self._network.averaged_weights

    @property
    def sums(self) -> list[Any]:
        """Sums since the last update: of gradients, of losses, of pictures, and of what the noise scale needs."""
        return [*self._sums, self._totals]

    def _add_part(self, weights: Any, *tensors: Any) -> None:
        active = [variable for variable, _ in self._active]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(active)
            found = self.found_losses(*tensors)
            losses = tf.stack([found.get(name, tf.zeros_like(weights)) for name in self.losses])
            sums = tf.linalg.matvec(losses, weights)
            total = tf.reduce_sum(sums * self._weights) * self._scale
        # (Of an embedding it comes as slices; the sums, and the exchange between ranks, want one shape.)
        gradients = [None if g is None else tf.convert_to_tensor(g) for g in tape.gradient(total, active)]
        for gradient, (variable, kept) in zip(gradients, self._active):  # noqa: B905 - TensorFlow 2.11's autograph
            if gradient is None:
                raise ValueError(f"{variable.name} has no gradient")
            kept.assign_add(gradient)
        pictures = tf.reduce_sum(weights)
        some = tf.cast(pictures > 0, tf.float32)
        scale = tf.maximum(pictures, 1.0)
        squared = tf.add_n([tf.reduce_sum(tf.square(gradient)) for gradient in gradients])
        squared /= tf.square(scale * self._scale)
        self._totals.assign_add(tf.concat([sums, [pictures, squared, some / scale, some]], 0))

    def _apply_sums(self, rate: Any, control: Any) -> Any:
        statistics = self._network.averaged_weights
        values = [kept.value() for _, kept in self._active]
        values += [weight.value() for weight in statistics]
        values += [self._totals.value(), control]
        *values, totals, control = distributed.total(values)
        gradients, means = values[: len(self._active)], values[len(self._active) :]
        gradients = [gradient / (totals[len(self.losses)] * self._scale) for gradient in gradients]
        gradients, norm = tf.clip_by_global_norm(gradients, self._clip_norm)
        self.optimizer.learning_rate.assign(rate)
        if self.scaled:
            tf.cond(tf.math.is_finite(norm), lambda: self._update(gradients), self._shrink_scale)
        else:
            self._update(gradients)
        for weight, mean in zip(statistics, means):  # noqa: B905 - as above
            weight.assign(mean / distributed.size())
        for kept in self.sums:
            kept.assign(tf.zeros_like(kept))
        return totals, norm, control

    def _update(self, gradients: Any) -> Any:
        self.optimizer.apply_gradients(zip(gradients, [v for v, _ in self._active]))  # noqa: B905 - as above
        if self.scaled:
            grow = self._good.assign_add(1.0) >= GROW_AFTER
            self._scale.assign(tf.where(grow, self._scale * 2.0, self._scale))
            self._good.assign(tf.where(grow, 0.0, self._good))
        return tf.constant(True)

    def _shrink_scale(self) -> Any:
        self._scale.assign(tf.maximum(self._scale / 2.0, 1.0))
        self._good.assign(0.0)
        return tf.constant(False)

    def add(self, batch: Any) -> None:
        """Add a part of a batch: this rank's, ``weights`` says which of its pictures count."""
        raise NotImplementedError

    def add_tensors(self, weights: Any, *tensors: Any) -> None:
        """Add what ``found_losses`` takes; ``weights`` is ``[B]``, 0 for a picture that only fills a place."""
        self._add(tf.constant(weights), *tensors)

    def apply(self, rate: float, elapsed_s: float = 0.0, stop: bool = False) -> Update:
        """Update the weights from all that was added on all ranks, and begin anew.

        Args:
            rate: learning rate.
            elapsed_s: this rank's clock. Clocks and wishes travel with the gradients, so that all ranks decide alike.
            stop: this rank wants to stop.
        """
        control = tf.constant([elapsed_s, float(stop)], tf.float32)
        # Traced before: while this rank traces, no other is to blame.
        self._apply.get_concrete_function(tf.TensorSpec([], tf.float32), tf.TensorSpec([2], tf.float32))
        with distributed.waiting("gradients"):
            totals, norm, control = (value.numpy() for value in self._apply(tf.constant(rate, tf.float32), control))
        pictures, squared, inverse, parts = totals[len(self.losses) :]
        with np.errstate(invalid="ignore"):
            losses = totals[: len(self.losses)] / pictures
        estimates = None
        if parts > 1:
            estimates = signal_and_noise(squared / parts, float(norm) ** 2, inverse / parts, float(pictures))
        mean_elapsed_s = float(control[0]) / distributed.size()
        return Update(losses, float(norm), int(pictures), mean_elapsed_s, bool(control[1] > 0), estimates)

    def take(self) -> npt.NDArray[np.float32]:
        """Return the mean gradient, ``[P]``, of what was added on this rank, and begin anew without an update."""
        pictures = float(self._totals[len(self.losses)] * self._scale)
        gradient: npt.NDArray[np.float32] = np.concatenate([kept.numpy().ravel() for _, kept in self._active])
        gradient /= np.float32(pictures)
        for kept in self.sums:
            kept.assign(tf.zeros_like(kept))
        return gradient
