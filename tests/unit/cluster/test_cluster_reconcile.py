"""Which jobs in the queue are orphans, and how the queue is read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.cluster.reconcile import OURS, _why_orphan
from sgob_tasks.cluster.slurm import OwnJob, own_queue_command, parse_own_queue

CLOCK = int(datetime(2026, 11, 24, 0, 10, tzinfo=UTC).timestamp())
QUEUE = f"""\
Welcome to MinoTauro
{CLOCK}
40_[4-9%2]|PENDING|sgob-infer-fd.2|2026-11-24T00:09:00
40_3|RUNNING|sgob-infer-fd.2|2026-11-24T00:09:00
41|COMPLETING|sgob-train-aa.1|2026-11-23T23:10:00
42|RUNNING|somebody's | own|2026-11-23T23:10:00
43|PENDING|other|N/A
"""
NOW = datetime.now(UTC)
RECORD = JobRecord("sgob-infer-fd", "site", "d/r/t", "running", "/r", generation=2, job_id="40")
JOB = OwnJob("40", "RUNNING", "sgob-infer-fd.2", 900.0)


def test_the_queue_has_ages_by_the_clusters_clock() -> None:
    assert parse_own_queue(QUEUE) == (
        OwnJob("40", "PENDING", "sgob-infer-fd.2", 60.0),
        OwnJob("40", "RUNNING", "sgob-infer-fd.2", 60.0),
        OwnJob("41", "COMPLETING", "sgob-train-aa.1", 3600.0),
    )
    assert parse_own_queue(QUEUE.replace(str(CLOCK), "")) == (), "without the clock no job has an age"
    assert "TZ=UTC squeue" in own_queue_command()


@given(st.text(max_size=200))
def test_no_output_breaks_the_parser(text: str) -> None:
    parse_own_queue(f"{CLOCK}\n{text}")


@pytest.mark.parametrize(
    ("name", "ours"),
    [("sgob-infer-fd.2", True), ("sgob-train-a.b.10", True), ("sgob-infer-fd", False), ("my-sgob-infer.1", False)],
)
def test_only_names_of_this_platform_are_looked_at(name: str, ours: bool) -> None:
    assert (OURS.fullmatch(name) is not None) == ours


@pytest.mark.parametrize(
    ("record", "job_id", "generation", "why"),
    [
        (RECORD, "40", 2, ""),
        (replace(RECORD, state="intended", job_id=None), "40", 2, ""),
        (None, "40", 2, "the ledger has lost it"),
        (RECORD, "40", 1, "the ledger is at submission 2"),
        (RECORD, "39", 2, "submitted twice: the ledger has it as 40"),
        (replace(RECORD, cluster="another"), "40", 1, ""),
        (
            replace(RECORD, state="cancelled", ended_at=NOW - timedelta(hours=1)),
            "40",
            2,
            "the ledger has it as cancelled",
        ),
        (replace(RECORD, state="succeeded", ended_at=NOW - timedelta(seconds=5)), "40", 2, ""),
    ],
    ids=["owned", "intended", "unknown", "followed", "twin", "another site", "cancelled", "on its last lines"],
)
def test_orphans(record: JobRecord | None, job_id: str, generation: int, why: str) -> None:
    assert _why_orphan(record, "site", replace(JOB, job_id=job_id), generation, grace_s=600.0) == why
