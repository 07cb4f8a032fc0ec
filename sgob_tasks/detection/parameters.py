"""The parameters of the cluster's programs, read from ``job.json`` and checked."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sgob_tasks.detection.config import DetectorConfig, preset_config
from sgob_tasks.detection.files import load_json
from sgob_tasks.errors import InputError

P = TypeVar("P")


@dataclass(frozen=True)
class TrainingParameters:
    """How a detector is trained. 0 for a rate or count that has one means: what suits the preset.

    Attributes:
        preset: ``resnet101``, ``resnet50`` or ``tiny``.
        epochs: passes over the training pictures.
        steps: number of steps; 0 takes ``epochs``.
        batch_size: pictures of one rank and step; 0 for what suits the preset (8 for ``tiny``, else 2).
        seed: of the first weights, the order of the pictures and the sampling.
        image_size: side of the network's square input in pixels; 0 for the preset's.
        classes: class names in the network's order; empty for all categories of the data set.
        config: other fields of ``DetectorConfig`` to set.
        learning_rate: the highest, for one rank; see ``scale_learning_rate``.
        scale_learning_rate: multiply it by the number of ranks (Goyal et al., arXiv 1706.02677).
        optimizer: ``adam`` or ``sgd``; empty for the preset's.
        momentum: of ``sgd``.
        weight_decay: decoupled from the gradient; never on biases and batch norm.
        warmup_steps: steps until the highest learning rate.
        clip_norm: largest norm of all gradients together.
        loss_weights: factors of the losses; those not named have 1.
        augment: mirror, zoom and recolour the pictures.
        initial_weights: HDF5 file to start from, relative to the job folder; empty for random weights.
        new_classes: the file is of other classes: leave out the layers that depend on them.
        trainable: ``all``, or ``heads`` to leave the backbone's weights as loaded.
        budget_s: seconds for the whole training over all its jobs, start-up and final evaluation included; 0 for no
            limit. The learning rate's schedule follows the time where it is what ends the training.
        reserve_s: seconds of the budget that are kept for the final evaluation.
        checkpoint_interval_s: seconds between two checkpoints.
        log_interval_s: seconds between two progress lines.
        val_batch_size: pictures of one rank in one batch of the final evaluation.
        val_min_score: detections below it are left out of ``val_detections.json``.
    """

    preset: str = "resnet101"
    epochs: float = 50.0
    steps: int = 0
    batch_size: int = 0
    seed: int = 0
    image_size: int = 0
    classes: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    learning_rate: float = 0.0
    scale_learning_rate: bool = False
    optimizer: str = ""
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warmup_steps: int = 0
    clip_norm: float = 5.0
    loss_weights: dict[str, float] = field(default_factory=dict)
    augment: bool = True
    initial_weights: str = ""
    new_classes: bool = True
    trainable: str = "all"
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

        check("epochs", self.epochs > 0, "must be positive")
        check("steps", self.steps >= 0, "must be 0 or more")
        check("batch_size", self.batch_size >= 0, "must be 0 or more")
        check("val_batch_size", self.val_batch_size >= 1, "must be 1 or more")
        check("learning_rate", self.learning_rate >= 0, "must be 0 or more")
        check("optimizer", self.optimizer in {"", "adam", "sgd"}, "must be adam or sgd")
        check("clip_norm", self.clip_norm > 0, "must be positive")
        check("trainable", self.trainable in {"all", "heads"}, "must be all or heads")
        check("budget_s", self.budget_s >= 0, "must be 0 or more")
        check("reserve_s", not self.budget_s or 0 <= self.reserve_s < self.budget_s, "must be less than budget_s")
        path = Path(self.initial_weights)
        check("initial_weights", not path.is_absolute() and ".." not in path.parts, "must be below the job folder")

    def detector_config(self, classes: tuple[str, ...]) -> DetectorConfig:
        """Return the network's configuration for a data set's classes."""
        changes = dict(self.config)
        if self.image_size:
            changes["image_size"] = self.image_size
        return preset_config(self.preset, classes, **changes)

    @property
    def pictures_per_step(self) -> int:
        """Pictures of one rank and step, the preset's number where none is given."""
        return self.batch_size or (8 if self.preset == "tiny" else 2)

    @property
    def optimizer_name(self) -> str:
        """The optimizer, the preset's where none is named."""
        return self.optimizer or ("adam" if self.preset == "tiny" else "sgd")

    @property
    def highest_learning_rate(self) -> float:
        """The highest learning rate of one rank, the optimizer's usual one where none is given."""
        return self.learning_rate or (2e-3 if self.optimizer_name == "adam" else 1e-3)

    @property
    def warmup(self) -> int:
        """Steps of warm-up."""
        return self.warmup_steps or (50 if self.preset == "tiny" else 500)


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
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
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
    defaults = {entry.name: getattr(kind(), entry.name) for entry in dataclasses.fields(kind)}  # type: ignore[arg-type]  # both kinds are dataclasses
    for name, value in values.items():
        if name not in defaults:
            raise InputError(
                source, f"parameters.{name}", value, f"is unknown; known are {', '.join(sorted(defaults))}"
            )
        if not _fits(value, defaults[name], name):
            raise InputError(source, f"parameters.{name}", value, f"must be like {defaults[name]!r}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
