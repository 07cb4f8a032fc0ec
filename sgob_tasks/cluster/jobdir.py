"""The job directory: what the platform writes for a job, what the job leaves, and how both cross to the cluster.

The same shape on both sides::

    job.json       {"key", "kind", "tasks", "parameters"}; sent last: a directory without it is not complete
    input/         what the job reads
    checkpoints/   what it needs to go on after an interruption
    results/       what it writes
    logs/          output of each task
    done/          one marker for each task, written by the batch script
    claims/        the fence: which job does which task
    submitted/     job ids, by generation
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sgob_tasks.cluster.shell import CommandResult, TransferReport, Transport, combine, repeatable, split
from sgob_tasks.cluster.sites.site import ARRAYS, KINDS, Resources, Site, override
from sgob_tasks.cluster.slurm import (
    accounting_command,
    check_name,
    error_class,
    parse_accounting,
    parse_queue,
    parse_steps,
    queue_command,
    steps_command,
)
from sgob_tasks.cluster.verdict import Marker, Observation
from sgob_tasks.errors import InputError, PermanentError, TransientError

RESULT_FOLDERS = ("results", "done", "logs")
# What a task that succeeded has left (see the programs in ``sgob_tasks.detection``).
OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "infer": ("results/{index:04d}.jsonl", "results/{index:04d}.summary.json"),
    "train": ("results/summary.json",),
    "train_captions": ("results/summary.json",),
    "generate_captions": ("results/{index:04d}.jsonl", "results/{index:04d}.summary.json"),
    "check": ("results/check.json",),
    "install": ("results/installed.json",),
    "selftest": ("results/rank-0.json",),
}
_WORK_FOLDERS = ("input", "checkpoints", "results", "logs", "done", "claims", "submitted")


@dataclass(frozen=True)
class Job:
    """Something to be done on the cluster, once.

    Attributes:
        key: what it does, as a name: the same work has the same key. Slurm job names are made from it.
        kind: which template and which of the site's resources (``site.KINDS``).
        parameters: for the program; written to job.json.
        tasks: size of the array; 1 and ``array`` False for a job that is none.
        comment: for people who look at the queue.
        owner: who waits for it, for the ledger.
        outputs: files that each task has to leave, relative to the directory, with ``{index}``; by default those of
            the kind. Without them a marker alone is no success.
        resources: changes to what the site gives this kind, such as ``{"nodes": 4}``.
        images: pictures that it works on, for the ledger; 0 where nobody said. Not for the program.
    """

    key: str
    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tasks: int = 1
    comment: str = ""
    owner: str = ""
    outputs: tuple[str, ...] | None = None
    resources: Mapping[str, int] = field(default_factory=dict)
    images: int = 0

    def __post_init__(self) -> None:
        check_name(self.key)
        if len(self.key) > 100:
            raise InputError("job", "key", self.key, "is longer than 100 characters")
        if self.kind not in KINDS:
            raise InputError(f"job {self.key}", "kind", self.kind, f"is none of {', '.join(KINDS)}")
        if self.tasks < 1 or (not self.array and self.tasks != 1):
            raise InputError(
                f"job {self.key}", "tasks", self.tasks, "has to be 1, or more for inference and for captions"
            )
        if self.outputs is None:
            object.__setattr__(self, "outputs", OUTPUTS[self.kind])
        for name in self.outputs or ():
            parts = name.split("/")
            if not name.isprintable() or ".." in parts or any(part.startswith("-") or not part for part in parts):
                raise InputError(f"job {self.key}", "outputs", name, "has to be a path below the job directory")

    @property
    def array(self) -> bool:
        """Whether it is a Slurm array; inference and the making of captions always are, be it of one task."""
        return self.kind in ARRAYS

    @property
    def indices(self) -> tuple[int, ...]:
        """All indices that have to succeed."""
        return tuple(range(self.tasks))

    def leaves(self) -> dict[int, tuple[str, ...]]:
        """Return the files that each index has to leave."""
        return {index: tuple(name.format(index=index) for name in self.outputs or ()) for index in self.indices}

    def name(self, generation: int) -> str:
        """Return Slurm's job name of one submission."""
        return f"{self.key}.{generation}"

    def asks(self, site: Site) -> Resources:
        """Return what it asks a site for."""
        return override(site.resources(self.kind), self.resources, f"job {self.key}: resources")

    def to_dict(self) -> dict[str, Any]:
        """Return all values, for JSON."""
        return {
            "key": self.key,
            "kind": self.kind,
            "parameters": dict(self.parameters),
            "tasks": self.tasks,
            "comment": self.comment,
            "owner": self.owner,
            "outputs": list(self.outputs or ()),
            "resources": dict(self.resources),
            "images": self.images,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Job:
        """Make a job from ``to_dict``'s values, or from those of a planning step: other names are ignored.

        Raises:
            InputError: key or kind are missing, or a value is wrong.
        """
        for name in ("key", "kind"):
            if not isinstance(values.get(name), str):
                raise InputError("job", name, values.get(name), "is missing or no text")
        known = {item.name for item in fields(cls)}
        chosen = {name: value for name, value in values.items() if name in known and value is not None}
        if "outputs" in chosen:
            chosen["outputs"] = tuple(chosen["outputs"])
        return cls(**chosen)


@dataclass(frozen=True)
class Checkpoint:
    """The newest file below checkpoints/: how far the job has come.

    Attributes:
        name: relative to the job directory.
        modified: seconds since 1970, as the cluster's clock has it.
    """

    name: str
    modified: float


def write_job_file(folder: Path, job: Job) -> None:
    """Write ``job.json`` into a local job directory, under a temporary name first; one that is there stays.

    Raises:
        InputError: the one that is there describes another job.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "job.json"
    if path.exists():
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(path, "JSON", str(error), "cannot be read") from error
        for name, wanted in (("key", job.key), ("kind", job.kind), ("tasks", job.tasks)):
            if there.get(name) != wanted:
                raise InputError(path, name, there.get(name), f"is not {wanted!r}")
        return
    new = folder / ".job.json.new"
    document = {"key": job.key, "kind": job.kind, "tasks": job.tasks, "parameters": dict(job.parameters)}
    new.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    new.replace(path)


def stage(transport: Transport, folder: Path, run_dir: str) -> TransferReport:
    """Copy a local job directory's inputs to the cluster; what is there already is not sent again.

    Args:
        transport: the cluster.
        folder: local directory with ``input/`` and ``job.json``.
        run_dir: the job's directory on the cluster.

    Raises:
        InputError: the local directory has no ``job.json``.
        TransientError: the connection broke; staging again goes on.
    """
    if not (folder / "job.json").is_file():
        raise InputError(folder, "job.json", "", "is missing: this is no complete job directory")
    # job.json is the last to get its name: a directory that has one is complete.
    return transport.put_tree(folder, run_dir, only=("input", "job.json"), folders=_WORK_FOLDERS)


def fetch(transport: Transport, run_dir: str, folder: Path, folders: Iterable[str] = RESULT_FOLDERS) -> TransferReport:
    """Copy what a job left from the cluster; what is here already is not copied again."""
    return transport.get_tree(run_dir, folder, only=tuple(folders))


def remove(transport: Transport, site: Site, key: str) -> None:
    """Delete a job's directory on the cluster; one that is not there is fine."""
    run_dir = site.job_dir(check_name(key))
    result = repeatable(transport, f"rm -rf -- {shlex.quote(run_dir)}", 600.0)
    if result.exit_code != 0:
        raise TransientError(f"cannot delete {run_dir} on the cluster: {result.text[-500:]}")


def observe_command(run_dir: str, name: str, since_s: float, outputs: Iterable[str] = ()) -> str:
    """Return one command that asks every witness about one submission.

    Args:
        run_dir: the job's directory on the cluster.
        name: Slurm job name.
        since_s: how far sacct has to look back, in seconds.
        outputs: the job's output patterns; their folders are listed.
    """
    quoted = shlex.quote(run_dir)
    commands = {
        "queue": queue_command([name]),
        "accounting": accounting_command([name], since_s),
        "steps": steps_command(name),
        # ls first: a network file system then looks again instead of answering from its cache.
        "markers": f"cd {quoted} && ls done >/dev/null && find done -name '*.json' -exec cat {{}} +",
        "checkpoint": f"cd {quoted} && find checkpoints -type f ! -name '.*' -printf '%T@ %p\\n' | sort -n | tail -n 1",
    }
    folders = " ".join(shlex.quote(folder) for folder in sorted({posixpath.dirname(name) or "." for name in outputs}))
    if folders:
        commands["outputs"] = f"cd {quoted} && find {folders} -maxdepth 1 -type f -printf '%p\\n'"
    return combine(commands)


@dataclass(frozen=True)
class Answer:
    """What ``observe_command`` brought.

    Attributes:
        seen: for the judge.
        checkpoint: newest one; None where there is none.
        troubles: what a witness said who did not answer.
    """

    seen: Observation
    checkpoint: Checkpoint | None
    troubles: tuple[str, ...] = ()


def parse_answer(result: CommandResult) -> Answer:
    """Read the output of ``observe_command``.

    Raises:
        TransientError: the job directory could not be read, or squeue and sacct both did not answer.
    """
    sections = split(result.stdout)
    troubles = []
    found: dict[str, CommandResult | None] = {}
    for name in ("queue", "accounting", "steps", "markers", "checkpoint", "outputs"):
        section = sections.get(name)
        if section is not None and section.exit_code != 0:
            troubles.append(f"{name}: {section.stdout.strip()[-300:]}")
            section = None
        found[name] = section
    if found["markers"] is None:
        raise TransientError(f"the job directory cannot be read: {'; '.join(troubles) or result.text[-300:]}")
    queue, accounting, outputs = found["queue"], found["accounting"], found["outputs"]
    if queue is None and accounting is None:
        raise TransientError(f"neither squeue nor sacct answers: {'; '.join(troubles)}")
    return Answer(
        Observation(
            queue=parse_queue(queue.stdout) if queue else None,
            accounting=parse_accounting(accounting.stdout) if accounting else None,
            markers=parse_markers(found["markers"].stdout),
            outputs=frozenset(outputs.stdout.split("\n")) if outputs else None,
            steps=parse_steps(steps.stdout) if (steps := found["steps"]) else {},
        ),
        _parse_checkpoint(found["checkpoint"]),
        tuple(troubles),
    )


def parse_markers(stdout: str) -> dict[int, Marker]:
    """Read markers, one JSON object a line; lines that are none are skipped."""
    markers = {}
    for line in stdout.splitlines():
        try:
            value = json.loads(line)
            marker = Marker(
                index=int(value["index"]),
                exit_code=int(value["exit_code"]),
                slurm_job_id=str(value["slurm_job_id"]),
                host=str(value.get("host", "")),
                started_at=str(value.get("started_at", "")),
                ended_at=str(value.get("ended_at", "")),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        markers[marker.index] = marker
    return markers


def _parse_checkpoint(section: CommandResult | None) -> Checkpoint | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) (.+)", section.stdout.strip()) if section else None
    return Checkpoint(match[2], float(match[1])) if match else None


def check_answer(result: CommandResult) -> None:
    """Raise what a failed Slurm command means, given that repeating it is harmless.

    Raises:
        TransientError: it may work later.
        PermanentError: it never will.
    """
    if result.exit_code != 0:
        permanent = error_class(result.text) is PermanentError
        raise (PermanentError if permanent else TransientError)(f"exit {result.exit_code}: {result.text[-500:]}")
