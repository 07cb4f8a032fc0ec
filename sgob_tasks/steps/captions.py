"""The caption generator: train it on the cluster, register it, and let the champion describe pictures."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sgob_tasks.captions.generated import load_generated
from sgob_tasks.captions.generator.dataset import SPLITS, data_hash
from sgob_tasks.captions.generator.parameters import GeneratorTraining
from sgob_tasks.captions.generator.prepare import file_sha256, write_lines
from sgob_tasks.captions.harvested import write_harvested
from sgob_tasks.captions.seen import picture_lines
from sgob_tasks.captions.waiting import Reader, waiting_pictures
from sgob_tasks.config import Settings
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.detection.files import load_json
from sgob_tasks.detection.parameters import checked_parameters
from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.harvest.media import media_path
from sgob_tasks.registry.provenance import code_revision
from sgob_tasks.steps.enrich import MAX_SHARDS
from sgob_tasks.steps.jobs import job_key, link, link_folder, write_job
from sgob_tasks.store import models, runs
from sgob_tasks.store.engine import open_store

GENERATOR = "generator"
"""Name of the caption generator in the registry; its versions are ``generator-1``, ``generator-2``, ..."""

RULE = "rule of promotion"


def prepare_training(
    settings: Settings,
    run_id: str,
    dataset: str | None = None,
    budget_s: int | None = None,
    parameters: Mapping[str, Any] | None = None,
    nodes: int | None = None,
) -> dict[str, Any]:
    """Check the training data and write the job directory.

    Args:
        settings: the installation's.
        run_id: of the DAG run; the same run gets the same job.
        dataset: folder with ``train`` and ``val``, as ``captions.generator.prepare.write_split`` writes them; None for
            the configured one, or, where none is, the captions that the classifier found in the store.
        budget_s: seconds for the whole training; None for no limit.
        parameters: of ``GeneratorTraining``.
        nodes: to train on; by default the site's number.

    Returns:
        The job: ``key, kind, tasks, parameters, resources, job_dir``.

    Raises:
        InputError: the data is not there, or a parameter does not fit.
    """
    runs.begin(open_store(settings), run_id, "train_captions")
    source = settings.training.captions if dataset is None else Path(dataset)
    for split in SPLITS:
        if source is not None and not (source / split / "captions.json").is_file():
            raise InputError(source / split, "captions.json", str(source), "is not there")
    chosen = dict(parameters or {}) | ({"budget_s": float(budget_s)} if budget_s else {})
    checked_parameters(GeneratorTraining, chosen, "parameters")
    folder = settings.jobs_dir / job_key("train_captions", run_id, str(source), str(budget_s), repr(sorted(chosen)))
    data = folder / "input" / "data"
    if source is not None:
        link_folder(source, data)
    elif not (folder / "job.json").exists():  # the same run trains on the same data, also when more has come since
        shutil.rmtree(data, ignore_errors=True)
        write_harvested(open_store(settings), data, ClassTable.load())
    images = len(load_json(data / "train" / "captions.json").get("images", ()))
    resources = {"nodes": nodes} if nodes else {}
    return write_job(folder, "train_captions", 1, chosen, resources=resources, images=images)


def register_training(settings: Settings, run_id: str, job: Mapping[str, Any], promote: str = "auto") -> dict[str, Any]:
    """Register a trained generator, and make it the champion where it is better.

    Registering the same again changes nothing.

    Args:
        settings: the installation's.
        run_id: of the DAG run.
        job: what ``prepare_training`` returned; its results have been fetched.
        promote: ``auto``: where there is no champion, or where it beats the champion on the same held-out pictures
            (the lower end of its CIDEr-D interval is above the champion's CIDEr-D); ``always``; ``never``.

    Returns:
        ``model``, ``scores``, ``promoted`` and the ``reason``.

    Raises:
        PermanentError: the job left no model.
        InputError: a file of the job is missing or damaged, or there is no such policy.
    """
    if promote not in {"auto", "always", "never"}:
        raise InputError("promotion", "promote", promote, "must be auto, always or never")
    folder = Path(str(job["job_dir"]))
    results, data = folder / "results", folder / "input" / "data"
    weights = results / "model" / "weights.npz"
    if not weights.exists():
        raise PermanentError(f"{results}: the training left no generator (weights.npz)")
    engine, summary = open_store(settings), load_json(results / "summary.json")
    values = {
        "name": GENERATOR,
        "sha256": file_sha256(weights),
        "config": load_json(results / "model" / "generator.json")["config"],
        "scores": {"held_out": summary["scores"], "intervals": summary["intervals"]},
        "training": summary["training"],
        "data_sha256": data_hash([data]),
        "held_out_sha256": file_sha256(data / "val" / "captions.json"),
        "revision": code_revision(),
        "job_key": str(job["key"]),
        "run_id": run_id,
    }
    known = models.register(
        engine, values, lambda model_id: _install(results / "model", settings.models_dir / model_id)
    )
    champion = models.champion(engine, GENERATOR)
    better, reason = _weigh(models.find(engine, known.id), champion)
    chosen = known.state == "candidate" and (promote == "always" or (promote == "auto" and better))
    if chosen:
        before = None if champion is None else str(champion["id"])
        models.promote(engine, known.id, actor=RULE, reason=reason, instead_of=before, run_id=run_id)
    result = {"model": known.id, "scores": summary["scores"], "promoted": chosen, "reason": reason}
    runs.note(engine, run_id, "register", result)
    runs.end(engine, run_id)
    return result


def _weigh(model: Mapping[str, Any], champion: Mapping[str, Any] | None) -> tuple[bool, str]:
    """Return whether a generator is better than the champion, and why."""
    if champion is None:
        return True, "there is no champion yet"
    if champion["id"] == model["id"]:
        return False, "it is the champion already"
    if champion["held_out_sha256"] != model["held_out_sha256"]:
        return False, f"{champion['id']} was measured on other pictures"
    low = float(model["scores"]["intervals"]["CIDEr-D"][0])
    other = float(champion["scores"]["held_out"]["CIDEr-D"])
    verb = "is" if low > other else "is not"
    return low > other, f"the low end of its CIDEr-D, {low:.3f}, {verb} above the {other:.3f} of {champion['id']}"


def _install(source: Path, target: Path) -> None:
    new = target.with_name(f".{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(source, new)
    if target.exists():
        shutil.rmtree(target)
    new.rename(target)


def plan_generation(
    settings: Settings, run_id: str, limit: int | None = None, shard_size: int | None = None
) -> dict[str, Any]:
    """Choose the pictures that the champion has not described from what is known of them, and write the job directory.

    These are new pictures, and those of which a label, a box or what the generator reads of title and date has changed.
    The same run gets the same job: what is there already is not planned anew.

    Args:
        settings: the installation's.
        run_id: of the DAG run, which is in the store.
        limit: at most this many pictures; the next night takes the rest.
        shard_size: pictures of one task of the array.

    Returns:
        The job ``key, kind, tasks, job_dir`` with ``generator`` (version) and the number of ``pictures``; only
        ``pictures`` (0) and the ``reason`` where there is nothing to do, or no generator yet.
    """
    engine = open_store(settings)
    generator = models.champion(engine, GENERATOR)
    if generator is None:
        return _nothing(settings, run_id, "there is no caption generator yet")
    version = str(generator["id"])
    folder = settings.jobs_dir / job_key("generate_captions", run_id, version)
    size = shard_size or settings.cluster.shard_size
    if not (folder / "job.json").exists():
        most = size * MAX_SHARDS
        table = ClassTable.load()
        reader = Reader.of(generator, table)
        pictures = waiting_pictures(engine, reader, most if limit is None else min(limit, most))
        if not pictures:
            return _nothing(settings, run_id, f"{version} has described every picture")
        _lay_out(settings, folder, generator)
        files = _pictures(settings, folder, pictures) if generator["config"].get("feature_size") else None
        for number, first in enumerate(range(0, len(pictures), size)):
            lines = picture_lines(engine, pictures[first : first + size], table, files)
            told = (line | {"inputs": reader.fingerprint(line)} for line in lines)
            write_lines(folder / "input" / "regions" / f"{number:04d}.jsonl", told)
    shards = sorted((folder / "input" / "regions").glob("*.jsonl"))
    count = sum(sum(1 for _ in path.open("rb")) for path in shards)
    job = write_job(folder, "generate_captions", len(shards), {"model": "input/model"}, images=count)
    planned = {"generator": version, "pictures": count}
    runs.note(engine, run_id, "plan_captions", planned | {"shards": len(shards)})
    return job | planned


def _nothing(settings: Settings, run_id: str, reason: str) -> dict[str, Any]:
    result = {"pictures": 0, "reason": reason}
    runs.note(open_store(settings), run_id, "plan_captions", result)
    return result


def _lay_out(settings: Settings, folder: Path, generator: Mapping[str, Any]) -> None:
    """Put the generator, and the detector whose features it wants, where the job reads them.

    Raises:
        PermanentError: it wants features, and there is no detector.
    """
    link_folder(settings.models_dir / str(generator["path"]), folder / "input" / "model")
    if not generator["config"].get("feature_size"):
        return
    detector = models.champion(open_store(settings))
    if detector is None:
        raise PermanentError(f"{generator['id']} wants the detector's features, and there is no champion among them")
    link_folder(settings.models_dir / str(detector["path"]), folder / "input" / "detector")


def _pictures(settings: Settings, folder: Path, pictures: Any) -> dict[str, str]:
    files = {picture.sha256: f"input/pictures/{picture.sha256}" for picture in pictures}
    for sha256, name in files.items():
        link(media_path(settings.media_dir, sha256), folder / name)
    return files


def load_generation(settings: Settings, batch: Mapping[str, Any], run_id: str | None = None) -> dict[str, Any]:
    """Load the captions that came back; loading them again changes nothing.

    Args:
        settings: the installation's.
        batch: the job as it ended, or what ``plan_generation`` returned where there was nothing to do.
        run_id: the run that keeps the counts.
    """
    engine = open_store(settings)
    if not batch.get("job_dir"):
        result: dict[str, Any] = {"pictures": 0, "captions": 0}
    else:
        result = asdict(load_generated(engine, Path(str(batch["job_dir"])), str(batch["generator"])))
        result["shards_lost"] = len(batch.get("failed") or {})
    runs.note(engine, run_id, "load_captions", result)
    return result
