"""Submission against commands in place of Slurm's, which say what Slurm was seen to say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sgob_tasks.cluster.accounting import SubmissionUsage
from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.jobs import Cluster
from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.cluster.sites.site import Site
from sgob_tasks.cluster.submit import RefusedError
from sgob_tasks.cluster.transport import LocalTransport
from sgob_tasks.errors import TransientError

REFUSAL = "sbatch: error: Batch job submission failed: Requested node configuration is not available"


class DictLedger:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.records: dict[str, JobRecord] = {}

    def get(self, key: str) -> JobRecord | None:
        return self.records.get(key)

    def save(self, record: JobRecord, replaces: JobRecord | None = None) -> None:
        self.records[record.key] = record

    def open_records(self, cluster: str) -> list[JobRecord]:
        return [record for record in self.records.values() if record.open and record.cluster == cluster]

    def unaccounted(self, cluster: str, since: datetime) -> list[JobRecord]:
        return []

    def end_submission(self, record: JobRecord, usage: SubmissionUsage, checkpoint: str | None = None) -> None:
        pass


class Slurm:
    """Shell scripts in place of Slurm's commands; every call is written down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("sbatch", "squeue", "sacct", "scancel"):
            self.says(name, "")

    def says(self, command: str, body: str) -> None:
        path = self.folder / command
        path.write_text(f'#!/bin/sh\necho "$@" >> {self.folder}/{command}.calls\n{body}\n')
        path.chmod(0o755)

    def calls(self, command: str) -> list[str]:
        path = self.folder / f"{command}.calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    made = Slurm(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(made.folder), prepend=":")
    return made


@pytest.fixture
def cluster(slurm: Slurm, tmp_path: Path) -> Cluster:
    package = tmp_path / "package" / "sgob_tasks"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    site = Site("here", str(tmp_path / "root"), "/usr/bin/python3")
    return Cluster(site, LocalTransport(), DictLedger(), package, sleep=lambda _: None)


@pytest.fixture
def staged(cluster: Cluster, tmp_path: Path) -> Callable[[], Job]:
    def make() -> Job:
        job = Job("k", "infer", {}, 2)
        cluster.stage(job, tmp_path / "job")
        return job

    return make


def intended(cluster: Cluster, job: Job, generation: int = 1, at: datetime | None = None) -> JobRecord:
    at = at or datetime.now(UTC)
    record = JobRecord(
        job.key, "here", "", "intended", cluster.site.job_dir(job.key), 2, generation, intended_at=at,
        details={"indices": [1]},
    )  # fmt: skip
    cluster.ledger.save(record)
    return record


def test_a_refused_job_has_failed_and_may_be_asked_for_again(
    cluster: Cluster, slurm: Slurm, staged: Callable[[], Job]
) -> None:
    job = staged()
    slurm.says("sbatch", f"echo '{REFUSAL}' >&2; exit 1")
    with pytest.raises(RefusedError, match="node configuration"):
        cluster.submit_or_adopt(job)
    record = cluster.ledger.get("k")
    assert record is not None
    assert (record.state, record.open) == ("failed", False)
    assert "node configuration" in str(record.reason)
    # Slurm keeps a refused job as one that failed, under the name that was used: the next one has another name.
    slurm.says("sbatch", "echo 9")
    again = cluster.submit_or_adopt(job)
    assert (again.state, again.generation, again.job_id) == ("submitted", 2, "9")


def test_where_no_accounts_are_kept_a_lost_submission_is_made_again(
    cluster: Cluster, slurm: Slurm, staged: Callable[[], Job]
) -> None:
    job = staged()
    intended(cluster, job)
    slurm.says("sbatch", "echo 9")
    slurm.says("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    assert cluster.submit_or_adopt(job).job_id == "9"


def test_where_accounts_are_kept_nothing_is_submitted_while_they_do_not_answer(
    cluster: Cluster, slurm: Slurm, staged: Callable[[], Job]
) -> None:
    job = staged()
    intended(cluster, job)
    slurm.says("sacct", "echo 'slurmdbd: Connection refused' >&2; exit 1")
    with pytest.raises(TransientError, match="accounting"):
        cluster.submit_or_adopt(job)
    assert slurm.calls("sbatch") == []


def test_a_resubmission_that_was_broken_off_is_taken_up_again(
    cluster: Cluster, slurm: Slurm, staged: Callable[[], Job]
) -> None:
    job = staged()
    intended(cluster, job, generation=2)
    slurm.says("sbatch", "echo 9")
    progress = cluster.advance(job, 0.0)
    assert (progress.done, progress.record.job_id, progress.record.generation) == (False, "9", 2)
    assert progress.resubmitted == (1,)


def test_accounting_looks_back_far_enough_when_the_intent_lies_in_the_future(
    cluster: Cluster, slurm: Slurm, staged: Callable[[], Job]
) -> None:
    job = staged()
    intended(cluster, job, at=datetime.now(UTC) + timedelta(hours=5))
    slurm.says("sacct", "echo '7_1|COMPLETED|0:0|0:0|k.1'")
    assert cluster.submit_or_adopt(job).job_id == "7"
    words = slurm.calls("sacct")[-1].split()
    start = next(word for word in words if word.startswith("--starttime=now-"))
    assert int(start.removeprefix("--starttime=now-")) >= 5 * 3600


def test_a_twin_is_cancelled_by_id_and_name(cluster: Cluster, slurm: Slurm, staged: Callable[[], Job]) -> None:
    job = staged()
    slurm.says("squeue", "echo '7_1|PENDING|k.1|None'; echo '8_1|PENDING|k.1|None'")
    assert cluster.submit_or_adopt(job).job_id == "7"
    (call,) = slurm.calls("scancel")
    assert "--name=k.1" in call
    assert call.endswith(" 8")


def test_what_a_login_shell_says_is_no_id(cluster: Cluster, slurm: Slurm, staged: Callable[[], Job]) -> None:
    job = staged()
    run = cluster.transport.run
    banner = "echo 4711; echo 'Submitted batch job 99'; printf 'no line break: '; "
    cluster.transport.run = lambda command, timeout_s=60.0: run(banner + command, timeout_s)  # type: ignore[method-assign]
    slurm.says("sbatch", "echo 9")
    assert cluster.submit_or_adopt(job).job_id == "9"
    slurm.says("squeue", "echo '9_0|RUNNING|k.1|None'")
    assert [row.job_id for row in cluster.queue(["k.1"])] == ["9"]


def test_a_full_disk_is_no_refusal(cluster: Cluster, slurm: Slurm, staged: Callable[[], Job]) -> None:
    job = staged()
    slurm.says("sbatch", "echo 'write error: No space left on device' >&2; exit 1")
    with pytest.raises(TransientError):
        cluster.submit_or_adopt(job)
    record = cluster.ledger.get("k")
    assert record is not None
    assert record.state == "intended"


def test_the_script_arrives_as_it_was_written(cluster: Cluster, slurm: Slurm, staged: Callable[[], Job]) -> None:
    job = staged()
    slurm.says("sbatch", "echo 9")
    record = cluster.submit_or_adopt(job)
    written = (Path(record.run_dir) / "submitted" / "1.sbatch").read_text()
    assert written == cluster.script(job, str(record.details["code"]))


def test_a_job_that_was_accepted_late_and_ended_before_the_second_look_is_adopted(
    cluster: Cluster, slurm: Slurm, staged: Callable[[], Job]
) -> None:
    job = staged()
    slurm.says("sbatch", "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1")
    slurm.says("sacct", "echo 'slurmdbd: Connection refused' >&2; exit 1")
    # Before the submission, and at the first look after it: not there yet. Then it has come and gone.
    slurm.says("squeue", f"[ $(wc -l < {slurm.folder}/squeue.calls) -lt 3 ] || echo '7_0|COMPLETED|k.1|None'")
    assert cluster.submit_or_adopt(job).job_id == "7"
    assert len(slurm.calls("sbatch")) == 1
