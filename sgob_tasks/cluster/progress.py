"""Where a job stands: what a look at it has found, and how a judgement is entered in its record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.cluster.verdict import JobVerdict, Outcome

_LOOK_BACK_S = 3600.0
SETTLED = "settled"
"""In a record's details: it was judged by somebody who is not its owner (``settle``)."""
LEDGER_STATE = {
    Outcome.WAITING: "submitted",
    Outcome.RUNNING: "running",
    Outcome.SUCCEEDED: "succeeded",
    Outcome.FAILED: "failed",
    Outcome.RETRY: "failed",
    Outcome.RESUME: "failed",
    Outcome.CANCELLED: "cancelled",
    Outcome.LOST: "lost",
}


@dataclass(frozen=True)
class Progress:
    """Where a job stands after one look.

    Attributes:
        record: the ledger's record now.
        verdict: judgement on the submission that was looked at.
        resubmitted: indices that were submitted again because of it.
        reason: why it stopped or goes on.
    """

    record: JobRecord
    verdict: JobVerdict
    resubmitted: tuple[int, ...] = ()
    reason: str = ""

    @property
    def done(self) -> bool:
        """Whether there is nothing to wait for any more."""
        return not self.record.open


def judged(record: JobRecord, verdict: JobVerdict, *, state: str | None = None, reason: str | None = None) -> JobRecord:
    """Return a record with a judgement in it."""
    words = sorted({task.state for task in verdict.tasks.values() if task.state})
    updated = replace(
        record,
        state=state or LEDGER_STATE[verdict.outcome],
        slurm_state=", ".join(words) or record.slurm_state,
        reason=reason if reason is not None else verdict.reason,
        details={**record.details, "counts": dict(verdict.counts)},
    )
    return replace(updated, ended_at=datetime.now(UTC)) if not updated.open and updated.ended_at is None else updated


def since_s(record: JobRecord) -> float:
    """Return how far sacct has to look back for a record's submission.

    The intent may have been written by a machine whose clock is ahead of ours: then it seems to lie in the future.
    """
    intended = record.intended_at or datetime.now(UTC)
    return abs((datetime.now(UTC) - intended).total_seconds()) + _LOOK_BACK_S
