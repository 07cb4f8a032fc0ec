"""The life of a job: stage, submit or adopt, poll, judge, submit again what is missing, fetch, clean up.

Everything here may be called again at any time, by another process too: what was done is found in the ledger, on the
cluster and in Slurm, and is not done twice.
"""

from __future__ import annotations

import logging
import random
import shlex
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sgob_tasks.cluster import jobdir
from sgob_tasks.cluster.batch import BatchJob, render
from sgob_tasks.cluster.deploy import PACKAGE, deploy
from sgob_tasks.cluster.environments.environment import interpreter
from sgob_tasks.cluster.jobdir import RESULT_FOLDERS, Answer, Job
from sgob_tasks.cluster.ledger import JobLedger, JobRecord
from sgob_tasks.cluster.progress import LEDGER_STATE, SETTLED, Progress, judged, since_s
from sgob_tasks.cluster.resume import NextStep, next_step
from sgob_tasks.cluster.settle import account
from sgob_tasks.cluster.shell import TransferReport, Transport, repeatable
from sgob_tasks.cluster.sites.site import Site
from sgob_tasks.cluster.slurm import QueueRow, parse_queue, queue_command
from sgob_tasks.cluster.states import state_class
from sgob_tasks.cluster.submit import RefusedError, cancel, submit
from sgob_tasks.cluster.verdict import JobVerdict, Outcome, Patience, judge_job
from sgob_tasks.errors import AmbiguousError, InputError, PermanentError, TransientError

log = logging.getLogger(__name__)


class Cluster:
    """One cluster, its ledger and the way to it: all that a command or a task needs to run jobs there."""

    def __init__(
        self,
        site: Site,
        transport: Transport,
        ledger: JobLedger,
        package_root: Path = PACKAGE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.site = site
        self.transport = transport
        self.ledger = ledger
        self.package_root = package_root
        self._sleep = sleep
        self._code: str | None = None

    def close(self) -> None:
        """Give the connection back."""
        self.transport.close()

    def pause(self, seconds: float) -> None:
        """Wait."""
        self._sleep(seconds)

    def deploy(self) -> str:
        """Make sure that this platform's code is on the cluster; return its folder there."""
        self._code = deploy(self.site, self.transport, self.package_root)
        return self._code

    def stage(self, job: Job, folder: Path) -> TransferReport:
        """Write ``job.json`` into the local directory unless it is there, and copy the inputs to the cluster.

        Args:
            job: what is to be done.
            folder: local job directory, with ``input/``.
        """
        jobdir.write_job_file(folder, job)
        return jobdir.stage(self.transport, folder, self.site.job_dir(job.key))

    def script(
        self,
        job: Job,
        code: str,
        generation: int = 1,
        indices: Iterable[int] | None = None,
        python: str | None = None,
    ) -> str:
        """Return the batch script of one submission; ``python`` is its interpreter where that is not the site's."""
        site = replace(self.site, python=python or self.site.python)
        return render(job.kind, self._batch_job(job, code, generation, indices), site, job.asks(site))

    def _batch_job(self, job: Job, code: str, generation: int, indices: Iterable[int] | None = None) -> BatchJob:
        chosen = tuple(job.indices if indices is None else indices) if job.array else ()
        return BatchJob(
            name=job.name(generation),
            comment=job.comment or f"sgob {job.kind} {job.key}",
            run_dir=self.site.job_dir(job.key),
            code=code,
            generation=generation,
            indices=chosen,
        )

    def submit_or_adopt(self, job: Job, *, fresh: bool = False) -> JobRecord:
        """Submit a staged job, or find the one that does the same.

        A job that ended badly is submitted again, with the indices that have not succeeded; one that succeeded stays.

        Args:
            job: what is to be done.
            fresh: forget what was done: cancel what lives, and do everything again; as after ``renew``.

        Raises:
            PermanentError: Slurm refuses it.
            TransientError: the cluster cannot be asked now.
            AmbiguousError: not known whether it was submitted; call again.
        """
        record = self.ledger.get(job.key)
        fresh = fresh or (record is not None and record.renewed)
        if record is not None and record.tasks != job.tasks and not fresh:
            raise InputError(f"job {job.key}", "tasks", job.tasks, f"the ledger has it with {record.tasks}")
        if record is not None and fresh:
            self.cancel(job.key)
            quoted = shlex.quote(self.site.job_dir(job.key))
            command = f"cd {quoted} && rm -rf -- done/* results/* checkpoints/*"
            jobdir.check_answer(repeatable(self.transport, command))
            return self._submit(job, record.generation + 1, job.indices, {}, known_intent=False)
        if record is None:
            return self._submit(job, 1, job.indices, {}, known_intent=False)
        if record.state == "succeeded" or (record.open and record.job_id is not None):
            return record
        if record.state == "intended":
            return self._submit(job, record.generation, record.indices, record.details, known_intent=True)
        verdict = self.judge(job, record, self.observe(job, record), quiet_s=float("inf"))
        missing = tuple(i for i, task in verdict.tasks.items() if task.outcome is not Outcome.SUCCEEDED)
        if not missing:
            return self._save(record, verdict, state="succeeded")
        # Cancelled may be what the ledger says of a job that Slurm was not told of.
        cancel(self.transport, job.name(record.generation), sleep=self._sleep)
        return self._submit(job, record.generation + 1, missing, {}, known_intent=False)

    def _submit(
        self, job: Job, generation: int, indices: tuple[int, ...], details: Any, *, known_intent: bool
    ) -> JobRecord:
        now = datetime.now(UTC)
        before = self.ledger.get(job.key) if known_intent else None
        intended_at = before.intended_at if before and before.intended_at else now
        # Once for each process and connection: a folder of code never changes, and is not taken away meanwhile. The
        # interpreter is named now and not when the job starts: no switch of environments reaches a submitted job.
        code, python = self._code or self.deploy(), interpreter(self.site, self.transport)
        record = JobRecord(
            key=job.key,
            cluster=self.site.name,
            owner=job.owner,
            state="intended",
            run_dir=self.site.job_dir(job.key),
            tasks=job.tasks,
            generation=generation,
            details={**details, "indices": list(indices), "code": code, "python": python, "job": job.to_dict()},
            intended_at=intended_at,
        )
        script = self.script(job, code, generation, indices, python)
        self.ledger.save(record)
        try:
            job_id, adopted = submit(
                self.transport,
                record.run_dir,
                job.name(generation),
                generation,
                script,
                since_s(record),
                known_intent=known_intent,
                timeout_s=self.site.command_timeout_s + 60.0,
                sleep=self._sleep,
            )
        except RefusedError as error:
            self.ledger.save(replace(record, state="failed", reason=str(error), ended_at=datetime.now(UTC)))
            raise
        log.info("job %s is %s as %s", job.name(generation), "adopted" if adopted else "submitted", job_id)
        record = replace(record, state="submitted", job_id=job_id, submitted_at=datetime.now(UTC))
        self.ledger.save(record)
        return record

    def queue(self, names: Iterable[str]) -> tuple[QueueRow, ...]:
        """Ask squeue about several jobs at once; the cheap question that is asked while they live.

        Raises:
            TransientError: squeue does not answer.
        """
        result = repeatable(self.transport, queue_command(list(names)), self.site.command_timeout_s)
        jobdir.check_answer(result)
        return parse_queue(result.stdout)

    def observe(self, job: Job, record: JobRecord) -> Answer:
        """Ask all witnesses about the last submission of a job.

        Raises:
            TransientError: neither squeue nor sacct answers, or the directory cannot be read.
        """
        result = repeatable(
            self.transport,
            jobdir.observe_command(record.run_dir, job.name(record.generation), since_s(record), job.outputs or ()),
            self.site.command_timeout_s,
        )
        return jobdir.parse_answer(result)

    def judge(self, job: Job, record: JobRecord, answer: Answer, quiet_s: float) -> JobVerdict:
        """Return the verdict on what the witnesses said, with the site's patience."""
        patience = Patience(self.site.marker_wait_s, self.site.lost_after_s)
        return judge_job(job.indices, record.job_id, answer.seen, quiet_s, patience, job.leaves())

    def advance(self, job: Job, quiet_s: float) -> Progress:
        """Look at a job once and do what follows: keep waiting, judge it for good, or submit again what is missing.

        Args:
            job: a job that was submitted or adopted.
            quiet_s: seconds since squeue last showed it alive.

        Raises:
            PermanentError: the ledger does not know the job, or Slurm refuses the next submission.
            TransientError: the cluster cannot be asked now; nothing changed.
        """
        record = self.ledger.get(job.key)
        if record is None:
            raise PermanentError(f"job {job.key} was never submitted")
        if record.details.get(SETTLED) and record.state != "succeeded":
            details = {name: value for name, value in record.details.items() if name != SETTLED}
            record = replace(record, state="submitted", ended_at=None, details=details)
        if record.open and record.job_id is None:
            # The last call was broken off between the intent to submit again and the answer to it.
            record = self.submit_or_adopt(job)
            return Progress(record, JobVerdict(Outcome.WAITING, ""), record.indices, record.reason or "")
        if not record.open:
            outcome = next(o for o, state in LEDGER_STATE.items() if state == record.state)
            return Progress(record, JobVerdict(outcome, record.reason or ""), reason=record.reason or "")
        answer = self.observe(job, record)
        for trouble in answer.troubles:
            log.warning("job %s: %s", job.key, trouble)
        verdict = self.judge(job, record, answer, quiet_s)
        if verdict.outcome.active:
            return Progress(self._save(record, verdict), verdict, reason=verdict.reason)
        step = next_step(job, self.site, verdict, record.details, answer.checkpoint)
        return self._follow(job, record, verdict, step, answer)

    def _follow(self, job: Job, record: JobRecord, verdict: JobVerdict, step: NextStep, answer: Answer) -> Progress:
        if not step.indices:
            # What may not be tried any more has failed, whatever word it last had; only lost jobs stay lost.
            record = self._save(replace(record, details=step.details), verdict, reason=step.reason)
            account(self, job, record, answer)
            return Progress(record, verdict, reason=step.reason)
        log.warning("job %s: %s; %d tasks are submitted again", job.key, step.reason, len(step.indices))
        # A job that only seems lost must not run beside its successor.
        cancel(self.transport, job.name(record.generation), sleep=self._sleep)
        account(self, job, judged(record, verdict, reason=step.reason), answer)
        record = self._submit(job, record.generation + 1, step.indices, step.details, known_intent=False)
        return Progress(record, verdict, step.indices, step.reason)

    def _save(
        self, record: JobRecord, verdict: JobVerdict, *, state: str | None = None, reason: str | None = None
    ) -> JobRecord:
        updated = judged(record, verdict, state=state, reason=reason)
        if updated != record:
            self.ledger.save(updated)
        return updated

    def wait(
        self,
        job: Job,
        on_change: Callable[[Progress], None] | None = None,
        timeout_s: float | None = None,
        poll_s: float | None = None,
    ) -> Progress:
        """Submit or adopt a staged job and wait for its end, through resubmissions and outages.

        Args:
            job: what is to be done.
            on_change: told whenever state or reason change.
            timeout_s: longest time to wait; the job itself goes on.
            poll_s: fixed time between two questions; by default the site's, growing while nothing changes.

        Returns:
            where it ended; ``progress.record.state`` is succeeded, failed, cancelled or lost.

        Raises:
            TransientError: ``timeout_s`` is over.
            PermanentError: Slurm refuses the job, or the login node refuses us.
        """
        self.submit_or_adopt(job)
        started = alive_at = time.monotonic()
        interval_s = self.site.poll_min_s
        last: tuple[Any, ...] = ()
        while True:
            quiet_s = time.monotonic() - alive_at
            try:
                progress, alive = self._look(job, quiet_s)
            except (TransientError, AmbiguousError) as error:
                # An outage is no verdict: time during which nobody answers is not silence of the job.
                alive_at = time.monotonic() - quiet_s
                log.warning("job %s: %s; asking again", job.key, error)
            else:
                if alive or progress.resubmitted:
                    alive_at = time.monotonic()
                state = (progress.record.state, progress.record.generation, progress.reason)
                changed, last = state != last, state
                if changed and on_change is not None:
                    on_change(progress)
                if progress.done:
                    return progress
                interval_s = self.site.poll_min_s if changed else min(interval_s * 1.3, self.site.poll_max_s)
            if timeout_s is not None and time.monotonic() - started > timeout_s:
                raise TransientError(f"job {job.key} is not done after {timeout_s:.0f} s")
            self._sleep((poll_s or interval_s) * random.uniform(0.9, 1.1))  # noqa: S311 - jitter, no secret

    def _look(self, job: Job, quiet_s: float) -> tuple[Progress, bool]:
        """Ask squeue first, and the other witnesses only when it shows nothing alive."""
        record = self.ledger.get(job.key)
        if record is not None and record.open and record.job_id is not None:
            rows = [row for row in self.queue([job.name(record.generation)]) if row.job_id == record.job_id]
            alive = [row for row in rows if state_class(row.state).active and row.state != "COMPLETING"]
            if alive:
                running = sum(state_class(row.state) is not state_class("PENDING") for row in alive)
                done = len(record.indices) - len(alive)
                outcome = Outcome.RUNNING if running or done else Outcome.WAITING
                reason = f"{running} of {len(record.indices)} tasks run, {len(alive) - running} wait, {done} ended"
                if not running and alive[0].reason not in {"", "None"}:
                    reason = alive[0].reason
                verdict = JobVerdict(outcome, reason)
                return Progress(self._save(record, verdict), verdict, reason=reason), True
        return self.advance(job, quiet_s), False

    def cancel(self, key: str, reason: str = "cancelled by us") -> JobRecord | None:
        """Cancel a job by name, whether or not its id was ever learnt.

        Args:
            key: of the job.
            reason: for the ledger.

        Returns:
            its record afterwards; None where the ledger does not know it.
        """
        record = self.ledger.get(key)
        if record is None:
            return None
        cancel(self.transport, f"{key}.{record.generation}", sleep=self._sleep)
        if record.open:
            record = replace(record, state="cancelled", reason=reason, ended_at=datetime.now(UTC))
            self.ledger.save(record)
            if "job" in record.details:
                account(self, Job.from_dict(record.details["job"]), record)
        return record

    def renew(self, key: str) -> JobRecord | None:
        """Cancel what lives of a job, and let its next submission do everything again, even what succeeded.

        Nothing is deleted or submitted here: that is left to whoever asks for the job next.

        Args:
            key: of the job.

        Returns:
            its record afterwards; None where the ledger does not know it.

        Raises:
            TransientError: it is still alive, Slurm does not answer, or its owner went on with it meanwhile.
        """
        record = self.cancel(key, "cancelled to be submitted anew")
        if record is None or record.renewed:
            return record
        renewed = replace(record, details={**record.details, "renewed": True})
        self.ledger.save(renewed, replaces=record)
        return renewed

    def fetch(self, job: Job, folder: Path, folders: Iterable[str] = RESULT_FOLDERS) -> TransferReport:
        """Copy results, markers and logs into a local job directory."""
        return jobdir.fetch(self.transport, self.site.job_dir(job.key), folder, folders)

    def clean_up(self, key: str) -> None:
        """Delete a job's directory on the cluster.

        Raises:
            PermanentError: the job is not done.
        """
        record = self.ledger.get(key)
        if record is not None and record.open:
            raise PermanentError(f"job {key} is {record.state}: its directory is still needed")
        jobdir.remove(self.transport, self.site, key)

    def log_tail(self, job: Job, index: int | None = None, generation: int | None = None, lines: int = 40) -> str:
        """Return the end of a task's log.

        Args:
            job: whose.
            index: of the task; by default the first one of the last submission.
            generation: of the submission; by default the last one.
            lines: how many.
        """
        record = self.ledger.get(job.key)
        generation = generation or (record.generation if record is not None else 1)
        if index is None:
            index = record.indices[0] if record is not None and record.indices else 0
        path = self.log_path(job, generation, index)
        result = repeatable(self.transport, f"tail -n {int(lines)} -- {shlex.quote(path)}")
        return result.stdout if result.exit_code == 0 else f"({path}: {result.text})"

    def log_path(self, job: Job, generation: int, index: int) -> str:
        """Return the log on the cluster of one task of one submission."""
        return f"{self.site.job_dir(job.key)}/{self._batch_job(job, '', generation).log_file(index)}"
