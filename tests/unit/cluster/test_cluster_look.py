from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.cluster.look import (
    LINES,
    MAX_LINE,
    LiveTask,
    log_command,
    look_command,
    parse_live_queue,
    parse_look,
    readable,
)
from sgob_tasks.cluster.shell import CommandResult
from sgob_tasks.cluster.transport import LocalTransport
from sgob_tasks.errors import InputError

QUEUE = """\
Welcome | to | the | login | node | !
88412_4|RUNNING|2026-11-24T00:04:02|p9r2n04|job-a.1|None
88412_6|PENDING|N/A||job-a.1|JobArrayTaskLimit
88390|R|2026-11-23T17:00:02|p9r1n[03-04]|job-b.2|a|b
nonsense
"""


@pytest.fixture
def record(tmp_path: Path) -> JobRecord:
    folder = tmp_path / "it's a folder"
    for name in ("done", "logs"):
        (folder / name).mkdir(parents=True)
    for index, code in enumerate([0, 1, 0, 10]):
        marker = {"index": index, "exit_code": code, "slurm_job_id": "7"}
        (folder / "done" / f"{index}.json").write_text(json.dumps(marker))
    (folder / "done" / ".4.7").write_text('{"exit_code": 0, ')
    return JobRecord("job-a", "site", "me", "submitted", str(folder), tasks=6, job_id="88412")


def folder_of(record: JobRecord) -> Path:
    return Path(record.run_dir)


def put_squeue(folder: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    squeue = folder / "bin" / "squeue"
    squeue.parent.mkdir()
    squeue.write_text(f"#!/bin/sh\n{does}\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{squeue.parent}:/usr/bin:/bin")


def test_queue_is_read() -> None:
    first, second, third = parse_live_queue(QUEUE)
    start = datetime(2026, 11, 24, 0, 4, 2, tzinfo=timezone.utc)
    assert first == LiveTask("88412", "RUNNING", start, "p9r2n04", "job-a.1", "None")
    assert (second.state, second.start, second.reason) == ("PENDING", None, "JobArrayTaskLimit")
    assert (third.state, third.nodes, third.reason) == ("RUNNING", "p9r1n[03-04]", "a|b")


def test_look_runs_in_a_shell_and_is_read(record: JobRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (folder_of(record) / "logs" / "task-0002.g1.log").write_text("".join(f"line {n}\n" for n in range(100)))
    (folder_of(record) / "logs" / "task-0002.g2.log").write_text("of another submission\n")
    gone = JobRecord("job-b", "site", "me", "running", str(tmp_path / "gone"), generation=2, job_id="88390")
    put_squeue(tmp_path, monkeypatch, f"echo \"$@\" > {tmp_path}/asked\ncat <<'END'\n{QUEUE}END")
    looks = parse_look(LocalTransport().run(look_command([record, gone])), [record, gone])
    assert "--name=job-a.1,job-b.2" in (tmp_path / "asked").read_text()
    first, second = looks["job-a"], looks["job-b"]
    assert (first.done, first.log_name, first.troubles) == (2, "task-0002.g1.log", ())
    assert first.log.splitlines() == [f"line {n}" for n in range(100 - LINES, 100)]
    assert (first.words, first.reasons) == ("PENDING 1, RUNNING 1", ("JobArrayTaskLimit",))
    assert (second.done, second.log_name) == (None, None)
    assert second.words == "RUNNING"
    assert "the job directory cannot be read" in second.troubles[0]
    assert "No such file" in second.troubles[0]


@pytest.mark.parametrize(
    ("does", "told"),
    [("echo Unable to contact slurm controller >&2; exit 1", "Unable to contact"), ("sleep 20", "not within 8 s")],
)
def test_silent_squeue_is_told_and_the_rest_is_read(
    record: JobRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, does: str, told: str
) -> None:
    put_squeue(tmp_path, monkeypatch, does)
    look = parse_look(LocalTransport().run(look_command([record])), [record])["job-a"]
    assert (look.tasks, look.done, look.log_name) == (None, 2, None)
    assert "squeue does not answer" in look.troubles[0]
    assert told in look.troubles[0]


def test_no_answer_is_no_look(record: JobRecord) -> None:
    assert parse_look(CommandResult(1, "", "Connection closed"), [record]) == {}


def test_rows_of_an_older_job_of_the_same_name_are_left_out(record: JobRecord) -> None:
    rows = "9|RUNNING|N/A|n|job-a.1|None\n88412_1|PENDING|N/A||job-a.1|Priority"
    text = f"\n@@sgob begin queue\n{rows}\n@@sgob end queue 0\n"
    look = parse_look(CommandResult(0, text), [record])["job-a"]
    assert look.words == "PENDING"
    assert look.troubles == ("the job directory was not asked for its state",)


def test_keys_that_cannot_be_names_are_refused(record: JobRecord) -> None:
    bad = JobRecord("a; rm -rf /", "site", "me", "running", record.run_dir)
    with pytest.raises(InputError, match="rm -rf"):
        look_command([bad])


def test_log_of_a_submission_and_of_a_task(record: JobRecord) -> None:
    logs = folder_of(record) / "logs"
    for index in (1, 2):
        (logs / f"task-{index:04d}.g2.log").write_text(f"task {index}\n")
    run = LocalTransport().run
    assert run(log_command(record, 2, 1)).stdout == "logs/task-0001.g2.log\ntask 1\n"
    assert run(log_command(record, 2, None)).stdout.endswith("task 2\n")
    assert run(log_command(record, 3, None)).stdout == "\n"
    missing = run(log_command(record, 2, 9))
    assert missing.exit_code != 0
    assert "No such file" in missing.text


def test_logs_become_readable() -> None:
    coloured = "\x1b[32mgreen\x1b[0m\tand\x07 \x1b]0;title\x07plain  \r\nnext\x00\n\n"
    assert readable(coloured) == "green and plain\nnext"
    assert readable("x" * 1000) == "x" * (MAX_LINE - 1) + "…"
    assert readable("abc\u202edef") == "abcdef"


@given(st.text())
def test_any_log_becomes_readable(text: str) -> None:
    lines = readable(text).split("\n")
    assert all(len(line) <= MAX_LINE for line in lines)
    assert not any(ord(char) < 32 for line in lines for char in line)
    assert readable("\n".join(lines)) == "\n".join(lines)


@given(st.text())
def test_any_answer_can_be_read(text: str) -> None:
    record = JobRecord("job-a", "site", "me", "submitted", "/x", job_id="1")
    parse_live_queue(text)
    for name in ("queue", "joba"):
        parse_look(CommandResult(0, f"\n@@sgob begin {name}\n{text}\n@@sgob end {name} 0\n"), [record])
