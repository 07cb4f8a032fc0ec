"""Asks the cluster for the pages, without ever holding up Airflow's API server, in which they live.

Everything is asynchronous, over one connection for all viewers, which is given back when nobody looks any more. A page
waits for an answer a moment only; after that it shows what was said last, and why there is nothing newer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sgob_airflow.common import CLUSTER_CONNECTION
from sgob_airflow.slurm_hook import ClusterPoller
from sgob_tasks.cluster.look import JobLook, log_command, look_command, parse_look, readable
from sgob_tasks.errors import PermanentError, SgobError, TransientError
from sgob_tasks.report.cluster_page import Live

if TYPE_CHECKING:
    from sgob_tasks.cluster.ledger import JobRecord
    from sgob_tasks.cluster.shell import CommandResult

log = logging.getLogger(__name__)

FRESH_S = 5.0
"""An answer that is no older is shown again: how often a page may be loaded is not what the login node has to bear."""
RETRY_S = 15.0
"""After a failure nothing is asked for as long: login nodes throw eager clients out."""
TIMEOUT_S = 15.0
IDLE_S = 120.0
MAX_JOBS = 30
MAX_LOGS = 64


class ClusterWatch:
    """What the cluster says, asked on demand: one question at a time, and one connection.

    Args:
        ssh_conn_id: Airflow connection to the login node.
        timeout_s: for one question, the connection included.
        fresh_s: an answer that is no older is used again.
        retry_s: pause after a failure.
        idle_s: the connection is given back after as long without a question.
    """

    def __init__(
        self,
        ssh_conn_id: str = CLUSTER_CONNECTION,
        timeout_s: float = TIMEOUT_S,
        fresh_s: float = FRESH_S,
        retry_s: float = RETRY_S,
        idle_s: float = IDLE_S,
    ) -> None:
        self.ssh_conn_id = ssh_conn_id
        self._timeout_s, self._fresh_s, self._retry_s, self._idle_s = timeout_s, fresh_s, retry_s, idle_s
        self._poller: ClusterPoller | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._looks: dict[str, JobLook] = {}
        self._asked: frozenset[tuple[str, int]] = frozenset()
        self._asked_at = self._failed_at = float("-inf")
        self._answered: datetime | None = None
        self._trouble: str | None = None
        self._logs: dict[str, tuple[float, asyncio.Task[str]]] = {}
        self.questions = 0

    def close(self) -> None:
        """Give the connection back; the next question opens a new one."""
        poller, self._poller = self._poller, None
        if poller is not None:
            poller.close()

    async def look(self, records: Sequence[JobRecord], wait_s: float) -> Live:
        """Return what is known about jobs.

        Args:
            records: open jobs, the most interesting first; of very many the first ones are asked about.
            wait_s: for an answer; the question goes on, and the next call has its answer.
        """
        records = [record for record in records if record.state != "intended" or record.job_id][:MAX_JOBS]
        if not records:
            return Live()
        now = time.monotonic()
        wanted = frozenset((record.key, record.generation) for record in records)
        stale = now - self._asked_at > self._fresh_s or not wanted <= self._asked
        trouble = self._trouble
        if self._asking is None and stale and now - self._failed_at > self._retry_s:
            self._asking = asyncio.create_task(self._look(records))
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=wait_s)
            trouble = self._trouble
            if self._asking is not None and trouble is None and time.monotonic() - self._asked_at > 2 * self._fresh_s:
                trouble = f"it has not answered within {wait_s:g} s; the next loading of this page may have its answer"
        known = {record.key: self._looks[record.key] for record in records if record.key in self._looks}
        return Live(known, self._answered, trouble, {record.key for record in records})

    async def log(self, record: JobRecord, generation: int, index: int | None) -> str:
        """Return the end of a log: name in the first line, then its lines.

        Args:
            record: the job.
            generation: of the submission.
            index: of the array task; None for the log that was written last.

        Raises:
            PermanentError: there is no such log, or the login node refuses us.
            TransientError: the cluster cannot be asked now.
        """
        command = log_command(record, generation, index)
        now = time.monotonic()
        self._logs = {key: kept for key, kept in self._logs.items() if now - kept[0] <= self._fresh_s}
        if command not in self._logs:
            if len(self._logs) >= MAX_LOGS:
                raise TransientError("too many logs are being read at the moment")
            self._logs[command] = (now, asyncio.create_task(self._log(command)))
        # Shielded: one of several readers who goes away does not take the answer from the others.
        return await asyncio.shield(self._logs[command][1])

    async def _log(self, command: str) -> str:
        result = await self._run(command)
        if result.exit_code != 0:
            raise PermanentError(f"there is no such log: {readable(result.text)[-300:]}")
        name, _, text = result.stdout.lstrip("\n").partition("\n")
        if not name.strip():
            raise PermanentError("this submission has no log yet")
        return f"{name.removeprefix('logs/')}\n\n{readable(text)}\n"

    async def _look(self, records: Sequence[JobRecord]) -> None:
        try:
            result = await self._run(look_command(records))
            looks = parse_look(result, records)
            if not looks:
                raise TransientError(f"no answer: {readable(result.text)[-300:] or result.exit_code}")
        except SgobError as error:
            self._trouble, self._failed_at = str(error), time.monotonic()
        else:
            self._looks, self._trouble = looks, None
            self._asked = frozenset((record.key, record.generation) for record in records)
            self._asked_at, self._answered = time.monotonic(), datetime.now(UTC)
        finally:
            self._asking = None

    async def _run(self, command: str) -> CommandResult:
        """Run a command that only reads.

        Raises:
            TransientError: no connection, or no answer in time.
            PermanentError: the login node refuses us, or the connection is not configured.
        """
        self.questions += 1
        poller = self._poller = self._poller or ClusterPoller(self.ssh_conn_id)
        self._close_when_idle()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await poller.run(command, self._timeout_s)
        except TimeoutError as error:
            self._drop(poller)
            raise TransientError(f"no answer within {self._timeout_s:g} s") from error
        except SgobError:
            # A new poller has no pauses of its own: the pauses here are enough.
            self._drop(poller)
            raise
        except Exception as error:
            # Whatever Airflow and the libraries raise for a connection that is missing or cannot be read.
            self._drop(poller)
            log.warning("the cluster cannot be asked", exc_info=True)
            raise PermanentError(f"connection {self.ssh_conn_id}: {type(error).__name__}: {error}") from error

    def _drop(self, poller: ClusterPoller) -> None:
        poller.close()
        if self._poller is poller:
            self._poller = None

    def _close_when_idle(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
        self._closing = asyncio.get_running_loop().call_later(self._idle_s, self.close)
