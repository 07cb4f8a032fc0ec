"""``python -m sgob_tasks.detection.train JOBDIR``: train a detector, one process per rank.

Reads ``job.json`` and ``input/dataset/{train.json,val.json,images/}``. Writes ``checkpoints/``, ``results/model/``,
``results/metrics.jsonl``, ``results/val_detections.json`` and ``results/summary.json``. Started again, it goes on
from the last checkpoint. On SIGUSR1 it writes a checkpoint and exits with 85, which means: start me again.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgob_tasks.detection.training.interruption import EXIT_CONTINUE, Interruption
from sgob_tasks.errors import InputError, SgobError

if TYPE_CHECKING:
    from sgob_tasks.detection.data.coco import Dataset
    from sgob_tasks.detection.network.model import MaskRCNN
    from sgob_tasks.detection.parameters import TrainingParameters
    from sgob_tasks.detection.training.distributed import Ranks

EXIT_FAILED, EXIT_WRONG_USE = 1, 2


class _MakeRoomError(Exception):
    """SIGUSR1 came during the final evaluation."""


def _figure(score: float | None) -> str:
    return "none" if score is None else f"{score:.3f}"


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    started = time.monotonic()
    interruption = Interruption()
    parser = argparse.ArgumentParser(prog="python -m sgob_tasks.detection.train", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("job", type=Path, metavar="JOBDIR", help="job folder with job.json and input/dataset/")
    job = parser.parse_args(arguments).job
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    from sgob_tasks.detection.training import distributed  # imports TensorFlow: after the signal handler

    ranks = distributed.start()
    try:
        code = _train(job, ranks, interruption, started)
    except InputError as error:
        sys.stderr.write(f"rank {ranks.rank}: {error}\n")
        return EXIT_WRONG_USE
    except SgobError as error:
        sys.stderr.write(f"rank {ranks.rank}: {error}\n")
        return EXIT_FAILED
    distributed.stop()
    return code


def _train(job: Path, ranks: Ranks, interruption: Interruption, started: float) -> int:
    """Train, evaluate and write the results; return the exit code."""
    import tensorflow as tf

    from sgob_tasks.detection.data.augmentation import Augmentation
    from sgob_tasks.detection.data.batches import Batches
    from sgob_tasks.detection.data.coco import read_coco
    from sgob_tasks.detection.network.model import MaskRCNN
    from sgob_tasks.detection.parameters import TrainingParameters, read_parameters
    from sgob_tasks.detection.training.loop import Training, say

    parameters = read_parameters(job, TrainingParameters)
    folder = job / "input" / "dataset"
    train = read_coco(folder / "train.json", folder / "images", parameters.classes or None)
    val = read_coco(folder / "val.json", folder / "images", train.classes)
    tf.keras.utils.set_random_seed(parameters.seed)
    model = MaskRCNN(parameters.detector_config(train.classes))
    if parameters.initial_weights:
        _start_from(job / parameters.initial_weights, model, parameters)
    batches = Batches(
        train,
        model.config,
        batch_size=parameters.pictures_per_step,
        seed=parameters.seed,
        rank=ranks.rank,
        size=ranks.size,
        augmentation=Augmentation() if parameters.augment else None,
    )
    training = Training(job, model, batches, parameters, ranks, started)
    if ranks.leads:
        say(
            f"{parameters.preset}: {len(train.pictures)} pictures, {train.instance_count} instances"
            f" ({train.instances_with_mask} with mask), {len(train.classes)} classes; {ranks.size} rank(s);"
            f" step {training.step} of {training.total_steps}, {training.elapsed_s:.0f} s"
        )
    if not training.run(lambda: interruption.requested):
        if ranks.leads:
            say(f"asked to make room: checkpoint at step {training.step}")
        return EXIT_CONTINUE
    try:
        _finish(job, model, train, val, parameters, ranks, interruption, {"steps": training.step}, started)
    except _MakeRoomError:
        return EXIT_CONTINUE
    if ranks.leads:
        say(f"done after {training.elapsed_s:.0f} s")
    return 0


def _start_from(path: Path, model: MaskRCNN, parameters: TrainingParameters) -> None:
    from sgob_tasks.detection.network.heads import CLASS_LAYERS
    from sgob_tasks.detection.weights.layers import load_weights

    load_weights(model.layers(), path, skip=CLASS_LAYERS if parameters.new_classes else ())


def _finish(
    job: Path,
    model: MaskRCNN,
    train: Dataset,
    val: Dataset,
    parameters: TrainingParameters,
    ranks: Ranks,
    interruption: Interruption,
    facts: dict[str, Any],
    started: float,
) -> None:
    """Write the model, its detections on the held-out pictures, and how good they are."""
    from sgob_tasks.detection.evaluation.average_precision import evaluate
    from sgob_tasks.detection.files import write_json
    from sgob_tasks.detection.inference.detector import Detector
    from sgob_tasks.detection.training.loop import say
    from sgob_tasks.detection.training.validation import detect_dataset
    from sgob_tasks.detection.weights.model_files import ModelInfo, save_model

    def make_room() -> None:
        if interruption.requested:
            raise _MakeRoomError

    has_masks = train.instances_with_mask > 0
    facts = facts | {
        "seconds": round(time.monotonic() - started, 1),
        "ranks": ranks.size,
        "batch_size": parameters.pictures_per_step,
        "seed": parameters.seed,
        "pictures": len(train.pictures),
        "instances": train.instance_count,
        "instances_with_mask": train.instances_with_mask,
        "mask_loss": "instances with a mask only" if has_masks else "off: no instance has a mask",
    }
    if ranks.leads:
        save_model(job / "results" / "model", model, ModelInfo(model.config, has_masks, facts))
    detector = Detector(
        model, has_masks=has_masks, batch_size=parameters.val_batch_size, min_score=parameters.val_min_score
    )
    detections = detect_dataset(detector, val, ranks, make_room)
    if not ranks.leads:
        return
    write_json(job / "results" / "val_detections.json", detections)
    scores = evaluate(val.source, detections)
    summary: dict[str, Any] = {"training": facts, "bbox": scores.to_json(), "classes": list(train.classes)}
    if has_masks:
        summary["segm"] = evaluate(val.source, detections, iou_type="segm").to_json()
    write_json(job / "results" / "summary.json", summary)
    say(f"held-out pictures: {scores.pictures}, box AP50 {_figure(scores.ap50)}, AP {_figure(scores.ap)}")


if __name__ == "__main__":
    sys.exit(main())
