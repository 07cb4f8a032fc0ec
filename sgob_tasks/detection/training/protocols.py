"""What the training loop needs to know of a network, its batches and its parameters: the detector's are one case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol


class Described(Protocol):
    """A configuration with a JSON form."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""


class Network(Protocol):
    """A network with weights in a fixed order."""

    @property
    def config(self) -> Described:
        """Its shape."""

    @property
    def weights(self) -> list[Any]:
        """All variables, trained or not."""

    @property
    def averaged_weights(self) -> list[Any]:
        """Statistics that each rank gathers on its own, so that they must be averaged."""


class StepParameters(Protocol):
    """How weights are changed; see ``parameters.TrainingParameters``."""

    @property
    def optimizer_name(self) -> str:
        """``adam`` or ``sgd``."""

    @property
    def momentum(self) -> float:
        """Of ``sgd``."""

    @property
    def weight_decay(self) -> float:
        """Decoupled from the gradient."""

    @property
    def clip_norm(self) -> float:
        """Largest norm of all gradients together."""

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Factors of the losses."""

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """What is trained until which share of the training is done."""


class LoopParameters(StepParameters, Protocol):
    """How long a training goes and what it tells; see ``parameters.TrainingParameters``."""

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""

    @property
    def steps(self) -> int:
        """Number of updates; 0 takes ``epochs``."""

    @property
    def epochs(self) -> float:
        """Passes over the data."""

    @property
    def budget_s(self) -> float:
        """Seconds for the whole training; 0 for no limit."""

    @property
    def reserve_s(self) -> float:
        """Seconds of the budget kept for the final evaluation."""

    @property
    def checkpoint_interval_s(self) -> float:
        """Seconds between two checkpoints."""

    @property
    def log_interval_s(self) -> float:
        """Seconds between two progress lines."""

    @property
    def divergence_factor(self) -> float:
        """The training ends when its loss stays above this multiple of the lowest; 0 never."""

    @property
    def pictures_at_once(self) -> int:
        """Examples that go through one rank's network together."""

    @property
    def evaluations_between(self) -> int:
        """Evaluations before the final one."""

    def global_batch(self, ranks: int) -> int:
        """Return the examples of one update."""

    def highest_learning_rate(self, global_batch: int) -> float:
        """Return the highest learning rate."""

    def warmup(self, total_steps: int) -> int:
        """Return the updates of warm-up."""


class Parts(Protocol):
    """A rank's batches, cut into parts that the network takes at once; see ``data.batches.Batches``."""

    @property
    def steps_per_epoch(self) -> int:
        """Number of updates in which every example is seen once."""

    def parts(self, step: int) -> int:
        """Return the number of parts of a step, the same on every rank."""

    def share(self, step: int) -> float:
        """Return how large a step's batch is, as a share of a whole one."""

    def parts_from(self, step: int, number: int = 0) -> Iterator[Any]:
        """Yield the parts of a step from ``number`` on, then those of the next steps, without end."""
