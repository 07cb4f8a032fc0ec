"""From the ledger, and from what the cluster says now, to what the cluster page shows: pure functions, no I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sgob_tasks.cluster.look import JobLook
from sgob_tasks.cluster.states import STUCK_REASONS, StateClass
from sgob_tasks.store.job_history import JobRow, LinkRow, Usage, WeekUsage

REFRESH_S = 15
_STEP = re.compile(r"\bstep (\d+) epoch (\d+(?:\.\d+)?)\b")
_TASK = re.compile(r"task-(\d+)\.")
_PICTURES = re.compile(r"\b(\d+) of (\d+) pictures\b")


@dataclass(frozen=True)
class Step:
    """How far the newest log says its task is: in words, and as a part of the whole where that is known."""

    text: str
    part: float | None


@dataclass(frozen=True)
class OpenJob:
    """A job that has not been judged, as it is shown.

    Attributes:
        row: from the ledger.
        state: running, waiting, ending (Slurm has ended it, and it is about to be judged) or the ledger's word.
        live: whether the cluster was asked about it.
        words: Slurm's own.
        reasons: why it waits.
        stuck: whether it waits for something that no waiting brings.
        running: number of tasks that run; None where not known.
        waiting: number of tasks that wait; None where not known.
        since: when it began to run or to wait.
        starts: when Slurm means to start it, where it says so.
        nodes: where it runs.
        done: tasks done; None where not known.
        part: of the whole that is done, 0 to 1; None where not known.
        step: how far the task is that wrote last.
        log_name: the log that was written last.
        log: its end.
        troubles: what could not be learnt.
        run_url: the DAG run in Airflow's user interface.
        log_url: page of the log.
    """

    row: JobRow
    state: str
    live: bool
    words: str
    reasons: tuple[str, ...]
    stuck: bool
    running: int | None
    waiting: int | None
    since: datetime
    starts: datetime | None
    nodes: tuple[str, ...]
    done: int | None
    part: float | None
    step: Step | None
    log_name: str | None
    log: str
    troubles: tuple[str, ...]
    run_url: str | None
    log_url: str


@dataclass(frozen=True)
class PastJob:
    """A job that has been judged, with the links of its chain where there are several."""

    row: JobRow
    chain: tuple[LinkRow, ...]
    run_url: str | None
    log_url: str


@dataclass(frozen=True)
class ClusterView:
    """What the store says for the page.

    Attributes:
        open: open jobs, newest first.
        history: judged jobs, newest first.
        chains: links by key, for jobs with more than one.
        weeks: hours per week.
        models: hours by model.
        parameters: of open jobs' programs, by key.
        more: whether there are older jobs than ``history`` holds.
    """

    open: Sequence[JobRow]
    history: Sequence[JobRow]
    chains: Mapping[str, Sequence[LinkRow]] = field(default_factory=dict)
    weeks: Sequence[WeekUsage] = ()
    models: Sequence[Usage] = ()
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    more: bool = False


@dataclass(frozen=True)
class Live:
    """What the cluster said.

    Attributes:
        looks: by job key.
        asked_at: when it answered; None where it never did.
        trouble: why there is nothing newer.
        asked: keys it was asked about.
    """

    looks: Mapping[str, JobLook] = field(default_factory=dict)
    asked_at: datetime | None = None
    trouble: str | None = None
    asked: Collection[str] = frozenset()


def run_url(row: JobRow, root: str) -> str | None:
    """Return the address of a job's DAG run in Airflow's user interface, None where no DAG run owns it.

    Args:
        row: the job.
        root: leads from the page to Airflow's own root.
    """
    if not row.dag_id or not row.run_id:
        return None
    return f"{root}dags/{quote(row.dag_id, safe='')}/runs/{quote(row.run_id, safe='')}"


def step(log: str, parameters: Mapping[str, Any]) -> Step | None:
    """Read how far a task is from the lines that the programs of ``sgob_tasks.detection`` write.

    Args:
        log: end of the task's log.
        parameters: of its program; they tell how many epochs or steps there are.
    """
    found = max((match for pattern in (_STEP, _PICTURES) for match in pattern.finditer(log)), key=_place, default=None)
    if found is None:
        return None
    if found.re is _PICTURES:
        done, total = int(found[1]), int(found[2])
        return Step(f"{done:,} of {total:,} pictures", _part(done, total))
    number, epoch = int(found[1]), float(found[2])
    steps, epochs = _number(parameters.get("steps")), _number(parameters.get("epochs"))
    if steps:
        return Step(f"step {number:,} of {steps:,.0f}", _part(number, steps))
    if epochs:
        return Step(f"epoch {epoch:g} of {epochs:g}, step {number:,}", _part(epoch, epochs))
    return Step(f"epoch {epoch:g}, step {number:,}", None)


def _place(match: re.Match[str]) -> int:
    return match.start()


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and 0 < value < float("inf") else 0.0


def _part(done: float, total: float) -> float | None:
    return min(done / total, 1.0) if total > 0 else None


def open_job(row: JobRow, look: JobLook | None, parameters: Mapping[str, Any], root: str) -> OpenJob:
    """Lay what the cluster says now over what the ledger says.

    Args:
        row: the job in the ledger.
        look: what the cluster says; None where it was not asked or did not answer.
        parameters: of its program.
        root: leads from the page to Airflow's own root.
    """
    began = row.submitted_at or row.intended_at
    told = look is not None and look.tasks is not None
    running = look.of(StateClass.RUNNING) if look is not None else ()
    waiting = look.of(StateClass.WAITING) if look is not None else ()
    state, since = row.state, began
    if told:
        # Nothing alive: what was submitted a moment ago is not in the queue yet, everything else has ended.
        state = "running" if running else "waiting" if waiting else "ending" if look and look.tasks else row.state
        since = min((task.start for task in running if task.start), default=began)
    reasons = look.reasons if look is not None and told else tuple(filter(None, [row.reason]))
    now = step(look.log, parameters) if look is not None else None
    done = look.done if look is not None else None
    part = _part(min(done, row.tasks), row.tasks) if done is not None else None
    if now is not None and row.tasks > 1 and look is not None and (index := _TASK.match(look.log_name or "")):
        now = replace(now, text=f"task {int(index[1])}: {now.text}")
    elif now is not None and row.tasks == 1 and not done:
        part = now.part
    return OpenJob(
        row=row,
        state=state,
        live=look is not None,
        words=(look.words if look is not None and told else row.slurm_state) or "",
        reasons=reasons,
        stuck=bool(STUCK_REASONS.intersection(reasons)),
        running=len(running) if told else None,
        waiting=len(waiting) if told else None,
        since=since,
        starts=min((task.start for task in waiting if task.start), default=None) if not running else None,
        nodes=tuple(sorted({task.nodes for task in running} - {""})),
        done=done,
        part=part,
        step=now,
        log_name=look.log_name if look is not None else None,
        log=look.log if look is not None else "",
        troubles=look.troubles if look is not None else (),
        run_url=run_url(row, root),
        log_url=log_url(row.key),
    )


_ORDER = {"running": 0, "ending": 1, "waiting": 2}


def in_order(jobs: Iterable[OpenJob]) -> list[OpenJob]:
    """Return open jobs as they are shown: what runs first, then what ends, then what waits."""
    return sorted(jobs, key=lambda job: _ORDER.get(job.state, 3))


def log_url(key: str) -> str:
    """Return the address of a job's log, from the cluster page."""
    return f"cluster/jobs/{quote(key, safe='')}/log"
