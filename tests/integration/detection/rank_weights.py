"""Run a training job under MPI in several ways and write every rank's weights: ``<name>.<rank>.npz`` in the job folder.

The ways are given as ``NAME[:STEP.PART]``, one after the other: from nothing, or, with a step and a part, with rank 1
asking to stop when so much is done and then once more to the end.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from sgob_tasks.detection.data.batches import Batches
from sgob_tasks.detection.data.shards import open_split
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.parameters import TrainingParameters, read_parameters
from sgob_tasks.detection.training import distributed
from sgob_tasks.detection.training.loop import Training
from sgob_tasks.detection.training.step import TrainingStep

RANKS = distributed.start()


def train(job: Path, stop_at: tuple[int, int] | None) -> dict[str, np.ndarray]:
    """Train to the end or until it is stopped; return the weights."""
    parameters = read_parameters(job, TrainingParameters)
    dataset = open_split(job / "input" / "dataset", "train")
    # Other first weights on every rank: only the broadcast can make them equal.
    tf.keras.utils.set_random_seed(100 + RANKS.rank)
    model = MaskRCNN(parameters.detector_config(dataset.classes))
    before = model.weights[0].numpy()
    how = {"batch_size": parameters.batch_size, "global_batch_size": parameters.global_batch_size, "seed": 1}
    batches = Batches(dataset, model.config, rank=RANKS.rank, size=RANKS.size, **how)
    training = Training(job, TrainingStep(model, parameters), batches, parameters, RANKS, time.monotonic())

    def stops() -> bool:
        # Asked before a part is counted: the one that makes the wanted place is the last.
        done = training.step, training._part
        return stop_at is not None and RANKS.rank == 1 and done >= stop_at

    finished = training.run(stops)
    assert finished == (stop_at is None)
    weights = {f"w{index}": weight.numpy() for index, weight in enumerate(model.weights)}
    return weights | {"before": before, "step": np.array([training.step, training._part])}


def main(job: Path, ways: list[str]) -> None:
    for way in ways:
        name, _, place = way.partition(":")
        if RANKS.leads:
            shutil.rmtree(job / "checkpoints", ignore_errors=True)
        distributed.wait_for_all()
        if place:
            step, part = map(int, place.split("."))
            stopped = train(job, (step, part))
            np.savez(job / f"{name}-stopped.{RANKS.rank}.npz", **stopped)
        np.savez(job / f"{name}.{RANKS.rank}.npz", **train(job, None))
    distributed.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
