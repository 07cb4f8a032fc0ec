"""The life of jobs on a real Slurm, with a real ledger; what goes wrong there is in ``test_faults``."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from sgob_tasks.cluster.jobs import Cluster
from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.cluster.transport import SshTransport
from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.store.jobs import StoreLedger, open_jobs, recent_jobs
from tests.integration.cluster.conftest import Lab

pytestmark = pytest.mark.integration


def test_an_array_from_end_to_end(lab: Lab) -> None:
    job = lab.job(tasks=5)
    seen: list[str] = []
    progress = lab.cluster.wait(job, lambda step: seen.append(step.record.state), timeout_s=60)
    assert progress.record.state == "succeeded"
    assert progress.record.generation == 1
    assert seen[-1] == "succeeded"
    folder = lab.folder / job.key
    report = lab.cluster.fetch(job, folder)
    assert report.sent == 5 * 4  # runs, result, marker, log
    assert sorted(path.name for path in (folder / "done").iterdir()) == [f"{index}.json" for index in range(5)]
    assert "index 3 run 1" in lab.cluster.log_tail(job, 3)
    assert lab.cluster.fetch(job, folder).sent == 0
    lab.cluster.clean_up(job.key)
    assert lab.run(f"ls -d {lab.cluster.site.job_dir(job.key)} || true") == ""
    assert lab.cluster.submit_or_adopt(job).state == "succeeded", "what is done is not done again"


def test_only_the_task_that_died_is_run_again(lab: Lab) -> None:
    job = lab.job(tasks=4, die=[2])
    progress = lab.cluster.wait(job, timeout_s=60)
    assert (progress.record.state, progress.record.generation) == ("succeeded", 2)
    assert [lab.runs(job.key, index) for index in range(4)] == [1, 1, 2, 1]
    assert progress.record.indices == (2,)


def test_a_lost_result_file_is_made_again(lab: Lab) -> None:
    job = lab.job(tasks=3, forget=[1])
    progress = lab.cluster.wait(job, timeout_s=60)
    assert (progress.record.state, progress.record.generation) == ("succeeded", 2)
    assert [lab.runs(job.key, index) for index in range(3)] == [1, 2, 1]


def test_a_task_that_always_fails_fails_the_job(lab: Lab) -> None:
    job = lab.job(tasks=2, fail=[1], code=3)
    progress = lab.cluster.wait(job, timeout_s=60)
    assert progress.record.state == "failed"
    assert "exit code 3" in progress.reason
    assert [lab.runs(job.key, index) for index in range(2)] == [1, 1 + lab.cluster.site.max_failures]
    again = lab.cluster.submit_or_adopt(job)
    assert (again.state, again.generation, again.indices) == ("submitted", 3, (1,)), "a person may ask for it again"
    lab.cluster.cancel(job.key)


def test_bad_input_is_not_tried_again(lab: Lab) -> None:
    job = lab.job(fail=[0], code=65)
    assert lab.cluster.wait(job, timeout_s=60).record.state == "failed"
    assert lab.runs(job.key) == 1


def test_training_runs_one_process_for_each_rank_on_two_nodes(lab: Lab) -> None:
    job = lab.job("train")
    progress = lab.cluster.wait(job, timeout_s=60)
    assert progress.record.state == "succeeded", lab.cluster.log_tail(job)
    found = lab.run(f"ls {lab.cluster.site.job_dir(job.key)}/results").split()
    assert {"rank-0-of-2", "rank-1-of-2"} <= set(found)
    assert "n[1-2]" in lab.cluster.log_tail(job)


def test_training_goes_on_after_the_warning_before_its_time_limit(lab: Lab) -> None:
    # On a limit of a minute Slurm sends a warning of 55 s within seconds, as it may be early by up to a minute.
    resources = {"nodes": 1, "time_limit_s": 60, "warning_s": 55}
    lab.cluster.site = replace(lab.cluster.site, launcher=())
    job = lab.job("train", checkpoint=2, resources=resources)
    progress = lab.cluster.wait(job, timeout_s=150)
    assert progress.record.state == "succeeded", lab.cluster.log_tail(job)
    assert progress.record.generation == 3
    assert progress.record.details["failures"] == 0


def test_a_second_caller_adopts(lab: Lab, connect: Callable[[], SshTransport], store: sa.Engine) -> None:
    job = lab.job(tasks=2, seconds=3)
    first = lab.cluster.submit_or_adopt(job)
    other = Cluster(lab.cluster.site, connect(), StoreLedger(store), lab.cluster.package_root)
    assert other.submit_or_adopt(job).job_id == first.job_id
    other.close()
    assert lab.slurm_jobs(job) == {first.job_id}
    assert lab.cluster.wait(job, timeout_s=60).record.state == "succeeded"


def test_a_caller_that_died_after_sbatch_finds_its_job(lab: Lab) -> None:
    job = lab.job(seconds=1)
    record = lab.cluster.submit_or_adopt(job)
    lab.cluster.ledger.save(replace(record, state="intended", job_id=None, submitted_at=None))
    assert lab.cluster.submit_or_adopt(job).job_id == record.job_id
    lab.run(f"rm {record.run_dir}/submitted/1.id")
    lab.cluster.ledger.save(replace(record, state="intended", job_id=None, submitted_at=None))
    assert lab.cluster.submit_or_adopt(job).job_id == record.job_id, "from Slurm alone"
    assert lab.cluster.wait(job, timeout_s=60).record.state == "succeeded"
    assert (lab.runs(job.key), lab.slurm_jobs(job)) == (1, {record.job_id})


def test_a_running_job_that_no_ledger_knows_is_adopted(lab: Lab, store: sa.Engine) -> None:
    job = lab.job(seconds=2)
    record = lab.cluster.submit_or_adopt(job)
    lab.run(f"rm {record.run_dir}/submitted/1.id")
    with store.begin() as connection:
        connection.execute(sa.text("DELETE FROM slurm_jobs"))
    assert lab.cluster.submit_or_adopt(job).job_id == record.job_id
    assert lab.cluster.wait(job, timeout_s=60).record.state == "succeeded"
    assert lab.runs(job.key) == 1


def test_many_callers_at_once_make_one_job(lab: Lab, connect: Callable[[], SshTransport], store: sa.Engine) -> None:
    job = lab.job(seconds=1)

    def submit(_: int) -> str | None:
        cluster = Cluster(lab.cluster.site, connect(), StoreLedger(store), lab.cluster.package_root)
        try:
            return cluster.submit_or_adopt(job).job_id
        finally:
            cluster.close()

    with ThreadPoolExecutor(5) as pool:
        ids = set(pool.map(submit, range(5)))
    assert len(ids) == 1
    assert lab.slurm_jobs(job) == ids
    assert lab.cluster.wait(job, timeout_s=60).record.state == "succeeded"
    assert lab.runs(job.key) == 1


def test_a_double_submission_runs_once(lab: Lab) -> None:
    """Even what should never happen: somebody runs sbatch by hand on the same script."""
    job = lab.job(tasks=2, seconds=1)
    record = lab.cluster.submit_or_adopt(job)
    twin = lab.run(f"cd {record.run_dir}/submitted && sbatch --parsable 1.sbatch").strip()
    assert twin != record.job_id
    assert lab.cluster.wait(job, timeout_s=90).record.state == "succeeded"
    while lab.cluster.queue([job.name(1)]) and lab.run("squeue -h --me -t pending,running,completing"):
        time.sleep(0.2)
    assert [lab.runs(job.key, index) for index in range(2)] == [1, 1]


def test_cancel_by_name_and_do_it_again(lab: Lab) -> None:
    job = lab.job(tasks=3, seconds=30)
    lab.cluster.submit_or_adopt(job)
    lab.until(job, "RUNNING")
    started = time.monotonic()
    record = lab.cluster.cancel(job.key)
    assert record is not None
    assert record.state == "cancelled"
    assert time.monotonic() - started < 15
    assert lab.cluster.cancel(job.key) == record, "twice does no harm"
    assert lab.cluster.cancel("nobody-knows-this") is None
    again = lab.cluster.submit_or_adopt(job)
    assert (again.generation, again.state) == (2, "submitted")
    lab.cluster.cancel(job.key)


def test_a_job_that_somebody_cancelled_is_cancelled_and_not_tried_again(lab: Lab) -> None:
    job = lab.job(tasks=3, seconds=30)
    lab.cluster.submit_or_adopt(job)
    lab.until(job, "RUNNING")
    lab.run(f"scancel -n {job.name(1)}")
    progress = lab.cluster.wait(job, timeout_s=60)
    assert (progress.record.state, progress.record.generation) == ("cancelled", 1)


def test_do_everything_again(lab: Lab) -> None:
    job = lab.job(tasks=2)
    lab.cluster.wait(job, timeout_s=60)
    record = lab.cluster.submit_or_adopt(job, fresh=True)
    assert (record.generation, record.indices) == (2, (0, 1))
    assert lab.cluster.wait(job, timeout_s=60).record.state == "succeeded"


def test_a_renewed_job_does_everything_again_once(lab: Lab) -> None:
    job = lab.job(seconds=30)
    assert lab.cluster.renew("nobody") is None
    lab.cluster.submit_or_adopt(job)
    lab.until(job, "RUNNING")
    record = lab.cluster.renew(job.key)
    assert record is not None
    assert (record.state, record.reason, record.renewed) == ("cancelled", "cancelled to be submitted anew", True)
    assert lab.cluster.renew(job.key) == record, "asked twice is asked once"
    assert lab.cluster.ledger.get(job.key) == record
    again = lab.cluster.submit_or_adopt(job)
    assert (again.generation, again.renewed) == (2, False)
    assert lab.cluster.submit_or_adopt(job) == again
    lab.cluster.cancel(job.key)


def test_what_slurm_refuses_is_permanent_and_in_the_ledger(lab: Lab) -> None:
    job = lab.job(resources={"nodes": 99})
    with pytest.raises(PermanentError, match="sbatch"):
        lab.cluster.submit_or_adopt(job)
    record = lab.cluster.ledger.get(job.key)
    assert record is not None
    assert record.state == "failed"
    assert "configuration is not available" in str(record.reason) or "than permitted" in str(record.reason)
    lab.cluster.site = replace(lab.cluster.site, partition="nope")
    with pytest.raises(PermanentError, match=r"[Ii]nvalid partition"):
        lab.cluster.submit_or_adopt(lab.job())


def test_the_same_key_for_other_work_is_refused(lab: Lab) -> None:
    job = lab.job(tasks=2)
    lab.cluster.submit_or_adopt(job)
    with pytest.raises(InputError, match="tasks"):
        lab.cluster.submit_or_adopt(replace(job, tasks=3))
    with pytest.raises(PermanentError, match="still needed"):
        lab.cluster.clean_up(job.key)
    lab.cluster.cancel(job.key)


def test_the_code_arrives_once(lab: Lab) -> None:
    first = lab.cluster.deploy()
    inode = lab.run(f"stat -c %i {first}")
    assert lab.cluster.deploy() == first
    assert lab.run(f"stat -c %i {first}") == inode
    (lab.cluster.package_root / "new.py").write_text("")
    second = lab.cluster.deploy()
    assert second != first
    assert lab.run(f"ls {second}/sgob_tasks/new.py {first}/sgob_tasks/__init__.py").count("\n") == 2


def test_the_ledger_never_goes_back(store: sa.Engine) -> None:
    ledger = StoreLedger(store)
    record = JobRecord("k", "test", "me", "submitted", "/r/jobs/k", 3, 2, "7", details={"indices": [1]})
    ledger.save(record)
    ledger.save(record)
    stored = ledger.get("k")
    assert stored is not None
    assert replace(stored, intended_at=None) == record
    assert stored.indices == (1,)
    with pytest.raises(Exception, match="meanwhile"):
        ledger.save(replace(record, generation=1))
    ledger.save(replace(record, generation=3, state="failed"))
    assert ledger.get("nothing") is None
    assert [one.key for one in recent_jobs(store)] == ["k"]
    assert open_jobs(store) == []
