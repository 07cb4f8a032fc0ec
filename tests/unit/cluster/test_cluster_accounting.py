"""What sacct says of an ended submission. Lines are as Slurm 22.05 printed them unless a test says otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.cluster import accounting
from sgob_tasks.cluster.accounting import (
    ask_usage,
    from_accounting,
    from_markers,
    parse_cpu_time,
    parse_gpus,
    parse_size,
    parse_usage,
    usage_command,
)
from sgob_tasks.cluster.shell import CommandResult
from sgob_tasks.cluster.sites.site import Resources
from sgob_tasks.cluster.verdict import Marker
from sgob_tasks.errors import TransientError

TRAINING = """\
Welcome to MinoTauro
30|COMPLETED|2026-11-23T23:14:20|2026-11-23T23:14:25|2026-11-23T23:18:35|250|2|2|billing=2,cpu=2,gres/gpu=2,mem=12000M,node=2|07:16.421||sgob-train-d7.1
30.batch|COMPLETED|2026-11-23T23:14:20|2026-11-23T23:14:20|2026-11-23T23:18:30|250|1|1|cpu=1,gres/gpu=1,mem=6000M,node=1|00:00.047|25272K|batch
30.0|COMPLETED|2026-11-23T23:14:20|2026-11-23T23:14:20|2026-11-23T23:18:30|250|2|2|cpu=2,gres/gpu=2,mem=12000M,node=2|07:16.374|959484K|orted
"""
ARRAY = """\
40_0|COMPLETED|2026-11-23T23:54:49|2026-11-23T23:54:50|2026-11-23T23:54:55|5|1|1|billing=1,cpu=1,gres/gpu=1,mem=4000M,node=1|00:04.170||sgob-infer-fd.1
40_0.batch|COMPLETED|2026-11-23T23:54:50|2026-11-23T23:54:50|2026-11-23T23:54:55|5|1|1|cpu=1,gres/gpu=1,mem=4000M,node=1|00:04.170|512464K|batch
40_1|FAILED|2026-11-23T23:54:49|2026-11-23T23:54:56|2026-11-23T23:55:02|6|1|1|billing=1,cpu=1,gres/gpu=1,mem=4000M,node=1|00:04.149||sgob-infer-fd.1
40_1.batch|FAILED|2026-11-23T23:54:50|2026-11-23T23:54:56|2026-11-23T23:55:02|6|1|1|cpu=1,gres/gpu=1,mem=4000M,node=1|00:04.149||batch
"""
CANCELLED = """\
20_0|CANCELLED by 1002|2026-11-23T20:30:48|2026-11-23T20:30:49|2026-11-23T20:30:50|1|1|1|billing=1,cpu=1,mem=500M,node=1|00:00.001||cap.arr
20_0.batch|CANCELLED|2026-11-23T20:30:49|2026-11-23T20:30:49|2026-11-23T20:30:50|1|1|1|cpu=1,mem=500M,node=1|00:00.001||batch
20_[0-11%3]|CANCELLED by 1002|2026-11-23T20:30:48|None|2026-11-23T20:30:50|0|1|1||00:00:00||cap.arr
"""  # noqa: E501 - as it was printed


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-23T{text}").replace(tzinfo=UTC)


def test_training_counts_every_node_and_the_largest_step() -> None:
    usage = from_accounting(parse_usage(TRAINING), "30")
    assert usage is not None
    assert (usage.source, usage.nodes, usage.cpus, usage.gpus) == ("sacct", 2, 2, 2)
    assert (usage.submitted_at, usage.started_at, usage.ended_at) == (at("23:14:20"), at("23:14:25"), at("23:18:35"))
    assert (usage.elapsed_s, usage.queue_wait_s) == (250, 5)
    assert (usage.node_seconds, usage.gpu_seconds, usage.cpu_seconds) == (500, 500, 500)
    assert usage.cpu_used_seconds == pytest.approx(7 * 60 + 16.421)
    assert usage.max_rss_bytes == 959484 * 1024


def test_an_array_is_summed_over_its_tasks() -> None:
    usage = from_accounting(parse_usage(ARRAY), "40", marked=[0, 1])
    assert usage is not None
    assert (usage.nodes, usage.cpus, usage.gpus) == (1, 1, 1)
    assert (usage.node_seconds, usage.gpu_seconds, usage.elapsed_s, usage.queue_wait_s) == (11, 11, 12, 1)
    assert usage.cpu_used_seconds == pytest.approx(8.319)
    assert usage.max_rss_bytes == 512464 * 1024


def test_tasks_that_never_began_used_nothing() -> None:
    rows = parse_usage(CANCELLED)
    assert rows[-1].indices == tuple(range(12))
    usage = from_accounting(rows, "20")
    assert usage is not None
    assert (usage.node_seconds, usage.gpu_seconds, usage.elapsed_s, usage.gpus) == (1, 0, 1, 0)
    never = from_accounting(rows[-1:], "20")
    assert never is not None
    assert (never.started_at, never.queue_wait_s, never.elapsed_s, never.node_seconds) == (None, None, 0, 0)
    assert never.cpu_used_seconds == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sacct: error: something",
        "40_0|RUNNING|2026-11-23T23:54:49|2026-11-23T23:54:50|Unknown|5|1|1|cpu=1,node=1|00:00:00||name.1",
        "40_0|PENDING|2026-11-23T23:54:49|Unknown|Unknown|0|1|1||00:00:00||name.1",
        "41|COMPLETED|2026-11-23T23:54:49|2026-11-23T23:54:50|2026-11-23T23:54:51|1|1|1|cpu=1|00:00:00||name.1",
        "40_1|COMPLETED|2026-11-23T23:54:49|2026-11-23T23:54:50|2026-11-23T23:54:51|1|1|1|cpu=1|00:00:00||name.1",
    ],
    ids=["nothing", "chatter", "running", "pending", "another job", "a marked task is missing"],
)
def test_sacct_that_is_behind_is_not_believed(text: str) -> None:
    assert from_accounting(parse_usage(text), "40", marked=[0]) is None


def test_total_cpu_of_the_steps_stands_in_for_the_whole() -> None:
    without = TRAINING.replace("07:16.421", "")
    (task,) = parse_usage(without)
    assert task.cpu_used_s == pytest.approx(7 * 60 + 16.421)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:04.170", 4.17),
        ("07:16.421", 436.421),
        ("00:00:00", 0),
        ("01:02:03", 3723),
        ("1-02:03:04", 93784),
        ("", None),
        ("INVALID", None),
    ],
)
def test_cpu_time(text: str, seconds: float | None) -> None:
    assert parse_cpu_time(text) == (None if seconds is None else pytest.approx(seconds))


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_cpu_time_in_every_form(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    text = f"{days}-{hours:02d}:{minutes:02d}:{seconds:02d}" if days else f"{hours:02d}:{minutes:02d}:{seconds:02d}"
    assert parse_cpu_time(text) == total
    if not days and not hours:
        assert parse_cpu_time(f"{minutes:02d}:{seconds:02d}.250") == total + 0.25


@pytest.mark.parametrize(
    ("text", "size"),
    [("25272K", 25272 * 1024), ("1.50G", 1610612736), ("0", 0), ("12M", 12582912), ("", None), ("16?", None)],
)
def test_size(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("billing=2,cpu=2,gres/gpu=2,mem=12000M,node=2", 2),
        ("cpu=8,gres/gpu:k80=4,gres/gpu=4,node=1", 4),
        ("cpu=8,gres/gpu:k80=2,gres/gpu:p100=1,node=1", 3),
        ("billing=1,cpu=1,mem=500M,node=1", 0),
        ("", 0),
    ],
)
def test_gpus(text: str, gpus: int) -> None:
    assert parse_gpus(text) == gpus


@given(st.text(max_size=300))
def test_no_output_breaks_the_parser(text: str) -> None:
    for row in parse_usage(text):
        assert row.job_id.isdigit()


@given(st.lists(st.sampled_from(["30", "30.0", "30_1", "|", "COMPLETED", "Unknown", "1-00:00:00", "9K", "\n"])))
def test_no_row_breaks_the_parser(parts: list[str]) -> None:
    from_accounting(parse_usage("".join(parts) + "|" * 11), "30")


MARKERS = {
    0: Marker(0, 0, "40", "n1", "2026-11-23T23:54:50Z", "2026-11-23T23:55:00Z"),
    1: Marker(1, 1, "40", "n2", "2026-11-23T23:55:00Z", "2026-11-23T23:55:20Z"),
    2: Marker(2, 0, "39", "n2", "2026-11-23T20:00:00Z", "2026-11-23T21:00:00Z"),
    3: Marker(3, 0, "40", "n2"),
}
ASKED = Resources(nodes=2, tasks_per_node=2, cpus_per_task=4, gpus_per_node=4)


def test_markers_of_this_submission_tell_the_times() -> None:
    usage = from_markers(MARKERS, "40", ASKED, at("23:54:40"), "sacct is away")
    assert usage.source == "markers"
    assert str(usage.note).startswith("sacct is away")
    assert (usage.started_at, usage.ended_at, usage.queue_wait_s) == (at("23:54:50"), at("23:55:20"), 10)
    assert (usage.nodes, usage.cpus, usage.gpus) == (2, 16, 8)
    assert (usage.node_seconds, usage.gpu_seconds, usage.cpu_seconds) == (60, 240, 480)
    assert (usage.cpu_used_seconds, usage.max_rss_bytes) == (None, None)
    nothing = from_markers(MARKERS, "7", ASKED, None, "sacct is away")
    assert (nothing.source, nothing.node_seconds) == ("none", None)
    assert "marker" in str(nothing.note)


def test_a_clock_that_is_ahead_makes_no_negative_wait() -> None:
    assert from_markers(MARKERS, "40", ASKED, at("23:59:00"), "-").queue_wait_s == 0


def transport(*answers: CommandResult | Exception) -> SimpleNamespace:
    left = list(answers)

    def run(command: str, timeout_s: float) -> CommandResult:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return SimpleNamespace(run=run, left=left)


def ask(answers: SimpleNamespace, waits: list[float] | None = None) -> accounting.SubmissionUsage:
    sleep = waits.append if waits is not None else None
    return ask_usage(answers, "sgob-infer-fd.1", "40", 100, MARKERS, ASKED, None, 5, sleep)  # type: ignore[arg-type] # stub


def test_missing_accounting_fails_nothing() -> None:
    down = CommandResult(1, "", "sacct: error: slurm_persist_conn_open: Connection refused")
    assert "Connection refused" in str(ask(transport(down)).note)
    assert ask(transport(TransientError("no connection"))).source == "markers"


def test_sacct_that_is_behind_is_asked_again_for_some_seconds() -> None:
    behind, waits = CommandResult(0, "", ""), list[float]()
    lines = ARRAY + ARRAY.replace("40_0", "40_3")
    assert ask(transport(behind, behind, CommandResult(0, lines, "")), waits).source == "sacct"
    assert waits == [1.0, 1.0]
    waits.clear()
    assert ask(transport(*[behind] * 6), waits).source == "markers"
    assert sum(waits) == accounting.BEHIND_S
    once = transport(behind, behind)
    assert ask(once).source == "markers"
    assert len(once.left) == 1


def test_the_question_names_job_and_window_in_utc() -> None:
    command = usage_command("sgob-infer-fd.1", "40", 7200.5)
    assert command.startswith("TZ=UTC sacct ")
    assert "--jobs=40 --name=sgob-infer-fd.1 --starttime=now-7200 " in command
    assert "--allocations" not in command, "only steps know MaxRSS"
