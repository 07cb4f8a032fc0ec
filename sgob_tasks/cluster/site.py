"""A cluster's peculiarities as data: ``hpc_templates/sites/*.toml`` and what an installation adds to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import tomllib

from sgob_tasks.cluster.deployment import CURRENT, Deployment, make_deployment
from sgob_tasks.errors import InputError

TEMPLATES = Path(__file__).resolve().parents[2] / "hpc_templates"
KINDS = ("train", "infer", "install", "selftest")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class Resources:
    """What one job, or each task of an array, asks Slurm for.

    Attributes:
        nodes: number of nodes.
        tasks_per_node: processes on each; for training one a GPU.
        cpus_per_task: processors of each process.
        gpus_per_node: GPUs on each node; 0 asks for none.
        memory_mb: memory on each node; 0 leaves it to the partition.
        time_limit_s: wall-clock limit.
        warning_s: how long before the limit the script gets SIGUSR1; 0 for never. Slurm may be a minute early.
        parallel_tasks: how many tasks of an array may run at once; 0 for all.
    """

    nodes: int = 1
    tasks_per_node: int = 1
    cpus_per_task: int = 1
    gpus_per_node: int = 0
    memory_mb: int = 0
    time_limit_s: int = 3600
    warning_s: int = 0
    parallel_tasks: int = 0

    def __post_init__(self) -> None:
        for name, least in (("nodes", 1), ("tasks_per_node", 1), ("cpus_per_task", 1), ("time_limit_s", 60)):
            if getattr(self, name) < least:
                raise InputError("resources", name, getattr(self, name), f"has to be {least} or more")
        for name in ("gpus_per_node", "memory_mb", "warning_s", "parallel_tasks"):
            if getattr(self, name) < 0:
                raise InputError("resources", name, getattr(self, name), "cannot be negative")

    @property
    def ranks(self) -> int:
        """Processes in all."""
        return self.nodes * self.tasks_per_node

    @property
    def time_limit(self) -> str:
        """The limit as ``--time`` takes it; Slurm counts whole minutes, so it is rounded up."""
        hours, minutes = divmod(-(-self.time_limit_s // 60), 60)
        days, hours = divmod(hours, 24)
        return f"{days}-{hours:02d}:{minutes:02d}:00" if days else f"{hours:02d}:{minutes:02d}:00"


@dataclass(frozen=True)
class Site:
    """One cluster, as this platform uses it.

    Attributes:
        name: of the cluster, kept in the ledger.
        root: absolute folder on the cluster for code and jobs; on the file system that the nodes share.
        python: interpreter on the nodes that has ``requirements-hpc.txt``; ``current`` (or empty) for the one of the
            environment that ``sgob deploy`` switched to last.
        partition: Slurm partition; empty for the default one.
        qos: quality of service; empty for none.
        account: Slurm account; empty for the user's default.
        constraint: node feature, such as ``k80``.
        gpu_type: type in ``--gres=gpu:TYPE:N``; empty for ``gpu:N``.
        directives: further ``#SBATCH`` options, as they stand in a script.
        prelude: shell lines before the program, such as ``module load``.
        environment: variables for the program.
        launcher: command before the training program; ``{ranks}`` is replaced by the number of processes.
        transfer_host: host for large copies, where the login node does not want them.
        poll_min_s: shortest time between two questions to Slurm.
        poll_max_s: longest; the time grows while nothing changes.
        marker_wait_s: how late the shared file system may show a marker.
        lost_after_s: how long a job may be missing everywhere before it is given up.
        command_timeout_s: for one command on the login node.
        max_array_size: highest number of array tasks (``MaxArraySize``).
        max_failures: how often tasks that failed are run again.
        max_resubmissions: how often tasks that were lost, preempted or cut short are run again.
        train: what training asks for.
        infer: what each inference task asks for.
        install: what installing the environment asks for.
        selftest: what the self-test of an environment asks for; its ranks exchange a sum.
        deployment: what the environment is made of.
    """

    name: str
    root: str
    python: str
    partition: str = ""
    qos: str = ""
    account: str = ""
    constraint: str = ""
    gpu_type: str = ""
    directives: tuple[str, ...] = ()
    prelude: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    launcher: tuple[str, ...] = ("srun",)
    transfer_host: str = ""
    poll_min_s: float = 30.0
    poll_max_s: float = 180.0
    marker_wait_s: float = 60.0
    lost_after_s: float = 600.0
    command_timeout_s: float = 90.0
    max_array_size: int = 1001
    max_failures: int = 1
    max_resubmissions: int = 5
    train: Resources = Resources()
    infer: Resources = Resources()
    install: Resources = Resources()
    selftest: Resources = Resources(tasks_per_node=2, time_limit_s=900)
    deployment: Deployment = field(default_factory=Deployment)

    def resources(self, kind: str) -> Resources:
        """Return what jobs of a kind (train, infer, install, selftest) ask for.

        Raises:
            InputError: there is no such kind.
        """
        if kind not in KINDS:
            raise InputError(f"site {self.name}", "kind", kind, f"is none of {', '.join(KINDS)}")
        return {"train": self.train, "infer": self.infer, "install": self.install, "selftest": self.selftest}[kind]

    def job_dir(self, key: str) -> str:
        """Return a job's directory on the cluster."""
        return f"{self.root}/jobs/{key}"


def load_site(name: str | Path, overlay: Path | None = None, templates: Path = TEMPLATES) -> Site:
    """Read a site.

    Args:
        name: name of a file in ``hpc_templates/sites``, or a path to one.
        overlay: TOML file whose values win, such as ``$SGOB_HOME/sites/<name>.toml``; need not exist. Tables are
            merged, other values replaced.
        templates: folder that holds ``sites/``.

    Raises:
        InputError: no such site, or a value in it is wrong; the message names file and field.
    """
    path = Path(name) if str(name).endswith(".toml") else templates / "sites" / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in (templates / "sites").glob("*.toml")))
        raise InputError("settings", "cluster.site", str(name), f"there is no {path}; known sites: {known}")
    values = _read(path)
    source = str(path)
    if overlay is not None and overlay.is_file():
        values = _merge(values, _read(overlay))
        source += f" with {overlay}"
    return make_site(values, source)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, "TOML", str(error), "cannot be read") from error


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def make_site(values: Mapping[str, Any], source: str) -> Site:
    """Build a site from TOML values.

    Raises:
        InputError: a field is missing, unknown or of the wrong type.
    """
    known = {item.name for item in fields(Site)}
    built: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise InputError(source, key, value, f"unknown field; there are {', '.join(sorted(known))}")
        if key == "deployment":
            built[key] = make_deployment(value, source)
        else:
            built[key] = _resources(source, key, value) if key in KINDS else _typed(source, key, value)
    built["python"] = built.get("python") or CURRENT
    for key in ("name", "root"):
        if not built.get(key):
            raise InputError(source, key, built.get(key), "is missing; every site needs it")
    site = Site(**built)
    if not _NAME.fullmatch(site.name):
        raise InputError(source, "name", site.name, "lower-case letters, digits, '-' and '_' only")
    if not site.root.startswith("/") or site.root.rstrip("/").count("/") < 2:
        raise InputError(source, "root", site.root, "has to be an absolute folder, two levels deep or more")
    if site.poll_max_s < site.poll_min_s or site.poll_min_s <= 0:
        raise InputError(source, "poll_max_s", site.poll_max_s, "cannot be below poll_min_s, nor poll_min_s below 0")
    return replace(site, root=site.root.rstrip("/"))


_TEXT = {"name", "root", "python", "partition", "qos", "account", "constraint", "gpu_type", "transfer_host"}
_LISTS = {"directives", "prelude", "launcher"}
_COUNTS = {"max_array_size", "max_failures", "max_resubmissions"}


def _typed(source: str, key: str, value: Any) -> Any:
    """Return a plain field's value in the type that ``Site`` wants."""
    if key in _TEXT:
        fits, made, wanted = isinstance(value, str) and "\n" not in value, value, "a line of text"
    elif key in _LISTS:
        fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        made, wanted = tuple(value) if fits else value, "a list of texts"
    elif key == "environment":
        fits = isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
        made, wanted = value, "a table of texts"
    else:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        made, wanted = value, "a number, 0 or more"
        if fits and key in _COUNTS:
            fits, made, wanted = float(value).is_integer(), int(value), "a whole number"
    if not fits:
        raise InputError(source, key, value, f"has to be {wanted}")
    return made


def _resources(source: str, table: str, values: Any) -> Resources:
    if not isinstance(values, dict):
        raise InputError(source, table, values, "has to be a table")
    usual = next(item.default for item in fields(Site) if item.name == table)
    assert isinstance(usual, Resources)  # noqa: S101 - every kind of job has a default, for the type checker
    return override(usual, values, f"{source}: [{table}]")


def override(resources: Resources, values: Mapping[str, Any], source: str) -> Resources:
    """Return ``resources`` with some values replaced.

    Raises:
        InputError: a field is unknown or not a whole number in its range.
    """
    known = {item.name for item in fields(Resources)}
    for key, value in values.items():
        if key not in known:
            raise InputError(source, key, value, f"unknown field; there are {', '.join(sorted(known))}")
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(source, key, value, "has to be a whole number")
    return replace(resources, **values)
