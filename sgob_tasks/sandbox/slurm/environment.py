"""The cluster's Python environment, made available to the batch user.

The project may be cloned below a folder that other users cannot enter, and a batch job is another user. So the
environment is copied into the sandbox's state folder: by hard links, which costs no space and a second, and by a real
copy only across file systems.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from sgob_tasks.errors import InputError, PermanentError


def fingerprint(environment: Path) -> str:
    """Return a value that changes when packages of an environment change: names and times of what is installed.

    Raises:
        InputError: the folder is no virtual environment.
    """
    python = environment / "bin" / "python"
    if not python.exists():
        raise InputError(environment, "environment", str(python), "no such interpreter; is it a virtual environment?")
    digest = hashlib.sha256()
    for folder in sorted(environment.glob("lib/python3*/site-packages")):
        for entry in sorted(os.scandir(folder), key=lambda item: item.name):
            # Two levels down is where a package's bytecode and shared libraries come and go.
            digest.update(f"{entry.name} {entry.stat().st_mtime_ns}\n".encode())
    digest.update(str(python.resolve()).encode())
    return digest.hexdigest()


def copy_environment(source: Path, target: Path) -> bool:
    """Make ``target`` the same environment as ``source``.

    Args:
        source: a virtual environment whose interpreter all users can run.
        target: folder to make; replaced as a whole when the environment has changed.

    Returns:
        whether anything was copied.
    """
    stamp = target.with_name(target.name + ".json")
    wanted = {"source": str(source.resolve()), "fingerprint": fingerprint(source)}
    if target.is_dir() and stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return False
    new = target.with_name(target.name + ".new")
    old = target.with_name(target.name + ".old")
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    for options in ("-al", "-a"):
        result = subprocess.run(
            ["cp", options, f"{source.resolve()}/.", str(new)], capture_output=True, text=True, check=False
        )
        if result.returncode == 0:
            break
        shutil.rmtree(new, ignore_errors=True)
    else:
        raise PermanentError(f"cannot copy {source} to {new}: {result.stderr.strip()[-500:]}")
    # Built under a strict umask, it would be its owner's alone. Hard links share their rights with the source.
    subprocess.run(["chmod", "-R", "a+rX", str(new)], check=True, capture_output=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    stamp.write_text(json.dumps(wanted))
    shutil.rmtree(old, ignore_errors=True)
    return True
