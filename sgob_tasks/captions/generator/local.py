"""Train a generator on this machine: a job folder, and the cluster's program in it. Control plane only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sgob_tasks.captions.generator.dataset import SPLITS
from sgob_tasks.captions.generator.parameters import GeneratorTraining
from sgob_tasks.cluster_python import run_here
from sgob_tasks.detection.files import load_json, write_json
from sgob_tasks.detection.parameters import checked_parameters
from sgob_tasks.errors import InputError


def train_here(
    data: Path, out: Path, *, budget_s: float | None = None, ranks: int = 1, features: bool = False, **how: Any
) -> dict[str, Any]:
    """Train a generator.

    Args:
        data: folder with ``train`` and ``val``.
        out: job folder; a training that was interrupted goes on.
        budget_s: seconds for the whole training; None for the number of passes.
        ranks: number of processes.
        features: also read the regions' features.
        how: other parameters of ``GeneratorTraining``.

    Returns:
        ``results/summary.json`` (``training``, ``scores``, ``intervals``) with the ``model``'s folder.

    Raises:
        InputError: the data is not there, or ``out`` is of another training.
        PermanentError: the program failed; the message has the end of its log.
    """
    for split in SPLITS:
        if not (data / split / "captions.json").is_file():
            raise InputError(data / split, "captions.json", str(data), "is not there")
    parameters: dict[str, Any] = {"features": features, **how}
    if budget_s:
        parameters |= {"budget_s": float(budget_s), "epochs": 100_000.0}
        parameters["reserve_s"] = min(60.0, 0.1 * budget_s)
    checked_parameters(GeneratorTraining, parameters, "parameters")
    link = out / "input" / "data"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(data.resolve())
    if link.resolve() != data.resolve():
        raise InputError(out, "data", str(data), f"this folder's training reads {link.resolve()}")
    job = {"key": out.name, "kind": "train_captions", "tasks": 1, "parameters": parameters}
    write_json(out / "job.json", json.loads(json.dumps(job)))
    run_here(out, ranks, "sgob_tasks.captions.generator.train", str(out))
    return dict(load_json(out / "results" / "summary.json")) | {"model": str(out / "results" / "model")}
