"""A real Slurm with accounting and an SSH login node on this machine: no systemd, no cgroups, nothing below /etc.

Each daemon runs in the foreground as one service of the sandbox, with its files below one state folder. What the
recipe has to get right, measured with Debian 12's Slurm 22.05:

* several ``slurmd`` on one host: ``-N name``, own ports, ``SlurmdParameters=config_overrides``;
* slurmdbd finds MariaDB's socket through ``MYSQL_UNIX_PORT``; there is no such option in its own configuration;
* sshd without PAM refuses an account whose password field is ``!``, keys or not;
* ``/run/sshd`` has to exist: it is compiled into sshd, and the only thing made outside the state folder.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.sandbox.processes import Service, start_time
from sgob_tasks.sandbox.slurm.layout import CLUSTER, Layout

PROGRAMS = {
    "munged": "munge",
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
    "slurmdbd": "slurmdbd",
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "setpriv": "util-linux",
    "useradd": "passwd",
}
MAX_SOCKET_PATH = 107
SBIN = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))


@dataclass(frozen=True)
class SlurmSandbox:
    """How to reach the sandbox cluster.

    Attributes:
        host: login node.
        port: of its sshd.
        user: batch user.
        key_file: private key of the batch user.
        host_key: the login node's public key, ``type base64``; pin it.
        root: folder on the cluster for code and jobs.
        python: interpreter of the cluster's environment; None where no environment was given.
        slurm_conf: configuration file; jobs and commands need it in ``SLURM_CONF``.
        state: state folder of the sandbox.
    """

    host: str
    port: int
    user: str
    key_file: Path
    host_key: str
    root: str
    python: str | None
    slurm_conf: str
    state: Path

    def to_json(self) -> str:
        """Return all values as JSON."""
        return json.dumps(
            {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}
        )

    @classmethod
    def from_json(cls, text: str) -> SlurmSandbox:
        """Make one from ``to_json``'s text."""
        values = json.loads(text)
        return cls(**{**values, "key_file": Path(values["key_file"]), "state": Path(values["state"])})

    def site_overlay(self) -> str:
        """Return the TOML that completes ``hpc_templates/sites/sandbox.toml`` with this sandbox's values."""
        lines = [f"root = {json.dumps(self.root)}"]
        if self.python:
            lines.append(f"python = {json.dumps(self.python)}")
        return "\n".join([*lines, "", "[environment]", f"SLURM_CONF = {json.dumps(self.slurm_conf)}", ""])


def check_programs() -> None:
    """Look for every program the sandbox starts.

    Raises:
        PermanentError: something is not installed; the message names the Debian packages.
    """
    missing = sorted({package for program, package in PROGRAMS.items() if shutil.which(program, path=SBIN) is None})
    if missing:
        raise PermanentError(f"the Slurm sandbox needs Debian packages that are not installed: {' '.join(missing)}")


def _program(name: str) -> str:
    return shutil.which(name, path=SBIN) or name


def run(command: Sequence[str], layout: Layout, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run an administrator's command against this cluster.

    Raises:
        PermanentError: it failed, and ``check`` is set.
    """
    result = subprocess.run(
        [_program(command[0]), *command[1:]],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "SLURM_CONF": str(layout.conf)},
    )
    if check and result.returncode != 0:
        raise PermanentError(
            f"{' '.join(command)}: exit {result.returncode}: {(result.stderr or result.stdout).strip()}"
        )
    return result


def _as_user(user: str, *command: str) -> list[str]:
    return [_program("setpriv"), "--reuid", user, "--regid", user, "--init-groups", *command]


def services(layout: Layout) -> dict[str, Service]:
    """Return the cluster's services by name, in the order in which they start."""
    root, conf = layout.root, str(layout.conf)
    slurm = {"SLURM_CONF": conf}
    result = [
        Service("sshd", [_program("sshd"), "-D", "-e", "-f", str(layout.sshd_conf)], layout.run, slurm),
        Service(
            "munged",
            _as_user(
                "munge",
                _program("munged"),
                "--foreground",
                f"--socket={layout.munge_socket}",
                f"--key-file={root}/munge/key",
                f"--pid-file={root}/munge/pid",
                f"--log-file={root}/munge/log",
                f"--seed-file={root}/munge/seed",
            ),
            layout.run,
            slurm,
        ),
        Service(
            "mariadbd",
            _as_user(
                "mysql",
                _program("mariadbd"),
                "--no-defaults",
                f"--datadir={root}/mysql/data",
                f"--socket={layout.mysql_socket}",
                f"--pid-file={root}/mysql/pid",
                "--skip-networking",
                "--skip-log-bin",
                "--performance-schema=OFF",
                "--innodb-buffer-pool-size=64M",
                "--innodb-log-file-size=16M",
                "--innodb-lock-wait-timeout=900",
                # A sandbox does not outlive a power cut; without this each record costs an fsync.
                "--innodb-flush-log-at-trx-commit=0",
            ),
            layout.run,
            slurm,
        ),
        Service(
            "slurmdbd",
            [_program("slurmdbd"), "-D"],
            layout.run,
            {**slurm, "MYSQL_UNIX_PORT": str(layout.mysql_socket)},
        ),
        Service("slurmctld", [_program("slurmctld"), "-D", "-f", conf], layout.run, slurm),
    ]
    result += [
        Service(f"slurmd-{node}", [_program("slurmd"), "-D", "-N", node, "-f", conf], layout.run, slurm)
        for node in layout.node_names
    ]
    return {service.name: service for service in result}


def _folder(path: Path, owner: str = "root", mode: int = 0o755) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    account = pwd.getpwnam(owner)
    os.chown(path, account.pw_uid, account.pw_gid)


def _write(path: Path, text: str, owner: str = "root", mode: int = 0o644) -> None:
    with contextlib.suppress(FileNotFoundError):
        if path.read_text(encoding="utf-8") == text:
            return
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    new.chmod(mode)
    account = pwd.getpwnam(owner)
    os.chown(new, account.pw_uid, account.pw_gid)
    new.replace(path)


def make_user(layout: Layout) -> None:
    """Make the batch user, with its home below the state folder."""
    # sshd without PAM takes the password field "!" of a new account for a locked account; "*" only means no password.
    try:
        account = pwd.getpwnam(layout.user)
    except KeyError:
        command = ["useradd", "-M", "-U", "-d", str(layout.home), "-s", "/bin/bash", "-p", "*", layout.user]
        run(command, layout)
    else:
        if account.pw_dir != str(layout.home):
            run(["usermod", "-d", str(layout.home), "-p", "*", layout.user], layout)
    _folder(layout.home.parent)
    _folder(layout.home, layout.user, 0o700)


def prepare(layout: Layout) -> None:
    """Write folders, keys and configuration; what is there and right stays."""
    root = layout.root
    if root in {Path("/"), Path("/home"), Path.home()}:
        raise InputError("sandbox", "root", str(root), "cannot be a state folder")
    if len(os.fsencode(layout.munge_socket)) > MAX_SOCKET_PATH:
        raise InputError("sandbox", "root", str(root), "is too long for the path of a Unix socket")
    for name in ("", "etc", "run", "ssh", "tmp", "spool"):
        _folder(root / name)
    _folder(root / "munge", "munge")
    _folder(root / "mysql", "mysql")
    _folder(root / "log", "slurm")
    _folder(root / "state", "slurm", 0o700)
    for node in layout.node_names:
        _folder(root / "spool" / node)
        _folder(root / "tmp" / node, mode=0o1777)
    _folder(Path("/run/sshd"))
    make_user(layout)
    _folder(layout.scratch, layout.user)
    enter = _as_user(layout.user, "test", "-x", str(layout.scratch))
    if run(enter, layout, check=False).returncode != 0:
        raise InputError("sandbox", "root", str(root), f"lies in a folder that {layout.user} cannot enter")
    key = root / "munge" / "key"
    if not key.exists():
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        os.chown(key, pwd.getpwnam("munge").pw_uid, grp.getgrnam("munge").gr_gid)
    for path in (layout.host_key, layout.client_key):
        if not path.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sandbox", "-f", str(path)], layout)
    # Started through sudo, the sandbox belongs to whoever called it: give that user the key.
    caller = os.environ.get("SUDO_UID")
    if caller:
        os.chown(layout.client_key, int(caller), -1)
    _write(root / "ssh" / "authorized_keys", layout.client_key.with_suffix(".pub").read_text())
    for name, text in layout.configuration().items():
        secret = name == "slurmdbd.conf"
        _write(root / "etc" / name, text, "slurm" if secret else "root", 0o600 if secret else 0o644)


def _database(layout: Layout, all_services: dict[str, Service]) -> None:
    """Start accounting: MariaDB with a data folder of its own, then slurmdbd."""
    data = layout.root / "mysql" / "data"
    if not (data / "mysql").is_dir():
        new = data.with_name("data.new")
        shutil.rmtree(new, ignore_errors=True)
        _folder(new, "mysql", 0o700)
        options = ["--auth-root-authentication-method=socket", "--skip-test-db", "--skip-name-resolve"]
        run(["mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={new}", *options], layout)
        new.rename(data)
    started = all_services["mariadbd"].pid() is None
    all_services["mariadbd"].start()
    client = ["mariadb", "--no-defaults", f"--socket={layout.mysql_socket}", "-N", "-e"]
    all_services["mariadbd"].wait_healthy(lambda: run([*client, "SELECT 1"], layout, check=False).returncode == 0, 60)
    if started:
        statements = (
            "CREATE DATABASE IF NOT EXISTS slurm_acct_db;"
            "CREATE USER IF NOT EXISTS 'slurm'@'localhost' IDENTIFIED VIA unix_socket;"
            "GRANT ALL ON slurm_acct_db.* TO 'slurm'@'localhost'"
        )
        run([*client, statements], layout)


def _accounting(layout: Layout, all_services: dict[str, Service]) -> None:
    """Start slurmdbd and make the cluster and the user known to it, which has to be before the controller starts."""
    all_services["slurmdbd"].start()

    def known() -> subprocess.CompletedProcess[str]:
        return run(["sacctmgr", "-nP", "show", "association", "format=cluster,account,user"], layout, check=False)

    all_services["slurmdbd"].wait_healthy(lambda: known().returncode == 0, 60)
    if f"{CLUSTER}|research|{layout.user}" in known().stdout:
        return
    # These exit 1 when the thing is there already; what counts is the association at the end.
    run(["sacctmgr", "-i", "add", "cluster", CLUSTER], layout, check=False)
    run(
        ["sacctmgr", "-i", "add", "account", "research", "Description=sandbox", "Organization=sandbox"],
        layout,
        check=False,
    )
    run(["sacctmgr", "-i", "add", "user", layout.user, "account=research"], layout, check=False)
    if f"{CLUSTER}|research|{layout.user}" not in known().stdout:
        raise PermanentError(f"slurmdbd does not know {layout.user} on {CLUSTER}: {known().stdout or known().stderr}")


def idle_nodes(layout: Layout) -> int:
    """Return how many nodes can take work."""
    result = run(["sinfo", "-h", "-p", "main", "-t", "idle,mixed,alloc", "-o", "%D"], layout, check=False)
    return sum(int(word) for word in result.stdout.split() if word.isdigit())


def start(layout: Layout, copy_environment: Callable[[], None]) -> None:
    """Bring every service up; the database is made while keys, accounts and the Python environment are."""
    prepare(layout)
    all_services = services(layout)
    with ThreadPoolExecutor(max_workers=2) as pool:
        database = pool.submit(_database, layout, all_services)
        environment = pool.submit(copy_environment)
        all_services["sshd"].start()
        all_services["munged"].start()
        munge = [_program("munge"), "-n", "-S", str(layout.munge_socket)]
        all_services["munged"].wait_healthy(lambda: run(munge, layout, check=False).returncode == 0, 20)
        database.result()
        _accounting(layout, all_services)
        all_services["slurmctld"].start()
        for node in layout.node_names:
            all_services[f"slurmd-{node}"].start()
        ping = ["scontrol", "ping"]
        all_services["slurmctld"].wait_healthy(lambda: "UP" in run(ping, layout, check=False).stdout, 30)
        _settle(layout, all_services)
        environment.result()


def _settle(layout: Layout, all_services: dict[str, Service]) -> None:
    """Wait until every node takes work.

    Raises:
        PermanentError: some node does not.
    """
    wanted = len(layout.node_names)
    deadline = time.monotonic() + 40
    while idle_nodes(layout) < wanted:
        if time.monotonic() > deadline:
            raise PermanentError(f"of {wanted} nodes only {idle_nodes(layout)} are up; see {layout.root / 'log'}")
        # A node that was lost or drained in an earlier life comes back by hand only.
        run(["scontrol", "update", f"nodename={','.join(layout.node_names)}", "state=resume"], layout, check=False)
        time.sleep(0.3)
    for service in all_services.values():
        if service.pid() is None:
            raise PermanentError(f"{service.name} ended; see {service.log_file}")


def own_processes(layout: Layout) -> list[int]:
    """Return the processes that live in this cluster.

    Those are the batch user's, those whose environment names the cluster's configuration (step daemons), and what sshd
    has started: the root half of a connection writes its title over its environment.
    """
    mark = f"SLURM_CONF={layout.conf}".encode()
    try:
        user = pwd.getpwnam(layout.user).pw_uid
    except KeyError:
        return []
    sshd = services(layout)["sshd"].pid()
    found = []
    for entry in Path("/proc").iterdir():
        pid = int(entry.name) if entry.name.isdigit() else os.getpid()
        if pid == os.getpid() or start_time(pid) is None:
            continue
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            marked = mark in (entry / "environ").read_bytes().split(b"\0")
            if entry.stat().st_uid == user or marked or parent == sshd:
                found.append(pid)
    return found


def stop(layout: Layout) -> list[str]:
    """End the jobs, the services in reverse order, and whatever of the cluster is left.

    Returns:
        names of what was running.
    """
    all_services = services(layout)
    stopped = []
    if all_services["slurmctld"].pid() is not None:
        run(["scancel", "--user", layout.user], layout, check=False)
        deadline = time.monotonic() + 8
        active = ["squeue", "-h", "-t", "running,completing"]
        while time.monotonic() < deadline and run(active, layout, check=False).stdout.strip():
            time.sleep(0.2)
    inhabitants = {pid: start_time(pid) for pid in own_processes(layout)}
    # The daemons hold no state that matters while another one stops, so they all stop at once, the database last.
    names = [name for name in reversed(all_services) if name not in {"mariadbd", "munged"}]
    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        done = list(pool.map(lambda name: all_services[name].stop(grace_s=15), names))
    stopped += [name for name, was_running in zip(names, done, strict=True) if was_running]
    stopped += [name for name in ("mariadbd", "munged") if all_services[name].stop(grace_s=15)]
    deadline = time.monotonic() + 5
    while left := {
        *own_processes(layout),
        *(pid for pid, born in inhabitants.items() if born is not None and start_time(pid) == born),
    }:
        if time.monotonic() > deadline:
            raise PermanentError(f"these processes of the sandbox do not end: {sorted(left)}")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    return stopped
