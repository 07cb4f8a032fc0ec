"""What it takes to work on another machine: run a command, move files. Interfaces and plain values only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sgob_tasks.errors import AmbiguousError, TransientError

DEFAULT_TIMEOUT_S = 60.0
_MARK = "@@sgob"
_SECTION = re.compile(rf"^{_MARK} (begin|end) ([a-z]+)(?: (\d+))?$")


@dataclass(frozen=True)
class CommandResult:
    """What a command left behind.

    Attributes:
        exit_code: 0 for success.
        stdout: text of standard output.
        stderr: text of standard error.
    """

    exit_code: int
    stdout: str
    stderr: str = ""

    @property
    def text(self) -> str:
        """Both outputs, for messages."""
        return "\n".join(part.strip() for part in (self.stderr, self.stdout) if part.strip())


@dataclass(frozen=True)
class TransferReport:
    """What a transfer moved.

    Attributes:
        sent: files that were copied.
        skipped: files that were the same already.
        size: bytes copied.
    """

    sent: int = 0
    skipped: int = 0
    size: int = 0


class Transport(Protocol):
    """A machine that commands run on and files live on.

    Remote paths are absolute POSIX paths. A file appears under its name whole or not at all, and only after its
    SHA-256 was compared.
    """

    def run(self, command: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> CommandResult:
        """Run a shell command; any exit code is a result, not an error.

        Raises:
            TransientError: there was no connection; nothing ran.
            AmbiguousError: the connection broke or time ran out; the command may have run.
            PermanentError: the machine refuses us: key, user or host key.
        """

    def put(self, local: Path, remote: str) -> TransferReport:
        """Copy one file to the machine, unless it is there already."""

    def put_tree(
        self, local: Path, remote: str, only: Sequence[str] | None = None, folders: Sequence[str] = ()
    ) -> TransferReport:
        """Copy a folder's files to the machine; links are followed; what is the same is not sent again.

        Args:
            local: folder on this machine.
            remote: folder there; it is made.
            only: entries of the folder to copy, files or folders; they get their names in this order, all at the end.
            folders: further folders to make below ``remote``.
        """

    def get(self, remote: str, local: Path) -> TransferReport:
        """Copy one file from the machine, unless it is here already."""

    def get_tree(self, remote: str, local: Path, only: Sequence[str] | None = None) -> TransferReport:
        """Copy a folder's files from the machine; a folder that does not exist there has none.

        Args:
            remote: folder there.
            local: folder on this machine; it is made.
            only: entries of the folder to copy, in this order, files or folders; what does not exist has no files.
        """

    def close(self) -> None:
        """Give the connection back; the next call opens a new one."""


def repeatable(transport: Transport, command: str, timeout_s: float = 90.0) -> CommandResult:
    """Run a command that may as well run twice: what is ambiguous for others is only transient for it."""
    try:
        return transport.run(command, timeout_s)
    except AmbiguousError as error:
        raise TransientError(str(error)) from error


def combine(commands: Mapping[str, str]) -> str:
    """Join commands into one, so that one round trip answers several questions.

    Args:
        commands: shell command by section name (lower-case letters).
    """
    parts = []
    for name, command in commands.items():
        parts.append(
            f"printf '\\n{_MARK} begin {name}\\n'; {{ {command}\n}} 2>&1; printf '\\n{_MARK} end {name} %d\\n' $?"
        )
    return "\n".join(parts)


def split(stdout: str) -> dict[str, CommandResult]:
    """Take the output of ``combine``'s command apart; text outside the sections (banners) is dropped.

    Returns:
        result by section name; a section whose end is missing is left out.
    """
    sections: dict[str, CommandResult] = {}
    name: str | None = None
    lines: list[str] = []
    for line in stdout.split("\n"):
        match = _SECTION.match(line.rstrip())
        if match is None:
            lines.append(line)
        elif match[1] == "begin":
            name, lines = match[2], []
        elif name is not None and match[2] == name and match[3] is not None:
            sections[name] = CommandResult(int(match[3]), "\n".join(lines).strip("\n"))
            name = None
    return sections
