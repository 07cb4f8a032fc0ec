"""The cluster page and the logs of jobs."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import sqlalchemy as sa
from fastapi import Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse

from sgob_airflow.pages.live import ClusterWatch
from sgob_airflow.pages.parts import NOTHING, Configured, Store, headers
from sgob_tasks.cluster.ledger import OPEN_STATES
from sgob_tasks.cluster.look import MAX_LOG_LINES, readable
from sgob_tasks.cluster.slurm import check_name
from sgob_tasks.errors import InputError, PermanentError, TransientError
from sgob_tasks.report.cluster_page import ClusterView
from sgob_tasks.report.render_cluster import cluster_policy, render_cluster
from sgob_tasks.store.job_history import jobs, links, usage_by_model, usage_by_week
from sgob_tasks.store.jobs import StoreLedger, open_jobs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sgob_tasks.cluster.ledger import JobRecord
    from sgob_tasks.config import Settings

WAIT_S = 1.5
HISTORY = 50
OPEN_MAX = 100
WEEKS = 12
LOG_BYTES = 64 * 1024
_ENDED = frozenset({"succeeded", "failed", "cancelled", "lost"})


@functools.cache
def watch() -> ClusterWatch:
    """Return the way to the cluster of this process; nothing is connected yet."""
    return ClusterWatch()


def _read(engine: sa.Engine) -> tuple[ClusterView, Sequence[JobRecord]]:
    """Read what the page shows, and the records of the open jobs, from the store."""
    still_open = jobs(engine, states=OPEN_STATES, limit=OPEN_MAX)
    history = jobs(engine, states=_ENDED, limit=HISTORY + 1)
    more, history = len(history) > HISTORY, history[:HISTORY]
    records = {record.key: record for record in open_jobs(engine)}
    view = ClusterView(
        open=still_open,
        history=history,
        chains={row.key: links(engine, row.key) for row in (*still_open, *history) if row.links > 1},
        weeks=usage_by_week(engine, WEEKS),
        models=usage_by_model(engine),
        parameters={key: _parameters(record) for key, record in records.items()},
        more=more,
    )
    return view, [records[row.key] for row in still_open if row.key in records]


def _parameters(record: JobRecord) -> dict[str, object]:
    job = record.details.get("job")
    parameters = job.get("parameters") if isinstance(job, dict) else None
    return parameters if isinstance(parameters, dict) else {}


async def cluster_page(engine: Store, refresh: str = "") -> HTMLResponse:
    """Show the queue, what runs, what has run and what it took."""
    view, records = await run_in_threadpool(_read, engine)
    live = await watch().look(records, WAIT_S)
    # The page is at <Airflow>/sgob/cluster.
    html = render_cluster(view, live, root="../", refresh=refresh != "off")
    return HTMLResponse(html, headers=headers(cluster_policy()))


async def job_log(
    engine: Store,
    configured: Configured,
    key: str,
    generation: Annotated[int | None, Query(ge=1, le=9999)] = None,
    task: Annotated[int | None, Query(ge=0, le=9_999_999)] = None,
) -> PlainTextResponse:
    """Show the end of a log of a job: the one that was written last, or that of one submission or task."""
    try:
        record = await run_in_threadpool(StoreLedger(engine).get, check_name(key))
    except InputError:
        record = None
    if record is None:
        return _text("There is no such job.", 404)
    generation = generation or record.generation
    if not record.open and (kept := await run_in_threadpool(_fetched, configured, key, generation, task)):
        return _text(kept, 200)
    try:
        return _text(await watch().log(record, generation, task), 200)
    except TransientError as error:
        return _text(f"The cluster cannot be asked now: {error}", 503)
    except PermanentError as error:
        return _text(f"The log cannot be shown: {error}", 404)


def _fetched(configured: Settings, key: str, generation: int, task: int | None) -> str | None:
    """Return the end of a log that was fetched when its job ended, None where there is none."""
    folder = configured.jobs_dir / key / "logs"
    index = "*" if task is None else f"{task:04d}"
    found = [(path.stat().st_mtime, path) for path in folder.glob(f"task-{index}.g{generation}.log") if path.is_file()]
    if not found:
        return None
    path: Path = max(found)[1]
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - LOG_BYTES, 0))
        lines = readable(file.read().decode("utf-8", "replace")).split("\n")
    return f"{path.name}\n\n" + "\n".join(lines[-MAX_LOG_LINES:]) + "\n"


def _text(text: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(text, status_code=status, headers=headers(NOTHING))
