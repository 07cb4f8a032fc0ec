"""Close the books on submissions: what they used, and how they ended where no owner will say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sgob_tasks.cluster.accounting import SubmissionUsage, ask_usage
from sgob_tasks.cluster.jobdir import Answer, Job
from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.cluster.progress import SETTLED, Progress, judged, since_s
from sgob_tasks.cluster.verdict import Outcome
from sgob_tasks.errors import PermanentError

if TYPE_CHECKING:
    from sgob_tasks.cluster.jobs import Cluster


def account(cluster: Cluster, job: Job, record: JobRecord, answer: Answer | None = None) -> SubmissionUsage | None:
    """Enter how a submission ended and what it used; missing accounting is noted and fails nothing.

    Args:
        cluster: where it ran.
        job: whose.
        record: the submission, as it ended.
        answer: what the witnesses said at its end; without it there are no markers to fall back on.

    Returns:
        its figures; None where it never had an id.
    """
    if record.job_id is None:
        return None
    # Who cancels waits for no figures: the reconciler asks for them later.
    usage = usage_of(cluster, job, record, answer, patient=answer is not None)
    cluster.ledger.end_submission(record, usage, answer.checkpoint.name if answer and answer.checkpoint else None)
    return usage


def usage_of(
    cluster: Cluster, job: Job, record: JobRecord, answer: Answer | None, *, patient: bool = False
) -> SubmissionUsage:
    """Ask what an ended submission used; keep nothing.

    Args:
        cluster: where it ran.
        job: whose.
        record: the submission; it has an id.
        answer: of the witnesses, for the markers to fall back on.
        patient: wait some seconds for a sacct that is behind.
    """
    return ask_usage(
        cluster.transport,
        job.name(record.generation),
        str(record.job_id),
        since_s(record),
        answer.seen.markers if answer else {},
        job.asks(cluster.site),
        record.submitted_at,
        cluster.site.command_timeout_s,
        cluster.pause if patient else None,
    )


def settle(cluster: Cluster, job: Job, grace_s: float) -> Progress:
    """Bring the record of a job that has left the queue up to date, for an owner who does not; submits nothing.

    An owner who comes back after all goes on as if nothing had been judged: ``advance`` looks again.

    Args:
        cluster: where it ran.
        job: a job that squeue no longer shows alive.
        grace_s: a job that ended more recently is left to its owner.

    Raises:
        PermanentError: the ledger does not know the job as submitted.
        TransientError: the cluster cannot be asked now, or the owner was quicker; nothing changed.
    """
    record = cluster.ledger.get(job.key)
    if record is None or record.job_id is None:
        raise PermanentError(f"job {job.key} was never submitted")
    answer = cluster.observe(job, record)
    usage = usage_of(cluster, job, record, answer)
    now = datetime.now(UTC)
    silent = answer.seen.accounting is None
    # Without any time of its end only the age of the submission bounds its silence; and only where sacct answers.
    quiet_since = usage.ended_at or (now if silent else record.submitted_at or now)
    quiet_s = (now - quiet_since).total_seconds()
    verdict = cluster.judge(job, record, answer, quiet_s)
    unsure = silent and verdict.outcome is Outcome.LOST
    if not record.open or quiet_s < grace_s or verdict.outcome.active or unsure:
        return Progress(record, verdict, reason=verdict.reason)
    settled = judged(replace(record, details={**record.details, SETTLED: True}), verdict)
    cluster.ledger.save(settled, replaces=record)
    record = settled
    cluster.ledger.end_submission(record, usage, answer.checkpoint.name if answer.checkpoint else None)
    return Progress(record, verdict, reason=verdict.reason)
