"""The parameters of the generator's two programs, read from ``job.json`` and checked. No TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sgob_tasks.errors import InputError

LOSSES = ("words", "coverage")
"""The network's losses, in the order in which they are reported."""


@dataclass(frozen=True)
class GeneratorTraining:
    """How a caption generator is trained.

    Attributes:
        epochs: passes over the training captions.
        steps: number of updates; 0 takes ``epochs``.
        batch_size: captions that go through one rank's network together.
        global_batch_size: captions of one update on all ranks together; 0 for ``batch_size`` on each rank.
        seed: of the first weights, the order of the captions and what is dropped.
        config: fields of ``GeneratorConfig`` to set, without the vocabularies.
        titles, dates: also read the title, the date.
        fine_places: also tell where regions are in finer grain, and their order (see ``encoding.fine_places``).
        features: also read the regions' pooled features; they have to be beside the regions.
        least_word_count, least_title_word_count: words that occur less often are unknown.
        most_words, most_title_words: size of the vocabularies.
        learning_rate: the highest; Adam.
        weight_decay: decoupled from the gradient.
        warmup_steps: updates until the highest learning rate; 0 for a tenth of the training, 100 at most.
        clip_norm: largest norm of all gradients together.
        coverage: factor of the doubly stochastic regulariser (see ``CaptionNetwork.losses``); 0 leaves it out.
        beam_width: captions that are followed at a time in evaluations.
        length_alpha: see ``beam.length_penalty``.
        evaluations: on the held-out pictures, before the final one.
        evaluation_pictures: held-out pictures of an evaluation before the final one.
        divergence_factor, stall_s, budget_s, reserve_s, checkpoint_interval_s, log_interval_s: as of
            ``detection.parameters.TrainingParameters``.
        val_batch_size: pictures of one rank in one batch of an evaluation.
    """

    epochs: float = 20.0
    steps: int = 0
    batch_size: int = 64
    global_batch_size: int = 0
    seed: int = 0
    config: dict[str, Any] = field(default_factory=dict)
    titles: bool = True
    dates: bool = True
    fine_places: bool = False
    features: bool = False
    least_word_count: int = 3
    least_title_word_count: int = 5
    most_words: int = 10_000
    most_title_words: int = 10_000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup_steps: int = 0
    clip_norm: float = 5.0
    coverage: float = 0.0
    beam_width: int = 3
    length_alpha: float = 0.7
    evaluations: int = 2
    evaluation_pictures: int = 100
    divergence_factor: float = 10.0
    stall_s: float = 600.0
    budget_s: float = 0.0
    reserve_s: float = 20.0
    checkpoint_interval_s: float = 600.0
    log_interval_s: float = 10.0
    val_batch_size: int = 32

    def __post_init__(self) -> None:
        def check(name: str, good: bool, reason: str) -> None:
            if not good:
                raise InputError("job.json", f"parameters.{name}", getattr(self, name), reason)

        positive = ("epochs", "batch_size", "learning_rate", "clip_norm", "beam_width", "val_batch_size")
        for name in (*positive, "log_interval_s", "most_words", "most_title_words", "evaluation_pictures"):
            check(name, getattr(self, name) > 0, "must be positive")
        counts = ("steps", "global_batch_size", "warmup_steps", "evaluations", "least_word_count")
        for name in (*counts, "weight_decay", "coverage", "length_alpha", "budget_s", "stall_s"):
            check(name, getattr(self, name) >= 0, "must be 0 or more")
        check("divergence_factor", self.divergence_factor == 0 or self.divergence_factor > 1, "must be above 1, or 0")
        check("reserve_s", not self.budget_s or 0 <= self.reserve_s < self.budget_s, "must be less than budget_s")
        made = {"words", "title_words", "classes", "years", "fine_places", "feature_size"} & set(self.config)
        check("config", not made, "must not name what is taken from the data: " + ", ".join(sorted(made)))

    @property
    def optimizer_name(self) -> str:
        """Adam, always."""
        return "adam"

    @property
    def momentum(self) -> float:
        """Of no use to Adam."""
        return 0.0

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Factors of the losses."""
        return {"words": 1.0, "coverage": self.coverage}

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """Everything is trained, from the first step to the last."""
        return (("all", 1.0),)

    @property
    def pictures_at_once(self) -> int:
        """Captions that go through one rank's network together."""
        return self.batch_size

    @property
    def evaluations_between(self) -> int:
        """Evaluations before the final one."""
        return self.evaluations

    def global_batch(self, ranks: int) -> int:
        """Return the captions of one update."""
        return self.global_batch_size or self.batch_size * ranks

    def highest_learning_rate(self, global_batch: int) -> float:
        """Return the highest learning rate; it is the same for every batch."""
        del global_batch
        return self.learning_rate

    def warmup(self, total_steps: int) -> int:
        """Return the updates of warm-up."""
        return self.warmup_steps or min(100, max(1, total_steps // 10))


@dataclass(frozen=True)
class Generation:
    """How pictures are described.

    Attributes:
        model: folder of the generator, relative to the job folder.
        detector: folder of the detector that pools the regions' features, relative to the job folder; only read where
            the generator wants features and the shard has none beside it.
        batch_size: pictures at a time.
        beam_width: captions of a picture that are followed at a time.
        length_alpha: see ``beam.length_penalty``.
        attention_places: regions that are kept for each word, those with the largest weights.
    """

    model: str = "input/model"
    detector: str = "input/detector"
    batch_size: int = 32
    beam_width: int = 3
    length_alpha: float = 0.7
    attention_places: int = 5

    def __post_init__(self) -> None:
        for name in ("batch_size", "beam_width", "attention_places"):
            if getattr(self, name) < 1:
                raise InputError("job.json", f"parameters.{name}", getattr(self, name), "must be 1 or more")
        if self.length_alpha < 0:
            raise InputError("job.json", "parameters.length_alpha", self.length_alpha, "must be 0 or more")
