"""What ``sgob jobs`` prints for people, and what it takes."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from sgob_tasks.cli import build_parser, main
from sgob_tasks.cli_jobs import (
    duration,
    hours,
    render_cancel,
    render_job,
    render_list,
    render_log,
    render_reconciliation,
    share,
    table,
)

TIME = datetime(2026, 11, 23, 1, 2, 3, tzinfo=timezone.utc)
JOB: dict[str, Any] = {
    "key": "sgob-infer-aaaa", "kind": "infer", "cluster": "sandbox", "owner": "enrich_pictures/r/infer",
    "state": "succeeded", "slurm_state": "COMPLETED", "job_id": "12", "links": 2, "tasks": 20, "reason": None,
    "node_hours": 12.34, "gpu_hours": 0.0123, "queue_wait_s": 65.2, "efficiency": 0.567, "elapsed_s": 3725.0,
    "submitted_at": TIME,
}  # fmt: skip
NEW = dict.fromkeys(JOB) | {
    "key": "sgob-train-b", "state": "intended", "owner": "", "cluster": "sandbox", "links": 1, "tasks": 1,
}  # fmt: skip


def test_columns_are_aligned_and_numbers_to_the_right() -> None:
    assert table(("NAME", "N"), [("a", "1"), ("bcdef", "20")]).splitlines() == ["NAME    N", "a       1", "bcdef  20"]
    assert table(("NAME",), []) == "NAME"


def test_list() -> None:
    title, full, new = render_list([JOB, NEW]).splitlines()
    assert title.split()[:3] == ["KEY", "STATE", "SLURM"]
    assert full.split() == [
        "sgob-infer-aaaa", "succeeded", "12", "2", "20", "12.3", "0.012", "0:01:05", "57%", "1:02:05", "2026-11-23",
        "01:02:03", "enrich_pictures/r/infer",
    ]  # fmt: skip
    assert new.split() == ["sgob-train-b", "intended", "-", "1", "1", "-", "-", "-", "-", "-", "-", "-"]
    assert title.index("STATE") == full.index("succeeded") == new.index("intended")
    assert render_list([]) == "no jobs"


def test_show_has_record_chain_and_notes() -> None:
    link = {
        "generation": 1, "job_id": "11", "state": "failed", "indices": 20, "submitted_at": TIME, "queue_wait_s": 1.0,
        "elapsed_s": 2.0, "node_hours": 0.5, "gpu_hours": 0.5, "efficiency": None, "usage_source": "markers",
        "usage_note": "sacct: exit 1", "reason": "TIMEOUT",
    }  # fmt: skip
    shown = {
        "job": JOB, "counts": {"succeeded": 19, "failed": 1}, "indices": [1], "links": [link],
        "resources": {"nodes": 1},
        "files": {"cluster": "/r/jobs/k", "script": "/r/jobs/k/submitted/2.sbatch", "code": None},
    }  # fmt: skip
    text = render_job(shown)
    for part in (
        "20; 19 succeeded, 1 failed", "nodes 1", "12.3 node-hours", "/r/jobs/k/submitted/2.sbatch", "TIMEOUT",
        "link 1: sacct: exit 1",
    ):  # fmt: skip
        assert part in text
    assert "not judged" in render_job(shown | {"counts": {}, "resources": None, "links": [], "job": NEW})


def test_the_other_actions() -> None:
    assert render_log({"path": "/l", "text": "one\ntwo\n"}) == "# /l\none\ntwo"
    done = {"key": "k", "job_id": "7", "was": "running", "state": "cancelled", "reason": "by us"}
    assert render_cancel(done) == "k (7): running -> cancelled"
    assert "already" in render_cancel(done | {"was": "cancelled"})
    found: dict[str, Any] = {"cluster": "c", "open": 1, "queued": 2, "accounted": 0, "findings": []}
    assert "agree" in render_reconciliation(found)
    orphan = {"kind": "orphan", "key": "k", "job_id": "7", "text": "lost", "cancelled": True}
    assert render_reconciliation(found | {"findings": [orphan]}).splitlines()[-1].split() == [
        "orphan", "k", "7", "yes", "lost",
    ]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.0, "0.000"), (0.5, "0.500"), (123.44, "123.4")])
def test_hours(value: float | None, text: str) -> None:
    assert hours(value) == text


def test_durations_and_shares() -> None:
    assert (duration(None), duration(0.4), duration(172800)) == ("-", "0:00:00", "48:00:00")
    assert (share(None), share(0.666)) == ("-", "67%")


@pytest.mark.parametrize(
    "arguments",
    [
        ["jobs"],
        ["jobs", "dance"],
        ["jobs", "list", "--state", "odd"],
        ["jobs", "list", "--limit", "0"],
        ["jobs", "show"],
        ["jobs", "log", "k", "--lines", "x"],
    ],
)
def test_wrong_use(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_every_action_takes_json() -> None:
    parser = build_parser()
    for arguments in (["list"], ["show", "k"], ["log", "k"], ["cancel", "k"], ["reconcile", "--cancel"]):
        assert parser.parse_args(["jobs", *arguments, "--json"]).json
