"""Slurm's job states and what each of them means for us.

The table is complete for Slurm 22.05 (``man squeue``, JOB STATE CODES) and holds the words that later releases added.
A state alone never says that work succeeded (``verdict`` does, from markers): COMPLETED is only what Slurm calls a
script that ended with 0, and TIMEOUT and CANCELLED come with exit code ``0:0`` too.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum

log = logging.getLogger(__name__)


class StateClass(Enum):
    """What a Slurm state asks of whoever waits for the job."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRY = "retry"
    RESUME = "resume"
    CANCELLED = "cancelled"

    @property
    def active(self) -> bool:
        """Whether the job still lives."""
        return self in {StateClass.WAITING, StateClass.RUNNING}


@dataclass(frozen=True)
class SlurmState:
    """One of Slurm's job states.

    Attributes:
        word: long name, as ``squeue -o %T`` and ``sacct`` print it.
        code: short name of ``squeue -o %t``; None for words without one in 22.05.
        kind: what it means for us.
        note: why, or what a person has to do.
    """

    word: str
    code: str | None
    kind: StateClass
    note: str = ""


_C = StateClass
STATES: tuple[SlurmState, ...] = (
    SlurmState("BOOT_FAIL", "BF", _C.RETRY, "the node did not boot"),
    SlurmState("CANCELLED", "CA", _C.CANCELLED, "by a person, an administrator or us"),
    SlurmState("COMPLETED", "CD", _C.SUCCEEDED, "the script ended with 0; its marker has to agree"),
    SlurmState("COMPLETING", "CG", _C.RUNNING, "epilogue; the marker may be there already"),
    SlurmState("CONFIGURING", "CF", _C.WAITING, "nodes are booting"),
    SlurmState("DEADLINE", "DL", _C.FAILED, "could not end before its deadline"),
    SlurmState("FAILED", "F", _C.FAILED, "the script ended with another code than 0"),
    SlurmState("NODE_FAIL", "NF", _C.RETRY, "a node was lost"),
    SlurmState("OUT_OF_MEMORY", "OOM", _C.FAILED, "needs more memory, not more tries"),
    SlurmState("PENDING", "PD", _C.WAITING),
    SlurmState("PREEMPTED", "PR", _C.RETRY, "had to give way to another job"),
    SlurmState("REQUEUED", "RQ", _C.WAITING, "same id, new attempt"),
    SlurmState("REQUEUE_FED", "RF", _C.WAITING, "being requeued by a federation"),
    SlurmState("REQUEUE_HOLD", "RH", _C.WAITING, "held: somebody has to release it"),
    SlurmState("RESIZING", "RS", _C.RUNNING),
    SlurmState("RESV_DEL_HOLD", "RD", _C.WAITING, "held: its reservation was deleted"),
    SlurmState("REVOKED", "RV", _C.FAILED, "another cluster of the federation started it"),
    SlurmState("RUNNING", "R", _C.RUNNING),
    SlurmState("SIGNALING", "SI", _C.RUNNING),
    SlurmState("SPECIAL_EXIT", "SE", _C.WAITING, "held: requeued in a special state"),
    SlurmState("STAGE_OUT", "SO", _C.RUNNING, "burst buffer is being emptied"),
    SlurmState("STOPPED", "ST", _C.RUNNING, "stopped by a signal, keeps its processors"),
    SlurmState("SUSPENDED", "S", _C.RUNNING, "gave its processors to another job"),
    SlurmState("TIMEOUT", "TO", _C.RESUME, "reached its time limit; a checkpoint lets it go on"),
    # Flags and words of releases after 22.05.
    SlurmState("EXPEDITING", None, _C.WAITING, "requeued with priority (25.11)"),
    SlurmState("LAUNCH_FAILED", None, _C.RETRY, "could not be launched on its nodes"),
    SlurmState("POWER_UP_NODE", None, _C.WAITING, "waits for nodes to power up"),
    SlurmState("RECONFIG_FAIL", None, _C.RETRY, "a node did not change its configuration"),
)

_BY_WORD = {state.word: state for state in STATES} | {state.code: state for state in STATES if state.code}

# Failures that a second attempt with the same resources repeats.
PERMANENT_STATES = frozenset({"DEADLINE", "OUT_OF_MEMORY", "REVOKED"})

# Reasons for PENDING that never clear by waiting (man squeue, JOB REASON CODES).
STUCK_REASONS = frozenset(
    {
        "AccountNotAllowed",
        "AssocMaxWallDurationPerJobLimit",
        "BadConstraints",
        "DependencyNeverSatisfied",
        "InvalidAccount",
        "InvalidQOS",
        "JobHeldAdmin",
        "JobHeldUser",
        "PartitionNodeLimit",
        "PartitionTimeLimit",
        "QOSMaxWallDurationPerJobLimit",
        "QOSNotAllowed",
    }
)

_unknown: set[str] = set()


def canonical(word: str) -> str:
    """Return a state's long name from what Slurm printed.

    ``sacct`` prints ``CANCELLED by 1001``, and a narrow column ends in ``+``; a truncated word is completed where only
    one state fits.
    """
    first = word.split()[0].upper() if word.split() else ""
    if first in _BY_WORD:
        return _BY_WORD[first].word
    stem = first.rstrip("+")
    if stem in _BY_WORD:
        return _BY_WORD[stem].word
    fitting = [state.word for state in STATES if first.endswith("+") and stem and state.word.startswith(stem)]
    return fitting[0] if len(fitting) == 1 else stem


def state_class(word: str) -> StateClass:
    """Return the class of a state; a word nobody knows is logged once and waited for, never judged."""
    name = canonical(word)
    state = _BY_WORD.get(name)
    if state is not None:
        return state.kind
    if name not in _unknown:
        _unknown.add(name)
        log.warning("Slurm reports the unknown job state %r: taken for a running job", word)
    return StateClass.RUNNING


def note(word: str) -> str:
    """Return the remark on a state, empty where there is none."""
    state = _BY_WORD.get(canonical(word))
    return state.note if state else ""
