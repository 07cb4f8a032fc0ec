"""Run a training job's steps under MPI and write every rank's weights, ``rank<r>.npz``, into the job folder.

With a second argument, rank 1 asks to stop when that many steps are done.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from sgob_tasks.detection.data.batches import Batches
from sgob_tasks.detection.data.coco import read_coco
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.parameters import TrainingParameters, read_parameters
from sgob_tasks.detection.training import distributed
from sgob_tasks.detection.training.loop import Training


def main(job: Path, stop_at: int | None) -> None:
    ranks = distributed.start()
    parameters = read_parameters(job, TrainingParameters)
    dataset = read_coco(job / "input/dataset/train.json", job / "input/dataset/images")
    # Other first weights on every rank: only the broadcast can make them equal.
    tf.keras.utils.set_random_seed(100 + ranks.rank)
    model = MaskRCNN(parameters.detector_config(dataset.classes))
    batches = Batches(dataset, model.config, batch_size=2, seed=1, rank=ranks.rank, size=ranks.size)
    before = model.weights[0].numpy()
    training = Training(job, model, batches, parameters, ranks, time.monotonic())
    finished = training.run(lambda: stop_at is not None and ranks.rank == 1 and training.step + 1 >= stop_at)
    assert finished == (stop_at is None)
    weights = {f"w{index}": weight.numpy() for index, weight in enumerate(model.weights)}
    np.savez(job / f"rank{ranks.rank}.npz", before=before, step=training.step, size=ranks.size, **weights)
    distributed.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
