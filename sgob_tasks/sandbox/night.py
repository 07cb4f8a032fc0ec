"""Drive one night through Airflow as an operator would, and tell in the terminal how far it is.

Train a detector and a caption generator when there are none, then harvest; the other DAGs follow by their assets, as
they do every night.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from sgob_tasks.errors import PermanentError, TransientError
from sgob_tasks.sandbox.airflow import AirflowClient

TRAIN, TRAIN_CAPTIONS = "train_detector", "train_captions"
TRAININGS = (TRAIN, TRAIN_CAPTIONS)
NIGHT = ("harvest_europeana", "enrich_pictures", "publish_annotations", "share_datasets")
DAGS = (*TRAININGS, *NIGHT)
OTHERS = ("reconcile_jobs", "reenrich_pictures")  # by the clock or after a promotion, whatever the nights do
LONG_TASKS = {"train", "infer", "describe"}  # their last log line is shown while they run
# Of a job's own log ("| ...") only what its program says; TensorFlow's C++ parts are louder than it.
_OF_JOB = re.compile(r"\| \d\d:\d\d:\d\d ")
DONE = {"success", "failed"}
ASKS = "awaiting_input"
"""State of a task that waits for a person's answer."""
POLL_S = 1.0
SHOW_LOG_EVERY_S = 15.0


def _worth_showing(line: str) -> bool:
    if line.startswith("| "):
        return bool(_OF_JOB.match(line))
    return bool(line.strip()) and not line.startswith("::")


@dataclass
class Night:
    """What was run.

    Attributes:
        run_ids: DAG id to run id.
        seconds: DAG id to wall-clock seconds of its run.
    """

    run_ids: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


class NightDriver:
    """Runs DAGs one after the other and reports each task as it changes."""

    def __init__(self, client: AirflowClient, say: Callable[[str], None] | None = None) -> None:
        self.client = client
        self.say = say or (lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201 - progress for a person
        self.night = Night()

    def run(
        self, *, train: Collection[str], conf: Mapping[str, Mapping[str, object]], timeout_s: float = 3600.0
    ) -> Night:
        """Run the trainings that are asked for, then the night.

        Args:
            train: which of ``TRAININGS`` to run first.
            conf: run parameters by DAG id.
            timeout_s: for each DAG run.

        Raises:
            PermanentError: a run failed; the message holds the end of the failed task's log.
        """
        self.night = Night()
        self.client.wait_for_dags([*DAGS, *OTHERS])
        for dag_id in DAGS:
            if dag_id != NIGHT[0]:
                self.client.unpause(dag_id)
        for dag_id in TRAININGS:
            if dag_id in train:
                self.follow(dag_id, self.client.trigger(dag_id, conf.get(dag_id)), timeout_s)
        started = datetime.now(timezone.utc) - timedelta(seconds=2)
        self.follow(NIGHT[0], self._start_harvest(conf.get(NIGHT[0], {})), timeout_s)
        for dag_id in NIGHT[1:]:
            self.follow(dag_id, self.run_by_assets(dag_id, started), timeout_s)
        for dag_id in OTHERS:
            self.client.unpause(dag_id)
        return self.night

    def _start_harvest(self, conf: Mapping[str, object]) -> str:
        """Start the nightly DAG: the first time its schedule does, afterwards by hand."""
        dag_id = NIGHT[0]
        if self.client.unpause(dag_id):
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:  # the scheduler makes the run of the last closed interval
                runs = self.client.runs(dag_id)
                if runs:
                    return str(runs[0]["dag_run_id"])
                time.sleep(POLL_S)
        return self.client.trigger(dag_id, conf)

    def run_by_assets(self, dag_id: str, since: datetime) -> str:
        """Wait for the run that an asset event has started since a time; return its id.

        Raises:
            PermanentError: none was started within a minute.
        """
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for run in self.client.runs(dag_id):
                if run["run_type"] == "asset_triggered" and datetime.fromisoformat(run["run_after"]) >= since:
                    return str(run["dag_run_id"])
            time.sleep(POLL_S)
        raise PermanentError(f"no run of {dag_id} was started by its assets within 60 s")

    def follow(self, dag_id: str, run_id: str, timeout_s: float, *, until_asked: bool = False) -> None:
        """Tell what a run's tasks do until it ends.

        Args:
            dag_id: of which DAG.
            run_id: which run.
            timeout_s: how long it may take.
            until_asked: or until one of its tasks waits for a person's answer.

        Raises:
            PermanentError: it failed, or takes too long; the message holds the end of the failed task's log.
        """
        self.say(f"{dag_id}  ({run_id})")
        seen: dict[tuple[str, int], str] = {}
        began = time.monotonic()
        shown = began
        last_line = ""
        while True:
            run = self.client.run(dag_id, run_id)
            tasks = self.client.task_instances(dag_id, run_id)
            for task in sorted(tasks, key=lambda task: str(task["start_date"] or "~")):
                self._report(task, seen, time.monotonic() - began)
            if run["state"] in DONE:
                break
            if until_asked and any(task["state"] == ASKS for task in tasks):
                return
            if time.monotonic() - shown >= SHOW_LOG_EVERY_S:
                shown = time.monotonic()
                last_line = self._show_log(dag_id, run_id, tasks, last_line)
            if time.monotonic() - began > timeout_s:
                raise PermanentError(f"{dag_id} did not end within {timeout_s:.0f} s")
            time.sleep(POLL_S)
        self.night.run_ids[dag_id] = run_id
        self.night.seconds[dag_id] = time.monotonic() - began
        if run["state"] == "failed":
            raise PermanentError(f"{dag_id} failed ({run_id})\n{self._failure(dag_id, run_id, tasks)}")

    def _report(self, task: Mapping[str, Any], seen: dict[tuple[str, int], str], elapsed_s: float) -> None:
        key = (str(task["task_id"]), int(task["map_index"]))
        state = str(task["state"])
        if seen.get(key) == state or state in {"None", "scheduled", "queued", "removed"}:
            return
        seen[key] = state
        name = key[0] if key[1] < 0 else f"{key[0]}[{key[1]}]"
        words = {
            ASKS: "waits for a person",
            "deferred": "waits for the cluster",
            "up_for_retry": "failed, will be tried again",
        }
        duration = f"  {task['duration']:.1f} s" if state in DONE and task["duration"] else ""
        self.say(f"  {elapsed_s:6.1f} s  {name:<24} {words.get(state, state)}{duration}")

    def _show_log(self, dag_id: str, run_id: str, tasks: list[dict[str, Any]], last_line: str) -> str:
        for task in tasks:
            if task["task_id"] in LONG_TASKS and task["state"] in {"running", "deferred"}:
                try:
                    lines = [line for line in self.client.task_log(dag_id, run_id, task) if _worth_showing(line)]
                except (PermanentError, TransientError):
                    return last_line  # the log is being written; the next look will see it
                if lines and lines[-1] != last_line:
                    self.say(f"            {task['task_id']}: {lines[-1][:150]}")
                    return lines[-1]
        return last_line

    def _failure(self, dag_id: str, run_id: str, tasks: list[dict[str, Any]]) -> str:
        for task in tasks:
            if task["state"] == "failed":
                lines = list(self.client.task_log(dag_id, run_id, task))
                return f"{task['task_id']} failed; end of its log:\n" + "\n".join(lines[-25:])
        return "no task failed"
