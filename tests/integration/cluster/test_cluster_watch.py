"""What the cluster page learns from a real login node, and that it never waits long for it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from sgob_airflow.pages.live import ClusterWatch

from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.errors import PermanentError
from sgob_tasks.report.cluster_page import Live
from sgob_tasks.sandbox.processes import Service
from sgob_tasks.sandbox.slurm import SlurmSandbox
from tests.integration.cluster.conftest import Lab

pytestmark = pytest.mark.integration

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIB/2mUFoHGcPhgwFo1j10GrK/CoGMJPIPs7JEvn7am3"
PATIENT_S = 15.0
T = TypeVar("T")


@pytest.fixture(autouse=True)
def connection(slurm: SlurmSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def document(host_key: str, port: int) -> str:
        extra = {"key_file": str(slurm.key_file), "host_key": host_key}
        return json.dumps({"conn_type": "ssh", "host": slurm.host, "port": port, "login": slurm.user, "extra": extra})

    monkeypatch.setenv("AIRFLOW_CONN_TEST_CLUSTER", document(slurm.host_key, slurm.port))
    monkeypatch.setenv("AIRFLOW_CONN_OTHER_CLUSTER", document(OTHER_KEY, slurm.port))


def with_watch(use: Callable[[ClusterWatch], Awaitable[T]], watch: ClusterWatch | None = None) -> T:
    async def run() -> T:
        made = watch or ClusterWatch("test_cluster", fresh_s=0.2, retry_s=0.2)
        try:
            return await use(made)
        finally:
            made.close()

    return asyncio.run(run())


async def until(watch: ClusterWatch, records: list[JobRecord], done: Callable[[Live], bool]) -> Live:
    deadline = time.monotonic() + 30
    while True:
        live = await watch.look(records, PATIENT_S)
        if done(live):
            return live
        assert time.monotonic() < deadline, live
        await asyncio.sleep(0.3)


def test_running_and_waiting_jobs_are_seen(lab: Lab) -> None:
    array = lab.job(tasks=6, seconds=3)
    single = lab.job("train", seconds=8, outputs=())
    records = [lab.cluster.submit_or_adopt(job) for job in (array, single)]

    async def use(watch: ClusterWatch) -> None:
        live = await until(watch, records, lambda live: "RUNNING" in live.looks[array.key].words)
        assert live.trouble is None
        look = live.looks[array.key]
        assert look.tasks is not None
        assert {task.name for task in look.tasks} == {array.name(1)}
        running = next(task for task in look.tasks if task.state == "RUNNING")
        assert running.start is not None
        assert live.asked_at is not None
        assert abs((live.asked_at - running.start).total_seconds()) < 60, "Slurm's times are read in their zone"
        assert running.nodes
        live = await until(watch, records, lambda live: "run 1" in live.looks[array.key].log)
        live = await until(watch, records, lambda live: (live.looks[array.key].done or 0) >= 1)
        look = live.looks[array.key]
        assert look.log_name is not None
        assert look.log_name.endswith(".g1.log")
        assert watch._poller is not None, "the connection is kept"
        text = await watch.log(records[0], 1, 0)
        assert text.startswith("task-0000.g1.log\n")
        assert "index 0 run 1" in text
        with pytest.raises(PermanentError, match="no such log"):
            await watch.log(records[0], 1, 99)
        with pytest.raises(PermanentError, match="no log yet"):
            await watch.log(records[0], 7, None)

    with_watch(use)
    for job in (array, single):
        lab.cluster.cancel(job.key)


def test_many_viewers_ask_one_question(lab: Lab) -> None:
    job = lab.job(seconds=20)
    records = [lab.cluster.submit_or_adopt(job)]

    async def use(watch: ClusterWatch) -> None:
        answers = await asyncio.gather(*(watch.look(records, PATIENT_S) for _ in range(30)))
        assert all(job.key in live.looks for live in answers)
        await asyncio.gather(*(watch.log(records[0], 1, 0) for _ in range(10)), return_exceptions=True)
        assert watch.questions == 2

    with_watch(use, ClusterWatch("test_cluster"))
    lab.cluster.cancel(job.key)


def test_page_does_not_wait_for_a_slow_answer(lab: Lab) -> None:
    job = lab.job(seconds=20)
    records = [lab.cluster.submit_or_adopt(job)]

    async def use(watch: ClusterWatch) -> None:
        first = await watch.look(records, 0.0)
        assert not first.looks
        assert "has not answered" in (first.trouble or "")
        later = await watch.look(records, PATIENT_S)
        assert later.trouble is None
        assert job.key in later.looks
        assert watch.questions == 1, "the question went on"

    with_watch(use)
    lab.cluster.cancel(job.key)


def test_slurm_away_is_told_and_logs_are_shown(lab: Lab, daemons: dict[str, Service]) -> None:
    job = lab.job(tasks=2, seconds=30)
    records = [lab.cluster.submit_or_adopt(job)]
    lab.until(job, "RUNNING")
    daemons["slurmctld"].stop()
    try:
        live = with_watch(lambda watch: watch.look(records, PATIENT_S))
    finally:
        daemons["slurmctld"].start()
    look = live.looks[job.key]
    assert look.tasks is None
    assert "squeue does not answer" in look.troubles[0]
    assert look.done == 0
    assert "run 1" in look.log
    lab.cluster.cancel(job.key)


@pytest.mark.parametrize(
    ("ssh_conn_id", "told"), [("other_cluster", "not the one we know"), ("missing_cluster", "missing_cluster")]
)
def test_what_is_wrong_is_told(lab: Lab, ssh_conn_id: str, told: str) -> None:
    record = JobRecord("test-x", "sandbox", "me", "submitted", "/nowhere", job_id="1")

    async def use(watch: ClusterWatch) -> None:
        live = await watch.look([record], PATIENT_S)
        assert told in (live.trouble or "")
        await watch.look([record], PATIENT_S)
        assert watch.questions == 1, "no new question for a while after a failure"
        with pytest.raises(PermanentError, match=told):
            await watch.log(record, 1, 0)

    with_watch(use, ClusterWatch(ssh_conn_id))


def test_idle_connection_is_given_back(lab: Lab) -> None:
    record = JobRecord("test-x", "sandbox", "me", "submitted", "/nowhere", job_id="1")

    async def use(watch: ClusterWatch) -> None:
        live = await watch.look([record], PATIENT_S)
        assert "cannot be read" in live.looks["test-x"].troubles[0]
        await asyncio.sleep(1.0)
        assert watch._poller is None

    with_watch(use, ClusterWatch("test_cluster", idle_s=0.8))
