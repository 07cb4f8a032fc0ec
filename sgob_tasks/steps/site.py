"""Sites from the command line: list, show, begin a new one, check one against its cluster, clean up there."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import shlex
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sgob_tasks.cluster.connect import configured_site, open_transport, site_overlay
from sgob_tasks.cluster.deploy import content_hash, package_files
from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.jobs import Cluster
from sgob_tasks.cluster.shell import repeatable, split
from sgob_tasks.cluster.sites import cleanup
from sgob_tasks.cluster.sites.check import check_greeting, check_job, check_probe, check_unverified, parse_folders
from sgob_tasks.cluster.sites.findings import Finding, failed, ok, warning, worst
from sgob_tasks.cluster.sites.probe import IMPORT_TIMEOUT_S, greeting_command, probe_command
from sgob_tasks.cluster.sites.rules import check_value
from sgob_tasks.cluster.sites.site import TEMPLATES, Site, make_site, site_file, site_layers
from sgob_tasks.cluster.sites.values import dotted, merge
from sgob_tasks.cluster.transport import SshTransport
from sgob_tasks.config import Settings, site_environment
from sgob_tasks.errors import InputError, PermanentError, SgobError
from sgob_tasks.store.engine import open_store
from sgob_tasks.store.jobs import StoreLedger, all_jobs

log = logging.getLogger(__name__)

TEMPLATE = TEMPLATES / "sites" / "template.toml.example"
JOB_WAIT_S = 900.0


def list_sites(settings: Settings) -> dict[str, Any]:
    """Return the sites there are, by name: their files, and which one is configured."""
    found: dict[str, dict[str, Any]] = {}
    for kind, folder in (("file", TEMPLATES / "sites"), ("overlay", settings.home / "sites")):
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, {"file": None, "overlay": None})[kind] = str(path)
    configured = Path(settings.cluster.site).stem if settings.cluster.site.endswith(".toml") else settings.cluster.site
    return {name: {**files, "configured": name == configured} for name, files in sorted(found.items())}


def show(settings: Settings, name: str | None = None) -> dict[str, Any]:
    """Return the effective values of a site and where each comes from.

    Args:
        settings: the installation's.
        name: of the site; by default the configured one.

    Returns:
        ``site``, ``files``, ``problem`` (what keeps the values from being used; None where nothing does) and
        ``values``: ``value``, ``origin`` and ``unverified`` by dotted name.

    Raises:
        InputError: there is no such site, or a value is wrong.
    """
    name = name or settings.cluster.site
    layers = site_layers(name, site_overlay(settings, name), environment=site_environment())
    merged = merge(layers)
    problem = None
    try:
        site = make_site(layers)
    except InputError as error:
        # A shipped file may leave to the installation what differs everywhere, and is worth showing all the same.
        if error.field not in {"name", "root", "python"} or error.value not in {None, ""}:
            raise
        problem = str(error)
        values = dotted(merged.values)
        unverified = merged.unverified
    else:
        values = dotted(dataclasses.asdict(site))
        unverified = values.pop("unverified")
    rows = {}
    for field, value in values.items():
        origin = merged.origins.get(field)
        rows[field] = {
            "value": list(value) if isinstance(value, tuple) else value,
            "origin": str(origin) if origin else "default",
            "unverified": field in unverified or field.partition(".")[0] in unverified,
        }
    files = [layer.source for layer in layers if layer.kind != "environment"]
    return {"site": name, "files": files, "problem": problem, "values": rows}


def new(settings: Settings, name: str) -> dict[str, str]:
    """Write the commented template of a site to ``$SGOB_HOME/sites/NAME.toml``; one that is there stays.

    Raises:
        InputError: the name is none, or taken.
    """
    check_value("command line", "name", name)
    target = site_overlay(settings, name)
    for path in (target, site_file(name)):
        if path.exists():
            raise InputError("command line", "name", name, f"there is {path} already")
    target.parent.mkdir(parents=True, exist_ok=True)
    text = TEMPLATE.read_text(encoding="utf-8").replace("@NAME@", name)
    with target.open("x", encoding="utf-8") as file:
        file.write(text)
    return {"site": name, "file": str(target)}


def _ledger(settings: Settings) -> sa.Engine:
    """Return the store, which holds the ledger of jobs.

    Raises:
        PermanentError: its tables have not been made.
    """
    engine = open_store(settings)
    if not sa.inspect(engine).has_table("slurm_jobs"):
        raise PermanentError("the store has no tables yet, and with them no ledger of jobs: run `sgob migrate` first")
    return engine


def check(settings: Settings, name: str | None = None, *, job: bool = False) -> dict[str, Any]:
    """Log in to a site and say what would fail there. Changes nothing but a probe file, which is removed.

    Args:
        settings: the installation's.
        name: of the site; by default the configured one.
        job: also run a job of a minute through the normal life cycle; leaves a deployment of the code behind.

    Returns:
        ``site``, ``status`` (the worst) and ``findings``.

    Raises:
        InputError: there is no such site, a value is wrong, or a setting is missing.
    """
    site = configured_site(settings, name)
    findings = check_unverified(site)
    reachable = site
    if site.transfer_host and not site.transfer_host_key:
        action = (
            f"`ssh-keyscan -t ed25519 -p {site.transfer_port} {site.transfer_host}`, compared with what the site says"
        )
        findings.append(failed("transfer_host.key", "not set", "transfer_host_key: its host key", action))
        reachable = dataclasses.replace(site, transfer_host="")
    with contextlib.closing(open_transport(settings, reachable, attempts=1)) as transport:
        findings += check_cluster(site, transport, files=reachable is site)
    if job and worst(findings) != "failed":
        with contextlib.closing(open_transport(settings, site)) as transport:
            findings += check_by_job(Cluster(site, transport, StoreLedger(_ledger(settings))))
    elif job:
        findings.append(warning("job", "not submitted", "a site without failed checks", "mend what failed first"))
    return {"site": site.name, "status": worst(findings), "findings": [one.to_dict() for one in findings]}


def check_cluster(site: Site, transport: SshTransport, *, files: bool = True) -> list[Finding]:
    """Ask a cluster in two commands, and copy a small file there and away again.

    Args:
        site: as configured.
        transport: the way to it.
        files: whether to try the way of the files too.
    """
    try:
        greeting = repeatable(transport, greeting_command(), site.command_timeout_s)
        findings = check_greeting(greeting, time.time())
        if worst(findings) == "failed":
            return findings
        # Importing TensorFlow from a cold shared file system is what takes the time.
        probe = repeatable(
            transport, probe_command(site, uuid.uuid4().hex[:8]), site.command_timeout_s + IMPORT_TIMEOUT_S
        )
    except SgobError as error:
        action = "host, port, account, key_file and host_key of the settings: does `ssh` with them get in?"
        return [failed("login", error, "a login with the pinned host key", action)]
    findings += check_probe(site, probe)
    folders = parse_folders(split(probe.stdout)["folders"]) if "folders" in split(probe.stdout) else {}
    if files:
        findings += check_files(site, transport, exists=folders.get(site.root, ("no",))[0] == "yes")
    return findings


def check_files(site: Site, transport: SshTransport, *, exists: bool) -> list[Finding]:
    """Copy a probe file to the site's root and back, through the transfer host where there is one, and remove it."""
    place = f"transfer host {site.transfer_host}" if site.transfer_host else "login node"
    try:
        transport.open_files()
    except SgobError as error:
        return [failed("files", error, f"SFTP on the {place}", "is the host right, and does it take our key?")]
    if not exists:
        return [ok("files", f"SFTP on the {place} answers; no root yet to copy to")]
    remote = f"{site.root}/.sgob-check-{uuid.uuid4().hex}"
    quoted = shlex.quote(remote)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "probe"
            path.write_bytes(uuid.uuid4().bytes * 4096)
            started = time.monotonic()
            transport.put(path, remote)
            transport.get(remote, path.with_name("back"))
            seconds = time.monotonic() - started
        return [
            ok("files", f"64 KiB over the {place} and back in {seconds:.1f} s, the same", "a file and its checksum")
        ]
    except SgobError as error:
        action = "both machines have to see root, and it has to be writable"
        return [failed("files", error, f"a file over the {place}, seen by the login node", action)]
    finally:
        with contextlib.suppress(SgobError):
            repeatable(transport, f"rm -f -- {quoted} {quoted}.*.part")


def check_by_job(cluster: Cluster, wait_s: float = JOB_WAIT_S) -> list[Finding]:
    """Run the self-check on a node, as any other job: deploy, stage, submit, wait, fetch, clean up.

    Args:
        cluster: where.
        wait_s: longest time to wait; then the job is cancelled.
    """
    job = Job(f"sgob-check-{uuid.uuid4().hex[:12]}", "check", comment="sgob site check", owner="sgob site check")
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            cluster.stage(job, folder)
            progress = cluster.wait(job, timeout_s=wait_s)
            cluster.fetch(job, folder)
            report = folder / "results" / "check.json"
            items = json.loads(report.read_text()) if progress.record.state == "succeeded" else []
            reason = f"{progress.record.state}: {progress.reason}"
            if not items:
                reason += "; " + cluster.log_tail(job, lines=5)
            findings = check_job(cluster.site, items, reason)
        cluster.clean_up(job.key)
    except SgobError as error:
        with _suppressed("cancelling the check's job"):
            cluster.cancel(job.key)
        return [failed("job", error, "a job that succeeds", f"look at {cluster.site.job_dir(job.key)}")]
    return findings


@contextlib.contextmanager
def _suppressed(what: str) -> Iterator[None]:
    try:
        yield
    except SgobError as error:
        log.warning("%s: %s", what, error)


def clean(settings: Settings, name: str | None = None, *, dry_run: bool = False) -> dict[str, Any]:
    """Delete on a cluster what the site's policy lets go: see ``sgob_tasks.cluster.sites.cleanup``.

    Args:
        settings: the installation's.
        name: of the site; by default the configured one.
        dry_run: only say what would be deleted.
    """
    site = configured_site(settings, name)
    engine = _ledger(settings)

    def fetched(key: str) -> bool:
        # A local directory without a marker waits for its results; one that is gone has been done with.
        folder = settings.jobs_dir / key
        return not folder.is_dir() or any((folder / "done").glob("*.json"))

    with contextlib.closing(open_transport(settings, site)) as transport:
        return cleanup.clean(
            site,
            transport,
            lambda: all_jobs(engine, site.name),
            content_hash(package_files()),
            uuid.uuid4().hex[:8],
            datetime.now(timezone.utc),
            fetched=fetched,
            dry_run=dry_run,
        )
