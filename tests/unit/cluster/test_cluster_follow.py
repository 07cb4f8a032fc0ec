"""Reading on in logs, with a real shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.cluster.follow import MAX_BYTES, LogPiece, follow_command, parse_follow
from sgob_tasks.cluster.shell import CommandResult


def ask(logs: list[tuple[str, int]]) -> list[LogPiece | None]:
    done = subprocess.run(["sh", "-c", follow_command(logs)], capture_output=True, text=True, check=False)
    return parse_follow(CommandResult(done.returncode, "welcome\n" + done.stdout, done.stderr), len(logs))


def test_reads_on_where_it_stopped(tmp_path: Path) -> None:
    log, other = tmp_path / "it's a $(log)", tmp_path / "other"
    log.write_text("one\ntwo\n")
    assert ask([(str(log), 0), (str(other), 0)]) == [LogPiece(8, "one\ntwo"), LogPiece(0, "")]
    with log.open("a") as file:
        file.write("three\n")
    other.write_text("begun\n")
    assert ask([(str(log), 8), (str(other), 0)]) == [LogPiece(14, "three"), LogPiece(6, "begun")]
    assert ask([(str(log), 14)]) == [LogPiece(14, "")]


def test_of_a_long_log_the_newest_part_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("x" * 3 * MAX_BYTES + "end")
    piece = ask([(str(log), 7)])[0]
    assert piece is not None
    assert piece.size == 3 * MAX_BYTES + 3
    assert len(piece.text) == MAX_BYTES
    assert piece.text.endswith("end")


def test_no_answer_is_no_piece() -> None:
    assert parse_follow(CommandResult(255, "", "connection reset"), 2) == [None, None]


@given(st.integers(1, 800))
def test_every_log_has_an_answer_of_its_own(count: int) -> None:
    names = {line for line in follow_command([("/x", 0)] * count).split("\n") if " begin " in line or "begin" in line}
    assert len(names) == count
