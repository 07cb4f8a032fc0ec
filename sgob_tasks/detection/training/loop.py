"""Training on several ranks: one update after the other until the steps or the time are used up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from sgob_tasks.detection.data.batches import prefetch
from sgob_tasks.detection.training import distributed
from sgob_tasks.detection.training.checkpoint import TrainingState, load_checkpoint, restore, save_checkpoint
from sgob_tasks.detection.training.health import Health
from sgob_tasks.detection.training.protocols import LoopParameters, Parts
from sgob_tasks.detection.training.report import Report
from sgob_tasks.detection.training.schedule import learning_rate, progress
from sgob_tasks.detection.training.stages import stage_at
from sgob_tasks.detection.training.update import AccumulatedStep
from sgob_tasks.errors import InputError

Scores = dict[str, float | None]


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
    """A training from wherever its last checkpoint left it, be it in the middle of a batch.

    Args:
        folder: the job folder; checkpoints and metrics go below it.
        step: network, losses and optimizer, with the weights to start from.
        batches: this rank's batches.
        parameters: how to train.
        ranks: this process among all.
        started: ``time.monotonic()`` when this process started.
    """

    def __init__(
        self,
        folder: Path,
        step: AccumulatedStep,
        batches: Parts,
        parameters: LoopParameters,
        ranks: distributed.Ranks,
        started: float,
    ) -> None:
        self._checkpoints, self._results = folder / "checkpoints", folder / "results"
        self._step, self._batches, self._parameters, self._ranks = step, batches, parameters, ranks
        self._fingerprint: dict[str, Any] = step.fingerprint | {
            "optimizer": parameters.optimizer_name,
            "global_batch_size": parameters.global_batch(ranks.size),
            "seed": parameters.seed,
        }
        self._layout = [ranks.size, parameters.pictures_at_once]
        wanted = parameters.steps or round(parameters.epochs * batches.steps_per_epoch)
        self.total_steps = max(1, wanted)
        self.step = self._part = self._evaluations = 0
        self._finished = False
        self._clock = Clock(started)
        self._resume()

    def _resume(self) -> None:
        found = load_checkpoint(self._checkpoints) if self._ranks.leads else None
        state: TrainingState | None = distributed.gather(found[0] if found else None)[0]
        if state is not None:
            self._check(state.fingerprint)
            self.step, self._finished, self._evaluations = state.step, state.finished, state.evaluations
            # Parts of a batch that other ranks or other parts have gone through cannot be told apart: begin it anew.
            self._part = state.part if state.layout == self._layout else 0
            self._clock = Clock(self._clock.started, state.elapsed_s)
        if found is not None:
            variables = [*self._step.state, *(self._step.sums if found[0].part else [])]
            restore(variables, found[1], self._checkpoints)
            if not self._part:
                for kept in self._step.sums:
                    kept.assign(tf.zeros_like(kept))
        # The sums are not sent: rank 0 goes on with those of all ranks, the others with nothing.
        distributed.broadcast(self._step.state)

    def _check(self, fingerprint: dict[str, Any]) -> None:
        for name, value in self._fingerprint.items():
            if fingerprint.get(name) != value:
                reason = f"the checkpoint was written with {fingerprint.get(name)!r}"
                raise InputError(self._checkpoints, name, value, reason)

    @property
    def elapsed_s(self) -> float:
        """Seconds spent by now, over all jobs of this training."""
        return self._clock.elapsed_s()

    @property
    def epoch(self) -> float:
        """Passes over the training pictures by now."""
        return self.step / self._batches.steps_per_epoch

    def _done(self, elapsed: float) -> float:
        parameters = self._parameters
        budget = parameters.budget_s - parameters.reserve_s if parameters.budget_s else None
        return progress(self.step, self.total_steps, elapsed, budget)

    def save(self) -> None:
        """Write a checkpoint (rank 0); in the middle of a batch with the sums of all ranks.

        There each rank's batch norm has seen other pictures. Their mean is written: as its statistics change linearly,
        going on from the mean ends where the mean of going on from each would.
        """
        statistics = self._step.averaged_weights
        sums, means = [], {}
        if self._part:
            with distributed.waiting("sums"):
                added = distributed.total([variable.value() for variable in [*self._step.sums, *statistics]])
            sums = [value.numpy() for value in added[: len(self._step.sums)]]
            mean = (value.numpy() / self._ranks.size for value in added[len(sums) :])
            means = {id(weight): value for weight, value in zip(statistics, mean, strict=True)}
        if self._ranks.leads:
            state = TrainingState(
                self.step,
                self.elapsed_s,
                self._finished,
                self._fingerprint,
                self._part,
                self._layout,
                self._evaluations,
            )
            values = [means[id(v)] if id(v) in means else v.numpy() for v in self._step.state]
            save_checkpoint(self._checkpoints, state, values + sums)
        distributed.wait_for_all()

    def run(self, wants_to_stop: Callable[[], bool], evaluate: Callable[[], Scores | None] | None = None) -> bool:
        """Train until it is finished or a rank wants to stop, and write a checkpoint.

        Args:
            wants_to_stop: asked after every part of a batch.
            evaluate: scores on the held-out pictures, on all ranks together; None from it says that a rank wants to
                stop.

        Returns:
            True when the training is finished, False when it should be started again.

        Raises:
            PermanentError: the loss or a gradient is no number any more, or the training diverges.
            InputError: the time was used up before the first update: there is nothing to show for it.
        """
        if self._finished:
            return True
        parameters, ranks = self._parameters, self._ranks
        highest = parameters.highest_learning_rate(parameters.global_batch(ranks.size))
        report = Report(self._results, ranks.leads, parameters.log_interval_s, self.step, self._step.losses)
        health = Health(parameters.divergence_factor)
        elapsed, stop = self._agree(wants_to_stop())  # whether there is time left, all ranks decide alike
        saved_at, done = elapsed, self._done(elapsed)
        for batch in prefetch(self._batches.parts_from(self.step, self._part)):
            if done >= 1 or stop:
                break
            self._step.train(stage_at(parameters.parts, done))
            self._step.add(batch)
            self._part += 1
            # From here on only values that are equal on all ranks decide.
            if self._part < self._batches.parts(self.step):
                elapsed, stop = self._agree(wants_to_stop())
            else:
                rate = learning_rate(highest, self.step, parameters.warmup(self.total_steps), done)
                rate *= self._batches.share(self.step)  # of a smaller batch every picture weighs as much as of a whole
                update = self._step.apply(rate, self.elapsed_s, wants_to_stop())
                self.step, self._part = self.step + 1, 0
                losses = dict(zip(self._step.losses, map(float, update.losses), strict=True))
                health.check(self.step, losses, 0.0 if self._step.scaled else update.gradient_norm, rate)
                elapsed, stop = update.elapsed_s, update.stop
                done = self._done(elapsed)
                report.add(
                    update, step=self.step, epoch=self.epoch, rate=rate, done=done, trainable=self._step.trainable
                )
                if evaluate is not None and not stop and self._evaluation_is_due(done):
                    report.flush()
                    scores = evaluate()
                    elapsed, stop = self._agree(scores is None)
                    if scores is not None:
                        self._evaluations += 1
                        report.evaluated(scores, step=self.step, epoch=self.epoch, elapsed_s=elapsed)
                    done = self._done(elapsed)
            if elapsed - saved_at >= parameters.checkpoint_interval_s:
                self.save()
                saved_at = elapsed
        self._finished = self._part == 0 and done >= 1
        if self._finished and not self.step:
            kept = f"{elapsed:.0f} s had passed and {parameters.reserve_s:g} s are kept for the final evaluation"
            raise InputError("job.json", "parameters.budget_s", parameters.budget_s, f"leaves no time to train: {kept}")
        report.flush()
        self.save()
        return self._finished

    def _agree(self, wants_to_stop: bool) -> tuple[float, bool]:
        """Return the mean of the ranks' clocks, and whether one wants to stop."""
        with distributed.waiting("clocks"):
            (control,) = distributed.total([tf.constant([self.elapsed_s, float(wants_to_stop)], tf.float32)])
        return float(control[0]) / self._ranks.size, bool(control[1] > 0)

    def _evaluation_is_due(self, done: float) -> bool:
        between = self._parameters.evaluations_between
        return self._evaluations < between and done < 1 and done >= (self._evaluations + 1) / (between + 1)
