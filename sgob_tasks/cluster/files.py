"""Moving folders: the part that is the same for every transport.

Files are copied to ``name.<hash>.part``, compared by SHA-256, and only then renamed. One command on the other side
lists what is there with its hash, so that unchanged files are not sent again, and how much of each has arrived, so
that a transfer that was cut goes on where it stopped. The half's name holds the content's hash: what was begun of one
content is never continued with another, and two who send the same write the same bytes to the same places.
"""

from __future__ import annotations

import hashlib
import logging
import os
import posixpath
import re
import shlex
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sgob_tasks.cluster.shell import DEFAULT_TIMEOUT_S, CommandResult, TransferReport, repeatable
from sgob_tasks.errors import InputError, PermanentError, TransientError

log = logging.getLogger(__name__)

PART = ".part"
HASH_TIMEOUT_S = 600.0
ATTEMPTS = 5
_FEW = 20
"""Up to so many files or folders are named in a command; of more, the whole folder is listed."""
# Lines are taken apart at "\n" alone: names may hold what str.splitlines takes for an end of line too.
_SIZE = re.compile(r"^(\d+) \./(.+\.part)$")
_ROW = re.compile(r"^([0-9a-f]{64})[ ][ *](.+)$")


# One process for all files where there is Perl: one for each takes longer than copying them.
_RENAME = (
    "if command -v perl >/dev/null; then "
    f"perl -lne '($name = $_) =~ s/\\.[^.]*\\{PART}$//; rename($_, $name) or die \"$_: $!\\n\"'; "
    f'else while IFS= read -r part; do base="${{part%{PART}}}"; mv -f -- "$part" "${{base%.*}}" || exit 1; done; fi; '
)


class StorageFullError(TransientError):
    """The other side has no room for the data: the disk or the quota is full. Waiting alone may not help."""


@dataclass(frozen=True)
class _Copy:
    """One file to copy: path on this machine, path relative to the folder, hash, size."""

    local: Path
    name: str
    sha256: str
    size: int

    @classmethod
    def of(cls, local: Path, name: str) -> _Copy:
        """Describe a file as it is now."""
        return cls(local, name, sha256(local), local.stat().st_size)

    @property
    def part(self) -> str:
        """Name of the half-made file."""
        return f"{self.name}.{self.sha256[:16]}{PART}"


def sha256(path: Path) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_remote(path: str, root: str = "") -> str:
    """Return a remote path that is safe to use.

    Args:
        path: absolute.
        root: folder that it has to lie in; empty for anywhere.

    Raises:
        InputError: it is not absolute, leads upwards or out of ``root``, or holds a character that no path should.
    """
    unsafe = any(ord(character) < 32 or ord(character) == 127 for character in path)
    if not path.startswith("/") or ".." in path.split("/") or unsafe or posixpath.normpath(path) in {"/", "//"}:
        raise InputError("transfer", "remote path", path, "has to be absolute, one line, without '..', and not '/'")
    if root and not posixpath.normpath(path).startswith(posixpath.normpath(root) + "/"):
        raise InputError("transfer", "remote path", path, f"lies outside {root}")
    return path


def list_local(folder: Path, only: Sequence[str] | None = None) -> dict[str, Path]:
    """Return a folder's files by relative POSIX path; links to files are followed, half-made files left out.

    Args:
        folder: on this machine.
        only: these entries, in this order; by default all, sorted.

    Raises:
        InputError: a name holds a line break or backslash, which checksum lists cannot carry.
    """
    found: dict[str, Path] = {}
    for top in [folder] if only is None else [folder / name for name in only]:
        files = [top] if top.is_file() else sorted(Path(at) / name for at, _, names in os.walk(top) for name in names)
        for path in files:
            relative = path.relative_to(folder).as_posix()
            if any(character in relative for character in "\n\r\\"):
                raise InputError(folder, "file name", relative, "holds a line break or a backslash")
            if path.is_file() and not path.name.endswith(PART):
                found[relative] = path
    return found


class FileTransport(ABC):
    """A transport made of three primitives: run a command, write a file, read a file.

    Args:
        root: folder that remote paths have to lie in; empty for anywhere.
    """

    def __init__(self, root: str = "") -> None:
        self.root = root

    @abstractmethod
    def run(self, command: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> CommandResult:
        """Run a shell command; see ``Transport.run``."""

    @abstractmethod
    def close(self) -> None:
        """Give the connection back; see ``Transport.close``."""

    @abstractmethod
    def _upload(self, local: Path, remote: str, offset: int) -> None:
        """Write one remote file from ``offset`` on, keeping what is before; its folder exists."""

    @abstractmethod
    def _download(self, remote: str, local: Path, offset: int) -> None:
        """Write one local file from ``offset`` on, keeping what is before; its folder exists."""

    def put(self, local: Path, remote: str) -> TransferReport:
        """Copy one file to the machine; see ``Transport.put``."""
        if not local.is_file():
            raise InputError("transfer", "local file", str(local), "does not exist")
        folder, name = posixpath.split(check_remote(remote, self.root))
        return self._persistently(lambda: self._put([_Copy.of(local, name)], folder))

    def put_tree(
        self, local: Path, remote: str, only: Sequence[str] | None = None, folders: Sequence[str] = ()
    ) -> TransferReport:
        """Copy a folder's files to the machine; see ``Transport.put_tree``."""
        if not local.is_dir():
            raise InputError("transfer", "local folder", str(local), "does not exist")
        check_remote(remote, self.root)
        copies = [_Copy.of(path, name) for name, path in list_local(local, only).items()]
        return self._persistently(lambda: self._put(copies, remote, folders))

    @staticmethod
    def _persistently(transfer: Callable[[], TransferReport]) -> TransferReport:
        """Go on with a transfer that was cut; a full disk is for others to mend."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return transfer()
            except StorageFullError:
                raise
            except TransientError as error:
                if attempt == ATTEMPTS:
                    raise
                log.warning("%s; going on (attempt %d of %d)", error, attempt + 1, ATTEMPTS)
        raise AssertionError  # the loop above returns or raises

    def _put(self, copies: list[_Copy], folder: str, folders: Sequence[str] = ()) -> TransferReport:
        parents = sorted({posixpath.dirname(copy.name) for copy in copies} | set(folders))
        # Few are made by the command that lists what is there.
        for start in range(_FEW, len(parents), 10 * _FEW):
            some = " ".join(shlex.quote(posixpath.join(folder, name)) for name in parents[start : start + 10 * _FEW])
            self._checked(f"mkdir -p -- {some}")
        there, halves = self._listing(folder, copies, parents[:_FEW])
        missing = [copy for copy in copies if there.get(copy.name) != copy.sha256]
        quoted = shlex.quote(folder)
        if not missing:
            return TransferReport(0, len(copies), 0)
        size = sum(self._send(copy, folder, halves.get(copy.part, 0)) for copy in missing)
        # One list, one command: check all, then rename all. Nothing gets its name before everything was right.
        name = f".manifest.{uuid.uuid4().hex}{PART}"
        self._upload_text("".join(f"{copy.sha256}  {copy.part}\n" for copy in missing), posixpath.join(folder, name))
        result = repeatable(
            self,
            f"cd {quoted} && LC_ALL=C sha256sum --quiet --check {name} && cut -c67- {name} | {_RENAME}"
            f"code=$?; rm -f -- {name}; exit $code",
            HASH_TIMEOUT_S,
        )
        if result.exit_code != 0:
            self._drop_damaged(missing, folder, result.stdout)
            raise TransientError(
                f"files copied to {folder} did not arrive as they were sent; is the disk or the quota full? "
                f"{result.text[-500:]}"
            )
        return TransferReport(len(missing), len(copies) - len(missing), size)

    def _send(self, copy: _Copy, folder: str, offset: int) -> int:
        """Send what is missing of a file; return how many bytes that were."""
        remote = posixpath.join(folder, copy.part)
        if offset > copy.size:
            self._checked(f"rm -f -- {shlex.quote(remote)}")
            offset = 0
        if offset and offset == copy.size:
            return 0
        if offset:
            log.info("%s: going on after %d of %d bytes", remote, offset, copy.size)
        try:
            self._upload(copy.local, remote, offset)
        except StorageFullError as error:
            # A half that cannot become a whole only takes the room that is missing.
            room = self.run(f"rm -f -- {shlex.quote(remote)}; LC_ALL=C df -Ph -- {shlex.quote(folder)} | tail -n 1")
            raise StorageFullError(f"{error} ({' '.join(room.stdout.split()[-200:])})") from error
        return copy.size - offset

    def _drop_damaged(self, copies: list[_Copy], folder: str, answer: str) -> None:
        """Delete the halves whose content is wrong, so that the next attempt sends them from the beginning."""
        failed = {line.removesuffix(": FAILED") for line in answer.split("\n") if line.endswith(": FAILED")}
        damaged = [posixpath.join(folder, copy.part) for copy in copies if copy.part in failed]
        for start in range(0, len(damaged), 200):
            self._checked("rm -f -- " + " ".join(shlex.quote(path) for path in damaged[start : start + 200]))

    def _upload_text(self, text: str, remote: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "text"
            path.write_text(text, encoding="utf-8")
            self._upload(path, remote, 0)

    def get(self, remote: str, local: Path) -> TransferReport:
        """Copy one file from the machine; see ``Transport.get``."""
        folder, name = posixpath.split(check_remote(remote, self.root))

        def once() -> TransferReport:
            there = self._hashes(folder, {name})
            if name not in there:
                raise PermanentError(f"there is no file {remote} on the cluster")
            return self._get(folder, {name: there[name]}, {name: local})

        return self._persistently(once)

    def get_tree(self, remote: str, local: Path, only: Sequence[str] | None = None) -> TransferReport:
        """Copy a folder's files from the machine; see ``Transport.get_tree``."""
        check_remote(remote, self.root)

        def once() -> TransferReport:
            there = {
                name: digest
                for name, digest in self._hashes(remote, tops=only).items()
                if not posixpath.basename(name).startswith(".")
            }
            for name in there:
                if name.startswith("/") or ".." in name.split("/"):
                    raise InputError(remote, "file name", name, "leads out of its folder")
            order = {name: number for number, name in enumerate(only or ())}
            there = dict(sorted(there.items(), key=lambda item: (order.get(item[0].partition("/")[0], 0), item[0])))
            return self._get(remote, there, {name: local / name for name in there})

        return self._persistently(once)

    def _get(self, folder: str, there: dict[str, str], targets: dict[str, Path]) -> TransferReport:
        sent = skipped = size = 0
        for name, digest in there.items():
            target = targets[name]
            if target.is_file() and sha256(target) == digest:
                skipped += 1
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f"{target.name}.{digest[:16]}{PART}")
            offset = part.stat().st_size if part.is_file() else 0
            self._download(posixpath.join(folder, name), part, offset)
            found = sha256(part)
            if found != digest:
                part.unlink(missing_ok=True)
                raise TransientError(f"{folder}/{name} changed while it was copied: {found}, not {digest}")
            size += part.stat().st_size - offset
            part.replace(target)
            sent += 1
        return TransferReport(sent, skipped, size)

    def _listing(
        self, folder: str, copies: list[_Copy], folders: Sequence[str]
    ) -> tuple[dict[str, str], dict[str, int]]:
        """Make remote folders and return the SHA-256 of the files and the size of half-made ones, by relative path.

        Where only a few names matter, only these are read.
        """
        quoted = shlex.quote(folder)
        if len(copies) <= _FEW:
            whole, half = _named(copy.name for copy in copies), _named(copy.part for copy in copies)
        else:
            find = _find({copy.name.partition("/")[0] for copy in copies})
            whole, half = f"{find} ! -name '*{PART}' -print0", f"{find} -name '*{PART}' -print0"
        some = " ".join(shlex.quote(posixpath.join(folder, name)) for name in ["", *folders])
        result = self._checked(
            f"echo; mkdir -p -- {some} && cd {quoted} || exit 1; "
            f"{{ {whole}; }} | xargs -0 -r sha256sum -- && {{ {half}; }} | xargs -0 -r stat -c '%s %n' --",
            HASH_TIMEOUT_S,
        )
        lines = result.stdout.split("\n")
        hashes = (_ROW.match(line) for line in lines)
        sizes = (_SIZE.match(line) for line in lines)
        return (
            {match[2].removeprefix("./"): match[1] for match in hashes if match},
            {match[2]: int(match[1]) for match in sizes if match},
        )

    def _hashes(self, folder: str, names: set[str] | None = None, tops: Sequence[str] | None = None) -> dict[str, str]:
        """Return the SHA-256 of the files in a remote folder, by relative path; of a missing folder none.

        Args:
            folder: the remote folder.
            names: only these files.
            tops: only these files, and what lies in these folders.
        """
        quoted = shlex.quote(folder)
        listing = _named(sorted(names)) if names is not None else f"{_find(tops)} ! -name '*{PART}' -print0"
        result = self._checked(
            # A line of its own: what a login shell said before may have no end of line, and would hide the first file.
            f"echo; [ -d {quoted} ] || exit 0; cd {quoted} || exit 1; {{ {listing}; }} | xargs -0 -r sha256sum --",
            HASH_TIMEOUT_S,
        )
        matches = (_ROW.match(line) for line in result.stdout.split("\n"))
        return {match[2].removeprefix("./"): match[1] for match in matches if match}

    def _checked(self, command: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> CommandResult:
        result = repeatable(self, command, timeout_s)
        if result.exit_code != 0:
            full = any(text in result.text for text in ("No space left on device", "Disk quota exceeded"))
            error = StorageFullError if full else PermanentError
            raise error(f"{command[:200]}: exit {result.exit_code}: {result.text[-500:]}")
        return result


def _find(tops: Iterable[str] | None) -> str:
    """Return the beginning of a command that finds the files of some entries of a folder, or of all."""
    if tops is None:
        return "find . -type f"
    some = " ".join(shlex.quote(f"./{name}") for name in sorted(tops))
    # What does not exist yet has no files; the others are found all the same.
    return f"find {some} -type f" if some else "find . -maxdepth 0 -type f"


def _named(names: Iterable[str]) -> str:
    """Return a command that prints those of some names that are files, each with a zero byte behind."""
    some = " ".join(shlex.quote(f"./{name}") for name in names)
    return f'for file in {some}; do [ ! -f "$file" ] || printf \'%s\\0\' "$file"; done' if some else "true"
