from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.cluster.deploy import content_hash, package_files
from sgob_tasks.cluster.jobdir import Checkpoint, Job, parse_answer, parse_markers, write_job_file
from sgob_tasks.cluster.resume import NextStep, next_step
from sgob_tasks.cluster.shell import CommandResult, combine, split
from sgob_tasks.cluster.sites.site import Site
from sgob_tasks.cluster.transport import LocalTransport
from sgob_tasks.cluster.verdict import JobVerdict, Outcome
from sgob_tasks.errors import InputError, TransientError

SITE = Site("test", "/scratch/sgob", "/python", max_failures=1, max_resubmissions=3)
INFER = Job("k", "infer", tasks=5)
TRAIN = Job("t", "train")


def step(
    job: Job, outcome: Outcome, details: dict[str, Any] | None = None, checkpoint: Checkpoint | None = None
) -> NextStep:
    rerun = () if outcome in {Outcome.SUCCEEDED, Outcome.CANCELLED} else (1, 3)
    return next_step(job, SITE, JobVerdict(outcome, "because", rerun), details or {}, checkpoint)


def rounds(job: Job, outcome: Outcome, checkpoints: Sequence[Checkpoint | None]) -> int:
    """Count how often a job that always ends alike is submitted again."""
    details: dict[str, Any] = {}
    for count, checkpoint in enumerate(checkpoints):
        following = step(job, outcome, details, checkpoint)
        if not following.indices:
            return count
        details = json.loads(json.dumps(dict(following.details)))  # as the ledger keeps it
    return len(checkpoints)


def test_success_and_cancellation_end_it() -> None:
    assert step(INFER, Outcome.SUCCEEDED).indices == ()
    assert step(INFER, Outcome.CANCELLED).indices == ()


def test_failures_and_losses_are_counted_apart() -> None:
    assert rounds(INFER, Outcome.FAILED, [None] * 20) == 1
    assert rounds(INFER, Outcome.LOST, [None] * 20) == 3
    assert rounds(INFER, Outcome.RETRY, [None] * 20) == 3
    assert rounds(INFER, Outcome.RESUME, [None] * 20) == 3


def test_training_goes_on_while_it_gets_on() -> None:
    assert rounds(TRAIN, Outcome.RESUME, [Checkpoint("checkpoints/c", float(n)) for n in range(20)]) == 20
    assert rounds(TRAIN, Outcome.RESUME, [None] * 20) == 1
    stuck = [Checkpoint("checkpoints/c", 1.0)] * 20
    assert rounds(TRAIN, Outcome.RESUME, stuck) == 2
    assert "no newer checkpoint" in step(TRAIN, Outcome.RESUME, {"failures": 1}).reason


@given(
    st.lists(st.sampled_from([Outcome.FAILED, Outcome.LOST, Outcome.RETRY, Outcome.RESUME]), min_size=30, max_size=30)
)
def test_no_sequence_of_ends_goes_on_for_ever(outcomes: list[Outcome]) -> None:
    details: dict[str, Any] = {}
    for count, outcome in enumerate(outcomes):
        following = step(INFER, outcome, details)
        if not following.indices:
            assert count <= SITE.max_failures + SITE.max_resubmissions
            return
        details = dict(following.details)
    pytest.fail("it went on for ever")


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.integers(0, 255), min_size=1, max_size=5))
def test_sections_survive_a_real_shell(codes: dict[str, int]) -> None:
    command = combine({name: f"echo {name}; (exit {code})" for name, code in codes.items()})
    found = split(LocalTransport().run(command).stdout)
    assert {name: (one.exit_code, one.stdout) for name, one in found.items()} == {
        name: (code, name) for name, code in codes.items()
    }


@given(st.text(max_size=400))
def test_any_text_can_be_split_and_read(text: str) -> None:
    split(text)
    parse_markers(text)


def sections(**given: tuple[int, str]) -> CommandResult:
    text = "".join(f"@@sgob begin {name}\n{out}\n@@sgob end {name} {code}\n" for name, (code, out) in given.items())
    return CommandResult(0, "Welcome!\n" + text)


def test_a_witness_that_does_not_answer_is_none_and_not_empty() -> None:
    answer = parse_answer(
        sections(
            queue=(0, ""),
            accounting=(1, "sacct: error: Problem talking to the database: Connection refused"),
            markers=(0, '{"index": 0, "exit_code": 0, "slurm_job_id": "7"}\n{"index": 1, "exit_co'),
            checkpoint=(0, "1795465520.25 checkpoints/step-000200.h5"),
            outputs=(0, "results/0000.jsonl\nresults/a b"),
        )
    )
    assert answer.seen.queue == ()
    assert answer.seen.accounting is None
    assert list(answer.seen.markers) == [0]
    assert answer.seen.outputs == frozenset({"results/0000.jsonl", "results/a b"})
    assert answer.checkpoint == Checkpoint("checkpoints/step-000200.h5", 1795465520.25)
    assert "Connection refused" in answer.troubles[0]


def test_no_witness_at_all_is_an_outage_and_no_verdict() -> None:
    with pytest.raises(TransientError, match="neither squeue nor sacct"):
        parse_answer(sections(queue=(1, "Socket timed out"), accounting=(1, "refused"), markers=(0, "")))
    with pytest.raises(TransientError, match="job directory"):
        parse_answer(sections(queue=(0, ""), accounting=(0, ""), markers=(1, "No such file or directory")))
    with pytest.raises(TransientError, match="job directory"):
        parse_answer(CommandResult(0, "cut off"))


def test_a_job_survives_json_and_ignores_what_it_does_not_know() -> None:
    job = Job("k-1", "infer", {"model": "input/model"}, 3, "comment", "dag/run", resources={"memory_mb": 100})
    assert Job.from_dict(json.loads(json.dumps(job.to_dict()))) == job
    planned = Job.from_dict({"key": "k", "kind": "train", "tasks": 1, "job_dir": "/x", "batch": "b"})
    assert planned.outputs == ("results/summary.json",)
    assert Job("k", "infer", tasks=2).leaves()[1] == ("results/0001.jsonl", "results/0001.summary.json")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kind": "infer"}, "key"),
        ({"key": "k"}, "kind"),
        ({"key": "k", "kind": "dream"}, "kind"),
        ({"key": "a b", "kind": "infer"}, "name"),
        ({"key": "k", "kind": "infer", "tasks": 0}, "tasks"),
        ({"key": "k", "kind": "train", "tasks": 2}, "tasks"),
        ({"key": "k" * 120, "kind": "infer"}, "key"),
    ],
)
def test_a_bad_job_is_named(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=field) as caught:
        Job.from_dict(values)
    assert caught.value.field == field


def test_a_job_file_is_not_written_over(tmp_path: Path) -> None:
    write_job_file(tmp_path, Job("k", "infer", {"a": 1}, 3))
    write_job_file(tmp_path, Job("k", "infer", {}, 3))
    assert json.loads((tmp_path / "job.json").read_text()) == {
        "key": "k", "kind": "infer", "parameters": {"a": 1}, "tasks": 3,
    }  # fmt: skip
    with pytest.raises(InputError, match="tasks"):
        write_job_file(tmp_path, Job("k", "infer", {}, 4))


def test_the_code_is_named_by_its_content(tmp_path: Path) -> None:
    package = tmp_path / "sgob_tasks"
    (package / "__pycache__").mkdir(parents=True)
    for name in ("__init__.py", "a.py", "__pycache__/a.pyc", "classes.csv", "notes.swp"):
        (package / name).write_text(name)
    files = package_files(package)
    assert sorted(files) == ["sgob_tasks/__init__.py", "sgob_tasks/a.py", "sgob_tasks/classes.csv"]
    before = content_hash(files)
    (package / "a.py").write_text("changed")
    assert content_hash(package_files(package)) != before
    with pytest.raises(InputError, match="package"):
        package_files(tmp_path)


def test_the_real_package_holds_what_jobs_need() -> None:
    files = package_files()
    assert {"sgob_tasks/errors.py", "sgob_tasks/detection/infer.py", "sgob_tasks/detection/classes.csv"} <= set(files)
