"""Deploy an environment: gather, send, install, try, switch.

Each step looks at what is there first, so a deployment that was interrupted anywhere goes on where it was.
Installation and self-test are Slurm jobs with the usual life cycle: login nodes end long processes, and the modules,
MPI and GPUs that count are the nodes'.
"""

from __future__ import annotations

import json
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sgob_tasks import __version__
from sgob_tasks.cluster.environments.deployment import CURRENT
from sgob_tasks.cluster.environments.environment import (
    Switch,
    base,
    environments,
    folder,
    put_document,
    python_of,
    switch,
)
from sgob_tasks.cluster.environments.wheelhouse import Wheelhouse, digest, gather
from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.jobs import Cluster
from sgob_tasks.cluster.progress import Progress
from sgob_tasks.cluster.shell import TransferReport, Transport, repeatable
from sgob_tasks.cluster.sites.site import Site
from sgob_tasks.errors import PermanentError

# What arrived of a broken transfer is kept in units of this size; a few names are asked for without reading all others.
BATCH_FILES = 20
BATCH_BYTES = 200_000_000


def identity(site: Site, wheelhouse: Wheelhouse) -> str:
    """Return the name of an environment: the same content, built the same way, has the same name."""
    return digest(_recipe(site, wheelhouse), wheelhouse.project.name)


def _recipe(site: Site, wheelhouse: Wheelhouse) -> str:
    """Return all that decides what the installed packages are, but for this project's own."""
    made = site.deployment
    return json.dumps(
        [
            wheelhouse.requirements,
            wheelhouse.sources,
            [made.python, made.python_version, made.glibc],
            dict(sorted(made.build_environment.items())),
            # modules decide which MPI and CUDA the sources are built against
            site.prelude,
        ]
    )


def install_job(site: Site, wheelhouse: Wheelhouse) -> Job:
    """Return the job that installs an environment."""
    made, name = site.deployment, identity(site, wheelhouse)
    parameters = {
        "folder": folder(site, name),
        "wheels": f"{base(site)}/wheels",
        "built": f"{base(site)}/built/{digest(_recipe(site, wheelhouse))}",
        "requirements": list(wheelhouse.requirements),
        "sources": list(wheelhouse.sources),
        "project": wheelhouse.project.name,
        "python_version": made.python_version,
        "glibc": made.glibc,
        "build_environment": dict(made.build_environment),
    }
    return _job(site, "install", name, parameters, ("results/installed.json",))


def selftest_job(site: Site, wheelhouse: Wheelhouse) -> Job:
    """Return the job that tries an environment on every rank."""
    parameters = {
        "imports": list(site.deployment.imports),
        "horovod": any(source.lower().startswith("horovod==") for source in wheelhouse.sources),
        "ranks": site.selftest.ranks,
        "gpus": site.selftest.gpus_per_node > 0,
        "folder": folder(site, identity(site, wheelhouse)),
    }
    outputs = tuple(f"results/rank-{rank}.json" for rank in range(site.selftest.ranks))
    return _job(site, "selftest", identity(site, wheelhouse), parameters, outputs)


def _job(site: Site, kind: str, name: str, parameters: dict[str, Any], outputs: tuple[str, ...]) -> Job:
    key = f"sgob-{kind}-{name}-{digest(site.name, json.dumps(parameters, sort_keys=True))[:6]}"
    return Job(key, kind, parameters, comment=f"sgob {kind} {name}", owner="deploy", outputs=outputs)


def send(transport: Transport, files: Sequence[Path], remote: str) -> TransferReport:
    """Copy files into one remote folder; what is there is not sent again, and a broken transfer keeps what arrived."""
    total = TransferReport()
    # Halves of transfers that broke long ago.
    repeatable(transport, f"cd {shlex.quote(remote)} 2>/dev/null && find . -name '*.part' -mmin +1440 -delete")
    for batch in batches(files):
        with tempfile.TemporaryDirectory() as local:
            for path in batch:
                (Path(local) / path.name).symlink_to(path.resolve())
            report = transport.put_tree(Path(local), remote)
        total = TransferReport(total.sent + report.sent, total.skipped + report.skipped, total.size + report.size)
    return total


def batches(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Split files into groups of at most ``BATCH_FILES``, and of ``BATCH_BYTES`` unless one file alone is larger."""
    group: list[Path] = []
    size = 0
    for path in files:
        own = path.stat().st_size
        if group and (len(group) == BATCH_FILES or size + own > BATCH_BYTES):
            yield group
            group, size = [], 0
        group.append(path)
        size += own
    if group:
        yield group


@dataclass
class Rollout:
    """One deployment to one cluster.

    Attributes:
        cluster: where.
        cache: folder for wheels on this machine, kept.
        jobs_dir: local side of job directories.
        say: told what is being done.
        project: checkout to deploy; by default the one that runs.
    """

    cluster: Cluster
    cache: Path
    jobs_dir: Path
    say: Callable[[str], None]
    project: Path | None = None
    _seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Deploy and switch; return what was done.

        Raises:
            InputError: requirements or the site's values are wrong.
            PermanentError: installation or self-test failed; the current environment stays.
            TransientError: the cluster or the package index does not answer; run it again.
        """
        site, transport = self.cluster.site, self.cluster.transport
        with self._timed("gather", f"wheels for Python {site.deployment.python_version} of {site.name}"):
            options = {} if self.project is None else {"project": self.project}
            wheelhouse = gather(site.deployment, self.cache, **options)
        name = identity(site, wheelhouse)
        there = environments(site, transport).get(name)
        sent = TransferReport()
        if there is None or not there.installed:
            with self._timed("send", f"{len(wheelhouse.files) + 1} files to {base(site)}"):
                sent = send(transport, [*wheelhouse.files, wheelhouse.project], f"{base(site)}/wheels")
                put_document(transport, self._manifest(wheelhouse), f"{folder(site, name)}/manifest.json")
            with self._timed("install", f"environment {name}"):
                self._do(install_job(site, wheelhouse), site.deployment.python)
        job = selftest_job(site, wheelhouse)
        if there is None or there.tested.get("key") != job.key:
            with self._timed("selftest", f"environment {name} on {site.selftest.ranks} ranks"):
                self._do(job, python_of(site, name))
                put_document(transport, self._tested(job), f"{folder(site, name)}/tested.json")
        code = self.cluster.deploy()
        changed = switch(site, transport, name)
        return self._result(changed, code, sent)

    @contextmanager
    def _timed(self, step: str, what: str) -> Iterator[None]:
        self.say(f"{step}: {what}")
        started = time.monotonic()
        yield
        self._seconds[step] = round(time.monotonic() - started, 1)

    def _manifest(self, wheelhouse: Wheelhouse) -> dict[str, Any]:
        made = self.cluster.site.deployment
        return {
            "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "project": wheelhouse.project.name,
            "version": __version__,
            "requirements": made.requirements,
            "packages": list(wheelhouse.requirements + wheelhouse.sources),
            "python_version": made.python_version,
            "glibc": made.glibc,
        }

    def _do(self, job: Job, python: str) -> None:
        """Run a job to its end, adopting one that runs already; what it should have left is not there."""
        cluster = self.cluster
        local = self.jobs_dir / job.key
        helper = Cluster(replace(cluster.site, python=python), cluster.transport, cluster.ledger, cluster.package_root)
        helper.stage(job, local)
        record = helper.ledger.get(job.key)
        if record is not None and record.state == "succeeded":
            helper.submit_or_adopt(job, fresh=True)
        progress = helper.wait(job, self._tell)
        helper.fetch(job, local)
        if progress.record.state != "succeeded":
            raise PermanentError(
                f"{job.comment.removeprefix('sgob ')} {progress.record.state}: {progress.reason}; "
                f"the current environment stays; end of the log of Slurm job {progress.record.job_id}:\n"
                f"{helper.log_tail(job).rstrip()}"
            )

    def _tell(self, progress: Progress) -> None:
        self.say(f"  Slurm job {progress.record.job_id} {progress.record.state}: {progress.reason}")

    def _tested(self, job: Job) -> dict[str, Any]:
        results = self.jobs_dir / job.key / "results"
        ranks = [json.loads((results / f"rank-{rank}.json").read_text()) for rank in range(job.parameters["ranks"])]
        return {"tested_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "key": job.key, "ranks": ranks}

    def _result(self, changed: Switch, code: str, sent: TransferReport) -> dict[str, Any]:
        site = self.cluster.site
        return {
            "site": site.name,
            "environment": changed.after,
            "before": changed.before or None,
            "python": python_of(site, changed.after),
            "code": code,
            "files_sent": sent.sent,
            "bytes_sent": sent.size,
            "seconds": self._seconds,
            "jobs_use": "this environment" if site.python in {"", CURRENT} else f"{site.python}, as the site says",
        }
