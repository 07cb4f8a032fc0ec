"""Where a model comes from: a hash of its training data, and the git revision of the code."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import sgob_tasks
from sgob_tasks.detection.data.shards import file_hash, is_sharded, read_index
from sgob_tasks.errors import InputError

GIT_TIMEOUT_S = 20


def data_sha256(folder: Path) -> str:
    """Return the hash of a data set: the same for the same annotations and pictures, wherever they lie.

    Of a sharded data set it is the one in its index. Else it is made of every file's path below the folder, its size
    and the SHA-256 of its content, in the order of the paths.

    Args:
        folder: the data set.

    Raises:
        InputError: there is nothing, a file cannot be read, or an index is damaged.
    """
    if is_sharded(folder):
        return str(read_index(folder)["sha256"])
    whole = hashlib.sha256()
    files = 0
    for path in _files(folder):
        line = f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0{file_hash(path)}\n"
        whole.update(line.encode())
        files += 1
    if not files:
        raise InputError(folder, "data set", str(folder), "has no files")
    return whole.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return iter(sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.as_posix()))


def code_revision(package: Path | None = None) -> str:
    """Return the git revision of the installed code: 40 digits, ``-dirty`` where files of it differ from that.

    Where there is none it is ``unknown: `` and the reason: code that was installed as a package has no repository, and
    one that the package merely lies in, such as that of a folder with an environment, is not its own.

    Args:
        package: folder of the package; by default this one's.
    """
    package = (package or Path(sgob_tasks.__file__).parent).resolve()
    try:
        top = _git(package, "rev-parse", "--show-toplevel")
        if Path(top).resolve() != package.parent:
            return f"unknown: {package} is not the package of the repository {top}"
        _git(package, "ls-files", "--error-unmatch", str(package / "__init__.py"))
        commit = _git(package, "rev-parse", "HEAD")
        # New files count: a module that is not in git is code that ran all the same.
        changed = _git(package, "status", "--porcelain", "--", str(package))
    except FileNotFoundError:
        return "unknown: git is not installed"
    except (subprocess.SubprocessError, OSError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        return f"unknown: {said[0] if said else type(error).__name__}"
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=True)
    return done.stdout.strip()
