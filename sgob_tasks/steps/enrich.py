"""Find what pictures show: plan a batch for the cluster, load what it found, correct it, compose annotations."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sgob_tasks.config import Settings
from sgob_tasks.errors import PermanentError
from sgob_tasks.harvest.media import media_path
from sgob_tasks.steps.jobs import job_key, link, link_folder, write_job, write_json
from sgob_tasks.store import batches
from sgob_tasks.store.engine import open_store

MAX_SHARDS = 1000
"""Slurm's default MaxArraySize is 1001."""


def plan_batch(
    settings: Settings, run_id: str, limit: int | None = None, shard_size: int | None = None
) -> dict[str, Any]:
    """Choose the pictures that the champion has not seen, and write the job directory.

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
    model = batches.champion(engine)
    if model is None:
        raise PermanentError(
            "there is no champion among the models: run the DAG train_detector (or `sgob train`) first"
        )
    key = job_key("infer", run_id, str(model["id"]))
    batch = batches.find_batch(engine, key)
    if batch is None:
        size = shard_size or settings.cluster.shard_size
        pictures = batches.unseen_pictures(engine, str(model["id"]), min(limit or size * MAX_SHARDS, size * MAX_SHARDS))
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
    return job | {"batch": key, "model": str(model["id"]), "pictures": batch.pictures}


def load(settings: Settings, batch: dict[str, Any]) -> dict[str, Any]:
    """Load what the cluster found, each detection exactly once."""
    from sgob_tasks.store.detections import load_results

    return asdict(load_results(open_store(settings), str(batch["batch"]), Path(str(batch["job_dir"])) / "results"))


def time_context(settings: Settings) -> dict[str, Any]:
    """Read the artworks' dates and correct what they make impossible."""
    from sgob_tasks.context.classes import ClassTable
    from sgob_tasks.context.refine import apply_time_context

    return asdict(apply_time_context(open_store(settings), None, ClassTable.load()))
