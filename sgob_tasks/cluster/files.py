"""Moving folders: the part that is the same for every transport.

Files are copied to ``name.<random>.part``, compared by SHA-256, and only then renamed. One command on the other side
lists what is there with its hash, so that unchanged files are not sent again.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shlex
import tempfile
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from sgob_tasks.cluster.shell import DEFAULT_TIMEOUT_S, CommandResult, TransferReport
from sgob_tasks.errors import InputError, PermanentError, TransientError

PART = ".part"
HASH_TIMEOUT_S = 600.0
_ROW = re.compile(r"^([0-9a-f]{64})[ ][ *](.+)$")


@dataclass(frozen=True)
class _Copy:
    """One file to copy: path on this machine, path relative to the folder, hash, size."""

    local: Path
    name: str
    sha256: str
    size: int


def sha256(path: Path) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_remote(path: str) -> str:
    """Return a remote path that is safe to use.

    Raises:
        InputError: it is not absolute, or leads upwards.
    """
    if not path.startswith("/") or ".." in path.split("/") or "\n" in path or posixpath.normpath(path) == "/":
        raise InputError("transfer", "remote path", path, "has to be absolute, one line, without '..', and not '/'")
    return path


def list_local(folder: Path) -> dict[str, Path]:
    """Return a folder's files by relative POSIX path; links to files are followed, half-made files left out.

    Raises:
        InputError: a name holds a line break or backslash, which checksum lists cannot carry.
    """
    found: dict[str, Path] = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            relative = path.relative_to(folder).as_posix()
            if any(character in relative for character in "\n\r\\"):
                raise InputError(folder, "file name", relative, "holds a line break or a backslash")
            if path.is_file() and not name.endswith(PART):
                found[relative] = path
    return dict(sorted(found.items()))


class FileTransport(ABC):
    """A transport made of three primitives: run a command, write a file, read a file."""

    @abstractmethod
    def run(self, command: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> CommandResult:
        """Run a shell command; see ``Transport.run``."""

    @abstractmethod
    def _upload(self, local: Path, remote: str) -> None:
        """Write one remote file; its folder exists."""

    @abstractmethod
    def _download(self, remote: str, local: Path) -> None:
        """Write one local file; its folder exists."""

    def put(self, local: Path, remote: str) -> TransferReport:
        """Copy one file to the machine; see ``Transport.put``."""
        if not local.is_file():
            raise InputError("transfer", "local file", str(local), "does not exist")
        folder, name = posixpath.split(check_remote(remote))
        return self._put([_Copy(local, name, sha256(local), local.stat().st_size)], folder)

    def put_tree(self, local: Path, remote: str) -> TransferReport:
        """Copy a folder's files to the machine; see ``Transport.put_tree``."""
        if not local.is_dir():
            raise InputError("transfer", "local folder", str(local), "does not exist")
        copies = [_Copy(path, name, sha256(path), path.stat().st_size) for name, path in list_local(local).items()]
        return self._put(copies, check_remote(remote))

    def _put(self, copies: list[_Copy], folder: str) -> TransferReport:
        there = self._hashes(folder, {copy.name for copy in copies}, make=True)
        missing = [copy for copy in copies if there.get(copy.name) != copy.sha256]
        quoted = shlex.quote(folder)
        parents = sorted({posixpath.dirname(copy.name) for copy in missing} - {""})
        for start in range(0, len(parents), 200):
            some = " ".join(shlex.quote(posixpath.join(folder, name)) for name in parents[start : start + 200])
            self._checked(f"mkdir -p -- {some}")
        if not missing:
            return TransferReport(0, len(copies), 0)
        # Names of this transfer's own: two that copy the same file at once must not rename each other's half.
        part = f".{uuid.uuid4().hex}{PART}"
        for copy in missing:
            self._upload(copy.local, posixpath.join(folder, copy.name + part))
        # One list, one command: check all, then rename all. Nothing gets its name before everything was right.
        name = f".manifest{part}"
        self._upload_text(
            "".join(f"{copy.sha256}  {copy.name}{part}\n" for copy in missing), posixpath.join(folder, name)
        )
        result = self.run(
            f"cd {quoted} && sha256sum --quiet --check {name} && "
            f'cut -c67- {name} | while IFS= read -r part; do mv -f -- "$part" "${{part%{part}}}" || exit 1; done; '
            f"code=$?; rm -f -- {name}; exit $code",
            HASH_TIMEOUT_S,
        )
        if result.exit_code != 0:
            raise TransientError(
                f"files copied to {folder} did not arrive as they were sent; is the disk or the quota full? "
                f"{result.text[-500:]}"
            )
        return TransferReport(len(missing), len(copies) - len(missing), sum(copy.size for copy in missing))

    def _upload_text(self, text: str, remote: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "text"
            path.write_text(text, encoding="utf-8")
            self._upload(path, remote)

    def get(self, remote: str, local: Path) -> TransferReport:
        """Copy one file from the machine; see ``Transport.get``."""
        folder, name = posixpath.split(check_remote(remote))
        there = self._hashes(folder, {name})
        if name not in there:
            raise PermanentError(f"there is no file {remote} on the cluster")
        return self._get(folder, {name: there[name]}, {name: local})

    def get_tree(self, remote: str, local: Path) -> TransferReport:
        """Copy a folder's files from the machine; see ``Transport.get_tree``."""
        there = {
            name: digest
            for name, digest in self._hashes(check_remote(remote)).items()
            if not name.endswith(PART) and not posixpath.basename(name).startswith(".")
        }
        for name in there:
            if name.startswith("/") or ".." in name.split("/"):
                raise InputError(remote, "file name", name, "leads out of its folder")
        return self._get(remote, there, {name: local / name for name in there})

    def _get(self, folder: str, there: dict[str, str], targets: dict[str, Path]) -> TransferReport:
        sent = skipped = size = 0
        for name, digest in sorted(there.items()):
            target = targets[name]
            if target.is_file() and sha256(target) == digest:
                skipped += 1
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f"{target.name}.{uuid.uuid4().hex}{PART}")
            try:
                self._download(posixpath.join(folder, name), part)
                found = sha256(part)
                if found != digest:
                    raise TransientError(f"{folder}/{name} changed while it was copied: {found}, not {digest}")
                size += part.stat().st_size
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
            sent += 1
        return TransferReport(sent, skipped, size)

    def _hashes(self, folder: str, names: set[str] | None = None, *, make: bool = False) -> dict[str, str]:
        """Return the SHA-256 of the files in a remote folder, by relative path; of a missing folder none.

        Where only a few names matter, only these are read; ``make`` makes the folder in the same round trip.
        """
        quoted = shlex.quote(folder)
        missing = f"mkdir -p -- {quoted}" if make else "exit 0"
        if names is not None and len(names) <= 20:
            some = " ".join(shlex.quote(f"./{name}") for name in sorted(names))
            listing = f'for file in {some}; do [ ! -f "$file" ] || printf \'%s\\0\' "$file"; done' if some else "true"
        else:
            listing = "find . -type f -print0"
        result = self._checked(
            # A line of its own: what a login shell said before may have no end of line, and would hide the first file.
            f"echo; [ -d {quoted} ] || {missing}; cd {quoted} || exit 1; {{ {listing}; }} | xargs -0 -r sha256sum --",
            HASH_TIMEOUT_S,
        )
        matches = (_ROW.match(line) for line in result.stdout.splitlines())
        return {match[2].removeprefix("./"): match[1] for match in matches if match}

    def _checked(self, command: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> CommandResult:
        result = self.run(command, timeout_s)
        if result.exit_code != 0:
            raise PermanentError(f"{command[:200]}: exit {result.exit_code}: {result.text[-500:]}")
        return result
