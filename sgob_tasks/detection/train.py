"""``python -m sgob_tasks.detection.train JOBDIR``: train a detector, one process per rank.

Reads ``job.json``, the training data in ``input/dataset`` and, where there is one, the model to compare with in
``input/champion``. Writes ``checkpoints/`` and, in ``results/``: ``model/``, ``metrics.jsonl``, ``evaluations.jsonl``,
``tensorboard/``, ``val_detections.json``, ``champion_val_detections.json`` and ``summary.json``. Started again, it goes
on from the last checkpoint. On SIGUSR1 it writes a checkpoint and exits with 85, which means: start me again.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgob_tasks.detection.job_program import JobProgram, run_training
from sgob_tasks.detection.parameters import TrainingParameters
from sgob_tasks.detection.training.interruption import EXIT_CONTINUE, Interruption

if TYPE_CHECKING:
    from sgob_tasks.detection.data.dataset import Dataset
    from sgob_tasks.detection.network.model import MaskRCNN
    from sgob_tasks.detection.training.distributed import Ranks

PROGRAM = JobProgram("sgob_tasks.detection.train", __doc__, "input/dataset/")


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return run_training(PROGRAM, TrainingParameters, lambda *job: _Job(*job).run(), arguments)


class _Job:
    """One run of the program."""

    def __init__(
        self, folder: Path, parameters: TrainingParameters, ranks: Ranks, interruption: Interruption, started: float
    ) -> None:
        self.folder, self.parameters, self.ranks = folder, parameters, ranks
        self.interruption, self.started = interruption, started
        self.facts: dict[str, Any] = {}

    def run(self) -> int:
        """Train and evaluate; return the exit code."""
        import tensorflow as tf

        from sgob_tasks.detection.network.model import MaskRCNN
        from sgob_tasks.detection.training.precision import use_precision

        parameters = self.parameters
        train, val = self._read()
        tf.keras.utils.set_random_seed(parameters.seed)
        precision = use_precision(parameters.precision)
        model = MaskRCNN(parameters.detector_config(train.classes))
        if parameters.initial_weights:
            self._start_from(model)
        masks = "none"
        if parameters.mask_loss == "boxes":
            masks = "boxes"
        elif parameters.mask_loss == "auto" and train.instances_with_mask:
            masks = "instances"
        training = self._training(model, train, masks, precision)
        self.facts |= {"precision": precision, "masks": masks, "mask_loss": _MASK_LOSS[masks]}
        self._say(
            f"{parameters.preset}: {len(train.pictures)} pictures, {train.instance_count} instances"
            f" ({train.instances_with_mask} with mask), {len(train.classes)} classes; {self.ranks.size} rank(s),"
            f" {parameters.global_batch(self.ranks.size)} pictures a step; {precision}; mask loss {_MASK_LOSS[masks]};"
            f" step {training.step} of {training.total_steps}, {training.elapsed_s:.0f} s"
        )

        def evaluate_now() -> dict[str, float | None] | None:
            found = self._detect(self._detector(model, masks), val)
            if found is None:
                return None
            if parameters.keep_models and self.ranks.leads:
                self._save(model, masks, self.folder / "results" / "models" / f"{training.step:08d}")
            return self._scores(val, found, masks)

        if not training.run(lambda: self.interruption.requested, evaluate_now):
            self._say(f"asked to make room: checkpoint at step {training.step}")
            return EXIT_CONTINUE
        self.facts["steps"] = training.step
        if not self._finish(model, train, val, masks):
            return EXIT_CONTINUE
        self._say(f"done after {training.elapsed_s:.0f} s")
        return 0

    def _read(self) -> tuple[Dataset, Dataset]:
        from sgob_tasks.detection.data.shards import open_split

        folder = self.folder / "input" / "dataset"
        train = open_split(folder, "train", self.parameters.classes or None)
        return train, open_split(folder, "val", train.classes)

    def _training(self, model: MaskRCNN, train: Dataset, masks: str, precision: str) -> Any:
        from sgob_tasks.detection.data.batches import Batches
        from sgob_tasks.detection.training.loop import Training
        from sgob_tasks.detection.training.step import TrainingStep

        parameters, ranks = self.parameters, self.ranks
        batches = Batches(
            train,
            model.config,
            batch_size=parameters.pictures_at_once,
            seed=parameters.seed,
            global_batch_size=parameters.global_batch_size,
            rank=ranks.rank,
            size=ranks.size,
            augmentation=parameters.how_to_augment(),
            box_masks=masks == "boxes",
        )
        step = TrainingStep(model, parameters, masks=masks != "none", scaled=precision == "mixed_float16")
        return Training(self.folder, step, batches, parameters, ranks, self.started)

    def _start_from(self, model: MaskRCNN) -> None:
        from sgob_tasks.detection.weights.surgery import load_pretrained

        path = self.folder / self.parameters.initial_weights
        report = load_pretrained(model, path, take_rows=self.parameters.take_class_rows)
        self.facts["initial_weights"] = report.to_json()
        self._say(report.text())

    def _detector(self, model: MaskRCNN, masks: str) -> Any:
        from sgob_tasks.detection.inference.detector import Detector

        parameters = self.parameters
        return Detector(
            model, has_masks=masks != "none", batch_size=parameters.val_batch_size, min_score=parameters.val_min_score
        )

    def _detect(self, detector: Any, val: Dataset) -> list[dict[str, Any]] | None:
        from sgob_tasks.detection.training.validation import detect_dataset

        return detect_dataset(detector, val, self.ranks, lambda: self.interruption.requested)

    def _scores(self, val: Dataset, found: list[dict[str, Any]], masks: str) -> dict[str, float | None]:
        """Return the figures of an intermediate evaluation; rank 0 reports them."""
        from sgob_tasks.detection.evaluation.average_precision import evaluate

        if not self.ranks.leads:
            return {}
        boxes = evaluate(val.source, found)
        scores = {"ap": boxes.ap, "ap50": boxes.ap50, "ap75": boxes.ap75}
        if masks == "instances":
            drawn = evaluate(val.source, found, iou_type="segm")
            scores |= {"mask_ap": drawn.ap, "mask_ap50": drawn.ap50}
        return scores

    def _finish(self, model: MaskRCNN, train: Dataset, val: Dataset, masks: str) -> bool:
        """Write the model, its detections on the held-out pictures, and how good they are; False where interrupted."""
        from sgob_tasks.detection.evaluation.average_precision import evaluate
        from sgob_tasks.detection.files import write_json

        parameters, results = self.parameters, self.folder / "results"
        facts = self.facts | {
            "seconds": round(time.monotonic() - self.started, 1),
            "ranks": self.ranks.size,
            "batch_size": parameters.pictures_at_once,
            "global_batch_size": parameters.global_batch(self.ranks.size),
            "seed": parameters.seed,
            "pictures": len(train.pictures),
            "instances": train.instance_count,
            "instances_with_mask": train.instances_with_mask,
        }
        if self.ranks.leads:
            self._save(model, masks, results / "model", facts)
        found = self._detect(self._detector(model, masks), val)
        if found is None or not self._detect_champion(val):
            return False
        if not self.ranks.leads:
            return True
        write_json(results / "val_detections.json", found)
        boxes = evaluate(val.source, found)
        summary: dict[str, Any] = {"training": facts, "bbox": boxes.to_json(), "classes": list(train.classes)}
        if masks == "instances":
            summary["segm"] = evaluate(val.source, found, iou_type="segm").to_json()
        write_json(results / "summary.json", summary)
        self._say(f"held-out pictures: {boxes.pictures}, box AP50 {_figure(boxes.ap50)}, AP {_figure(boxes.ap)}")
        return True

    def _save(self, model: MaskRCNN, masks: str, folder: Path, facts: dict[str, Any] | None = None) -> None:
        from sgob_tasks.detection.weights.model_files import ModelInfo, save_model

        save_model(folder, model, ModelInfo(model.config, masks != "none", facts or self.facts))

    def _detect_champion(self, val: Dataset) -> bool:
        """Let the present champion look at the same held-out pictures, where it came along; False where interrupted."""
        from sgob_tasks.detection.files import write_json
        from sgob_tasks.detection.inference.detector import Detector

        folder, parameters = self.folder / "input" / "champion", self.parameters
        if not (folder / "model.json").exists():
            return True
        detector = Detector.load(folder, batch_size=parameters.val_batch_size, min_score=parameters.val_min_score)
        found = self._detect(detector, val)
        if found is not None and self.ranks.leads:
            write_json(self.folder / "results" / "champion_val_detections.json", found)
        return found is not None

    def _say(self, text: str) -> None:
        from sgob_tasks.detection.training.report import say

        if self.ranks.leads:
            say(text)


_MASK_LOSS = {
    "instances": "on the instances that have a mask",
    "boxes": "on masks; an instance without one counts as a filled box",
    "none": "off: no instance has a mask, or it was switched off",
}


def _figure(score: float | None) -> str:
    return "none" if score is None else f"{score:.3f}"


if __name__ == "__main__":
    sys.exit(main())
