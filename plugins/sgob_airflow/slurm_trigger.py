"""Waits for a Slurm job without a worker: asks squeue while the job lives, and the other witnesses when it does not."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from sgob_airflow.slurm_hook import ClusterPoller
from sgob_tasks.errors import PermanentError, TransientError

FIRST_EVENT_S = 5.0
"""No event before: a task resumed before the scheduler has seen it leave its worker is marked failed (Airflow 3.3)."""

LOG_EVERY_S = 10.0
LONGEST_LINE = 300
ON_KILL_TIMEOUT_S = 20.0
TASK_ENDED = "its task was ended by a person"


class SlurmJobTrigger(BaseTrigger):
    """Fires once, when the job has ended or nothing can be learnt about it.

    The event is ``{"status": "ended" | "error", "reason": str, "quiet_s": float}``. The trigger changes nothing: the
    operator looks once more and acts, so that a trigger that runs twice does no harm.

    Args:
        ssh_conn_id: connection to the login node.
        job: the job, as ``Job.to_dict`` writes it.
        generation: number of the submission to wait for.
        job_id: Slurm's id of it.
        run_dir: the job's directory on the cluster.
        intended_at: when it was submitted, ISO 8601.
        poll_min_s: shortest time between two questions.
        poll_max_s: longest; the time grows while nothing changes.
        marker_wait_s: how late the file system may show a marker.
        lost_after_s: how long the job may be missing everywhere.
        command_timeout_s: for one question.
        log_path: log on the cluster that is shown while the job runs; empty for none.
    """

    def __init__(
        self,
        ssh_conn_id: str,
        job: dict[str, Any],
        generation: int,
        job_id: str,
        run_dir: str,
        intended_at: str,
        poll_min_s: float,
        poll_max_s: float,
        marker_wait_s: float,
        lost_after_s: float,
        command_timeout_s: float,
        log_path: str = "",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's is not typed
        self.ssh_conn_id = ssh_conn_id
        self.job = job
        self.generation = generation
        self.job_id = job_id
        self.run_dir = run_dir
        self.intended_at = intended_at
        self.poll_min_s = poll_min_s
        self.poll_max_s = poll_max_s
        self.marker_wait_s = marker_wait_s
        self.lost_after_s = lost_after_s
        self.command_timeout_s = command_timeout_s
        self.log_path = log_path

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        names = (
            "ssh_conn_id",
            "job",
            "generation",
            "job_id",
            "run_dir",
            "intended_at",
            "poll_min_s",
            "poll_max_s",
            "marker_wait_s",
            "lost_after_s",
            "command_timeout_s",
            "log_path",
        )
        return f"{__name__}.SlurmJobTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the job and yield one event."""
        poller = ClusterPoller.shared(self.ssh_conn_id)
        name = f"{self.job['key']}.{self.generation}"
        poller.watch(name)
        try:
            yield TriggerEvent(await self._wait(poller, name))  # type: ignore[no-untyped-call]  # Airflow's is not typed
        finally:
            poller.unwatch(name)

    async def _wait(self, poller: ClusterPoller, name: str) -> dict[str, Any]:
        alive_at = time.monotonic()
        interval_s = self.poll_min_s
        said = ""
        await asyncio.sleep(max(self.poll_min_s, FIRST_EVENT_S) * random.uniform(1.0, 1.2))  # noqa: S311 - jitter
        while True:
            quiet_s = time.monotonic() - alive_at
            try:
                alive, now = await self._ask(poller, name, quiet_s)
            except TransientError as error:
                # An outage is no verdict: time during which nobody answers is not silence of the job.
                alive_at = time.monotonic() - quiet_s
                alive, now = True, f"cannot be asked: {error}"
            except PermanentError as error:
                return {"status": "error", "reason": str(error), "quiet_s": 0.0}
            else:
                if alive is None:
                    return {"status": "ended", "reason": now, "quiet_s": quiet_s}
                if alive:
                    alive_at = time.monotonic()
                running = alive and not now.startswith("0 running")
                if running and self.log_path:
                    await self._show_log(poller, name)
            if now != said:
                self.log.info("Slurm job %s (%s): %s", self.job_id, name, now)
                said, interval_s = now, self.poll_min_s
            else:
                interval_s = min(interval_s * 1.3, self.poll_max_s)
            await asyncio.sleep(interval_s * random.uniform(0.9, 1.1))  # noqa: S311 - jitter

    async def _ask(self, poller: ClusterPoller, name: str, quiet_s: float) -> tuple[bool | None, str]:
        """Look once.

        Returns:
            True while squeue shows it alive, False while its end is not certain, None when it can be judged; and what
            to say about it.
        """
        from sgob_tasks.cluster.states import StateClass, state_class

        rows = await poller.queue(name, self.poll_min_s * 0.9, self.command_timeout_s)
        alive = [
            row
            for row in rows
            if row.job_id == self.job_id and row.state != "COMPLETING" and state_class(row.state).active
        ]
        if alive:
            running = sum(state_class(row.state) is StateClass.RUNNING for row in alive)
            waiting = len(alive) - running
            why = sorted({row.reason for row in alive if state_class(row.state) is StateClass.WAITING} - {"", "None"})
            return True, f"{running} running, {waiting} waiting" + (f" ({', '.join(why)})" if why else "")
        verdict = await self._judge(poller, name, quiet_s)
        return (False if verdict.outcome.active else None), verdict.reason

    async def _show_log(self, poller: ClusterPoller, name: str) -> None:
        """Copy what the job has written since the last look into the task's log."""
        try:
            text = await poller.log(name, self.log_path, max(LOG_EVERY_S, self.poll_min_s), self.command_timeout_s)
        except (TransientError, PermanentError) as error:
            self.log.info("log of %s cannot be read now: %s", name, error)
            return
        for line in text.splitlines():
            if line.strip():
                self.log.info("| %s", line[:LONGEST_LINE])

    async def _judge(self, poller: ClusterPoller, name: str, quiet_s: float) -> Any:
        """Ask all witnesses and judge, with the same functions that the worker uses."""
        from sgob_tasks.cluster.jobdir import Job, observe_command, parse_answer
        from sgob_tasks.cluster.verdict import Patience, judge_job

        job = Job.from_dict(self.job)
        intended = datetime.fromisoformat(self.intended_at)
        # The worker's clock, which wrote the time, may be ahead of this one.
        since_s = abs((datetime.now(intended.tzinfo) - intended).total_seconds()) + 3600.0
        command = observe_command(self.run_dir, name, since_s, job.outputs or ())
        answer = parse_answer(await poller.run(command, self.command_timeout_s))
        patience = Patience(self.marker_wait_s, self.lost_after_s)
        return judge_job(job.indices, self.job_id, answer.seen, quiet_s, patience, job.leaves())

    async def on_kill(self) -> None:
        """Cancel the job when a person ends the waiting task; not called when a triggerer restarts."""
        work = asyncio.create_task(self._cancel_job())
        # Airflow 3.3 cancels this call again, and without a word, in each round of its loop, a second apart.
        while not work.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({work})
        work.result()

    async def _cancel_job(self) -> None:
        from sgob_tasks.cluster.slurm import cancel_command

        name = f"{self.job['key']}.{self.generation}"
        # The ledger first: a new try of the task must not take the dying job for one that it can wait for.
        await asyncio.to_thread(self._note_cancelled)
        poller = ClusterPoller(self.ssh_conn_id)
        try:
            result = await poller.run(cancel_command(name), ON_KILL_TIMEOUT_S)
        finally:
            poller.close()
        self.log.info("Slurm job %s (%s) cancelled with its task: exit %d", self.job_id, name, result.exit_code)

    def _note_cancelled(self) -> None:
        from dataclasses import replace
        from datetime import UTC

        from sgob_tasks.store.engine import open_store
        from sgob_tasks.store.jobs import StoreLedger

        ledger = StoreLedger(open_store())
        record = ledger.get(self.job["key"])
        if record is not None and record.open and record.generation == self.generation:
            ledger.save(replace(record, state="cancelled", reason=TASK_ENDED, ended_at=datetime.now(UTC)))
