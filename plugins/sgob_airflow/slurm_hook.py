"""A Slurm cluster behind an Airflow SSH connection: for workers with paramiko, for triggers with asyncssh.

Host, user and key come from the connection; its extra holds ``host_key``, so that only the login node we know is talked
to. Everything about Slurm itself is in ``sgob_tasks.cluster``.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.ssh.hooks.ssh import SSHHook, SSHHookAsync
from airflow.sdk import BaseHook

from sgob_tasks.errors import InputError, PermanentError, TransientError

if TYPE_CHECKING:
    import asyncssh
    from paramiko import SSHClient

    from sgob_tasks.cluster.jobs import Cluster
    from sgob_tasks.cluster.shell import CommandResult
    from sgob_tasks.cluster.sites.site import Site
    from sgob_tasks.cluster.slurm import QueueRow
    from sgob_tasks.config import Settings

log = logging.getLogger(__name__)
# Both libraries log every channel of every question at INFO, which would bury what a task has to say.
for _library in ("asyncssh", "paramiko"):
    logging.getLogger(_library).setLevel(logging.WARNING)

CONNECT_TIMEOUT_S = 60.0
RECONNECT_MAX_S = 60.0


class SlurmHook(BaseHook):
    """Gives a worker the configured cluster, reached through an SSH connection of Airflow's.

    Args:
        ssh_conn_id: connection of type ``ssh``, with ``host_key`` in its extra.
    """

    conn_name_attr = "ssh_conn_id"
    default_conn_name = "sgob_cluster"
    hook_name = "Slurm over SSH"

    def __init__(self, ssh_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.ssh_conn_id = ssh_conn_id

    def cluster(self, settings: Settings | None = None) -> Cluster:
        """Return the cluster; nothing is connected yet.

        Raises:
            InputError: the connection has no ``host_key``, the site is not configured, or its transfer host's key is
                not known.
        """
        from sgob_tasks.cluster.connect import configured_site
        from sgob_tasks.cluster.jobs import Cluster
        from sgob_tasks.cluster.transport import SshTransport
        from sgob_tasks.config import load_settings
        from sgob_tasks.store.engine import open_store
        from sgob_tasks.store.jobs import StoreLedger

        settings = settings or load_settings()
        # cmd_timeout is the provider's limit for its own way of running commands, which is not used here.
        ssh = SSHHook(ssh_conn_id=self.ssh_conn_id, cmd_timeout=None, conn_retry_attempts=1)
        if ssh.host_key is None:
            raise InputError(
                f"connection {self.ssh_conn_id}", "extra.host_key", None, "is missing: the login node has to be pinned"
            )
        site = configured_site(settings)
        transport = SshTransport(ssh.get_conn, files=self._transfer(site), root=site.root)
        return Cluster(site, transport, StoreLedger(open_store(settings)))

    def _transfer(self, site: Site) -> Callable[[], SSHClient] | None:
        """Return what connects to the site's transfer host, with account and key of the connection; None without one.

        Raises:
            InputError: the transfer host's key is not known.
        """
        from sgob_tasks.cluster.connect import check_transfer_key

        if not site.transfer_host:
            return None
        host_key = check_transfer_key(site)
        hook = SSHHook(
            ssh_conn_id=self.ssh_conn_id,
            remote_host=site.transfer_host,
            port=site.transfer_port,
            cmd_timeout=None,
            conn_retry_attempts=1,
        )
        # The connection's host_key is the login node's; the transfer host has its own.
        hook.host_key = host_key
        hook.no_host_key_check = hook.allow_host_key_change = False
        return hook.get_conn


class ClusterPoller:
    """One connection and one question at a time for all triggers of a triggerer that watch the same cluster.

    A login node that is asked by every waiting task for itself throws its clients out. So the triggers of one process
    share a connection, and one squeue answers for the jobs of all of them; who asks within ``fresh_s`` of the last
    answer gets that one.
    """

    # By event loop, then connection id: a poller must not outlive its loop.
    _pollers: ClassVar[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, ClusterPoller]]] = (
        weakref.WeakKeyDictionary()
    )

    def __init__(self, ssh_conn_id: str) -> None:
        self.ssh_conn_id = ssh_conn_id
        self._connection: asyncssh.SSHClientConnection | None = None
        self._connecting = asyncio.Lock()
        self._asking = asyncio.Lock()
        self._failures = 0
        self._not_before = 0.0
        self._names: dict[str, int] = {}
        self._logs: dict[str, tuple[str, int]] = {}  # path and bytes read, by job name
        self._unread: dict[str, str] = {}
        self._logs_read_at = float("-inf")
        self._answered: tuple[float, frozenset[str], tuple[QueueRow, ...]] = (float("-inf"), frozenset(), ())
        self.questions = 0

    @classmethod
    def shared(cls, ssh_conn_id: str) -> ClusterPoller:
        """Return the poller of this event loop and connection."""
        pollers = cls._pollers.setdefault(asyncio.get_running_loop(), {})
        return pollers.setdefault(ssh_conn_id, cls(ssh_conn_id))

    def watch(self, name: str) -> None:
        """Include a job name in the questions."""
        self._names[name] = self._names.get(name, 0) + 1

    def unwatch(self, name: str) -> None:
        """Leave a job name out again; with the last one the connection is closed."""
        count = self._names.get(name, 0) - 1
        if count > 0:
            self._names[name] = count
        else:
            self._names.pop(name, None)
            self._logs.pop(name, None)
            self._unread.pop(name, None)
        if not self._names:
            self.close()

    def close(self) -> None:
        """Give the connection back; the next question opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def run(self, command: str, timeout_s: float) -> CommandResult:
        """Run a command that may as well run twice.

        Raises:
            TransientError: no connection, or no answer in time.
            PermanentError: the login node refuses us, or is not the one we know.
        """
        import asyncssh

        from sgob_tasks.cluster.shell import CommandResult

        connection = await self._connected()
        try:
            result = await asyncio.wait_for(connection.run(command, check=False, errors="replace"), timeout_s)
        except (OSError, asyncssh.Error, TimeoutError) as error:
            self.close()
            raise TransientError(f"the connection broke during a question: {error!r}") from error
        if result.exit_status is None or result.exit_status < 0:
            raise TransientError("the connection closed before the answer")
        return CommandResult(result.exit_status, str(result.stdout or ""), str(result.stderr or ""))

    async def _connected(self) -> asyncssh.SSHClientConnection:
        import asyncssh

        async with self._connecting:
            if self._connection is not None and not self._connection.is_closed():
                return self._connection
            # Jittered, growing pauses: after an outage all triggerers come back at once.
            await asyncio.sleep(max(self._not_before - time.monotonic(), 0.0))
            try:
                hook: Any = SSHHookAsync(self.ssh_conn_id)  # the provider's method is not typed
                connection: asyncssh.SSHClientConnection = await asyncio.wait_for(hook.get_conn(), CONNECT_TIMEOUT_S)
            except (asyncssh.PermissionDenied, asyncssh.HostKeyNotVerifiable, asyncssh.KeyImportError) as error:
                raise PermanentError(f"the login node refuses us, or is not the one we know: {error}") from error
            except (OSError, asyncssh.Error, TimeoutError) as error:
                self._failures += 1
                pause_s = min(2.0**self._failures, RECONNECT_MAX_S) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
                self._not_before = time.monotonic() + pause_s
                raise TransientError(f"no connection to the login node: {error!r}") from error
            self._failures = 0
            self._connection = connection
            return connection

    async def queue(self, name: str, fresh_s: float, timeout_s: float) -> tuple[QueueRow, ...]:
        """Return squeue's rows of a watched job name, no older than ``fresh_s``.

        Raises:
            TransientError: no connection, or squeue does not answer.
            PermanentError: the login node or Slurm refuse us.
        """
        from sgob_tasks.cluster.jobdir import check_answer
        from sgob_tasks.cluster.slurm import parse_queue, queue_command

        async with self._asking:
            asked_at, names, rows = self._answered
            if name not in names or time.monotonic() - asked_at > fresh_s:
                names = frozenset(self._names) | {name}
                result = await self.run(queue_command(sorted(names)), timeout_s)
                check_answer(result)
                rows = parse_queue(result.stdout)
                self._answered = (time.monotonic(), names, rows)
                self.questions += 1
        return _named(rows, name)

    async def log(self, name: str, path: str, fresh_s: float, timeout_s: float) -> str:
        """Return what has been added to a job's log since the last call; one question reads on in all followed logs.

        Args:
            name: of a watched job.
            path: of its log on the cluster.
            fresh_s: no new question when the last one is no older.
            timeout_s: for the question.

        Raises:
            TransientError: no connection, or no answer in time.
            PermanentError: the login node refuses us.
        """
        from sgob_tasks.cluster.follow import follow_command, parse_follow

        async with self._asking:
            if name not in self._logs or time.monotonic() - self._logs_read_at > fresh_s:
                self._logs.setdefault(name, (path, 0))
                names = sorted(self._logs)
                result = await self.run(follow_command([self._logs[one] for one in names]), timeout_s)
                for one, piece in zip(names, parse_follow(result, len(names)), strict=True):
                    if piece is not None and one in self._logs:
                        self._logs[one] = (self._logs[one][0], piece.size)
                        self._unread[one] = self._unread.get(one, "") + piece.text + ("\n" if piece.text else "")
                self._logs_read_at = time.monotonic()
            return self._unread.pop(name, "")


def _named(rows: Iterable[QueueRow], name: str) -> tuple[QueueRow, ...]:
    return tuple(row for row in rows if row.name == name)
