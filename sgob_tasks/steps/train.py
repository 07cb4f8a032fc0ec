"""Train a detector on the cluster: prepare the job, and register what came of it."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sgob_tasks.config import Settings
from sgob_tasks.context.evaluate import evaluate_with_context
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.detection.data.voc import voc_to_coco
from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.steps import plan
from sgob_tasks.steps.jobs import job_key, link, link_folder, write_job
from sgob_tasks.store import models, runs
from sgob_tasks.store.batches import champion
from sgob_tasks.store.engine import open_store

log = logging.getLogger(__name__)

DETECTOR = "detector"


def prepare(
    settings: Settings,
    run_id: str,
    dataset: str | None = None,
    preset: str | None = None,
    epochs: int | None = None,
    budget_s: int | None = None,
    nodes: int | None = None,
) -> dict[str, Any]:
    """Check the training data, plan the nodes and write the job directory.

    Args:
        settings: the installation's.
        run_id: of the DAG run; the same run gets the same job.
        dataset: folder with ``images/`` and ``annotations/*.xml`` (Pascal VOC), or with ``train.json`` and
            ``val.json`` (COCO) besides ``images/``; by default the configured one.
        preset: network; by default the configured one.
        epochs: passes over the data; by default the configured number.
        budget_s: seconds for the whole training; None for no limit.
        nodes: how many to train on; by default as ``steps.plan.for_training`` chooses.

    Returns:
        The job: ``key, kind, tasks, parameters, resources, images, job_dir``, and the ``plan``.

    Raises:
        InputError: the data is not there or does not hold, by file, field and value.
    """
    runs.begin(open_store(settings), run_id, "train")
    training = settings.training
    source = Path(dataset) if dataset else training.dataset
    if source is None:
        raise InputError("settings", "training.dataset", None, "names no training data")
    key = job_key("train", run_id, str(source), preset or "", str(epochs), str(budget_s))
    folder = settings.jobs_dir / key
    target = folder / "input" / "dataset"
    if (source / "train.json").exists() and (source / "val.json").exists():
        for name in ("train.json", "val.json"):
            link(source / name, target / name)
        link_folder(source / "images", target / "images")
    elif (source / "annotations").is_dir():
        conversion = voc_to_coco(source, target, val_fraction=0.2, strict=False)
        for line in conversion.skipped:
            log.warning("left out of the training data: %s", line)
    else:
        raise InputError(
            "training data", "dataset", str(source), "has neither train.json and val.json nor annotations/"
        )
    parameters: dict[str, Any] = {
        "preset": preset or training.preset,
        "epochs": float(epochs or training.epochs),
    }
    if training.batch_size:
        parameters["batch_size"] = training.batch_size
    if budget_s:
        parameters["budget_s"] = float(budget_s)
    images = _count_images(target / "train.json")
    resources, planned = plan.for_training(
        settings, images, nodes, parameters["epochs"], parameters["preset"], parameters.get("budget_s")
    )
    log.info("plan:\n%s", planned["text"])
    return write_job(folder, "train", 1, parameters, resources=resources, images=images, plan=planned)


def approval_needed(settings: Settings) -> bool:
    """Tell whether a person has to approve a training and its plan first."""
    return settings.training.require_approval


def _count_images(path: Path) -> int:
    """Return how many pictures a COCO file describes.

    Raises:
        InputError: it is no COCO file, or describes none.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(path, "JSON", str(error), "cannot be read") from error
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list) or not images:
        raise InputError(path, "images", images, "has to be a list of at least one picture")
    return len(images)


def register(settings: Settings, run_id: str, job: dict[str, Any], promote: str = "auto") -> dict[str, Any]:
    """Evaluate a trained detector, with and without the time context, and register it as a model version.

    Args:
        settings: the installation's.
        run_id: of the DAG run.
        job: what ``prepare`` returned; its results have been fetched.
        promote: ``auto`` makes it the champion unless the present one is better on the same held-out pictures;
            ``always``, ``never``.

    Raises:
        PermanentError: the job left no model.
    """
    results = Path(str(job["job_dir"])) / "results"
    weights = results / "model" / "weights.h5"
    if not weights.exists():
        raise PermanentError(f"{results}: the training left no model (weights.h5)")
    digest = _sha256(weights)
    engine = open_store(settings)
    known = models.registered(engine, DETECTOR, digest)
    dataset = Path(str(job["job_dir"])) / "input" / "dataset"
    truth = json.loads((dataset / "val.json").read_text())
    found = json.loads((results / "val_detections.json").read_text())
    held_out = evaluate_with_context(truth, found, ClassTable.load())
    if known is None:
        version = models.next_version(engine, DETECTOR)
        model_id = f"{DETECTOR}-{version}"
        target = settings.models_dir / model_id
        target.mkdir(parents=True, exist_ok=True)
        for path in (results / "model").iterdir():
            shutil.copyfile(path, target / path.name)
        models.register(
            engine,
            {
                "id": model_id,
                "name": DETECTOR,
                "version": version,
                "path": model_id,
                "sha256": digest,
                "config": json.loads((results / "model" / "model.json").read_text()),
                "scores": {"held_out": {name: asdict(scores) for name, scores in held_out.items()}},
                "training": json.loads((results / "summary.json").read_text())
                | {"val_sha256": _sha256(dataset / "val.json")},
                "run_id": run_id,
            },
        )
        known = models.Registered(model_id, version, "candidate", known=False)
    promoted = promote == "always" or (
        promote == "auto" and _not_worse(champion(engine), held_out["all"].after.ap50, dataset)
    )
    if promoted:
        models.promote(engine, known.id)
    result = {
        "model": known.id,
        "champion": promoted,
        "scores": {name: asdict(scores) for name, scores in held_out.items()},
    }
    runs.note(engine, run_id, "register", result)
    runs.end(engine, run_id)
    return result


def _not_worse(present: dict[str, Any] | None, ap50: float | None, dataset: Path) -> bool:
    """Tell whether a new model may replace the champion: not if that one is better on the same pictures."""
    if present is None or present["training"].get("val_sha256") != _sha256(dataset / "val.json"):
        return True
    before = present["scores"]["held_out"]["all"]["after"]["ap50"]
    return before is None or (ap50 is not None and ap50 >= before)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
