"""A cluster's peculiarities as data: ``hpc_templates/sites/*.toml``, what an installation adds to them, environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import tomllib

from sgob_tasks.cluster.environments.deployment import CURRENT, DEPLOYMENT, Deployment, make_deployment
from sgob_tasks.cluster.sites.resources import Resources, override
from sgob_tasks.cluster.sites.rules import COUNTS, LISTS, TEXTS, check_value
from sgob_tasks.cluster.sites.values import (
    UNVERIFIED,
    Layer,
    environment_layer,
    merge,
    unknown_key,
)
from sgob_tasks.cluster.slurm import check_name
from sgob_tasks.errors import InputError

__all__ = ["TEMPLATES", "Resources", "Site", "load_site", "make_site", "override", "site_file", "site_layers"]

TEMPLATES = Path(__file__).resolve().parents[3] / "hpc_templates"
KINDS = ("train", "infer", "train_captions", "generate_captions", "check", "install", "selftest")
TRAININGS, ARRAYS = ("train", "train_captions"), ("infer", "generate_captions")
"""Kinds that go on from a checkpoint after their time, and kinds that are Slurm arrays, be it of one task."""
_TABLES = ("train", "infer", "install", "selftest")
_SELFTEST = Resources(tasks_per_node=2, time_limit_s=900)


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
        transfer_host: host for files, where the login node does not want them; same account and key. Empty: the login
            node.
        transfer_port: of its sshd.
        transfer_host_key: ``ssh-ed25519 AAAA...`` of the transfer host; it is pinned.
        poll_min_s: shortest time between two questions to Slurm.
        poll_max_s: longest; the time grows while nothing changes.
        marker_wait_s: how late the shared file system may show a marker.
        lost_after_s: how long a job may be missing everywhere before it is given up.
        orphan_after_s: how old a job without an owner has to be before it is cancelled, and how long a job's owner may
            leave its end unnoticed before the record is brought up to date.
        command_timeout_s: for one command on the login node.
        max_array_size: highest number of array tasks (``MaxArraySize``).
        max_failures: how often tasks that failed are run again.
        max_resubmissions: how often tasks that were lost, preempted or cut short are run again.
        nodes_total: how many nodes of this kind there are, and a job may ask for at most; 0 where nobody counted.
        plan: whether the resource plan chooses the nodes of a training; otherwise it is ``train.nodes``.
        keep_succeeded_days: how long ``sgob site clean`` keeps directories of jobs that succeeded, in days.
        keep_failed_days: the same for jobs that failed, were cancelled or lost.
        keep_code_days: the same for deployed code that no job uses.
        unverified: dotted names of values that nobody has checked on the cluster itself.
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
    orphan_after_s: float = 600.0
    command_timeout_s: float = 90.0
    max_array_size: int = 1001
    max_failures: int = 1
    max_resubmissions: int = 5
    nodes_total: int = 0
    plan: bool = True
    train: Resources = field(default_factory=Resources)
    infer: Resources = field(default_factory=Resources)
    install: Resources = field(default_factory=Resources)
    selftest: Resources = _SELFTEST
    deployment: Deployment = field(default_factory=Deployment)
    transfer_port: int = 22
    transfer_host_key: str = ""
    keep_succeeded_days: float = 7.0
    keep_failed_days: float = 30.0
    keep_code_days: float = 30.0
    unverified: tuple[str, ...] = ()

    def resources(self, kind: str) -> Resources:
        """Return what jobs of a kind (``KINDS``) ask for.

        Raises:
            InputError: there is no such kind.
        """
        if kind not in KINDS:
            raise InputError(f"site {self.name}", "kind", kind, f"is none of {', '.join(KINDS)}")
        if kind == "check":
            # As one inference task, for one minute: what it finds holds for the jobs that matter.
            return replace(self.infer, time_limit_s=60, warning_s=0, parallel_tasks=0)
        # (The caption generator is small; what suits the detector suits it.)
        if kind in TRAININGS:
            return self.train
        if kind in ARRAYS:
            return self.infer
        return {"install": self.install, "selftest": self.selftest}[kind]

    def job_dir(self, key: str) -> str:
        """Return a job's directory on the cluster.

        Raises:
            InputError: the key cannot be a folder's name.
        """
        return f"{self.root}/jobs/{check_name(key)}"


def site_file(name: str | Path, templates: Path = TEMPLATES) -> Path:
    """Return the shipped file of a site, or the path that was given; it need not exist."""
    return Path(name) if str(name).endswith(".toml") else templates / "sites" / f"{name}.toml"


def load_site(
    name: str | Path,
    overlay: Path | None = None,
    templates: Path = TEMPLATES,
    environment: Mapping[str, str] | None = None,
) -> Site:
    """Read a site.

    Args:
        name: name of a file in ``hpc_templates/sites``, or a path to one.
        overlay: TOML file whose values win, such as ``$SGOB_HOME/sites/<name>.toml``; need not exist, or be the only
            one. Tables are merged, other values replaced.
        templates: folder that holds ``sites/``.
        environment: variables ``SGOB_SITE__FIELD``, ``SGOB_SITE__TRAIN__FIELD``, which win over both files.

    Raises:
        InputError: no such site, or a value in it is wrong; the message names file and field.
    """
    return make_site(site_layers(name, overlay, templates, environment))


def site_layers(
    name: str | Path,
    overlay: Path | None = None,
    templates: Path = TEMPLATES,
    environment: Mapping[str, str] | None = None,
) -> list[Layer]:
    """Return a site's values by origin, weakest first; see ``load_site``.

    Raises:
        InputError: no such site, or one of the files cannot be read.
    """
    path = site_file(name, templates)
    layers = [Layer("file", str(path), _read(path))] if path.is_file() else []
    if overlay is not None and overlay.is_file():
        layers.append(Layer("overlay", str(overlay), _read(overlay)))
    if not layers:
        known = ", ".join(sorted(found.stem for found in (templates / "sites").glob("*.toml")))
        raise InputError("settings", "cluster.site", str(name), f"there is no {path}; known sites: {known}")
    texts = TEXTS | {f"{DEPLOYMENT}.{item.name}" for item in fields(Deployment) if item.type == "str"}
    layers.append(environment_layer(environment or {}, texts, _inside(), _known()))
    return layers


def _known() -> list[str]:
    return [item.name for item in fields(Site)]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, "TOML", str(error), "cannot be read") from error


def make_site(layers: list[Layer]) -> Site:
    """Build a site from its layers.

    Raises:
        InputError: a field is missing, unknown or of the wrong type; the message names the layer that holds it.
    """
    for layer in layers:
        _check_layer(layer)
    merged = merge(layers)
    source = " with ".join(layer.source for layer in layers if layer.values)
    built = {key: _built(source, key, value) for key, value in merged.values.items()}
    built["python"] = built.get("python") or CURRENT
    for key in ("name", "root"):
        if not built.get(key):
            raise InputError(source, key, built.get(key), "is missing; every site needs it")
    site = Site(**built, unverified=merged.unverified)
    if site.poll_max_s < site.poll_min_s or site.poll_min_s <= 0:
        where = merged.origins.get("poll_max_s") or merged.origins.get("poll_min_s")
        raise InputError(
            where.source if where else source,
            "poll_max_s",
            site.poll_max_s,
            "cannot be below poll_min_s, nor poll_min_s be 0",
        )
    if site.nodes_total and site.train.nodes > site.nodes_total:
        raise InputError(source, "train.nodes", site.train.nodes, f"is more than the site's nodes ({site.nodes_total})")
    return replace(site, root=site.root.rstrip("/"))


def _check_layer(layer: Layer) -> None:
    known = _known()
    for key, value in layer.values.items():
        if key not in known:
            raise unknown_key(layer.source, key, value, known)
        if key not in {*_TABLES, DEPLOYMENT}:
            check_value(layer.source, key, value)
        elif not isinstance(value, dict):
            raise InputError(layer.source, key, value, "has to be a table")
        else:
            _built(layer.source, key, value)
    names = {*known, *(f"{table}.{name}" for table, inside in _inside().items() for name in inside)}
    names |= {f"environment.{name}" for name in layer.values.get("environment", {})}
    for name in layer.values.get(UNVERIFIED, ()):
        if name not in names:
            raise unknown_key(f"{layer.source}: {UNVERIFIED}", name, name, names)


def _inside() -> dict[str, list[str]]:
    """Return the fields of each table; that of variables has none of its own."""
    tables = {table: [item.name for item in fields(Resources)] for table in _TABLES}
    return tables | {DEPLOYMENT: [item.name for item in fields(Deployment)], "environment": []}


def _built(source: str, key: str, value: Any) -> Any:
    if key in _TABLES:
        return override(_SELFTEST if key == "selftest" else Resources(), value, f"{source}: [{key}]")
    if key == DEPLOYMENT:
        return make_deployment(value, f"{source}: [{key}]")
    if key in LISTS:
        return tuple(value)
    return int(value) if key in COUNTS else value
