"""Run a job directory on a Slurm cluster, once, without holding a worker while it waits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from sgob_airflow.slurm_hook import SlurmHook
from sgob_airflow.slurm_link import PAGE, SlurmJobLink
from sgob_airflow.slurm_trigger import TASK_ENDED, SlurmJobTrigger
from sgob_tasks.errors import AmbiguousError, PermanentError, TransientError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sgob_tasks.cluster.jobdir import Job
    from sgob_tasks.cluster.jobs import Cluster
    from sgob_tasks.cluster.ledger import JobRecord
    from sgob_tasks.cluster.progress import Progress


class SlurmJobOperator(BaseOperator):
    """Stages a job directory, submits it or adopts the job that does the same, waits, judges and fetches the results.

    A try that fails leaves everything where it is. The next one finds the job by its name: it waits for one that
    still runs, takes one that has succeeded meanwhile, and submits again only the array tasks that have not succeeded.
    Clearing the task after success does nothing new, unless ``resubmit`` is set or the job was renewed
    (``sgob jobs renew``): then all of it is done again.

    XCom: ``return_value`` has key, job id, state, tasks, generation, ``failed`` (reason by index) and the job's own
    values as they were given;
    ``batch_script`` is the script that was submitted.

    Args:
        job: what a planning task returned: ``key, kind, tasks, job_dir``, and anything that ``Job.from_dict`` takes.
        ssh_conn_id: connection to the login node, with ``host_key`` in its extra.
        resubmit: do everything again, even what succeeded; on the first try of the task and after each time it is
            cleared, not when a try is repeated. A template may say ``true`` or ``false``.
        deferral_timeout: longest time for one submission; by default for ever: Slurm has the time limit.
        allow_partial: succeed, with ``state`` partial and the reason of each lost index in ``failed``, when some tasks
            of an array have succeeded and the others fail for good.
    """

    template_fields: Sequence[str] = ("job", "ssh_conn_id", "resubmit")
    template_fields_renderers: ClassVar[dict[str, str]] = {"job": "json"}
    operator_extra_links = (SlurmJobLink(),)
    ui_color = "#e8eef7"

    def __init__(
        self,
        *,
        job: Mapping[str, Any],
        ssh_conn_id: str = SlurmHook.default_conn_name,
        resubmit: bool | str = False,
        deferral_timeout: timedelta | None = None,
        allow_partial: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.ssh_conn_id = ssh_conn_id
        self.resubmit = resubmit
        self.deferral_timeout = deferral_timeout
        self.allow_partial = allow_partial
        self._submitted_key: str | None = None

    @classmethod
    def from_job(cls, *, task_id: str, job: Any, **kwargs: Any) -> SlurmJobOperator:
        """Make a task for the job that an upstream task plans.

        Args:
            task_id: of the task.
            job: XCom of the planning task.
            kwargs: for the operator.
        """
        return cls(task_id=task_id, job=job, **kwargs)

    def execute(self, context: Context) -> Any:
        """Stage, submit or adopt; then wait without a worker."""
        with self._cluster() as cluster:
            job = self._job(context)
            record = cluster.ledger.get(job.key)
            fresh = self._fresh(context) or (record is not None and record.renewed)
            if record is not None and record.state == "succeeded" and not fresh:
                self.log.info("job %s has succeeded already", job.key)
                return self._finish(cluster, job, record)
            return self._submit(context, cluster, job, fresh=fresh)

    def _fresh(self, context: Context) -> bool:
        """Whether ``resubmit`` asks for this try: the first one, or the first since the task was cleared."""
        text = str(self.resubmit).strip().lower()
        if text not in {"true", "false", "none", ""}:
            raise AirflowFailException(f"resubmit: {self.resubmit!r} is neither true nor false")
        ti = context["ti"]
        # Clearing a task raises its last try to the present one plus its retries.
        return text == "true" and ti.try_number == max(ti.max_tries - (self.retries or 0), 0) + 1

    def _submit(self, context: Context, cluster: Cluster, job: Job, *, fresh: bool = False) -> Any:
        """Stage, submit or adopt, and defer."""
        report = cluster.stage(job, self._folder(job))
        self.log.info("staged %s: %d files sent, %d there already", job.key, report.sent, report.skipped)
        self._submitted_key = job.key
        record = cluster.submit_or_adopt(job, fresh=fresh)
        self._publish(context, cluster, job, record)
        if not record.open:
            return self._finish(cluster, job, record)
        return self._wait(cluster, job, record)

    def _wait(self, cluster: Cluster, job: Job, record: JobRecord) -> None:
        """Defer until the job has ended."""
        trigger = self._trigger(cluster, job, record)
        cluster.close()
        self._submitted_key = None
        self.defer(trigger=trigger, method_name="resume", timeout=self.deferral_timeout)

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Judge the job that ended; wait again where tasks were submitted again."""
        if event["status"] == "error":
            raise AirflowFailException(f"the job cannot be watched: {event['reason']}")
        with self._cluster() as cluster:
            job = self._job(context)
            self._submitted_key = job.key
            progress = cluster.advance(job, float(event["quiet_s"]))
            if progress.record.state == "cancelled" and progress.record.reason == TASK_ENDED:
                # A person cleared an earlier try while it waited, and this try was quicker than the cancellation.
                self.log.info("job %s was cancelled with an earlier try of this task", job.key)
                return self._submit(context, cluster, job)
            if progress.done:
                return self._end(cluster, job, progress)
            if progress.resubmitted:
                self.log.warning(
                    "%s; submitted again as %s: %s", progress.reason, progress.record.job_id, progress.resubmitted
                )
                index, generation = progress.resubmitted[0], progress.record.generation - 1
                self.log.info("end of the log of task %d:\n%s", index, cluster.log_tail(job, index, generation))
                self._publish(context, cluster, job, progress.record)
            return self._wait(cluster, job, progress.record)

    def on_kill(self) -> None:
        """Cancel the job when this process is ended by a person; while deferred the trigger does."""
        if self._submitted_key is None:
            return
        with self._cluster() as cluster:
            cluster.cancel(self._submitted_key)
            self.log.info("job %s cancelled with its task", self._submitted_key)

    @contextlib.contextmanager
    def _cluster(self) -> Iterator[Cluster]:
        """Give the cluster; errors that no further try can mend fail the task for good."""
        try:
            cluster = SlurmHook(self.ssh_conn_id).cluster()
            try:
                yield cluster
            finally:
                cluster.close()
        except PermanentError as error:
            raise AirflowFailException(str(error)) from error
        except (TransientError, AmbiguousError) as error:
            raise AirflowException(str(error)) from error

    def _job(self, context: Context) -> Job:
        from dataclasses import replace

        from sgob_tasks.cluster.jobdir import Job

        ti = context["ti"]
        mapped = ti.map_index is not None and ti.map_index >= 0
        owner = f"{ti.dag_id}/{ti.run_id}/{ti.task_id}" + (f"/{ti.map_index}" if mapped else "")
        job = Job.from_dict(self.job)
        return replace(job, owner=owner, comment=job.comment or f"sgob {owner}")

    def _folder(self, job: Job) -> Path:
        from sgob_tasks.config import load_settings

        return Path(str(self.job["job_dir"])) if "job_dir" in self.job else load_settings().jobs_dir / job.key

    def _publish(self, context: Context, cluster: Cluster, job: Job, record: JobRecord) -> None:
        """Show job and script in Airflow while the job still runs."""
        from urllib.parse import quote

        ti = context["ti"]
        url = PAGE.format(run_id=quote(ti.run_id, safe=""), key=quote(job.key, safe=""))
        code, python = str(record.details.get("code", "")), str(record.details.get("python", ""))
        values = {
            "slurm_job_id": record.job_id,
            "slurm_job": {"key": job.key, "name": job.name(record.generation), "run_dir": record.run_dir},
            "batch_script": cluster.script(job, code, record.generation, record.indices, python),
            SlurmJobLink.COPY: url,
            SlurmJobLink().xcom_key: url,
        }
        for name, value in values.items():
            ti.xcom_push(key=name, value=value)
        store = context.get("task_state_store")
        if store is not None:
            store.set("slurm_job", {"key": job.key, "job_id": record.job_id, "generation": record.generation})

    def _trigger(self, cluster: Cluster, job: Job, record: JobRecord) -> SlurmJobTrigger:
        site = cluster.site
        if record.job_id is None or record.intended_at is None:
            raise PermanentError(f"the ledger has no id for job {job.key}")
        return SlurmJobTrigger(
            ssh_conn_id=self.ssh_conn_id,
            job=job.to_dict(),
            generation=record.generation,
            job_id=record.job_id,
            run_dir=record.run_dir,
            intended_at=record.intended_at.isoformat(),
            poll_min_s=site.poll_min_s,
            poll_max_s=site.poll_max_s,
            marker_wait_s=site.marker_wait_s,
            lost_after_s=site.lost_after_s,
            command_timeout_s=site.command_timeout_s,
            log_path="" if job.array else cluster.log_path(job, record.generation, 0),
        )

    def _end(self, cluster: Cluster, job: Job, progress: Progress) -> Any:
        """Show the end of the log, then return or raise what became of the job."""
        bad = [index for index, task in progress.verdict.tasks.items() if task.exit_code != 0]
        index = bad[0] if bad else None
        self.log.info("end of the log of %s:\n%s", job.key, cluster.log_tail(job, index))
        record = progress.record
        if record.state == "succeeded":
            return self._finish(cluster, job, record)
        if self.allow_partial and job.array and progress.verdict.succeeded():
            failed = progress.verdict.failures()
            self.log.warning("%s: %d of %d tasks are lost: %s", job.key, len(failed), job.tasks, progress.reason)
            return self._finish(cluster, job, record, failed)
        # What is there of results and logs helps whoever looks for the cause.
        cluster.fetch(job, self._folder(job), ("logs", "done"))
        message = f"Slurm job {record.job_id} ({job.key}) {record.state}: {progress.reason}"
        permanent = any(task.permanent for task in progress.verdict.tasks.values())
        if permanent or record.state == "cancelled":
            raise AirflowFailException(message)
        raise AirflowException(message)

    def _finish(
        self, cluster: Cluster, job: Job, record: JobRecord, failed: Mapping[int, str] | None = None
    ) -> dict[str, Any]:
        report = cluster.fetch(job, self._folder(job))
        self.log.info("fetched %s: %d files, %d bytes", job.key, report.sent, report.size)
        return {
            **dict(self.job),
            "state": "partial" if failed else record.state,
            "failed": {str(index): reason for index, reason in (failed or {}).items()},
            "job_id": record.job_id,
            "generation": record.generation,
            "fetched": report.sent,
        }
