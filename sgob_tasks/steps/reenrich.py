"""Bring pictures up to date that an earlier champion has looked at: the backfill after a promotion, within bounds."""

from __future__ import annotations

import logging
from typing import Any

from sgob_tasks.config import Settings
from sgob_tasks.steps.enrich import batch_job
from sgob_tasks.steps.jobs import job_key
from sgob_tasks.store import backfill, batches, models, runs
from sgob_tasks.store.backfill import Bounds
from sgob_tasks.store.engine import open_store

log = logging.getLogger(__name__)


def plan_batch(
    settings: Settings,
    run_id: str,
    limit: int | None = None,
    shard_size: int | None = None,
    dataset: str | None = None,
    year_from: int | None = None,
    year_to: int | None = None,
    only: str = "all",
    order: str = "affected",
) -> dict[str, Any]:
    """Choose pictures that another version has looked at and the champion has not, and write the job directory.

    Where there is nothing to do, nothing is written at all: no run, no batch, no job.

    Args:
        settings: the installation's.
        run_id: of the DAG run; the same run gets the same batch.
        limit: at most this many pictures; None for ``enrich.backfill_limit``, of which 0 pauses.
        shard_size: pictures per task of the array.
        dataset: beginning of the records' ids, such as ``2021618``.
        year_from: first year of the records' dates.
        year_to: last year.
        only: ``all``, ``annotated`` or ``published`` (see ``store.backfill.Bounds``).
        order: ``affected`` or ``oldest`` first.

    Returns:
        ``model``, ``pictures`` of this run, and ``left``: how many within these bounds come after it; where there are
        pictures, the job as ``enrich.plan_batch`` returns it as well; else ``reason``: why there are none.

    Raises:
        InputError: a bound makes no sense.
    """
    bounds = Bounds(dataset or "", year_from, year_to, only, order)
    engine = open_store(settings)
    model = models.champion(engine)
    if model is None:
        return {"model": None, "pictures": 0, "left": 0, "reason": "there is no champion"}
    model_id, name = str(model["id"]), str(model["name"])
    waiting = backfill.count_outdated(engine, model_id, bounds, name)
    most = settings.enrich.backfill_limit if limit is None else limit
    known = batches.find_batch(engine, job_key("infer", run_id, model_id))
    if known is None and (waiting == 0 or most == 0):
        reason = "enrich.backfill_limit = 0 pauses it" if waiting else f"{model_id} has looked at all of them"
        log.info("nothing to do: %s; %d pictures wait", reason, waiting)
        return {"model": model_id, "pictures": 0, "left": waiting, "reason": reason}
    runs.begin(engine, run_id, "reenrich")
    job = batch_job(
        settings,
        engine,
        run_id,
        model,
        lambda most: backfill.outdated_pictures(engine, model_id, bounds, most, name),
        most,
        shard_size,
    )
    left = max(waiting - int(job["pictures"]), 0)
    log.info("%s: %d pictures now, %d within these bounds after them", model_id, job["pictures"], left)
    runs.note(engine, run_id, "backfill", {"left": left, **vars(bounds)})
    return job | {"left": left}
