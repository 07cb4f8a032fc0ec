"""Training on several ranks: one step, repeated until its steps or its time are used up."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from sgob_tasks.detection.data.batches import Batch, Batches, prefetch
from sgob_tasks.detection.files import write_durably
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.network.targets import Instances
from sgob_tasks.detection.parameters import TrainingParameters
from sgob_tasks.detection.training import distributed
from sgob_tasks.detection.training.checkpoint import TrainingState, load_checkpoint, restore, save_checkpoint
from sgob_tasks.detection.training.schedule import learning_rate, progress
from sgob_tasks.errors import InputError, PermanentError

LOSSES = ("rpn_class", "rpn_box", "class", "box", "mask")


def say(text: str) -> None:
    """Write a line to the job's log at once."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}\n")
    sys.stdout.flush()


def make_optimizer(parameters: TrainingParameters, variables: list[Any]) -> Any:
    """Return the optimizer with all its variables made.

    Its own variables exist before the first step, so that a checkpoint can be restored into them and rank 0's values
    can be broadcast.
    """
    rate, decay = parameters.highest_learning_rate, parameters.weight_decay or None
    if parameters.optimizer_name == "adam":
        optimizer = tf.keras.optimizers.Adam(rate, weight_decay=decay, jit_compile=False)
    else:
        optimizer = tf.keras.optimizers.SGD(rate, parameters.momentum, weight_decay=decay, jit_compile=False)
    if decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(variables)
    return optimizer


class TrainingStep:
    """One step on all ranks: losses, gradients, their mean over the ranks, the update.

    Every rank runs the same graph on the same shapes, whatever its pictures hold: Horovod waits for each gradient of
    each rank. The ranks' clocks and signals travel with the gradients, so that all ranks take the same decision after
    the same step.
    """

    def __init__(self, model: MaskRCNN, parameters: TrainingParameters, variables: list[Any]) -> None:
        self.model, self.variables = model, variables
        self.optimizer = make_optimizer(parameters, variables)
        self._weights = {name: float(parameters.loss_weights.get(name, 1.0)) for name in LOSSES}
        self._clip_norm = parameters.clip_norm
        self._run = tf.function(self._step)

    def _step(self, images: Any, truth: Instances, seed: Any, rate: Any, control: Any) -> Any:
        truth = truth._replace(masks=tf.cast(truth.masks, tf.float32))
        with tf.GradientTape() as tape:
            losses = self.model.losses(images, truth, seed)
            total = tf.add_n([losses[name] * weight for name, weight in self._weights.items()])
        gradients = tape.gradient(total, self.variables)
        values = tf.stack([losses[name] for name in LOSSES])
        *gradients, values, control = distributed.average([*gradients, values, control])
        gradients, norm = tf.clip_by_global_norm(gradients, self._clip_norm)
        self.optimizer.learning_rate.assign(rate)
        # (no strict: the autograph of TensorFlow 2.11 knows none)
        self.optimizer.apply_gradients(zip(gradients, self.variables))  # noqa: B905
        return values, norm, control

    def __call__(self, batch: Batch, seed: tuple[int, int], rate: float, control: tuple[float, float]) -> Any:
        """Run the step.

        Args:
            batch: this rank's pictures.
            seed: of the sampling.
            rate: learning rate.
            control: this rank's elapsed seconds and whether it wants to stop (1 or 0).

        Returns:
            the five losses, the gradients' norm, and the mean of ``control`` over the ranks.
        """
        truth = Instances(*map(tf.constant, (batch.boxes, batch.classes, batch.masks, batch.has_mask)))
        numbers = tf.constant(seed, tf.int32), tf.constant(rate, tf.float32), tf.constant(control, tf.float32)
        values, norm, mean_control = self._run(tf.constant(batch.images), truth, *numbers)
        return values.numpy(), float(norm), mean_control.numpy()


@dataclass(frozen=True)
class Clock:
    """Time spent on a training.

    Attributes:
        started: ``time.monotonic()`` when this process started.
        before_s: seconds that earlier jobs of the training spent.
    """

    started: float
    before_s: float = 0.0

    def elapsed_s(self) -> float:
        """Return the seconds spent by now, over all jobs."""
        return self.before_s + time.monotonic() - self.started


class Training:
    """A training from wherever its last checkpoint left it.

    Args:
        folder: the job folder; checkpoints and metrics go below it.
        model: the network, with the weights to start from.
        batches: this rank's batches.
        parameters: how to train.
        ranks: this process among all.
        started: ``time.monotonic()`` when this process started.
    """

    def __init__(
        self,
        folder: Path,
        model: MaskRCNN,
        batches: Batches,
        parameters: TrainingParameters,
        ranks: distributed.Ranks,
        started: float,
    ) -> None:
        self._checkpoints, self._metrics = folder / "checkpoints", folder / "results" / "metrics.jsonl"
        self._model, self._batches, self._parameters, self._ranks = model, batches, parameters, ranks
        self._step = TrainingStep(model, parameters, trained_variables(model, parameters))
        self._fingerprint: dict[str, Any] = {
            "config": json.loads(json.dumps(model.config.to_json())),
            "optimizer": parameters.optimizer_name,
            "batch_size": parameters.pictures_per_step,
            "ranks": ranks.size,
            "seed": parameters.seed,
        }
        wanted = parameters.steps or round(parameters.epochs * batches.steps_per_epoch)
        self.total_steps = max(1, wanted)
        self.step = 0
        self._finished = False
        self._clock = Clock(started)
        self._resume()

    @property
    def _variables(self) -> list[Any]:
        # called: a method in Keras 2.11, a list that may be called since
        return [*self._model.weights, *self._step.optimizer.variables()]

    def _resume(self) -> None:
        found = load_checkpoint(self._checkpoints) if self._ranks.leads else None
        state = distributed.gather(found[0] if found else None)[0]
        if state is not None:
            self._check(state.fingerprint)
            self.step, self._finished = state.step, state.finished
            self._clock = Clock(self._clock.started, state.elapsed_s)
        if found is not None:
            restore(self._variables, found[1], self._checkpoints)
        distributed.broadcast(self._variables)
        if self._ranks.leads:
            drop_later_metrics(self._metrics, self.step)

    def _check(self, fingerprint: dict[str, Any]) -> None:
        for name, value in self._fingerprint.items():
            if fingerprint.get(name) != value:
                reason = f"the checkpoint was written with {fingerprint.get(name)!r}"
                raise InputError(self._checkpoints, name, value, reason)

    @property
    def elapsed_s(self) -> float:
        """Seconds spent by now, over all jobs of this training."""
        return self._clock.elapsed_s()

    def _budget_s(self) -> float | None:
        parameters = self._parameters
        return parameters.budget_s - parameters.reserve_s if parameters.budget_s else None

    def save(self) -> None:
        """Write a checkpoint (rank 0), after bringing all ranks' batch norm statistics together."""
        distributed.average_variables(self._model.averaged_weights)
        if self._ranks.leads:
            state = TrainingState(self.step, self.elapsed_s, self._finished, self._fingerprint)
            save_checkpoint(self._checkpoints, state, [variable.numpy() for variable in self._variables])
        distributed.wait_for_all()

    def run(self, wants_to_stop: Callable[[], bool]) -> bool:
        """Train until it is finished or a rank wants to stop, and write a checkpoint.

        Args:
            wants_to_stop: asked after every step.

        Returns:
            True when the training is finished, False when it should be started again.

        Raises:
            PermanentError: the loss is no number any more.
        """
        if self._finished:
            return True
        parameters, ranks = self._parameters, self._ranks
        rate = parameters.highest_learning_rate * (ranks.size if parameters.scale_learning_rate else 1)
        report = Report(self._metrics, ranks.leads, parameters.log_interval_s)
        saved_at = elapsed = self.elapsed_s
        stop = False
        for batch in prefetch(self._batches.steps(self.step)):
            done = progress(self.step, self.total_steps, elapsed, self._budget_s())
            if done >= 1 or stop:
                break
            now = learning_rate(rate, self.step, parameters.warmup, done)
            seed = (parameters.seed + 2 * self.step, ranks.rank)
            losses, norm, control = self._step(batch, seed, now, (self.elapsed_s, float(wants_to_stop())))
            if not np.isfinite(losses).all():
                described = dict(zip(LOSSES, losses.tolist(), strict=True))
                raise PermanentError(f"step {self.step}: a loss is no number: {described}; lower the learning rate")
            self.step += 1
            # From here on only values that are equal on all ranks decide.
            elapsed, stop = float(control[0]), bool(control[1] > 0)
            report.add(self.step, self.step / self._batches.steps_per_epoch, losses, norm, now, elapsed)
            if elapsed - saved_at >= parameters.checkpoint_interval_s:
                self.save()
                saved_at = elapsed
        self._finished = progress(self.step, self.total_steps, elapsed, self._budget_s()) >= 1
        report.flush()
        self.save()
        return self._finished


def trained_variables(model: MaskRCNN, parameters: TrainingParameters) -> list[Any]:
    """Return the variables that training changes: all, or without the ResNet's (``trainable`` = ``heads``)."""
    if parameters.trainable == "all":
        return model.trainable_weights
    frozen = ("conv1", "bn_conv1", "res", "bn2", "bn3", "bn4", "bn5")
    for name, layer in model.layers().items():
        if name.startswith(frozen):
            layer.trainable = False
    return model.trainable_weights


def drop_later_metrics(path: Path, step: int) -> None:
    """Drop the lines of ``metrics.jsonl`` after ``step``, and a torn one: a resumed training writes them again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text("utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry["step"] <= step:
            kept.append(line + "\n")
    write_durably(path, lambda file: file.write("".join(kept).encode("utf-8")))


class Report:
    """Progress lines in the log and in ``metrics.jsonl``, every few seconds; on rank 0 only."""

    def __init__(self, path: Path, active: bool, interval_s: float) -> None:
        self._path, self._active, self._interval_s = path, active, interval_s
        self._losses: list[Any] = []
        self._last = time.monotonic()
        self._entry: dict[str, Any] = {}
        if active:
            path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, step: int, epoch: float, losses: Any, norm: float, rate: float, elapsed_s: float) -> None:
        """Take note of a step, and write a line when it is time."""
        self._losses.append(losses)
        self._entry = {
            "step": step,
            "epoch": round(epoch, 3),
            "elapsed_s": round(elapsed_s, 2),
            "learning_rate": float(f"{rate:.4g}"),
            "gradient_norm": round(norm, 4),
        }
        if time.monotonic() - self._last >= self._interval_s:
            self.flush()

    def flush(self) -> None:
        """Write a line about the steps since the last one."""
        if not self._active or not self._losses:
            return
        now = time.monotonic()
        mean = np.mean(self._losses, axis=0)
        self._entry["seconds_per_step"] = round((now - self._last) / len(self._losses), 4)
        self._entry["loss"] = round(float(mean.sum()), 5)
        self._entry["losses"] = {name: round(float(value), 5) for name, value in zip(LOSSES, mean, strict=True)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self._entry) + "\n")
        parts = " ".join(f"{name} {value:.3f}" for name, value in self._entry["losses"].items())
        say(
            f"step {self._entry['step']} epoch {self._entry['epoch']:.1f} loss {self._entry['loss']:.3f} ({parts})"
            f" rate {self._entry['learning_rate']:.2e} {self._entry['seconds_per_step']:.3f} s/step"
        )
        self._losses, self._last = [], now
