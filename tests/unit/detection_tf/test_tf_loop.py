"""The training loop, with a network of one number."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import horovod.tensorflow as hvd
import pytest
import tensorflow as tf

from sgob_tasks.detection.parameters import TrainingParameters
from sgob_tasks.detection.training.checkpoint import load_checkpoint
from sgob_tasks.detection.training.distributed import Ranks
from sgob_tasks.detection.training.loop import Training
from sgob_tasks.detection.training.update import Update
from sgob_tasks.errors import InputError

hvd.init()


class OneNumber:
    """A step that counts its updates."""

    fingerprint: dict[str, Any] = {}  # noqa: RUF012 - the protocol's form
    losses = ("class",)
    trainable = "all"
    scaled = False

    def __init__(self) -> None:
        self.state, self.sums, self.averaged_weights = [tf.Variable(0.0)], [], []

    def train(self, stage: object) -> None:
        pass

    def add(self, batch: object) -> None:
        pass

    def apply(self, rate: float, elapsed_s: float, stop: bool) -> Update:
        self.state[0].assign_add(1.0)
        return Update([1.0], 1.0, 1, elapsed_s, stop)


class Ones:
    """Batches of one part each."""

    steps_per_epoch = 3

    def parts(self, step: int) -> int:
        return 1

    def share(self, step: int) -> float:
        return 1.0

    def parts_from(self, step: int, number: int = 0) -> Iterator[int]:
        while True:
            yield step


def training(folder: Path, begun_s: float, **how: Any) -> Training:
    """Return a training whose process was started some seconds ago."""
    parameters = TrainingParameters(preset="tiny", **how)
    return Training(folder, OneNumber(), Ones(), parameters, Ranks(0, 1, 0, 1), time.monotonic() - begun_s)


def test_it_ends_with_its_steps(tmp_path: Path) -> None:
    made = training(tmp_path, 0, epochs=2)
    assert made.run(lambda: False)
    assert made.step == 6
    again = training(tmp_path, 0, epochs=2)
    assert (again.step, again.run(lambda: False)) == (6, True)


def test_a_budget_that_the_start_used_up_is_an_error_and_no_model(tmp_path: Path) -> None:
    made = training(tmp_path, 100, epochs=2, budget_s=60)
    with pytest.raises(
        InputError, match=r"parameters\.budget_s = 60: leaves no time to train: 100 s had passed and 25 s"
    ):
        made.run(lambda: False)
    assert load_checkpoint(tmp_path / "checkpoints") is None


def test_a_budget_that_is_used_up_later_ends_the_training(tmp_path: Path) -> None:
    assert not training(tmp_path, 0, epochs=2).run(lambda: True), "asked to make room"
    first = training(tmp_path, 0, epochs=2)
    assert first.step == 0
    stops = iter([False, False, True])
    assert not first.run(lambda: next(stops))
    later = training(tmp_path, 100, epochs=2, budget_s=60)
    assert later.run(lambda: False)
    assert later.step == 2
