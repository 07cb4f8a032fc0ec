"""Read what has been added to the logs of running jobs, of all of them in one round trip. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from sgob_tasks.cluster.shell import CommandResult, combine, split

MAX_BYTES = 16_384
"""Of one log in one answer: a job that writes more than people can read shows its newest part."""


@dataclass(frozen=True)
class LogPiece:
    """What was added to a log: its ``size`` in bytes now, and the new ``text``."""

    size: int
    text: str


def follow_command(logs: Sequence[tuple[str, int]]) -> str:
    """Return one command that reads on in several logs.

    Args:
        logs: path on the cluster and how many bytes of it were read before; a log that is not there yet has none.
    """
    return combine({_section(number): _read_on(path, offset) for number, (path, offset) in enumerate(logs)})


def parse_follow(result: CommandResult, count: int) -> list[LogPiece | None]:
    """Read the answer, in the order of the question; None where there is no answer for a log.

    Args:
        result: of ``follow_command``.
        count: how many logs were asked for.
    """
    sections = split(result.stdout)
    return [_piece(sections.get(_section(number))) for number in range(count)]


def _piece(section: CommandResult | None) -> LogPiece | None:
    if section is None or section.exit_code != 0:
        return None
    size, _, text = section.stdout.lstrip("\n").partition("\n")
    return LogPiece(int(size), text) if size.isdecimal() else None


def _section(number: int) -> str:
    letters = ""
    while True:
        number, rest = divmod(number, 26)
        letters += chr(ord("a") + rest)
        if number == 0:
            return f"log{letters}"


def _read_on(path: str, offset: int) -> str:
    return (
        f'f={shlex.quote(path)}; b={int(offset)}; s=0; [ -r "$f" ] && s=$(($(wc -c < "$f"))); '
        f'[ $((s-b)) -gt {MAX_BYTES} ] && b=$((s-{MAX_BYTES})); echo "$s"; '
        '[ "$s" -le "$b" ] || tail -c +$((b+1)) -- "$f" | head -c $((s-b))'
    )
