"""``python -m sgob_tasks.detection.measure_gradients JOBDIR``: how gradients depend on the batch size.

Reads ``job.json`` and ``input/dataset`` of a training and the weights that it kept (``results/models/<step>/``, by its
parameter ``keep_models``), goes through training pictures with each of them, and writes ``results/gradients.json``: the
statistics of every batch size (``training.noise.BatchStatistics``) and the noise scale. Nothing is trained.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sgob_tasks.detection.job_program import JobProgram, exit_code, prepare_log
from sgob_tasks.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = JobProgram("sgob_tasks.detection.measure_gradients", __doc__, "the models that a training kept").parser()
    parser.add_argument("--pictures", type=int, default=1024, metavar="N", help="for each model (default: 1024)")
    options = parser.parse_args(arguments)
    prepare_log()

    def work() -> int:
        run(options.job, options.pictures)
        return 0

    return exit_code(work)


def run(job: Path, pictures: int) -> list[dict[str, Any]]:
    """Measure and write; see the module.

    Args:
        job: folder of a training.
        pictures: how many to go through with each model; the largest batch measured is half of them.

    Returns:
        For each model: ``step``, ``noise_scale`` (None where it cannot be told) and ``statistics``.

    Raises:
        InputError: the training kept no model, or a file does not fit.
    """
    import tensorflow as tf

    from sgob_tasks.detection.data.batches import Batches, prefetch
    from sgob_tasks.detection.data.shards import open_split
    from sgob_tasks.detection.files import write_json
    from sgob_tasks.detection.network.model import MaskRCNN
    from sgob_tasks.detection.parameters import TrainingParameters, read_parameters
    from sgob_tasks.detection.training import distributed
    from sgob_tasks.detection.training.noise import GradientTree, fit_noise_scale
    from sgob_tasks.detection.training.report import say
    from sgob_tasks.detection.training.step import TrainingStep
    from sgob_tasks.detection.weights.layers import load_weights

    folders = sorted(path.parent for path in (job / "results" / "models").glob("*/model.json"))
    if not folders:
        raise InputError(job, "results/models", [], "the training kept no model: keep_models was off")
    parameters = read_parameters(job, TrainingParameters)
    distributed.start()
    train = open_split(job / "input" / "dataset", "train", parameters.classes or None)
    tf.keras.utils.set_random_seed(parameters.seed)
    model = MaskRCNN(parameters.detector_config(train.classes))
    masks = parameters.mask_loss == "boxes" or (parameters.mask_loss == "auto" and train.instances_with_mask > 0)
    step = TrainingStep(model, parameters, masks=masks)
    step.train("all")
    size = parameters.pictures_at_once
    batches = Batches(
        train,
        model.config,
        batch_size=size,
        global_batch_size=size,
        seed=parameters.seed + 1,
        augmentation=parameters.how_to_augment(),
        box_masks=parameters.mask_loss == "boxes",
    )
    measured = []
    for folder in folders:
        load_weights(model.layers(), folder / "weights.h5")
        tree = GradientTree(size)
        for number, part in enumerate(prefetch(batches.parts_from(0))):
            if number * size >= pictures:
                break
            if part.weights.all():
                step.add(part)
                tree.add(step.take())
        statistics = tree.statistics()
        scale = fit_noise_scale(statistics)
        measured.append({"step": int(folder.name), "noise_scale": scale, "statistics": list(map(asdict, statistics))})
        say(
            f"weights of step {int(folder.name)}: noise scale {'unknown' if scale is None else f'{scale:.0f} pictures'}"
        )
    write_json(job / "results" / "gradients.json", measured)
    distributed.stop()
    return measured


if __name__ == "__main__":
    sys.exit(main())
