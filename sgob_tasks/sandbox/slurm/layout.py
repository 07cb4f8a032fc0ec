"""Where the sandbox cluster keeps everything, and the configuration files it is made of."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2

NODES = 4
NODE_MEMORY_MB = 16_000
CLUSTER = "sandbox"
DEFAULT_ROOT = Path("/var/lib/sgob-sandbox")


def default_root() -> Path:
    """Return the state folder: ``SGOB_SANDBOX_ROOT``, or ``/var/lib/sgob-sandbox``."""
    return Path(os.environ.get("SGOB_SANDBOX_ROOT", DEFAULT_ROOT)).resolve()


@dataclass(frozen=True)
class SlurmPorts:
    """Loopback ports of one sandbox cluster; away from the defaults, so that it can live beside a real one.

    Attributes:
        ssh: login node.
        slurmctld: controller.
        slurmdbd: accounting.
        slurmd_first: first of the nodes' ports, one after the other.
    """

    ssh: int = 22022
    slurmctld: int = 26817
    slurmdbd: int = 26819
    slurmd_first: int = 27001

    def slurmd(self, node: int) -> int:
        """Return the port of the daemon of node ``node`` (from 1)."""
        return self.slurmd_first + node - 1


@dataclass(frozen=True)
class Layout:
    """Paths of one sandbox cluster below its state folder.

    Attributes:
        root: state folder; every user has to be able to enter it.
        user: the batch user, whose home is here too.
        ports: where its daemons listen.
    """

    root: Path
    user: str
    ports: SlurmPorts

    @property
    def conf(self) -> Path:
        """Slurm's configuration; ``SLURM_CONF`` points here, and the other files are found beside it."""
        return self.root / "etc" / "slurm.conf"

    @property
    def sshd_conf(self) -> Path:
        """Configuration of the login node's sshd."""
        return self.root / "etc" / "sshd_config"

    @property
    def run(self) -> Path:
        """Pid and log files of the services."""
        return self.root / "run"

    @property
    def munge_socket(self) -> Path:
        """Socket of this cluster's own munged."""
        return self.root / "munge" / "socket"

    @property
    def mysql_socket(self) -> Path:
        """Socket of the accounting database."""
        return self.root / "mysql" / "socket"

    @property
    def host_key(self) -> Path:
        """Private host key of the login node."""
        return self.root / "ssh" / "host_key"

    @property
    def client_key(self) -> Path:
        """Private key that opens the batch user's account."""
        return self.root / "ssh" / "client_key"

    @property
    def home(self) -> Path:
        """Home of the batch user."""
        return self.root / "home" / self.user

    @property
    def scratch(self) -> Path:
        """The site's root folder on the cluster: code, jobs."""
        return self.root / "scratch"

    @property
    def environment(self) -> Path:
        """The cluster's Python environment, as the batch user sees it."""
        return self.root / "env"

    @property
    def node_names(self) -> list[str]:
        """Names of the virtual nodes."""
        return [f"n{number}" for number in range(1, NODES + 1)]

    def configuration(self) -> dict[str, str]:
        """Render the configuration files.

        Returns:
            text by file name below ``etc``.
        """
        values = {
            "root": self.root,
            "user": self.user,
            "ports": self.ports,
            "cluster": CLUSTER,
            "nodes": NODES,
            "node_range": f"n[1-{NODES}]",
            "port_range": f"[{self.ports.slurmd(1)}-{self.ports.slurmd(NODES)}]",
            "memory_mb": NODE_MEMORY_MB,
        }
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701 - configuration files, not HTML
        folder = resources.files(__package__) / "templates"
        names = ("slurm.conf", "gres.conf", "slurmdbd.conf", "sshd_config")
        return {
            name: environment.from_string((folder / f"{name}.j2").read_text(encoding="utf-8")).render(values)
            for name in names
        }
