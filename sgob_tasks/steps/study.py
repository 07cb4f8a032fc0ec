"""The batch size study: which global batch a data set is best trained with.

Trains once for each batch size, with the same time and the same schedule, as production trains (the same program, the
same ranks), then measures with weights of the beginning, the middle and the end how gradients depend on the batch size.
Started again, it goes on: what is finished is not done again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sgob_tasks.cluster_python import run_here
from sgob_tasks.errors import InputError
from sgob_tasks.progress import track
from sgob_tasks.report.batch_size_study import draw_study
from sgob_tasks.report.training_curves import read_lines
from sgob_tasks.steps.jobs import link, link_folder, write_job, write_json

log = logging.getLogger(__name__)

TOLERANCE = 0.01
"""Batch sizes whose AP50 is less than this below the best are as good: then the largest counts, as it needs the fewest
exchanges and so can be spread over the most GPUs."""


def batch_size_study(
    dataset: Path,
    out: Path,
    sizes: Sequence[int],
    *,
    preset: str = "tiny",
    budget_s: float = 600.0,
    ranks: int = 1,
    evaluations: int = 4,
    pictures: int = 1024,
    parameters: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train with every batch size, measure, draw ``study.png``, and recommend one.

    Args:
        dataset: a prepared data set, in shards or with ``train.json``, ``val.json`` and ``images/``.
        out: folder of the study; each training has a job folder below it.
        sizes: global batch sizes.
        preset: network.
        budget_s: seconds of each training, start and final evaluation included.
        ranks: processes of each training, as MPI starts them.
        evaluations: evaluations during each training.
        pictures: pictures for the gradients of each of the kept weights.
        parameters: other training parameters.

    Returns:
        ``trainings`` (batch size, steps, noise scale over the epochs, AP50 over the GPU-hours), ``gradients`` (of the
        smallest batch size) and ``recommendation`` (``batch_size``, ``noise_scale``, ``text``); also in ``study.json``.

    Raises:
        InputError: no or bad sizes, no data set, or no cluster environment here.
        PermanentError: a training failed; the message has the end of its log.
    """
    chosen = sorted(set(sizes))
    if not chosen or chosen[0] < 1:
        raise InputError("batch-size-study", "sizes", list(sizes), "must be one or more positive numbers")
    common = {"preset": preset, "budget_s": budget_s, "epochs": 100000.0, "evaluations": evaluations}
    common |= {"learning_rate_scaling": "sqrt", "log_interval_s": 5.0, "keep_models": True}
    jobs = [_prepare(dataset, out / f"batch-{size:05d}", size, common | dict(parameters or {})) for size in chosen]
    for job in track(jobs, "Training with each batch size"):
        if not (job / "results" / "summary.json").exists():
            run_here(job, ranks, "sgob_tasks.detection.train", str(job))
    if not (jobs[0] / "results" / "gradients.json").exists():
        run_here(jobs[0], 1, "sgob_tasks.detection.measure_gradients", str(jobs[0]), "--pictures", str(pictures))
    study: dict[str, Any] = {
        "trainings": [_training(job, size) for job, size in zip(jobs, chosen, strict=True)],
        "gradients": json.loads((jobs[0] / "results" / "gradients.json").read_text(encoding="utf-8")),
        "ranks": ranks,
    }
    study["recommendation"] = recommend(study["trainings"], study["gradients"])
    write_json(out / "study.json", study)
    draw_study(study, out / "study.png")
    return study | {"picture": str(out / "study.png")}


def _prepare(dataset: Path, job: Path, size: int, parameters: Mapping[str, Any]) -> Path:
    """Write a training job, once."""
    if not dataset.is_dir():
        raise InputError("batch-size-study", "dataset", str(dataset), "is no folder")
    wanted = dict(parameters) | {"global_batch_size": size}
    described = job / "job.json"
    if described.exists():
        found = json.loads(described.read_text(encoding="utf-8"))["parameters"]
        if found != wanted:
            raise InputError(described, "parameters", found, "are of another study: use another folder")
        return job
    for path in sorted(dataset.iterdir()):
        if path.is_file():
            link(path, job / "input" / "dataset" / path.name)
    if (dataset / "images").is_dir():
        link_folder(dataset / "images", job / "input" / "dataset" / "images")
    write_job(job, "train", 1, wanted)
    return job


def _training(job: Path, size: int) -> dict[str, Any]:
    """Return what the study tells of a training."""
    results = job / "results"
    metrics = read_lines(results / "metrics.jsonl")
    summary = json.loads((results / "summary.json").read_text(encoding="utf-8"))
    ranks = summary["training"]["ranks"]
    accuracy = [
        {"gpu_hours": entry["elapsed_s"] * ranks / 3600, "ap50": entry["ap50"]}
        for entry in read_lines(results / "evaluations.jsonl")
        if entry.get("ap50") is not None
    ]
    accuracy.append({"gpu_hours": metrics[-1]["elapsed_s"] * ranks / 3600, "ap50": summary["bbox"]["ap50"]})
    return {
        "batch_size": size,
        "steps": metrics[-1]["step"],
        "epochs": metrics[-1]["epoch"],
        "pictures_per_s": metrics[-1]["pictures_per_s"],
        "ap50": summary["bbox"]["ap50"],
        "noise": [
            {"epoch": entry["epoch"], "noise_scale": entry["noise_scale"]}
            for entry in metrics
            if entry.get("noise_scale") is not None
        ],
        "accuracy": accuracy,
    }


def recommend(trainings: Sequence[Mapping[str, Any]], gradients: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the batch size to use and why.

    Args:
        trainings: ``batch_size`` and ``ap50`` of each, with the same hours.
        gradients: ``noise_scale`` at the kept weights, first to last.

    Returns:
        ``batch_size``, ``noise_scale`` (at the end; None where it is not known), ``text``.
    """
    scored = [(training["ap50"] or 0.0, training["batch_size"]) for training in trainings]
    best = max(score for score, _ in scored)
    size = max(size for score, size in scored if score >= best - TOLERANCE)
    scales = [entry["noise_scale"] for entry in gradients if entry["noise_scale"]]
    noise = ""
    if scales:
        noise = f"The noise scale goes from {scales[0]:.0f} to {scales[-1]:.0f} pictures. "
    shown = ", ".join(f"{size_}: {score:.3f}" for score, size_ in scored)
    text = f"{noise}With the same hours, AP50 by batch size is {shown}. Use batches of {size}."
    return {"batch_size": size, "noise_scale": scales[-1] if scales else None, "text": text}
