"""What became of a job: one judgement from three witnesses, none of which is believed alone.

The witnesses are the markers that the batch script writes, ``sacct`` and ``squeue``. A job that none of them mentions
is not done, it is missing; and COMPLETED is not success while its marker or its output is missing. Array tasks are
counted against the indices that were asked for, because cancelled pending tasks may never get a row of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from sgob_tasks.cluster.slurm import AccountingRow, QueueRow, format_indices
from sgob_tasks.cluster.states import PERMANENT_STATES, STUCK_REASONS, StateClass, note, state_class

EXIT_CONTINUE = 85
"""Exit code of a program that wrote a checkpoint and asks to be started again."""

EXIT_BAD_INPUT = frozenset({2, 64, 65, 66, 78})
"""Wrong use, and sysexits.h's usage, data, no input and configuration: the same again fails the same."""

_SIGNALLED = 128


class Outcome(Enum):
    """What follows for a job or for one task of it."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRY = "retry"
    RESUME = "resume"
    CANCELLED = "cancelled"
    LOST = "lost"

    @property
    def active(self) -> bool:
        """Whether there is still something to wait for."""
        return self in {Outcome.WAITING, Outcome.RUNNING}


@dataclass(frozen=True)
class Marker:
    """The batch script's own word on how one task ended.

    Attributes:
        index: array index, 0 for a job that is no array.
        exit_code: of the program.
        slurm_job_id: of the job or the whole array that ran it.
        host: node it ran on.
        started_at: ISO 8601, UTC.
        ended_at: ISO 8601, UTC.
    """

    index: int
    exit_code: int
    slurm_job_id: str
    host: str = ""
    started_at: str = ""
    ended_at: str = ""


@dataclass(frozen=True)
class Patience:
    """How long a witness may be late.

    Attributes:
        marker_s: for a marker to show on a shared file system after Slurm says that the job ended.
        lost_s: for a job that no witness mentions to show up.
    """

    marker_s: float = 60.0
    lost_s: float = 600.0


@dataclass(frozen=True)
class Observation:
    """What the witnesses say at one moment.

    Attributes:
        queue: squeue's rows of the job's name; None where squeue did not answer.
        accounting: sacct's rows; None where sacct did not answer or was not asked.
        markers: by index.
        outputs: files that are in the job directory, relative to it; None where nobody looked.
        steps: worst exit of the steps, as (code, signal), by job id and index, from squeue; None where nobody asked.
    """

    queue: tuple[QueueRow, ...] | None
    accounting: tuple[AccountingRow, ...] | None
    markers: Mapping[int, Marker]
    outputs: frozenset[str] | None = None
    steps: Mapping[tuple[str, int], tuple[int, int]] | None = None


@dataclass(frozen=True)
class TaskVerdict:
    """Judgement on one task.

    Attributes:
        outcome: what follows.
        reason: why, in words.
        state: Slurm's state, empty where nobody mentioned the task.
        permanent: whether another attempt would end the same.
        exit_code: of the program, where a marker or sacct tells.
    """

    outcome: Outcome
    reason: str
    state: str = ""
    permanent: bool = False
    exit_code: int | None = None


@dataclass(frozen=True)
class JobVerdict:
    """Judgement on a whole job.

    Attributes:
        outcome: RETRY means: run the tasks in ``rerun`` again; RESUME the same, with progress expected.
        reason: why, in words, for people.
        rerun: indices that have not succeeded and may be run again.
        counts: tasks by outcome.
        tasks: judgement by index.
        warnings: pending for a reason that never clears, held, and the like.
    """

    outcome: Outcome
    reason: str
    rerun: tuple[int, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    tasks: Mapping[int, TaskVerdict] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def succeeded(self) -> tuple[int, ...]:
        """Return the indices of the tasks that succeeded."""
        return tuple(index for index, task in self.tasks.items() if task.outcome is Outcome.SUCCEEDED)

    def failures(self) -> dict[int, str]:
        """Return the reason of each task that did not succeed, by index."""
        return {index: task.reason for index, task in self.tasks.items() if task.outcome is not Outcome.SUCCEEDED}


def judge_task(  # noqa: C901 - one case after the other, in the order of belief
    index: int,
    job_id: str | None,
    seen: Observation,
    quiet_s: float,
    patience: Patience = Patience(),
    outputs: Sequence[str] = (),
) -> TaskVerdict:
    """Judge one task.

    Args:
        index: its array index, 0 for a job that is no array.
        job_id: Slurm's id of the job or array; None where it is not known.
        seen: the witnesses' words.
        quiet_s: seconds since the job was last seen alive.
        patience: how long to wait for late witnesses.
        outputs: files that have to be there after success, relative to the job directory.
    """
    queued = _queue_state(index, job_id, seen.queue)
    booked = _booking(index, job_id, seen.accounting)
    marker = seen.markers.get(index)
    # A failure that an earlier submission left behind says nothing about this one.
    if marker is not None and marker.exit_code != 0 and job_id is not None and marker.slurm_job_id != job_id:
        marker = None

    if queued is not None and queued.state != "COMPLETING" and state_class(queued.state).active:
        waits = state_class(queued.state) is StateClass.WAITING
        why = queued.reason if waits and queued.reason not in {"", "None"} else ""
        return TaskVerdict(Outcome.WAITING if waits else Outcome.RUNNING, why or note(queued.state), queued.state)

    word = queued.state if queued is not None else booked.state if booked is not None else ""
    kind = state_class(word) if word else None

    if marker is not None and marker.exit_code == 0:
        worst = _worst_step(index, job_id, marker, seen, booked)
        if worst is None and quiet_s < patience.marker_s:
            return TaskVerdict(
                Outcome.RUNNING, "ended; waiting for Slurm to say how its steps ended", word, exit_code=0
            )
        code, signal = worst or (0, 0)
        if code or signal:
            reason = f"the script ended with 0, but one of its steps with {code}:{signal}"
            return TaskVerdict(Outcome.FAILED, reason, word, exit_code=code or _SIGNALLED + signal)
        missing = [name for name in outputs if seen.outputs is not None and name not in seen.outputs]
        if missing:
            return TaskVerdict(Outcome.LOST, f"succeeded, but {missing[0]} is missing", word, exit_code=0)
        return TaskVerdict(Outcome.SUCCEEDED, "", word or "COMPLETED", exit_code=0)

    if kind is not None and kind.active:  # COMPLETING without a marker, or sacct is behind squeue
        if queued is None and quiet_s >= patience.lost_s:
            return TaskVerdict(Outcome.LOST, f"sacct says {word}, squeue does not know it", word)
        return TaskVerdict(Outcome.RUNNING, note(word), word)

    if marker is not None:
        return _judge_failed_marker(marker, word, kind, quiet_s, patience)

    if kind is None:
        if quiet_s >= patience.marker_s and _has_siblings(job_id, seen):
            reason = "cancelled before it began: Slurm knows the rest of its array, and nothing of it"
            return TaskVerdict(Outcome.CANCELLED, reason, "CANCELLED")
        if quiet_s < patience.lost_s or seen.queue is None:
            return TaskVerdict(Outcome.WAITING, "neither squeue nor sacct mentions it")
        return TaskVerdict(Outcome.LOST, f"not in squeue, not in sacct and no marker for {quiet_s:.0f} s")
    if kind is StateClass.SUCCEEDED:
        if quiet_s < patience.marker_s:
            return TaskVerdict(Outcome.RUNNING, "ended, its marker is not there yet", word)
        return TaskVerdict(Outcome.LOST, f"Slurm says {word}, but the script's marker is missing", word)
    return _by_state(word, kind, booked)


def _worst_step(
    index: int, job_id: str | None, marker: Marker, seen: Observation, booked: AccountingRow | None
) -> tuple[int, int] | None:
    """Return how the worst step of a task ended, as (code, signal); None while Slurm may still come to say it."""
    at_once = (seen.steps or {}).get((marker.slurm_job_id, index))
    if at_once is not None and at_once != (0, 0):
        return at_once
    if booked is not None and not state_class(booked.state).active:
        return booked.derived_exit
    # Neither squeue knows it any more nor sacct yet. Of an earlier submission both were asked when it ended.
    late = seen.steps is not None and seen.accounting is not None and marker.slurm_job_id == job_id
    return None if at_once is None and late else (0, 0)


def _judge_failed_marker(
    marker: Marker, word: str, kind: StateClass | None, quiet_s: float, patience: Patience
) -> TaskVerdict:
    """Judge a task whose program ended with another code than 0."""
    code = marker.exit_code
    if code == EXIT_CONTINUE:
        return TaskVerdict(Outcome.RESUME, "wrote a checkpoint and asks to go on", word, exit_code=code)
    # A program that was killed knows only that it was; Slurm knows why.
    if kind in {StateClass.RETRY, StateClass.RESUME, StateClass.CANCELLED} or word in PERMANENT_STATES:
        return _by_state(word, kind or StateClass.FAILED, None, code)
    if code > _SIGNALLED and kind is None and quiet_s < patience.marker_s:
        return TaskVerdict(Outcome.RUNNING, "was killed; waiting for Slurm to say why", word, exit_code=code)
    where = f" on {marker.host}" if marker.host else ""
    reason = f"ended with exit code {code}{where}"
    return TaskVerdict(Outcome.FAILED, reason, word, permanent=code in EXIT_BAD_INPUT, exit_code=code)


_BY_CLASS = {
    StateClass.FAILED: Outcome.FAILED,
    StateClass.RETRY: Outcome.RETRY,
    StateClass.RESUME: Outcome.RESUME,
    StateClass.CANCELLED: Outcome.CANCELLED,
}


def _by_state(word: str, kind: StateClass, booked: AccountingRow | None, code: int | None = None) -> TaskVerdict:
    reason = f"{word}: {note(word)}" if note(word) else word
    if booked is not None and booked.exit_code != (0, 0):
        reason += f" (exit {booked.exit_code[0]}:{booked.exit_code[1]})"
        code = booked.exit_code[0] or _SIGNALLED + booked.exit_code[1]
    return TaskVerdict(_BY_CLASS[kind], reason, word, permanent=word in PERMANENT_STATES, exit_code=code)


_Row = TypeVar("_Row", QueueRow, AccountingRow)


def _rows_of(index: int, job_id: str | None, rows: Iterable[_Row] | None) -> list[_Row]:
    """Return the rows that speak of one task, the most particular ones first.

    After a cancellation squeue and sacct keep one row for all tasks that never began: ``20_[3-11]``, or the bare id
    ``20``, which in an array stands for whatever has no row of its own.
    """
    of_job = [row for row in rows or () if job_id is None or row.job_id == job_id]
    own = [row for row in of_job if row.indices == (index,)]
    ranges = [row for row in of_job if row.indices is not None and len(row.indices) > 1 and index in row.indices]
    return own + ranges + [row for row in of_job if row.indices is None]


def _queue_state(index: int, job_id: str | None, rows: tuple[QueueRow, ...] | None) -> QueueRow | None:
    return next(iter(_rows_of(index, job_id, rows)), None)


def _booking(index: int, job_id: str | None, rows: tuple[AccountingRow, ...] | None) -> AccountingRow | None:
    return next(iter(_rows_of(index, job_id, rows)), None)


def _has_siblings(job_id: str | None, seen: Observation) -> bool:
    """Tell whether both squeue and sacct answered, and sacct keeps tasks of this very array.

    A task that is cancelled while it is pending vanishes from both when the last of its siblings has begun (measured on
    22.05). One whose controller lost its memory does not: sacct goes on to call it PENDING.
    """
    if job_id is None or seen.queue is None:
        return False
    return any(row.job_id == job_id and row.indices is not None for row in seen.accounting or ())


def judge_job(
    indices: Sequence[int],
    job_id: str | None,
    seen: Observation,
    quiet_s: float,
    patience: Patience = Patience(),
    outputs: Mapping[int, Sequence[str]] | None = None,
) -> JobVerdict:
    """Judge a whole job: all indices that were ever asked for, those of earlier submissions included.

    Args:
        indices: what has to succeed; ``(0,)`` for a job that is no array.
        job_id: Slurm's id of the last submission.
        seen: the witnesses' words.
        quiet_s: seconds since the job was last seen alive.
        patience: how long to wait for late witnesses.
        outputs: files that each index has to leave, relative to the job directory.
    """
    wanted = outputs or {}
    tasks = {index: judge_task(index, job_id, seen, quiet_s, patience, wanted.get(index, ())) for index in indices}
    counts = Counter(task.outcome.value for task in tasks.values())
    by_outcome = {outcome: [i for i, task in tasks.items() if task.outcome is outcome] for outcome in Outcome}
    warnings = tuple(_warnings(seen.queue or ()))
    active = [outcome for outcome in (Outcome.RUNNING, Outcome.WAITING) if by_outcome[outcome]]
    if active:
        reason = _describe(tasks, [i for outcome in active for i in by_outcome[outcome]])
        return JobVerdict(active[0], reason, (), dict(counts), tasks, warnings)
    bad = [index for index, task in tasks.items() if task.outcome is not Outcome.SUCCEEDED]
    if not bad:
        return JobVerdict(Outcome.SUCCEEDED, f"{len(tasks)} of {len(tasks)} tasks succeeded", (), dict(counts), tasks)
    reason = _describe(tasks, bad)
    if by_outcome[Outcome.CANCELLED]:
        return JobVerdict(Outcome.CANCELLED, reason, (), dict(counts), tasks)
    if any(tasks[index].permanent for index in bad):
        return JobVerdict(Outcome.FAILED, reason, (), dict(counts), tasks)
    # The gravest outcome names the whole: a failure that may be tried again is still called a failure.
    order = (Outcome.FAILED, Outcome.LOST, Outcome.RETRY, Outcome.RESUME)
    gravest = next(outcome for outcome in order if by_outcome[outcome])
    return JobVerdict(gravest, reason, tuple(bad), dict(counts), tasks)


def _describe(tasks: Mapping[int, TaskVerdict], indices: Iterable[int]) -> str:
    """Say what is the matter with some tasks, those with the same reason together."""
    groups: dict[str, list[int]] = {}
    for index in indices:
        task = tasks[index]
        text = (
            task.reason if task.state in task.reason else f"{task.state}: {task.reason}" if task.reason else task.state
        )
        groups.setdefault(text, []).append(index)
    if len(tasks) == 1:
        return next(iter(groups), "")
    parts = [f"{len(found)} of {len(tasks)} ({format_indices(found)}): {text}" for text, found in groups.items()]
    return "; ".join(parts[:5]) + (f"; and {len(parts) - 5} more" if len(parts) > 5 else "")


def _warnings(rows: Iterable[QueueRow]) -> list[str]:
    """List what waiting does not cure: reasons that never clear, and held jobs."""
    held = {"REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
    found = {}
    for row in rows:
        stuck = row.state == "PENDING" and row.reason in STUCK_REASONS
        if stuck or row.state in held:
            found[f"job {row.job_id} is {row.state} ({row.reason}): waiting does not help, somebody has to act"] = True
    return list(found)
