"""Find what pictures show: plan a batch for the cluster, load what it found, correct it, compose annotations."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sgob_tasks.annotations.compose import compose_annotations
from sgob_tasks.config import Settings
from sgob_tasks.context.iconography.describe import describe_subjects
from sgob_tasks.context.language.model_files import load_relations
from sgob_tasks.context.load_models import load_models
from sgob_tasks.context.refine import apply_context
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import PermanentError
from sgob_tasks.harvest.media import media_path
from sgob_tasks.steps.jobs import job_key, link, link_folder, write_job, write_json
from sgob_tasks.store import batches, models, runs
from sgob_tasks.store.detections import load_results, share_detections
from sgob_tasks.store.engine import open_store

MAX_SHARDS = 1000
"""Slurm's default MaxArraySize is 1001."""


def plan_batch(
    settings: Settings, run_id: str, limit: int | None = None, shard_size: int | None = None
) -> dict[str, Any]:
    """Choose the pictures that no champion has seen yet, and write the job directory.

    Args:
        settings: the installation's.
        run_id: of the DAG run; the same run gets the same batch, also when more pictures have come since.
        limit: at most this many pictures; the next night takes the rest.
        shard_size: pictures per task of the array.

    Returns:
        The job ``key, kind, tasks, job_dir`` with ``batch`` (id), ``model`` and the number of ``pictures``.

    Raises:
        PermanentError: there is no champion yet.
    """
    engine = open_store(settings)
    model = models.champion(engine)
    if model is None:
        raise PermanentError(
            "there is no champion among the models: run the DAG train_detector (or `sgob train`) first"
        )
    runs.begin(engine, run_id, "enrich")
    choose = functools.partial(batches.unseen_pictures, engine, str(model["name"]))
    return batch_job(settings, engine, run_id, model, choose, limit, shard_size)


def batch_job(
    settings: Settings,
    engine: sa.Engine,
    run_id: str,
    model: Mapping[str, Any],
    choose: Callable[[int], Sequence[batches.Picture]],
    limit: int | None = None,
    shard_size: int | None = None,
) -> dict[str, Any]:
    """Enter a batch of pictures for a model, unless this run has one, and write its job directory.

    Args:
        settings: the installation's.
        engine: the store.
        run_id: of the DAG run, which is in the store.
        model: row of the registry.
        choose: returns the pictures, given how many there may be at most.
        limit: at most this many; None for as many as one array can take.
        shard_size: pictures per task of the array; by default the configured number.

    Returns:
        The job, as ``plan_batch`` returns it.
    """
    key = job_key("infer", run_id, str(model["id"]))
    batch = batches.find_batch(engine, key)
    if batch is None:
        size = shard_size or settings.cluster.shard_size
        most = size * MAX_SHARDS
        pictures = choose(most if limit is None else min(limit, most))
        shards = [pictures[start : start + size] for start in range(0, len(pictures), size)]
        batch = batches.add_batch(engine, key, run_id, str(model["id"]), shards)
    folder = settings.jobs_dir / key
    link_folder(settings.models_dir / str(model["path"]), folder / "input" / "model")
    for number, shard in enumerate(batches.batch_pictures(engine, key)):
        described = []
        for picture in shard:
            name = f"input/pictures/{picture.sha256}"
            link(media_path(settings.media_dir, picture.sha256), folder / name)
            described.append({"sha256": picture.sha256, "file": name, "width": picture.width, "height": picture.height})
        write_json(folder / "input" / "shards" / f"{number:04d}.json", {"shard": number, "pictures": described})
    job = write_job(folder, "infer", max(batch.shards, 1), {"model": "input/model"})
    planned = {"batch": key, "model": str(model["id"]), "pictures": batch.pictures}
    runs.note(engine, run_id, "plan", planned | {"shards": batch.shards})
    return job | planned


def load(settings: Settings, batch: dict[str, Any], run_id: str | None = None) -> dict[str, Any]:
    """Load what the cluster found, each detection exactly once.

    Args:
        settings: the installation's.
        batch: the job as it ended; ``failed`` has the reason of each shard that was lost. Its pictures keep the reason
            and are taken up by the next night.
        run_id: the run that keeps the counts.

    Raises:
        InputError: there is no such batch, or no results.
    """
    engine = open_store(settings)
    counts = load_results(engine, str(batch["batch"]), Path(str(batch["job_dir"])) / "results")
    lost = {int(shard): str(reason) for shard, reason in dict(batch.get("failed") or {}).items()}
    batches.end_batch(engine, str(batch["batch"]), lost)
    result = asdict(counts) | {"shards_lost": len(lost)}
    runs.note(engine, run_id, "load", result)
    return result


def context(settings: Settings, run_id: str | None = None) -> dict[str, Any]:
    """Correct labels by the artworks' dates and texts, with whatever the settings' section ``context`` names.

    Only records that are new, or of which anything has changed since the same models last saw them, are looked at.

    Raises:
        InputError: a file that they name cannot be read.
    """
    engine, files = open_store(settings), settings.context
    shared = share_detections(engine)
    models = load_models(files.language_model, files.time_priors, files.fusion)
    result = asdict(apply_context(engine, models)) | {"shared": shared, "version": models.version}
    runs.note(engine, run_id, "context", result)
    return result


def describe_scenes(settings: Settings, run_id: str | None = None) -> dict[str, Any]:
    """Find relations between the boxes of pictures, and the saints and scenes that they speak for.

    Relations are weighed with what the texts of the settings' language model tell of them. Only records that are new,
    or of which anything has changed since the same rules and texts last saw them, are looked at.

    Raises:
        InputError: the model cannot be read.
    """
    engine = open_store(settings)
    result = asdict(describe_subjects(engine, texts=load_relations(settings.context.language_model)))
    runs.note(engine, run_id, "scenes", result)
    return result


def classify_captions(settings: Settings, run_id: str | None = None) -> dict[str, Any]:
    """Find the sentences of the metadata that say what is depicted; where no usable classifier is, train one first."""
    from sgob_tasks.captions.classifier import classify_records, ensure_model  # spaCy takes seconds to import

    engine, folder = open_store(settings), settings.models_dir / "captions"
    ensure_model(settings.captions_csv, folder)
    result = asdict(classify_records(engine, folder))
    runs.note(engine, run_id, "captions", result)
    return result


def annotate(settings: Settings, run_id: str | None = None) -> dict[str, Any]:
    """Compose Web Annotations from labels and captions, and validate them."""
    engine, table = open_store(settings), ClassTable.load()
    concepts = {name: uri for name in table.classes if (uri := table.concept_uri(name))}
    counts = compose_annotations(
        engine,
        concepts,
        run_id=run_id,
        min_score=settings.publish.min_score,
        describe=settings.publish.describe,
    )
    result = asdict(counts)
    runs.note(engine, run_id, "annotate", result)
    return result
