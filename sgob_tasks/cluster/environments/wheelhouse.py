"""The wheelhouse: all that an environment is installed from, gathered where there is an internet.

Kept below ``$SGOB_HOME/wheelhouse``, one folder for each set of requirements: the next deployment of the same set
downloads nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sgob_tasks.cluster.deploy import PACKAGE
from sgob_tasks.cluster.environments.deployment import Deployment, wheel_platforms
from sgob_tasks.errors import InputError, PermanentError, TransientError

PROJECT = PACKAGE.parent
_PINNED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;*]+)")
_VERSION = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)
# Wheels are zip archives, whose times begin in 1980; the same content gives the same bytes.
_EPOCH = "315532800"


@dataclass(frozen=True)
class Wheelhouse:
    """What an environment is installed from.

    Attributes:
        requirements: pinned requirements that have wheels.
        sources: pinned requirements that are built on the cluster.
        files: wheels and source archives of both, on this machine.
        project: wheel of this project.
    """

    requirements: tuple[str, ...]
    sources: tuple[str, ...]
    files: tuple[Path, ...]
    project: Path


def read_requirements(path: Path) -> tuple[str, ...]:
    """Return the pinned requirements of a file, ``name==version``, in the file's order.

    Raises:
        InputError: the file is not there, or a line is not pinned; the message names file, line and value.
    """
    if not path.is_file():
        raise InputError("deployment", "requirements", str(path), "does not exist")
    found = []
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        if not _PINNED.fullmatch(line):
            raise InputError(path, f"line {number}", raw, "has to be pinned as name==version")
        found.append(line)
    return tuple(found)


def digest(*parts: str) -> str:
    """Return a short name for some texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def gather(deployment: Deployment, cache: Path, project: Path = PROJECT) -> Wheelhouse:
    """Download what is not in the cache yet, and build the wheel of this project.

    Args:
        deployment: which requirements, for which Python and C library.
        cache: folder that is kept, such as ``$SGOB_HOME/wheelhouse``.
        project: checkout of this project.

    Raises:
        InputError: a requirement is not pinned, or no wheel of it fits the cluster.
        TransientError: the package index does not answer.
        PermanentError: the project's wheel cannot be built.
    """
    requirements = read_requirements(project / deployment.requirements)
    sources = read_requirements(project / deployment.sources) if deployment.sources else ()
    target = cache / digest(*requirements, "sources", *sources, deployment.python_version, deployment.glibc)
    with _lock(cache):
        if not target.is_dir():
            part = target.with_name(target.name + ".part")
            part.mkdir(exist_ok=True)
            _download(requirements, deployment, part)
            _download_sources(sources, part)
            _check_complete((*requirements, *sources), part)
            part.rename(target)
        wheel = _project_wheel(project, cache / "project")
    return Wheelhouse(requirements, sources, tuple(sorted(target.iterdir())), wheel)


@contextmanager
def _lock(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _pip(*arguments: str, cwd: Path | None = None) -> str:
    """Run this interpreter's pip, with the settings that this machine has for it; return what went wrong."""
    result = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH, "PIP_PROGRESS_BAR": "off"},
    )
    return "" if result.returncode == 0 else (result.stderr.strip() or result.stdout.strip() or "pip failed")


def _download(requirements: Sequence[str], deployment: Deployment, folder: Path) -> None:
    platforms = [word for tag in wheel_platforms(deployment.glibc) for word in ("--platform", tag)]
    trouble = _pip(
        *("download", "--no-deps", "--only-binary=:all:", "--implementation=cp"),
        *(f"--python-version={deployment.python_version}", *platforms, f"--dest={folder}", *requirements),
    )
    # Of an index that does not answer pip says in the end that it has no such file; the warnings before tell.
    silent = "connection broken" in trouble or "Could not fetch URL" in trouble
    if "No matching distribution found" in trouble and not silent:
        name = trouble.rpartition("No matching distribution found for ")[2].split()[0]
        raise InputError(
            deployment.requirements,
            "requirement",
            name,
            f"has no wheel for Python {deployment.python_version} and glibc {deployment.glibc}",
        )
    if trouble:
        raise TransientError(f"pip download: {trouble[-1000:]}")


def _download_sources(sources: Sequence[str], folder: Path) -> None:
    if sources and (trouble := _pip("download", "--no-deps", "--no-binary=:all:", f"--dest={folder}", *sources)):
        raise TransientError(f"pip download: {trouble[-1000:]}")


def _check_complete(requirements: Sequence[str], folder: Path) -> None:
    """Compare names only: a file's version may be written in another way than the requirement's."""
    there = {_normal(re.split(r"-\d", path.name, maxsplit=1)[0]) for path in folder.iterdir()}
    for requirement in requirements:
        match = _PINNED.fullmatch(requirement)
        name = _normal(match["name"]) if match else requirement
        if name not in there:
            raise PermanentError(f"pip download: no file of {requirement} arrived in {folder}")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def project_files(project: Path) -> list[Path]:
    """Return what the project's wheel is built from, relative to the project.

    Raises:
        InputError: the folder is no checkout of the project.
    """
    if not (project / "pyproject.toml").is_file():
        raise InputError("deploy", "project", str(project), "holds no pyproject.toml: deploy from a checkout")
    found = [Path("pyproject.toml"), *(Path(name) for name in ("README.md", "LICENSE") if (project / name).is_file())]
    for package in ("sgob_tasks", "plugins/sgob_airflow"):
        for path in (project / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found.append(path.relative_to(project))
    return sorted(found)


def _project_wheel(project: Path, folder: Path) -> Path:
    """Build the wheel of the project; its version carries a hash of its content, so that no two share a name."""
    files = project_files(project)
    content = hashlib.sha256()
    for name in files:
        data = (project / name).read_bytes()
        content.update(f"{name}\0{len(data)}\0".encode() + data)
    short = content.hexdigest()[:12]
    known = sorted(folder.glob(f"*+g{short}-*.whl"))
    if known:
        return known[0]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        copy, made = Path(scratch) / "project", Path(scratch) / "wheel"
        for name in files:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(project / name, copy / name)
        text = (copy / "pyproject.toml").read_text(encoding="utf-8")
        text, count = _VERSION.subn(rf'version = "\1+g{short}"', text, count=1)
        if count != 1:
            raise InputError(project / "pyproject.toml", "project.version", None, "is missing")
        (copy / "pyproject.toml").write_text(text, encoding="utf-8")
        if trouble := _pip("wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={made}", ".", cwd=copy):
            raise PermanentError(f"the project's wheel cannot be built: {trouble[-1000:]}")
        wheel = next(made.glob("*.whl"))
        part = folder / f".{wheel.name}"
        shutil.copyfile(wheel, part)
        return part.rename(folder / wheel.name)
