"""Command texts and parsers, with output that a Slurm 22.05.8 really gave."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.cluster.slurm import (
    AccountingRow,
    QueueRow,
    accounting_command,
    cancel_command,
    check_name,
    error_class,
    format_indices,
    parse_accounting,
    parse_config,
    parse_indices,
    parse_queue,
    parse_steps,
    parse_submitted,
    queue_command,
    steps_command,
)
from sgob_tasks.errors import AmbiguousError, InputError, PermanentError, TransientError

QUEUE = """\
**************************************
* Welcome to MinoTauro | 39 nodes    *
**************************************
load cuda/11.2 (PATH, LD_LIBRARY_PATH)
23|COMPLETED|cap.oom|None
24|FAILED|cap.42|NonZeroExitCode
20_3|PENDING|cap.arr|JobArrayTaskLimit
22|PENDING|cap.hold|JobHeldUser
20_0|RUNNING|cap.arr|None
"""
QUEUE_FOLDED = "20_[3-11%3]|PENDING|cap.arr|JobArrayTaskLimit\n20_0|RUNNING|cap.arr|None\n"
ACCOUNTING = """\
21|CANCELLED by 1002|0:0|0:0|cap.can
23|COMPLETED|0:0|0:9|cap.oom
24|FAILED|42:0|0:0|cap.42
20_0|CANCELLED by 1002|0:0|0:0|cap.arr
20_[0-11%3]|CANCELLED by 1002|0:0|0:0|cap.arr
"""


def test_queue_rows_are_read_and_banners_are_not() -> None:
    assert parse_queue(QUEUE) == (
        QueueRow("23", None, "COMPLETED", "None", "cap.oom"),
        QueueRow("24", None, "FAILED", "NonZeroExitCode", "cap.42"),
        QueueRow("20", (3,), "PENDING", "JobArrayTaskLimit", "cap.arr"),
        QueueRow("22", None, "PENDING", "JobHeldUser", "cap.hold"),
        QueueRow("20", (0,), "RUNNING", "None", "cap.arr"),
    )


def test_a_folded_array_row_stands_for_all_its_tasks() -> None:
    assert parse_queue(QUEUE_FOLDED)[0].indices == tuple(range(3, 12))


def test_accounting_rows_are_read() -> None:
    rows = parse_accounting("Last login: Mon Nov 23\n" + ACCOUNTING)
    assert rows[0] == AccountingRow("21", None, "CANCELLED", (0, 0), (0, 0), "cap.can")
    assert rows[1].derived_exit == (0, 9)
    assert rows[2].exit_code == (42, 0)
    assert rows[4].indices == tuple(range(12))
    assert len(rows) == 5


@pytest.mark.parametrize(
    ("stdout", "job_id"),
    [
        ("4711\n", "4711"),
        ("4711;minotauro\n", "4711"),
        ("Submitted batch job 4711\n", "4711"),
        ("Submitted batch job 4711 on cluster minotauro\n", "4711"),
        ("Welcome!\nload python/3.6.3 (PATH)\n12\n", "12"),
        ("2018 was a good year\n\n", None),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", None),
        ("", None),
    ],
)
def test_the_job_id_is_found_behind_banners(stdout: str, job_id: str | None) -> None:
    assert parse_submitted(stdout) == job_id


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", AmbiguousError),
        ("slurm_load_jobs error: Socket timed out on send/recv operation", AmbiguousError),
        ("sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received", AmbiguousError),
        ("Segmentation fault", AmbiguousError),
        ("", AmbiguousError),
        (
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
            TransientError,
        ),
        ("sacct: error: Problem talking to the database: Connection refused", TransientError),
        ("sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection", TransientError),
        ("sbatch: error: Batch job submission failed: Invalid partition name specified", PermanentError),
        (
            "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds limit)",
            PermanentError,
        ),
        ("sbatch: error: Batch job submission failed: Invalid feature specification", PermanentError),
        ("sbatch: unrecognized option '--frob'", PermanentError),
        ("bash: line 1: sbatch: command not found", PermanentError),
        ("Slurm accounting storage is disabled", PermanentError),
    ],
)
def test_messages_have_the_right_class(text: str, expected: type[Exception]) -> None:
    assert error_class(text) is expected


@given(st.sets(st.integers(0, 100_000), min_size=1, max_size=200))
def test_indices_survive_the_round_trip(indices: set[int]) -> None:
    assert parse_indices(format_indices(indices)) == tuple(sorted(indices))


@pytest.mark.parametrize(
    ("text", "indices"),
    [("3-11%3", tuple(range(3, 12))), ("0-10:5", (0, 5, 10)), ("1,4-5", (1, 4, 5)), ("0-3,...", (0, 1, 2, 3))],
)
def test_indices_as_slurm_prints_them(text: str, indices: tuple[int, ...]) -> None:
    assert parse_indices(text) == indices


@given(st.text(max_size=300))
def test_parsers_take_any_text(text: str) -> None:
    for row in (*parse_queue(text), *parse_accounting(text)):
        assert row.job_id.isdecimal()
    assert parse_submitted(text) is None or parse_submitted(text).isdecimal()  # type: ignore[union-attr] # just tested


@given(st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True), min_size=1, max_size=5))
def test_commands_are_one_shell_word_per_name(names: list[str]) -> None:
    assert f"--name={','.join(names)}" in shlex.split(queue_command(names))
    assert f"--name={','.join(names)}" in shlex.split(accounting_command(names, 7200))
    assert f"--name={names[0]}" in shlex.split(cancel_command(names[0]))


@pytest.mark.parametrize("name", ["", "a b", "a;rm -rf", "-x", "a,b", "a\n", "$(id)", "x" * 129, "ä"])
def test_names_that_a_shell_or_slurm_would_misread_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="name"):
        check_name(name)


def test_accounting_looks_back_from_the_clusters_own_clock() -> None:
    assert "--starttime=now-7200 " in accounting_command(["a"], 7200.4)
    assert "--starttime=now-60 " in accounting_command(["a"], 0)


def test_the_controllers_configuration() -> None:
    text = "Configuration data as of 2026-11-23T20:00:00\nMinJobAge               = 20 sec\nMaxArraySize = 1001\n"
    assert parse_config(text) == {"MinJobAge": "20 sec", "MaxArraySize": "1001"}


def test_exits_of_steps_are_read_as_wait_gives_them() -> None:
    text = "welcome\n207_0               9       \n207_[1-2]           35072   \n17                  0       \nx 0\n"
    assert parse_steps(text) == {("207", 0): (0, 9), ("207", 1): (137, 0), ("207", 2): (137, 0), ("17", 0): (0, 0)}
    assert "--name=k.1" in steps_command("k.1")
