"""A real Slurm cluster with an SSH login node on this machine: ``up``, ``down``, ``status``.

Root's rights are needed to be several users at once; without them the same functions run through ``sudo -n``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from sgob_tasks.errors import PermanentError
from sgob_tasks.sandbox.processes import answers
from sgob_tasks.sandbox.slurm import cluster
from sgob_tasks.sandbox.slurm.cluster import SlurmSandbox
from sgob_tasks.sandbox.slurm.environment import copy_environment
from sgob_tasks.sandbox.slurm.layout import Layout, SlurmPorts, default_root

__all__ = ["SlurmPorts", "SlurmSandbox", "default_root", "down", "status", "up"]

BATCH_USER = "hpc"


@contextlib.contextmanager
def _lock(root: Path) -> Iterator[None]:
    """Serialise starts and stops of one sandbox."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _as_root(*arguments: str) -> str:
    """Run this package's command line as root and return what it prints."""
    package = Path(__file__).resolve().parents[3]
    command = ["sudo", "-n", "--", sys.executable, "-m", __name__, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=package)
    if result.returncode != 0:
        raise PermanentError(
            f"the Slurm sandbox runs daemons of several users and needs root (directly, or sudo without a password): "
            f"{result.stderr.strip()[-2000:]}"
        )
    return result.stdout.splitlines()[-1]


def _layout(root: Path | None, user: str, ports: SlurmPorts) -> Layout:
    return Layout((root or default_root()).resolve(), user, ports)


def _saved(root: Path) -> Layout | None:
    """Return the layout with which the sandbox was last started."""
    try:
        values = json.loads((root / "layout.json").read_text())
    except FileNotFoundError:
        return None
    return Layout(root, values["user"], SlurmPorts(**values["ports"]))


def _info(layout: Layout) -> SlurmSandbox:
    public = layout.host_key.with_suffix(".pub").read_text().split()
    python = layout.environment / "bin" / "python"
    return SlurmSandbox(
        host="127.0.0.1",
        port=layout.ports.ssh,
        user=layout.user,
        key_file=layout.client_key,
        host_key=f"{public[0]} {public[1]}",
        root=str(layout.scratch),
        python=str(python) if python.exists() else None,
        slurm_conf=str(layout.conf),
        state=layout.root,
    )


def up(
    root: Path | None = None,
    environment: Path | None = None,
    ports: SlurmPorts | None = None,
    user: str = BATCH_USER,
) -> SlurmSandbox:
    """Start the cluster, or find it running.

    Args:
        root: state folder; by default ``SGOB_SANDBOX_ROOT`` or ``/var/lib/sgob-sandbox``.
        environment: virtual environment for the jobs; it is made available to the batch user.
        ports: where the daemons listen; by default those of the last start, or ``SlurmPorts()``.
        user: batch user; made when missing.

    Returns:
        how to reach it.

    Raises:
        PermanentError: packages are missing, root cannot be had, or a daemon does not start.
        InputError: ``environment`` is no virtual environment.
    """
    root = (root or default_root()).resolve()
    if os.geteuid() != 0:
        arguments = ["up", "--root", str(root), "--user", user]
        if environment:
            arguments += ["--environment", str(environment.resolve())]
        if ports:
            arguments += ["--ports", json.dumps(asdict(ports))]
        return SlurmSandbox.from_json(_as_root(*arguments))
    cluster.check_programs()
    with _lock(root):
        saved = _saved(root)
        layout = _layout(root, user, ports or (saved.ports if saved else SlurmPorts()))
        if saved and saved != layout:
            cluster.stop(saved)
        services = cluster.services(layout)
        copy = environment is not None

        def copy_if_given() -> None:
            if environment is not None:
                copy_environment(environment, layout.environment)

        if all(service.pid() is not None for service in services.values()) and cluster.idle_nodes(layout) == len(
            layout.node_names
        ):
            if copy:
                copy_if_given()
            return _info(layout)
        _check_ports(layout)
        saved_layout = root / "layout.json"
        saved_layout.write_text(json.dumps({"user": user, "ports": asdict(layout.ports)}))
        saved_layout.chmod(0o644)
        cluster.start(layout, copy_if_given)
        return _info(layout)


def _check_ports(layout: Layout) -> None:
    """Refuse to start beside another program on the same ports."""
    services = cluster.services(layout)
    listeners = {"sshd": layout.ports.ssh, "slurmctld": layout.ports.slurmctld, "slurmdbd": layout.ports.slurmdbd}
    listeners |= {f"slurmd-{node}": layout.ports.slurmd(number) for number, node in enumerate(layout.node_names, 1)}
    for name, port in listeners.items():
        if services[name].pid() is None and answers(port):
            raise PermanentError(f"port {port} for the sandbox's {name} is taken by another program")


def down(root: Path | None = None) -> list[str]:
    """End the cluster and every process in it; its state stays and the next start is warm.

    Args:
        root: state folder, as for ``up``.

    Returns:
        names of what was running; empty where there was nothing.
    """
    root = (root or default_root()).resolve()
    if not (root / "layout.json").exists():
        return []
    if os.geteuid() != 0:
        return list(json.loads(_as_root("down", "--root", str(root))))
    with _lock(root):
        saved = _saved(root)
        return cluster.stop(saved) if saved else []


def status(root: Path | None = None) -> dict[str, bool]:
    """Tell which services of the cluster run.

    Args:
        root: state folder, as for ``up``.

    Returns:
        whether it runs, by service; empty where no cluster was ever started.
    """
    saved = _saved((root or default_root()).resolve())
    if saved is None:
        return {}
    return {name: service.pid() is not None for name, service in cluster.services(saved).items()}
