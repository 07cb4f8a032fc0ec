"""Make job directories: what crosses between the control plane and the cluster."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def job_key(kind: str, *parts: str) -> str:
    """Return the name of a job: made from what it does, so the same work has the same name."""
    return f"sgob-{kind}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:16]}"


def write_job(folder: Path, kind: str, tasks: int, parameters: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Write ``job.json``, last of all inputs, and return what an operator needs to know of the job.

    Args:
        folder: the local job directory; its name is the key.
        kind: ``train`` or ``infer``.
        tasks: size of the array.
        parameters: for the program.
        more: what the program need not know, such as ``resources`` and ``images`` of ``cluster.jobdir.Job``.
    """
    job = {"key": folder.name, "kind": kind, "tasks": tasks, "parameters": dict(parameters)}
    write_json(folder / "job.json", job)
    return job | more | {"job_dir": str(folder)}


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file under a temporary name, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(value, indent=1, sort_keys=True))
    temporary.replace(path)


def link(source: Path, target: Path) -> None:
    """Put a file where a job reads it: a hard link where the file system allows one, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def link_folder(source: Path, target: Path) -> None:
    """Put all files of a folder where a job reads them."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            link(path, target / path.relative_to(source))
