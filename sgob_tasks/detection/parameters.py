"""The parameters of the cluster's programs, read from ``job.json`` and checked."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sgob_tasks.detection.config import DetectorConfig, preset_config
from sgob_tasks.detection.data.augmentation import Augmentation
from sgob_tasks.detection.files import load_json
from sgob_tasks.errors import InputError

P = TypeVar("P")

LOSSES = ("rpn_class", "rpn_box", "class", "box", "mask")
"""The network's losses, in the order in which they are reported."""

TRAINABLE = ("all", "3+", "4+", "5+", "heads")

_CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": ("", "adam", "sgd"),
    "learning_rate_scaling": ("none", "linear", "sqrt"),
    "mask_loss": ("auto", "boxes", "off"),
    "trainable": TRAINABLE,
    "precision": ("auto", "float32", "mixed_float16", "mixed_bfloat16"),
}


@dataclass(frozen=True)
class TrainingParameters:
    """How a detector is trained. 0 for a rate or count that has one means: what suits the preset.

    Attributes:
        preset: ``resnet101``, ``resnet50`` or ``tiny``.
        epochs: passes over the training pictures.
        steps: number of updates; 0 takes ``epochs``.
        batch_size: pictures that go through one rank's network together; 0 for what suits the preset (8 for ``tiny``,
            else 2).
        global_batch_size: pictures of one update on all ranks together, reached by accumulation where ``batch_size``
            on each rank is less; 0 for ``batch_size`` on each rank. An epoch's last batch is what is left.
        seed: of the first weights, the order of the pictures and the sampling.
        image_size: side of the network's square input in pixels; 0 for the preset's.
        classes: class names in the network's order; empty for all categories of the data set.
        config: other fields of ``DetectorConfig`` to set.
        learning_rate: the highest, for a batch of ``reference_batch_size`` pictures.
        reference_batch_size: pictures of the batch that ``learning_rate`` is meant for.
        learning_rate_scaling: how the rate follows the global batch: ``linear`` (Goyal et al., arXiv 1706.02677),
            ``sqrt`` (Krizhevsky, arXiv 1404.5997) or ``none``.
        optimizer: ``adam`` or ``sgd``; empty for the preset's.
        momentum: of ``sgd``.
        weight_decay: decoupled from the gradient; never on biases and batch norm.
        warmup_steps: updates until the highest learning rate.
        clip_norm: largest norm of all gradients together.
        loss_weights: factors of the losses; those not named have 1.
        mask_loss: ``auto``: from the instances that have a mask, off where none has; ``boxes``: an instance without
            one counts as a filled box; ``off``.
        augment: mirror, zoom, recolour and age the pictures.
        augmentation: fields of ``Augmentation`` to set.
        initial_weights: HDF5 file to start from, relative to the job folder; empty for random weights.
        take_class_rows: where that file is of other classes, take over the rows of those that have the same name.
        trainable: ``all``, ``5+``, ``4+``, ``3+`` (the ResNet's stages from there on, besides the rest) or ``heads``.
        stages: parts of the training, in their order, each ``{"trainable": ..., "share": ...}`` with its share of the
            whole; empty for one of ``trainable``.
        precision: ``float32``, ``mixed_float16``, ``mixed_bfloat16``, or ``auto``: float16 on GPUs that are fast at it.
        evaluations: evaluations on the held-out pictures before the final one, evenly over the training; -1 for what
            suits the preset.
        keep_models: keep the weights of every evaluation in ``results/models/<step>/``.
        divergence_factor: the training ends when its loss stays above this multiple of the lowest; 0 never.
        stall_s: seconds without an answer after which a rank is given up, and with it the job.
        budget_s: seconds for the whole training over all its jobs, start-up and final evaluation included; 0 for no
            limit. The learning rate's schedule follows the time where it is what ends the training.
        reserve_s: seconds of the budget that are kept for the final evaluation.
        checkpoint_interval_s: seconds between two checkpoints.
        log_interval_s: seconds between two progress lines.
        val_batch_size: pictures of one rank in one batch of an evaluation.
        val_min_score: detections below it are left out of evaluations.
    """

    preset: str = "resnet101"
    epochs: float = 50.0
    steps: int = 0
    batch_size: int = 0
    global_batch_size: int = 0
    seed: int = 0
    image_size: int = 0
    classes: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    learning_rate: float = 0.0
    reference_batch_size: int = 16
    learning_rate_scaling: str = "none"
    optimizer: str = ""
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warmup_steps: int = 0
    clip_norm: float = 5.0
    loss_weights: dict[str, float] = field(default_factory=dict)
    mask_loss: str = "auto"
    augment: bool = True
    augmentation: dict[str, Any] = field(default_factory=dict)
    initial_weights: str = ""
    take_class_rows: bool = True
    trainable: str = "all"
    stages: tuple[dict[str, Any], ...] = ()
    precision: str = "auto"
    evaluations: int = -1
    keep_models: bool = False
    divergence_factor: float = 10.0
    stall_s: float = 600.0
    budget_s: float = 0.0
    reserve_s: float = 25.0
    checkpoint_interval_s: float = 600.0
    log_interval_s: float = 10.0
    val_batch_size: int = 8
    val_min_score: float = 0.05

    def __post_init__(self) -> None:
        def check(name: str, good: bool, reason: str) -> None:
            if not good:
                raise InputError("job.json", f"parameters.{name}", getattr(self, name), reason)

        for name, choices in _CHOICES.items():
            check(name, getattr(self, name) in choices, f"must be one of {', '.join(filter(None, choices))}")
        for name in ("epochs", "reference_batch_size", "clip_norm", "val_batch_size", "log_interval_s"):
            check(name, getattr(self, name) > 0, "must be positive")
        counts = ("steps", "batch_size", "global_batch_size", "warmup_steps")
        for name in (*counts, "learning_rate", "budget_s", "stall_s"):
            check(name, getattr(self, name) >= 0, "must be 0 or more")
        check("evaluations", self.evaluations >= -1, "must be 0 or more, or -1")
        check("divergence_factor", self.divergence_factor == 0 or self.divergence_factor > 1, "must be above 1, or 0")
        check("reserve_s", not self.budget_s or 0 <= self.reserve_s < self.budget_s, "must be less than budget_s")
        path = Path(self.initial_weights)
        check("initial_weights", not path.is_absolute() and ".." not in path.parts, "must be below the job folder")
        unknown = set(self.loss_weights) - set(LOSSES)
        check("loss_weights", not unknown, f"may name {', '.join(LOSSES)}")
        for place, stage in enumerate(self.stages):
            fits = set(stage) == {"trainable", "share"} and stage["trainable"] in TRAINABLE
            if not fits or not isinstance(stage["share"], (int, float)) or not stage["share"] > 0:
                reason = f"must be a trainable of {', '.join(TRAINABLE)} and a positive share"
                raise InputError("job.json", f"parameters.stages[{place}]", stage, reason)

    def detector_config(self, classes: tuple[str, ...]) -> DetectorConfig:
        """Return the network's configuration for a data set's classes."""
        changes = dict(self.config)
        if self.image_size:
            changes["image_size"] = self.image_size
        return preset_config(self.preset, classes, **changes)

    def how_to_augment(self) -> Augmentation | None:
        """Return how far pictures are changed; None where they are not.

        Raises:
            InputError: ``augmentation`` names an unknown field, or a value is out of its range.
        """
        known = {entry.name for entry in dataclasses.fields(Augmentation)}
        for name, value in self.augmentation.items():
            numbers = value if name == "zoom" and isinstance(value, list) else [value]
            if name not in known or not all(isinstance(number, (int, float)) for number in numbers):
                reason = f"must be a number of {', '.join(sorted(known))}"
                raise InputError("job.json", f"parameters.augmentation.{name}", value, reason)
        changes: dict[str, Any] = {
            name: tuple(value) if name == "zoom" else value for name, value in self.augmentation.items()
        }
        return Augmentation(**changes) if self.augment else None

    @property
    def pictures_at_once(self) -> int:
        """Pictures that go through one rank's network together, the preset's number where none is given."""
        return self.batch_size or (8 if self.preset == "tiny" else 2)

    def global_batch(self, ranks: int) -> int:
        """Return the pictures of one update."""
        return self.global_batch_size or self.pictures_at_once * ranks

    @property
    def optimizer_name(self) -> str:
        """The optimizer, the preset's where none is named."""
        return self.optimizer or ("adam" if self.preset == "tiny" else "sgd")

    def highest_learning_rate(self, global_batch: int) -> float:
        """Return the highest learning rate for a global batch of so many pictures."""
        rate = self.learning_rate or (2e-3 if self.optimizer_name == "adam" else 1e-3)
        factor = global_batch / self.reference_batch_size
        return rate * {"none": 1.0, "linear": factor, "sqrt": math.sqrt(factor)}[self.learning_rate_scaling]

    def warmup(self, total_steps: int) -> int:
        """Return the updates of warm-up: of a short training at most a tenth."""
        return self.warmup_steps or min(50 if self.preset == "tiny" else 500, max(1, total_steps // 10))

    @property
    def evaluations_between(self) -> int:
        """Evaluations before the final one."""
        return self.evaluations if self.evaluations >= 0 else (2 if self.preset == "tiny" else 9)

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """What is trained (``trainable``) until which share of the whole training is done, in order; the last is 1."""
        stages = self.stages or ({"trainable": self.trainable, "share": 1.0},)
        total, until, parts = sum(stage["share"] for stage in stages), 0.0, []
        for stage in stages:
            until += stage["share"] / total
            parts.append((str(stage["trainable"]), until))
        return (*parts[:-1], (parts[-1][0], 1.0))


@dataclass(frozen=True)
class InferenceParameters:
    """How pictures are searched.

    Attributes:
        model: folder of the model, relative to the job folder.
        batch_size: pictures that go through the network together.
        min_score: detections below it are dropped; None for the model's own threshold.
        masks: False leaves the masks out.
    """

    model: str = "input/model"
    batch_size: int = 8
    min_score: float | None = None
    masks: bool = True

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise InputError("job.json", "parameters.batch_size", self.batch_size, "must be 1 or more")
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise InputError("job.json", "parameters.min_score", self.min_score, "must be from 0 to 1")


def _fits(value: Any, default: Any, name: str) -> bool:
    """Return whether a JSON value has the type of a parameter's default."""
    if name == "min_score" and value is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, float) or default is None:
        return isinstance(value, (int, float))
    if isinstance(default, tuple):
        kind = dict if name == "stages" else str
        return isinstance(value, list) and all(isinstance(item, kind) for item in value)
    return isinstance(value, type(default))


def read_parameters(job: Path, kind: type[P]) -> P:
    """Read ``job.json`` of a job folder.

    Args:
        job: the job folder.
        kind: ``TrainingParameters`` or ``InferenceParameters``.

    Raises:
        InputError: an unknown parameter, or a value that does not fit.
    """
    source = job / "job.json"
    described = load_json(source)
    values = described.get("parameters", {}) if isinstance(described, dict) else None
    if not isinstance(values, dict):
        raise InputError(source, "parameters", values, "must be an object")
    return checked_parameters(kind, values, source)


def checked_parameters(kind: type[P], values: dict[str, Any], source: object) -> P:
    """Return parameters from JSON values.

    Args:
        kind: ``TrainingParameters`` or ``InferenceParameters``.
        values: by name.
        source: where they were read, for messages.

    Raises:
        InputError: an unknown parameter, or a value that does not fit.
    """
    defaults = {entry.name: getattr(kind(), entry.name) for entry in dataclasses.fields(kind)}  # type: ignore[arg-type]  # both kinds are dataclasses
    for name, value in values.items():
        if name not in defaults:
            raise InputError(
                source, f"parameters.{name}", value, f"is unknown; known are {', '.join(sorted(defaults))}"
            )
        if not _fits(value, defaults[name], name):
            raise InputError(source, f"parameters.{name}", value, f"must be like {defaults[name]!r}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
