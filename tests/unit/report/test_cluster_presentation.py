from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.cluster.look import JobLook, LiveTask
from sgob_tasks.report.cluster_page import ClusterView, Live, OpenJob, Step, in_order, open_job, run_url, step
from sgob_tasks.report.render_cluster import cluster_policy, render_cluster
from sgob_tasks.store.job_history import JobRow, LinkRow, Usage, WeekUsage
from tests.unit.report.test_render import EVIL, Page

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)
ROW = JobRow(
    key="sgob-infer-1", kind="infer", cluster="site", owner="enrich/run 1/detect", dag_id="enrich", run_id="run 1/+",
    task_id="detect", state="submitted", slurm_state="PENDING", job_id="17", generation=1, tasks=4, reason="Resources",
    intended_at=NOON, submitted_at=NOON + timedelta(seconds=5), ended_at=None, elapsed_s=None, node_hours=None,
    gpu_hours=None, queue_wait_s=None, efficiency=None, links=1,
)  # fmt: skip
LINK = LinkRow(1, "17", "failed", "TIMEOUT", None, NOON, None, None, None, None, None, None, 4)


def task(state: str, reason: str = "None", minutes: int = 1) -> LiveTask:
    return LiveTask("17", state, NOON + timedelta(minutes=minutes), "n1", "sgob-infer-1.1", reason)


def look(*tasks: LiveTask, done: int | None = 0, log: str = "", name: str | None = "task-0002.g1.log") -> JobLook:
    return JobLook(tasks, done, name, log)


def shown(seen: JobLook | None, row: JobRow = ROW) -> OpenJob:
    return open_job(row, seen, {}, "../")


def test_what_the_cluster_says_lies_over_the_ledger() -> None:
    job = shown(look(task("RUNNING", minutes=9), task("RUNNING", minutes=3), task("PENDING", "Priority"), done=1))
    assert (job.state, job.words, job.reasons) == ("running", "RUNNING 2, PENDING 1", ("Priority",))
    assert (job.running, job.waiting, job.done, job.part) == (2, 1, 1, 0.25)
    assert job.since == NOON + timedelta(minutes=3)
    assert job.starts is None
    waiting = shown(look(task("PENDING", "Resources"), name=None))
    assert (waiting.state, waiting.since, waiting.starts) == ("waiting", ROW.submitted_at, NOON + timedelta(minutes=1))


def test_what_the_ledger_says_stays_where_the_cluster_is_silent() -> None:
    job = shown(None)
    assert (job.state, job.words, job.reasons, job.live) == ("submitted", "PENDING", ("Resources",), False)
    assert (job.running, job.waiting, job.done, job.part) == (None, None, None, None)
    silent = shown(JobLook(None, None, None, "", ("squeue does not answer: slurmctld is down",)))
    assert (silent.state, silent.reasons) == ("submitted", ("Resources",))
    assert silent.troubles


def test_ended_jobs_that_nobody_has_judged() -> None:
    assert shown(look(task("COMPLETED"), done=4)).state == "ending"
    assert shown(look()).state == "submitted", "not in the queue yet"


def test_waiting_that_no_waiting_ends_is_named() -> None:
    assert shown(look(task("PENDING", "InvalidQOS"))).stuck
    assert not shown(look(task("PENDING", "Resources"))).stuck


def test_what_runs_comes_first() -> None:
    jobs = [shown(look(task(state))) for state in ("PENDING", "COMPLETED", "RUNNING")]
    assert [job.state for job in in_order([shown(None), *jobs])] == ["running", "ending", "waiting", "submitted"]


@pytest.mark.parametrize(
    ("log", "parameters", "expected"),
    [
        ("00:00:01 16 of 200 pictures\n00:00:02 50 of 200 pictures", {}, Step("50 of 200 pictures", 0.25)),
        ("step 1200 epoch 12.5 loss 1.2 (x)", {"epochs": 50.0}, Step("epoch 12.5 of 50, step 1,200", 0.25)),
        ("step 1200 epoch 12.5 loss 1.2", {"epochs": 50.0, "steps": 2400}, Step("step 1,200 of 2,400", 0.5)),
        ("step 1200 epoch 12.5 loss 1.2", {}, Step("epoch 12.5, step 1,200", None)),
        ("step 9 epoch 99.5 loss 1.2", {"epochs": "many"}, Step("epoch 99.5, step 9", None)),
        ("step 9 epoch 99.5 loss 1.2", {"epochs": 50}, Step("epoch 99.5 of 50, step 9", 1.0)),
        ("0 of 0 pictures", {}, Step("0 of 0 pictures", None)),
        ("nothing of the kind", {"epochs": 50.0}, None),
    ],
)
def test_progress_is_read_from_the_log(log: str, parameters: dict[str, object], expected: Step | None) -> None:
    assert step(log, parameters) == expected


def test_progress_of_one_task_is_that_of_the_job() -> None:
    log = "50 of 200 pictures"
    several = shown(look(task("RUNNING"), done=1, log=log))
    assert several.step is not None
    assert (several.part, several.step.text) == (0.25, "task 2: 50 of 200 pictures")
    alone = replace(ROW, tasks=1)
    assert shown(look(task("RUNNING"), log=log), alone).part == 0.25
    assert shown(look(task("COMPLETING"), done=1, log=log), alone).part == 1.0


@given(st.text(), st.dictionaries(st.sampled_from(["epochs", "steps"]), st.one_of(st.floats(), st.text(), st.none())))
def test_any_log_can_be_read(log: str, parameters: dict[str, object]) -> None:
    found = step(f"{log} step 3 epoch 1.5 ", parameters)
    assert found is None or found.part is None or 0 <= found.part <= 1


def test_dag_run_is_addressed_below_airflow() -> None:
    assert run_url(ROW, "../") == "../dags/enrich/runs/run%201%2F%2B"
    assert run_url(replace(ROW, dag_id=None), "../") is None


def evil_view() -> ClusterView:
    evil = replace(
        ROW, key=EVIL, kind=EVIL, cluster=EVIL, owner=EVIL, dag_id=EVIL, run_id=EVIL, task_id=EVIL, slurm_state=EVIL,
        job_id=EVIL, reason=EVIL, links=2,
    )  # fmt: skip
    past = replace(evil, key=f"{EVIL}2", state="failed", ended_at=NOON)
    links = [replace(LINK, generation=n, reason=EVIL, slurm_state=EVIL, job_id=EVIL) for n in (1, 2)]
    return ClusterView(
        open=[evil],
        history=[past],
        chains={evil.key: links, past.key: links},
        weeks=[WeekUsage(NOON.date(), 1, 2.0, 3.0)],
        models=[Usage(EVIL, 1, 2.0, 3.0, 4.0, 0.5)],
    )


def evil_live() -> Live:
    tasks = (LiveTask("1", EVIL, NOON, EVIL, EVIL, EVIL), LiveTask("1", "PENDING", None, EVIL, EVIL, EVIL))
    return Live({EVIL: JobLook(tasks, 1, EVIL, EVIL, (EVIL,))}, NOON, EVIL, {EVIL})


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_cluster(evil_view(), evil_live(), root="../"))


def test_texts_from_outside_stay_texts(page: Page) -> None:
    assert len(page.of("script")) == 1
    assert not page.of("img")
    assert page.text.count("<script>alert(1)</script>") > 20
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
    assert {(link["href"] or "").partition("/")[0] for link in page.of("a")} == {
        "#history",
        "?refresh=off",
        "..",
        "cluster",
    }


def test_page_needs_nothing_from_elsewhere(page: Page) -> None:
    assert not [tag for tag, _ in page.elements if tag in {"link", "iframe", "object", "embed", "base", "form"}]
    policy = cluster_policy()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_page_for_assistive_technology(page: Page) -> None:
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    for attributes in (attributes for _, attributes in page.elements if "aria-labelledby" in attributes):
        assert set((attributes["aria-labelledby"] or "").split()) <= set(identifiers)
    chart = next(svg for svg in page.of("svg") if svg.get("role") == "img")
    assert chart["aria-labelledby"] == "chart-title chart-description"
    assert len(page.of("title")) == 2, "of the page and of the chart"
    assert page.of("desc")
    assert [bar["aria-label"] for bar in page.of("progress")] == [f"Progress of {EVIL}"]


def test_page_loads_again_only_while_something_is_open() -> None:
    def refreshes(html: str) -> list[str | None]:
        return [meta["content"] for meta in Page(html).of("meta") if meta.get("http-equiv") == "refresh"]

    assert refreshes(render_cluster(evil_view(), Live(), root="../")) == ["15"]
    assert refreshes(render_cluster(evil_view(), Live(), root="../", refresh=False)) == []
    assert refreshes(render_cluster(ClusterView((), evil_view().history), Live(), root="../")) == []


def test_empty_store() -> None:
    text = Page(render_cluster(ClusterView((), ()), Live(), root="../")).text
    for words in ("Nothing is in the queue", "No job is open", "No model has used", "No job has ended yet"):
        assert words in text


def test_trouble_is_told() -> None:
    view = ClusterView([ROW], ())
    silent = Page(render_cluster(view, Live(trouble="no connection"), root="../")).text
    assert "no connection What the store knows is shown below." in silent
    old = Page(render_cluster(view, Live({ROW.key: look(task("RUNNING"))}, NOON, "no connection"), root="../")).text
    assert "answered at 12:00:00 UTC" in old
    assert "What it said last is shown below." in old
