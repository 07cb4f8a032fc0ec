"""Train a detector on the cluster: prepare the job, and register what came of it."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sgob_tasks.config import Settings
from sgob_tasks.context.evaluate import corrected_results, evaluate_with_context
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.detection.data.prepare import prepare_dataset
from sgob_tasks.detection.data.shards import dataset_files, file_hash, is_sharded
from sgob_tasks.detection.files import load_json
from sgob_tasks.detection.parameters import TrainingParameters, checked_parameters
from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.registry.comparison import intervals
from sgob_tasks.registry.promotion import check_policy
from sgob_tasks.registry.provenance import code_revision, data_sha256
from sgob_tasks.report.training_curves import draw_training_curves
from sgob_tasks.steps import plan
from sgob_tasks.steps.jobs import job_key, link, write_job, write_json
from sgob_tasks.steps.models import weigh
from sgob_tasks.store import models, runs
from sgob_tasks.store.engine import open_store

log = logging.getLogger(__name__)

HELD_OUT = 0.2
"""Share of the pictures that a source without splits of its own is evaluated on."""


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
        dataset: see :func:`lay_out`; by default the configured one.
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
    lay_out(source, target)
    parameters: dict[str, Any] = dict(training.parameters) | {
        "preset": preset or training.preset,
        "epochs": float(epochs or training.epochs),
    }
    if training.initial_weights is not None:
        parameters["initial_weights"] = _lay_out_weights(training.initial_weights, folder / "input" / "initial")
    if training.batch_size:
        parameters["batch_size"] = training.batch_size
    if budget_s:
        parameters["budget_s"] = float(budget_s)
    checked_parameters(TrainingParameters, parameters, "settings: training.parameters")
    _provenance(settings, folder)
    images = _count_images(target / "train.json")
    resources, planned = plan.for_training(
        settings, images, nodes, parameters["epochs"], parameters["preset"], parameters.get("budget_s")
    )
    log.info("plan:\n%s", planned["text"])
    return write_job(folder, "train", 1, parameters, resources=resources, images=images, plan=planned)


def lay_out(source: Path, target: Path) -> None:
    """Put training data where the job reads it.

    A data set with ``train`` and ``val``, in shards or with ``images/``, is linked as it is. Any other source (Pascal
    VOC, VIA, COCO without splits) is prepared: divided by file name, checked, written as shards; what is broken is left
    out and logged.

    Raises:
        InputError: there is no data set, or nothing of it can be used.
    """
    if is_sharded(source) or all((source / f"{split}.json").is_file() for split in ("train", "val")):
        for path in dataset_files(source):
            link(source / path, target / path)
        return
    preparation = prepare_dataset(source, target, val_fraction=HELD_OUT, test_fraction=0.0)
    for problem in preparation.problems.entries:
        log.warning("left out of the training data: %s", problem)


def _lay_out_weights(weights: Path, target: Path) -> str:
    """Put weights to start from where the job reads them; return their path below the job's folder.

    Raises:
        InputError: there is no such file, or the folder is no model.
    """
    source = weights / "weights.h5" if weights.is_dir() else weights
    if not source.is_file():
        raise InputError("settings", "training.initial_weights", str(weights), "is no weights file and no model folder")
    link(source, target / "weights.h5")
    described = source.parent / "model.json"
    if source.name == "weights.h5" and described.is_file():  # it names the classes
        link(described, target / "model.json")
    return "input/initial/weights.h5"


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


def _provenance(settings: Settings, folder: Path) -> dict[str, Any]:
    """Write ``input/provenance.json``, and the champion beside it, whom the job evaluates on the same pictures.

    The same run gets the same one, also when the champion or the code has changed since.
    """
    path = folder / "input" / "provenance.json"
    if path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    champion = models.champion(open_store(settings), models.DETECTOR)
    if champion is not None:
        for name in ("weights.h5", "model.json"):
            source = settings.models_dir / str(champion["path"]) / name
            if not source.is_file():
                raise InputError(source, "champion", champion["id"], "its file is not there")
            link(source, folder / "input" / "champion" / name)
    values = {
        "revision": code_revision(),
        "data_sha256": data_sha256(folder / "input" / "dataset"),
        "champion": None if champion is None else {"id": champion["id"], "sha256": champion["sha256"]},
    }
    write_json(path, values)
    return values


def register(settings: Settings, run_id: str, job: dict[str, Any], promote: str = "auto") -> dict[str, Any]:
    """Evaluate a trained detector with and without the time context, register it, and say what follows.

    Nothing is promoted here: the decision says whether ``steps.models.promote_decided`` is to be called, and whether a
    person is to be asked first. Registering the same again changes nothing.

    Args:
        settings: the installation's.
        run_id: of the DAG run.
        job: what ``prepare`` returned; its results have been fetched.
        promote: ``auto``, ``ask``, ``always`` or ``never``; see ``registry.promotion``.

    Returns:
        ``model``, its ``scores``, the ``decision`` (``action``: promote, ask or keep; ``reason``; ``champion``;
        ``comparison``) and its ``text`` in Markdown.

    Raises:
        PermanentError: the job left no model.
        InputError: a file of the job is missing or damaged, or there is no such policy.
    """
    check_policy(promote)
    folder = Path(str(job["job_dir"]))
    results, dataset = folder / "results", folder / "input" / "dataset"
    weights = results / "model" / "weights.h5"
    if not weights.exists():
        raise PermanentError(f"{results}: the training left no model (weights.h5)")
    engine, digest = open_store(settings), file_hash(weights)
    truth, found = load_json(dataset / "val.json"), load_json(results / "val_detections.json")
    table = ClassTable.load()
    held_out = {name: asdict(scores) for name, scores in evaluate_with_context(truth, found, table).items()}
    known = models.registered(engine, models.DETECTOR, digest)
    if known is None:
        made = _provenance(settings, folder)
        values = {
            "name": models.DETECTOR,
            "sha256": digest,
            "config": load_json(results / "model" / "model.json"),
            "scores": {
                "held_out": held_out,
                "intervals": {
                    "before": intervals(truth, found),
                    "after": intervals(truth, corrected_results(truth, found, table)),
                },
            },
            "training": load_json(results / "summary.json"),
            "data_sha256": made["data_sha256"],
            "held_out_sha256": file_hash(dataset / "val.json"),
            "revision": made["revision"],
            "job_key": str(job["key"]),
            "plan": {name: value for name, value in dict(job.get("plan") or {}).items() if name != "text"},
            "run_id": run_id,
        }
        known = models.register(engine, values, lambda model_id: _install(results, settings, model_id))
    decision = weigh(settings, models.find(engine, known.id), folder, promote)
    result = {"model": known.id, "scores": held_out, **decision}
    runs.note(engine, run_id, "register", {name: value for name, value in result.items() if name != "text"})
    runs.end(engine, run_id)
    return result


def _install(results: Path, settings: Settings, model_id: str) -> None:
    """Copy a model's files into its folder, and the curves of its training.

    All or nothing; what a registration that broke off left is replaced.
    """
    target = settings.models_dir / model_id
    new = target.with_name(f".{model_id}.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(results / "model", new)
    if (results / "metrics.jsonl").exists():
        draw_training_curves(results, new / "training.png")
    if target.exists():
        shutil.rmtree(target)
    new.rename(target)
