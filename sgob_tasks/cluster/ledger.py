"""The ledger of jobs: what was meant to be submitted, and what became of it. Written before and after every effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sgob_tasks.cluster.accounting import SubmissionUsage

OPEN_STATES = frozenset({"intended", "submitted", "running"})
COMMAND_LINE = "sgob"
"""First part of the owner ``sgob/run/command`` of a job that no Airflow task waits for."""


@dataclass(frozen=True)
class JobRecord:
    """One job as the ledger knows it.

    Attributes:
        key: of the job.
        cluster: name of the site.
        owner: who waits for it.
        state: intended, submitted, running, succeeded, failed, cancelled or lost.
        run_dir: directory on the cluster.
        tasks: how many indices have to succeed in all.
        generation: number of the last submission, from 1.
        job_id: Slurm's id of the last submission; None until it is known.
        slurm_state: Slurm's own word, last seen.
        reason: why it stands as it does.
        details: indices of the last submission, failures so far, checkpoint before it, and the like.
        intended_at: when the last submission was intended.
        submitted_at: when its id was learnt.
        ended_at: when it was judged.
    """

    key: str
    cluster: str
    owner: str
    state: str
    run_dir: str
    tasks: int = 1
    generation: int = 1
    job_id: str | None = None
    slurm_state: str | None = None
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    intended_at: datetime | None = None
    submitted_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it has not been judged for good."""
        return self.state in OPEN_STATES

    @property
    def indices(self) -> tuple[int, ...]:
        """Indices of the last submission."""
        return tuple(self.details.get("indices", range(self.tasks)))

    @property
    def renewed(self) -> bool:
        """Whether the next submission has to do everything again, even what succeeded (``Cluster.renew``)."""
        return bool(self.details.get("renewed"))


class JobLedger(Protocol):
    """Where job records are kept."""

    def get(self, key: str) -> JobRecord | None:
        """Return a job's record, None where there is none."""

    def save(self, record: JobRecord, replaces: JobRecord | None = None) -> None:
        """Write a record over the one with the same key.

        Args:
            record: what is to be kept.
            replaces: write only over a record with the state and generation of this one.

        Raises:
            TransientError: somebody else has taken the job to a later generation meanwhile, or changed it.
        """

    def open_records(self, cluster: str) -> Sequence[JobRecord]:
        """Return the records of a cluster that are open, oldest first."""

    def unaccounted(self, cluster: str, since: datetime) -> Sequence[JobRecord]:
        """Return submissions that ended since then and whose figures are not from sacct, as they were when they ended.

        Of each job all submissions are there, not only the last one; ``details`` is the job's.
        """

    def end_submission(self, record: JobRecord, usage: SubmissionUsage, checkpoint: str | None = None) -> None:
        """Enter how a submission ended and what it used; the job's own record stays as it is.

        Args:
            record: the submission: key, generation, and how it ended.
            usage: figures.
            checkpoint: newest one when it ended.
        """
