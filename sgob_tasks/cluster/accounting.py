"""What a submission used, from ``sacct``, or from the batch script's markers where accounting is missing.

A job never fails for want of its figures: they come with their source, and with the reason where it is not ``sacct``.
Steps are asked for too: only they have the resident set size, and only with them is TotalCPU summed.

Formats were seen on Slurm 22.05::

    30|COMPLETED|2026-11-23T23:14:20|...|250|2|2|billing=2,cpu=2,gres/gpu=2,mem=12000M,node=2|07:16.421||sgob-train-d7.1
    30.0|COMPLETED|2026-11-23T23:14:20|...|250|2|2|cpu=2,gres/gpu=2,mem=12000M,node=2|07:16.374|959484K|orted
    20_[0-11%3]|CANCELLED by 1002|2026-11-23T20:30:48|None|2026-11-23T20:30:50|0|1|1||00:00:00||cap.arr
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sgob_tasks.cluster.shell import Transport, repeatable
from sgob_tasks.cluster.sites.site import Resources
from sgob_tasks.cluster.slurm import MY_JOBS, check_name, parse_job_id
from sgob_tasks.cluster.states import canonical, state_class
from sgob_tasks.cluster.verdict import Marker
from sgob_tasks.errors import SgobError

log = logging.getLogger(__name__)

_FIELDS = "JobID,State,Submit,Start,End,ElapsedRaw,NNodes,NCPUS,AllocTRES,TotalCPU,MaxRSS,JobName"
_CPU_TIME = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+(?:\.\d+)?)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGTP]?)")
BEHIND_S = 5.0
"""How long sacct is waited for after an end that squeue and the markers know: it was 0.6 to 3.5 s behind them."""
_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


@dataclass(frozen=True)
class TaskUsage:
    """What sacct says of one job or array task, its steps included.

    Attributes:
        job_id: of the job, or of the whole array.
        indices: array indices it stands for; None for a job that is no array.
        state: Slurm's word.
        submitted_at: UTC.
        started_at: None for a task that never began.
        ended_at: None while it lives.
        elapsed_s: wall-clock seconds.
        nodes: allocated.
        cpus: allocated, on all nodes.
        gpus: allocated, on all nodes.
        cpu_used_s: user and system time of all processes; None where Slurm does not gather it.
        max_rss_bytes: largest of any step; None where no step lived long enough to be looked at.
    """

    job_id: str
    indices: tuple[int, ...] | None
    state: str
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    elapsed_s: float
    nodes: int
    cpus: int
    gpus: int
    cpu_used_s: float | None
    max_rss_bytes: int | None


@dataclass(frozen=True)
class SubmissionUsage:
    """What one submission used, all its tasks together.

    Attributes:
        source: ``sacct``, ``markers`` or ``none``.
        note: why it is not from sacct.
        submitted_at: UTC, by the cluster's clock.
        started_at: of the first task.
        ended_at: of the last task.
        nodes: of the largest task.
        cpus: of the largest task, on all its nodes.
        gpus: of the largest task, on all its nodes.
        elapsed_s: from the first start to the last end.
        queue_wait_s: from submission to the first start; tasks behind the array's own limit do not count.
        node_seconds: allocated, sum over tasks.
        gpu_seconds: allocated, sum over tasks.
        cpu_seconds: allocated, sum over tasks.
        cpu_used_seconds: used, sum over tasks.
        max_rss_bytes: largest of any step.
    """

    source: str
    note: str | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    nodes: int | None = None
    cpus: int | None = None
    gpus: int | None = None
    elapsed_s: float | None = None
    queue_wait_s: float | None = None
    node_seconds: float | None = None
    gpu_seconds: float | None = None
    cpu_seconds: float | None = None
    cpu_used_seconds: float | None = None
    max_rss_bytes: int | None = None


def usage_command(name: str, job_id: str, since_s: float) -> str:
    """Return the sacct command that tells what a submission used, steps included.

    Asked by id and name, as ids begin anew after Slurm lost its state. In UTC, as sacct prints no time zone.

    Args:
        name: Slurm job name.
        job_id: Slurm's id of it.
        since_s: how far to look back, in seconds.
    """
    return (
        f"TZ=UTC sacct --noheader --parsable2 {MY_JOBS} --jobs={int(job_id)} --name={check_name(name)} "
        f"--starttime=now-{max(int(since_s), 60)} --format={_FIELDS}"
    )


def parse_usage(stdout: str) -> tuple[TaskUsage, ...]:
    """Read ``usage_command``'s output; lines of another shape are skipped."""
    tasks: dict[str, TaskUsage] = {}
    step_cpu_s: dict[str, float] = {}
    for line in stdout.splitlines():
        fields = line.strip().split("|", 11)
        whole, _, step = fields[0].partition(".")
        parsed = parse_job_id(whole)
        if len(fields) != 12 or parsed is None or not fields[1]:
            continue
        cpu_used_s, rss = parse_cpu_time(fields[9]), parse_size(fields[10])
        if not step:
            tasks[whole] = TaskUsage(
                *parsed,
                state=canonical(fields[1]),
                submitted_at=_time(fields[2]),
                started_at=_time(fields[3]),
                ended_at=_time(fields[4]),
                elapsed_s=float(_count(fields[5])),
                nodes=_count(fields[6]),
                cpus=_count(fields[7]),
                gpus=parse_gpus(fields[8]),
                cpu_used_s=cpu_used_s,
                max_rss_bytes=rss,
            )
        elif whole in tasks:
            task = tasks[whole]
            step_cpu_s[whole] = step_cpu_s.get(whole, 0.0) + (cpu_used_s or 0.0)
            largest = max((size for size in (task.max_rss_bytes, rss) if size is not None), default=None)
            tasks[whole] = replace(task, max_rss_bytes=largest)
    # A release that leaves the whole's TotalCPU empty still has that of the steps.
    return tuple(
        replace(task, cpu_used_s=step_cpu_s.get(whole)) if task.cpu_used_s is None else task
        for whole, task in tasks.items()
    )


def parse_cpu_time(text: str) -> float | None:
    """Read ``[[days-]hours:]minutes:seconds[.fraction]`` as seconds; None for anything else."""
    match = _CPU_TIME.fullmatch(text.strip())
    if match is None:
        return None
    days, hours, minutes, seconds = match.groups()
    return int(days or 0) * 86400.0 + int(hours or 0) * 3600.0 + int(minutes) * 60.0 + float(seconds)


def parse_size(text: str) -> int | None:
    """Read a size such as ``959484K`` or ``1.50G`` as bytes; None for anything else."""
    match = _SIZE.fullmatch(text.strip())
    return int(float(match[1]) * 1024 ** _POWER[match[2]]) if match else None


def parse_gpus(text: str) -> int:
    """Count GPUs in AllocTRES: ``gres/gpu=2``, which already holds ``gres/gpu:k80=2`` where both are there."""
    pairs = [part.partition("=") for part in text.strip().split(",")]
    plain = [_count(value) for name, _, value in pairs if name == "gres/gpu"]
    typed = [_count(value) for name, _, value in pairs if name.startswith("gres/gpu:")]
    return plain[0] if plain else sum(typed)


def _count(text: str) -> int:
    return int(text) if text.strip().isdecimal() else 0


def _time(text: str) -> datetime | None:
    """Read a time as sacct prints it in UTC; None for ``Unknown`` and ``None``."""
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    except ValueError:
        return None


def from_accounting(rows: Iterable[TaskUsage], job_id: str, marked: Iterable[int] = ()) -> SubmissionUsage | None:
    """Add up what sacct says of one submission.

    Args:
        rows: of sacct.
        job_id: Slurm's id of it.
        marked: indices that ended according to their markers.

    Returns:
        None while sacct does not know the end of all of them: it lags behind squeue and the file system.
    """
    mine = [row for row in rows if row.job_id == job_id]
    known = {index for row in mine for index in (row.indices or ())}
    behind = any(state_class(row.state).active or row.ended_at is None for row in mine)
    array = any(row.indices is not None for row in mine)
    if not mine or behind or (array and not set(marked) <= known):
        return None
    # Tasks that were cancelled while they waited have one row for all, with no start and nothing allocated.
    ran = [row for row in mine if row.started_at is not None]
    submitted = min((row.submitted_at for row in mine if row.submitted_at), default=None)
    started = min((row.started_at for row in ran if row.started_at), default=None)
    ended = max((row.ended_at for row in mine if row.ended_at), default=None)
    used = [row.cpu_used_s for row in ran if row.cpu_used_s is not None]
    return SubmissionUsage(
        source="sacct",
        submitted_at=submitted,
        started_at=started,
        ended_at=ended,
        nodes=max((row.nodes for row in ran), default=0),
        cpus=max((row.cpus for row in ran), default=0),
        gpus=max((row.gpus for row in ran), default=0),
        elapsed_s=_seconds(started, ended) if started else 0.0,
        queue_wait_s=_seconds(submitted, started),
        node_seconds=sum(row.elapsed_s * row.nodes for row in ran),
        gpu_seconds=sum(row.elapsed_s * row.gpus for row in ran),
        cpu_seconds=sum(row.elapsed_s * row.cpus for row in ran),
        cpu_used_seconds=sum(used) if len(used) == len(ran) else None,
        max_rss_bytes=max((row.max_rss_bytes for row in ran if row.max_rss_bytes is not None), default=None),
    )


def from_markers(
    markers: Mapping[int, Marker], job_id: str, asked: Resources, submitted_at: datetime | None, note: str
) -> SubmissionUsage:
    """Add up what the markers of one submission say: when each task ran; what it had is what was asked for.

    Args:
        markers: by index; those of other submissions are left out.
        job_id: Slurm's id of the submission.
        asked: resources of each task.
        submitted_at: when its id was learnt.
        note: why sacct is not the source.
    """
    times = [(_marked(one.started_at), _marked(one.ended_at)) for one in markers.values() if one.slurm_job_id == job_id]
    spans = [(start, end) for start, end in times if start is not None and end is not None]
    if not spans:
        return SubmissionUsage("none", f"{note}; and no task has left a marker")
    run_s = sum(_seconds(start, end) or 0.0 for start, end in spans)
    started, ended = min(start for start, _ in spans), max(end for _, end in spans)
    cpus = asked.ranks * asked.cpus_per_task
    gpus = asked.nodes * asked.gpus_per_node
    return SubmissionUsage(
        source="markers",
        note=f"{note}; times are from the markers of {len(spans)} tasks, without CPU time and memory",
        started_at=started,
        ended_at=ended,
        nodes=asked.nodes,
        cpus=cpus,
        gpus=gpus,
        elapsed_s=_seconds(started, ended),
        queue_wait_s=_seconds(submitted_at, started),
        node_seconds=run_s * asked.nodes,
        gpu_seconds=run_s * gpus,
        cpu_seconds=run_s * cpus,
    )


def _marked(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    # Two clocks may be apart by more than a short job takes.
    return max((end - start).total_seconds(), 0.0) if start is not None and end is not None else None


def ask_usage(
    transport: Transport,
    name: str,
    job_id: str,
    since_s: float,
    markers: Mapping[int, Marker],
    asked: Resources,
    submitted_at: datetime | None,
    timeout_s: float,
    sleep: Callable[[float], None] | None = None,
) -> SubmissionUsage:
    """Return what an ended submission used, from sacct or else from its markers; never fails.

    Args:
        transport: the cluster.
        name: Slurm job name of the submission.
        job_id: Slurm's id of it.
        since_s: how far sacct has to look back, in seconds.
        markers: what its tasks left, by index.
        asked: resources of each task.
        submitted_at: when its id was learnt.
        timeout_s: for one question.
        sleep: waits some seconds; with it a sacct that is behind is asked again, ``BEHIND_S`` at most.
    """
    marked = [index for index, marker in markers.items() if marker.slurm_job_id == job_id]
    for attempt in range(1 + int(BEHIND_S)):
        if attempt and sleep is not None:
            sleep(1.0)
        try:
            result = repeatable(transport, usage_command(name, job_id, since_s), timeout_s)
        except SgobError as error:
            note = f"sacct could not be asked: {error}"
            break
        if result.exit_code != 0:
            note = f"sacct: exit {result.exit_code}: {result.text[-200:]}"
            break
        usage = from_accounting(parse_usage(result.stdout), job_id, marked)
        if usage is not None:
            return usage
        note = "sacct does not know the end of all tasks"
        if sleep is None:
            break
    log.warning("usage of job %s (%s): %s", job_id, name, note)
    return from_markers(markers, job_id, asked, submitted_at, note)
