"""Background services of the sandbox: started apart from this process, known by pid file, stopped as a group."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sgob_tasks.errors import PermanentError


@dataclass(frozen=True)
class Service:
    """One program that runs in the background.

    Attributes:
        name: of its pid and log files.
        command: program and arguments.
        folder: where pid and log files are.
        environment: added to this process's environment.
    """

    name: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def pid_file(self) -> Path:
        """File that holds the process id and the kernel's start time of the process."""
        return self.folder / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        """Where standard output and error go."""
        return self.folder / f"{self.name}.log"

    def pid(self) -> int | None:
        """Return the process id while the service runs, else None.

        A pid alone is not believed: after a reboot another program may have it, so the start time has to agree too.
        """
        try:
            pid_text, start = self.pid_file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid_text) if start_time(int(pid_text)) == start else None

    def start(self) -> int:
        """Start the service unless it runs; return its process id."""
        pid = self.pid()
        if pid is not None:
            return pid
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        started = start_time(process.pid)
        self.pid_file.write_text(f"{process.pid} {started}\n")
        return process.pid

    def stop(self, grace_s: float = 20.0) -> bool:
        """End the service and all it started; return whether there was anything to end."""
        pid = self.pid()
        if pid is None:
            return False
        for sig, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, sig)
            if _wait(lambda: not group_alive(pid), wait_s):
                break
        self.pid_file.unlink(missing_ok=True)
        return True

    def wait_healthy(self, healthy: Callable[[], bool], timeout_s: float) -> None:
        """Wait until ``healthy`` says yes.

        Raises:
            PermanentError: the service ended or did not get healthy in time; the message shows the log's end.
        """
        ended = False

        def check() -> bool:
            nonlocal ended
            ended = self.pid() is None
            return ended or healthy()

        if not _wait(check, timeout_s) or ended:
            tail = "\n".join(self.log_file.read_text(errors="replace").splitlines()[-15:])
            what = "ended" if ended else f"was not healthy after {timeout_s:.0f} s"
            raise PermanentError(f"{self.name} {what}; end of {self.log_file}:\n{tail}")


def start_time(pid: int) -> str | None:
    """Return the kernel's start time of a process (clock ticks since boot), None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]


def group_alive(group: int) -> bool:
    """Tell whether any process of a process group lives; zombies do not count."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] not in {"Z", "X"}:
            return True
    return False


def _wait(condition: Callable[[], bool], timeout_s: float, interval_s: float = 0.2) -> bool:
    deadline = time.monotonic() + timeout_s
    while True:
        if condition():
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval_s)


def free_port(preferred: int) -> int:
    """Return ``preferred`` where nothing listens on it, else a port that the system chooses."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise PermanentError("no free port on the loopback address")


def answers(port: int) -> bool:
    """Tell whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
