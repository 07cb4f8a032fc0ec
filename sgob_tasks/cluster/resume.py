"""What to do after a judgement: stop, or submit again, and which tasks. Pure; the counts live in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sgob_tasks.cluster.jobdir import Checkpoint, Job
from sgob_tasks.cluster.sites.site import TRAININGS, Site
from sgob_tasks.cluster.verdict import JobVerdict, Outcome


@dataclass(frozen=True)
class NextStep:
    """What follows a judgement.

    Attributes:
        indices: tasks to submit again; empty for none.
        reason: why it stops or goes on, in words.
        details: for the ledger: counts of failures and resubmissions, checkpoint before the next submission.
    """

    indices: tuple[int, ...]
    reason: str
    details: Mapping[str, Any]


def next_step(
    job: Job, site: Site, verdict: JobVerdict, details: Mapping[str, Any], checkpoint: Checkpoint | None
) -> NextStep:
    """Decide what follows a judgement on a job that has ended.

    A failure is tried again ``site.max_failures`` times; what was lost, preempted or cut short
    ``site.max_resubmissions`` times. A training job that was cut short goes on as often as it likes while each link
    leaves a newer checkpoint than the one before, and without progress that is a failure.

    Args:
        job: what was submitted.
        site: holds the limits.
        verdict: judgement on it.
        details: the ledger's, from earlier steps.
        checkpoint: the newest one now.
    """
    failures = int(details.get("failures", 0))
    resubmissions = int(details.get("resubmissions", 0))
    before = details.get("checkpoint")
    now = [checkpoint.name, checkpoint.modified] if checkpoint else None
    if verdict.outcome is Outcome.SUCCEEDED or not verdict.rerun:
        return NextStep((), verdict.reason, dict(details))
    progress = now is not None and now != before
    if verdict.outcome is Outcome.RESUME and job.kind in TRAININGS:
        if not progress:
            failures += 1
    elif verdict.outcome is Outcome.FAILED:
        failures += 1
    else:
        resubmissions += 1
    updated = {**details, "failures": failures, "resubmissions": resubmissions, "checkpoint": now}
    if failures > site.max_failures:
        why = "" if progress or verdict.outcome is Outcome.FAILED else ", and left no newer checkpoint"
        return NextStep((), f"{verdict.reason}{why}; {failures} failures are enough", updated)
    if resubmissions > site.max_resubmissions:
        return NextStep((), f"{verdict.reason}; submitted again {resubmissions - 1} times already", updated)
    return NextStep(verdict.rerun, verdict.reason, updated)
