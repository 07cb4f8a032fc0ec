"""``python -m sgob_tasks.captions.generator.train JOBDIR``: train a caption generator, one process per rank.

Reads ``job.json`` and the data in ``input/data/train`` and ``input/data/val`` (see ``dataset``). Writes
``checkpoints/`` and, in ``results/``: ``model/`` (``generator.json``, ``weights.npz``), ``metrics.jsonl``,
``evaluations.jsonl``, ``tensorboard/``, ``val_captions.json`` (COCO results) and ``summary.json``. Started again, it
goes on from the last checkpoint. On SIGUSR1 it writes a checkpoint and exits with 85, which means: start me again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgob_tasks.captions.generator.parameters import GeneratorTraining
from sgob_tasks.detection.job_program import JobProgram, run_training
from sgob_tasks.detection.training.interruption import EXIT_CONTINUE, Interruption

if TYPE_CHECKING:
    from sgob_tasks.captions.generator.dataset import Captioned
    from sgob_tasks.captions.generator.network import CaptionNetwork
    from sgob_tasks.detection.training.distributed import Ranks

PROGRAM = JobProgram("sgob_tasks.captions.generator.train", __doc__, "input/data/")


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return run_training(PROGRAM, GeneratorTraining, lambda *job: _Job(*job).run(), arguments)


class _Job:
    """One run of the program."""

    def __init__(
        self, folder: Path, parameters: GeneratorTraining, ranks: Ranks, interruption: Interruption, started: float
    ) -> None:
        self.folder, self.parameters, self.ranks = folder, parameters, ranks
        self.interruption, self.started = interruption, started

    def run(self) -> int:
        """Train and evaluate; return the exit code."""
        import tensorflow as tf

        from sgob_tasks.captions.generator.dataset import Captions, config_of, read_split, some
        from sgob_tasks.captions.generator.network import CaptionNetwork
        from sgob_tasks.captions.generator.training_step import CaptionStep
        from sgob_tasks.detection.training.loop import Training

        parameters, ranks, data = self.parameters, self.ranks, self.folder / "input" / "data"
        train, val = (read_split(data / split, features=parameters.features) for split in ("train", "val"))
        config = config_of(train, parameters)
        tf.keras.utils.set_random_seed(parameters.seed)
        network = CaptionNetwork(config)
        batches = Captions(
            train,
            config,
            batch_size=parameters.batch_size,
            global_batch_size=parameters.global_batch_size,
            seed=parameters.seed,
            rank=ranks.rank,
            size=ranks.size,
        )
        training = Training(self.folder, CaptionStep(network, parameters), batches, parameters, ranks, self.started)
        number = sum(len(texts) for texts in train.references)
        weights = sum(int(tf.size(weight)) for weight in network.trainable_weights)
        self._say(
            f"{len(train.pictures)} pictures, {number} captions, {len(config.words)} words, {len(config.classes)}"
            f" classes, {config.feature_size} features; {weights} weights; {ranks.size} rank(s),"
            f" {parameters.global_batch(ranks.size)} captions a step; step {training.step} of {training.total_steps},"
            f" {training.elapsed_s:.0f} s"
        )
        few = some(val, parameters.evaluation_pictures)

        def evaluate_now() -> dict[str, float | None] | None:
            told = self._describe(network, few)
            return None if told is None else self._scores(few, told)

        if not training.run(lambda: self.interruption.requested, evaluate_now):
            self._say(f"asked to make room: checkpoint at step {training.step}")
            return EXIT_CONTINUE
        facts = {
            "steps": training.step,
            "seconds": round(training.elapsed_s, 1),
            "ranks": ranks.size,
            "global_batch_size": parameters.global_batch(ranks.size),
            "seed": parameters.seed,
            "pictures": len(train.pictures),
            "captions": number,
            "weights": weights,
            "without_regions": train.without_regions,
        }
        if not self._finish(network, val, facts):
            return EXIT_CONTINUE
        self._say(f"done after {training.elapsed_s:.0f} s")
        return 0

    def _describe(self, network: CaptionNetwork, data: Captioned) -> dict[int | str, str] | None:
        """Return a caption for each picture, on every rank; None where a rank was interrupted. The ranks share them."""
        from sgob_tasks.captions.generator.decoding import Generator
        from sgob_tasks.detection.training import distributed

        parameters = self.parameters
        generator = Generator(
            network,
            batch_size=parameters.val_batch_size,
            beam_width=parameters.beam_width,
            length_alpha=parameters.length_alpha,
        )
        mine = slice(self.ranks.rank, None, self.ranks.size)
        pictures, ids = data.pictures[mine], data.image_ids[mine]
        told: dict[int | str, str] | None = {}
        for image_id, caption in zip(ids, generator.describe_all(pictures), strict=True):
            if told is None or self.interruption.requested:
                told = None
                break
            told[image_id] = caption.text
        everyone = distributed.gather(told)
        if any(part is None for part in everyone):
            return None
        return {image_id: text for part in everyone for image_id, text in part.items()}

    def _scores(self, data: Captioned, told: dict[int | str, str]) -> dict[str, float | None]:
        """Return the figures of an intermediate evaluation; rank 0 reports them."""
        from sgob_tasks.captions.scores import score_captions

        if not self.ranks.leads:
            return {}
        scores = score_captions(dict(zip(data.image_ids, data.references, strict=True)), told, resamplings=1).values
        return {"cider_d": scores["CIDEr-D"], "bleu_4": scores["BLEU-4"], "rouge_l": scores["ROUGE-L"]}

    def _finish(self, network: CaptionNetwork, val: Captioned, facts: dict[str, Any]) -> bool:
        """Write the model, its captions of the held-out pictures, and how good they are; False where interrupted."""
        from sgob_tasks.captions.generator.model_files import save_generator
        from sgob_tasks.captions.scores import score_captions
        from sgob_tasks.detection.files import write_json

        results = self.folder / "results"
        if self.ranks.leads:
            save_generator(results / "model", network, facts)
        told = self._describe(network, val)
        if told is None:
            return False
        if not self.ranks.leads:
            return True
        write_json(results / "val_captions.json", [{"image_id": key, "caption": told[key]} for key in val.image_ids])
        scores = score_captions(dict(zip(val.image_ids, val.references, strict=True)), told)
        write_json(results / "summary.json", {"training": facts, **scores.to_json()})
        self._say(f"held-out pictures: {scores.pictures}, CIDEr-D {scores.values['CIDEr-D']:.3f}")
        return True

    def _say(self, text: str) -> None:
        from sgob_tasks.detection.training.report import say

        if self.ranks.leads:
            say(text)


if __name__ == "__main__":
    sys.exit(main())
