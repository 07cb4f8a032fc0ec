"""Checkpoints: one file each, written whole or not at all, the newest readable one wins."""

from __future__ import annotations

import json
import logging
import re
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sgob_tasks.detection.files import write_durably
from sgob_tasks.errors import InputError

log = logging.getLogger(__name__)

KEEP = 2
_NAME = re.compile(r"step-(\d{8})\.npz")


@dataclass(frozen=True)
class TrainingState:
    """Where a training stands, beside its weights.

    Attributes:
        step: steps done.
        elapsed_s: time spent on them, over all jobs of the training.
        finished: no step is left.
        fingerprint: what must be equal for the training to go on: parameters, data.
        part: parts of the next step's batch that are summed up already; 0 between two steps.
        layout: ranks, and pictures of a part: with others, ``part`` says nothing.
        evaluations: evaluations on held-out pictures done.
    """

    step: int
    elapsed_s: float
    finished: bool
    fingerprint: dict[str, Any]
    part: int = 0
    layout: list[int] = field(default_factory=list)
    evaluations: int = 0


def _found(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, oldest first."""
    return sorted(path for path in folder.glob("step-*.npz") if _NAME.fullmatch(path.name))


def save_checkpoint(folder: Path, state: TrainingState, values: list[npt.NDArray[Any]]) -> Path:
    """Write a checkpoint and remove all but the newest two.

    Args:
        folder: where checkpoints are kept; it is made.
        state: where the training stands.
        values: all variables, of the network and the optimizer, in a fixed order.
    """
    arrays = {f"v{index:05d}": value for index, value in enumerate(values)}
    described = np.frombuffer(json.dumps(asdict(state)).encode("utf-8"), np.uint8)
    path = folder / f"step-{state.step:08d}.npz"
    write_durably(path, lambda file: np.savez(file, state=described, **arrays))
    for old in _found(folder)[:-KEEP]:
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(folder: Path) -> tuple[TrainingState, list[npt.NDArray[Any]]] | None:
    """Return the newest checkpoint that can be read, or None where there is none.

    An unreadable one (a full disk, a failing one) is passed over with a warning: the one before it is still good.
    """
    for path in reversed(_found(folder)):
        try:
            with np.load(path, allow_pickle=False) as file:
                state = TrainingState(**json.loads(file["state"].tobytes().decode("utf-8")))
                return state, [file[name] for name in sorted(file.files) if name != "state"]
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            log.warning("%s cannot be read and is passed over: %s", path, error)
    return None


def restore(variables: list[Any], values: list[npt.NDArray[Any]], folder: Path) -> None:
    """Set variables to a checkpoint's values.

    Raises:
        InputError: the checkpoint is of another network or optimizer.
    """
    shapes = [tuple(variable.shape) for variable in variables]
    saved = [value.shape for value in values]
    if shapes != saved:
        differing = next((i for i, (a, b) in enumerate(zip(shapes, saved, strict=False)) if a != b), len(saved))
        raise InputError(folder, f"variable {differing} of {len(shapes)}", f"{len(saved)} variables", "does not fit")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
