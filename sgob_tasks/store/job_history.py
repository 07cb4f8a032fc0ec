"""What Slurm jobs cost and how they fared: by job, submission, week, run and model. Read only.

Every function is one query, so its figures are of one moment. Figures of a submission are there once it has ended and
its accounting was read; unknown ones are None and are left out of sums. Over several tasks or submissions, node-hours
and GPU-hours are sums of what was allocated, the wait in the queue is the median of the submissions' waits, and the
efficiency is the CPU time used divided by the CPU time allocated, where both are known.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from sgob_tasks.cluster.ledger import COMMAND_LINE
from sgob_tasks.cluster.slurm import parse_indices
from sgob_tasks.errors import InputError
from sgob_tasks.store.tables import batches, models, slurm_jobs, slurm_submissions

_HOUR_S = 3600.0
_CONTINUED = frozenset({"failed", "lost"})
_job, _link = slurm_jobs.c, slurm_submissions.c


@dataclass(frozen=True)
class JobRow:
    """One job, all its submissions together.

    Attributes:
        key: of the job.
        kind: ``train`` or ``infer``; empty where nothing tells.
        cluster: name of the site.
        owner: who waits for it.
        dag_id: of the owner, None where it is no Airflow task.
        run_id: of the owner, of a DAG run or of a command.
        task_id: of the owner, None where it is no Airflow task.
        state: intended, submitted, running (open ones); succeeded, failed, cancelled, lost.
        slurm_state: Slurm's own word, last seen.
        job_id: Slurm's id of the last submission.
        generation: number of the last submission.
        tasks: size of the array.
        reason: why it stands as it does.
        intended_at: when the last submission was intended.
        submitted_at: when its id was learnt.
        ended_at: when it was judged.
        elapsed_s: wall-clock seconds of all submissions.
        node_hours: allocated.
        gpu_hours: allocated.
        queue_wait_s: median over its submissions.
        efficiency: 0 to 1.
        links: number of submissions.
    """

    key: str
    kind: str
    cluster: str
    owner: str
    dag_id: str | None
    run_id: str | None
    task_id: str | None
    state: str
    slurm_state: str | None
    job_id: str | None
    generation: int
    tasks: int
    reason: str | None
    intended_at: datetime
    submitted_at: datetime | None
    ended_at: datetime | None
    elapsed_s: float | None
    node_hours: float | None
    gpu_hours: float | None
    queue_wait_s: float | None
    efficiency: float | None
    links: int


@dataclass(frozen=True)
class LinkRow:
    """One submission of a job: a link of its chain.

    Attributes:
        generation: its number, from 1.
        job_id: Slurm's id.
        state: as for a job, or ``continued``: ended too early, and the next one went on.
        slurm_state: Slurm's own word.
        reason: why it ended, or was followed by the next one.
        submitted_at: by Slurm's clock where sacct told.
        started_at: of its first task.
        ended_at: of its last task.
        elapsed_s: from the one to the other.
        node_hours: allocated, sum over tasks.
        gpu_hours: allocated, sum over tasks.
        queue_wait_s: from submission to the start of the first task.
        indices: number of tasks that were submitted.
        efficiency: CPU time used by CPU time allocated.
        max_rss_bytes: largest resident set of any step.
        checkpoint: newest one when it ended.
        usage_source: sacct, markers (start and end as the batch script wrote them), none; None while not asked.
        usage_note: why the figures are not from sacct.
    """

    generation: int
    job_id: str | None
    state: str
    slurm_state: str | None
    reason: str | None
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    elapsed_s: float | None
    node_hours: float | None
    gpu_hours: float | None
    queue_wait_s: float | None
    indices: int
    efficiency: float | None = None
    max_rss_bytes: int | None = None
    checkpoint: str | None = None
    usage_source: str | None = None
    usage_note: str | None = None


@dataclass(frozen=True)
class WeekUsage:
    """What ended in one week (Monday to Sunday, UTC): number of jobs, and what their submissions were allocated."""

    week_start: date
    jobs: int
    node_hours: float
    gpu_hours: float


@dataclass(frozen=True)
class Usage:
    """What one run or one model took: number of jobs, hours allocated, median wait in the queue, CPU efficiency."""

    name: str
    jobs: int
    node_hours: float
    gpu_hours: float
    queue_wait_s: float | None
    efficiency: float | None


def _hours(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.sum(column) / _HOUR_S


def _wait() -> sa.ColumnElement[float]:
    return sa.func.percentile_cont(0.5).within_group(_link.queue_wait_s)


def _efficiency() -> sa.ColumnElement[Any]:
    known = _link.cpu_used_seconds.is_not(None)
    return sa.func.sum(_link.cpu_used_seconds) / sa.func.nullif(sa.func.sum(_link.cpu_seconds).filter(known), 0.0)


def _run_of(owner: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    return sa.func.split_part(owner, "/", 2)


def jobs(engine: sa.Engine, *, states: Collection[str] | None = None, limit: int = 100) -> list[JobRow]:
    """Return jobs, the one last intended first.

    Args:
        engine: the store.
        states: only jobs in one of these states; by default all.
        limit: at most this many.
    """
    query = _jobs_query().order_by(_job.intended_at.desc(), _job.key).limit(limit)
    if states is not None:
        query = query.where(_job.state.in_(sorted(states)))
    with engine.connect() as connection:
        return [_job_row(row) for row in connection.execute(query)]


def job(engine: sa.Engine, key: str) -> JobRow | None:
    """Return one job, None where the ledger does not know it."""
    with engine.connect() as connection:
        row = connection.execute(_jobs_query().where(_job.key == key)).one_or_none()
    return _job_row(row) if row is not None else None


def _jobs_query() -> sa.Select[Any]:
    return (
        sa.select(
            _job.key, _job.details["job"]["kind"].astext.label("kind"), _job.cluster, _job.owner, _job.state,
            _job.slurm_state, _job.job_id, _job.generation, _job.tasks, _job.reason, _job.intended_at,
            _job.submitted_at, _job.ended_at,
            sa.func.sum(_link.elapsed_s).label("elapsed_s"),
            _hours(_link.node_seconds).label("node_hours"),
            _hours(_link.gpu_seconds).label("gpu_hours"),
            _wait().label("queue_wait_s"),
            _efficiency().label("efficiency"),
            sa.func.count(_link.generation).label("links"),
        )
        .outerjoin_from(slurm_jobs, slurm_submissions, _link.key == _job.key)
        .group_by(_job.key)
    )  # fmt: skip


def _job_row(row: sa.Row[Any]) -> JobRow:
    values = dict(row._mapping)
    parts = [part or None for part in [*row.owner.split("/"), "", "", ""][:3]]
    by_task = row.owner.count("/") >= 2 and parts[0] != COMMAND_LINE
    dag_id, run_id, task_id = parts if by_task else (None, parts[1], None)
    pieces = row.key.split("-")
    kind = row.kind or (pieces[1] if row.key.startswith("sgob-") and len(pieces) > 2 else "")
    return JobRow(**{**values, "kind": kind, "dag_id": dag_id, "run_id": run_id, "task_id": task_id})


def links(engine: sa.Engine, key: str) -> list[LinkRow]:
    """Return all submissions of a job, the first one first; none where the ledger does not know it."""
    query = (
        sa.select(
            _link.generation, _link.job_id, _link.state, _link.slurm_state, _link.reason, _link.submitted_at,
            _link.started_at, _link.ended_at, _link.elapsed_s,
            (_link.node_seconds / _HOUR_S).label("node_hours"),
            (_link.gpu_seconds / _HOUR_S).label("gpu_hours"),
            _link.queue_wait_s,
            _link.tasks.label("indices"),
            (_link.cpu_used_seconds / sa.func.nullif(_link.cpu_seconds, 0.0)).label("efficiency"),
            _link.max_rss_bytes, _link.checkpoint, _link.usage_source, _link.usage_note,
        )
        .where(_link.key == key)
        .order_by(_link.generation)
    )  # fmt: skip
    with engine.connect() as connection:
        found = [LinkRow(**row._mapping) for row in connection.execute(query)]
    # What another one went on with is no failure of the job: the reason says why it had to.
    earlier = [replace(link, state="continued") if link.state in _CONTINUED else link for link in found[:-1]]
    return [*earlier, *found[-1:]]


def submitted_indices(engine: sa.Engine, key: str) -> dict[int, tuple[int, ...]]:
    """Return the array indices of each submission of a job, by its number."""
    query = sa.select(_link.generation, _link.indices).where(_link.key == key).order_by(_link.generation)
    with engine.connect() as connection:
        return {row.generation: parse_indices(row.indices) for row in connection.execute(query)}


def usage_by_week(engine: sa.Engine, weeks: int = 12) -> list[WeekUsage]:
    """Return what ended in each of the last weeks, this one included, the oldest first.

    A submission belongs to the week in which it ended, with all its hours.

    Args:
        engine: the store.
        weeks: how many; those without jobs are there too.

    Raises:
        InputError: ``weeks`` is not positive.
    """
    if weeks < 1:
        raise InputError("usage by week", "weeks", weeks, "has to be 1 or more")
    utc = sa.literal("UTC")
    this_week = sa.func.date_trunc("week", sa.func.timezone(utc, sa.func.now()))
    first = this_week - sa.literal(timedelta(weeks=weeks - 1))
    series = sa.func.generate_series(first, this_week, sa.literal(timedelta(weeks=1)))
    start = series.table_valued("week").render_derived(name="weeks")
    query = (
        sa.select(
            sa.cast(start.c.week, sa.Date),
            sa.func.count(_link.key.distinct()),
            sa.func.coalesce(_hours(_link.node_seconds), 0.0),
            sa.func.coalesce(_hours(_link.gpu_seconds), 0.0),
        )
        .outerjoin_from(
            start,
            slurm_submissions,
            sa.func.date_trunc("week", sa.func.timezone(utc, _link.ended_at)) == start.c.week,
        )
        .group_by(start.c.week)
        .order_by(start.c.week)
    )
    with engine.connect() as connection:
        return [WeekUsage(*row) for row in connection.execute(query)]


def _sums() -> tuple[sa.ColumnElement[Any], ...]:
    return (
        sa.func.count(_link.key.distinct()),
        sa.func.coalesce(_hours(_link.node_seconds), 0.0),
        sa.func.coalesce(_hours(_link.gpu_seconds), 0.0),
        _wait(),
        _efficiency(),
    )


def usage_by_run(engine: sa.Engine, run_id: str) -> Usage:
    """Return what the jobs of one run took; of a run without jobs everything is nothing.

    Args:
        engine: the store.
        run_id: of a DAG run, or of a command.
    """
    batch = sa.select(batches.c.id).where(batches.c.run_id == run_id)
    query = sa.select(*_sums()).where(sa.or_(_run_of(_link.owner) == run_id, _link.key.in_(batch)))
    with engine.connect() as connection:
        return Usage(run_id, *connection.execute(query).one())


def usage_by_model(engine: sa.Engine) -> list[Usage]:
    """Return what each model took, the newest first: its training, and the inference batches that used it."""
    trained = sa.select(models.c.id.label("model"), _job.key).join_from(
        models,
        slurm_jobs,
        sa.and_(
            _run_of(_job.owner) == models.c.run_id,
            sa.or_(_job.details["job"]["kind"].astext == "train", _job.key.startswith("sgob-train-")),
        ),
    )
    used = sa.select(batches.c.model_id, batches.c.id)
    of_model = sa.union(trained, used).subquery("of_model")
    query = (
        sa.select(models.c.id, *_sums())
        .outerjoin_from(models, of_model, of_model.c.model == models.c.id)
        .outerjoin(slurm_submissions, _link.key == of_model.c.key)
        .group_by(models.c.id)
        .order_by(models.c.created_at.desc(), models.c.id.desc())
    )
    with engine.connect() as connection:
        return [Usage(*row) for row in connection.execute(query)]
