"""Faults of our own side: triggerers and task processes that are killed with -9, and clocks that are wrong.

The operator and the trigger are Airflow's own code paths, run in processes of their own; what Airflow would keep in
its database (a deferral, an event) is kept in files here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.faults.trials import Trial, fault
from tests.faults.world import DEADLINE_S, World, batches, until

CONNECTION = "faults_cluster"
# Places in a task's process: before sbatch, after it and before its id is kept, after that, and with the deferral made.
PLACES = ("intended", "accepted", "booked", "deferring")


# --- in the processes


def _write(path: Path, document: dict[str, Any]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document))
    new.replace(path)


def _pause(out: Path) -> None:
    """Tell that the place is reached, and stay there until the kill comes."""
    out.with_suffix(".here").touch()
    time.sleep(600)


def task(method: str, planned: dict[str, Any], package: str, out: str, place: str = "", event: Any = None) -> None:
    """Run ``execute`` or ``resume`` of the operator; write what a worker would report to Airflow.

    Args:
        method: of the operator.
        planned: the job, as the planning task returns it.
        package: folder that is deployed in place of ``sgob_tasks``.
        out: file for the report: ``deferred`` with class and arguments of the trigger, ``done`` or ``failed``.
        place: where to wait for the kill; empty for nowhere.
        event: the trigger's, for ``resume``.
    """
    from airflow.sdk.exceptions import AirflowException, TaskDeferred
    from sgob_airflow.slurm_hook import SlurmHook
    from sgob_airflow.slurm_operator import SlurmJobOperator

    from sgob_tasks.cluster.jobs import Cluster
    from sgob_tasks.cluster.ledger import JobRecord
    from tests.integration.cluster.test_slurm_operator import TaskInstance

    path = Path(out)
    original = SlurmHook.cluster

    def cluster_of(self: SlurmHook, settings: Any = None) -> Cluster:
        cluster = original(self, settings)
        cluster.package_root = Path(package)
        save = cluster.ledger.save

        def save_and_pause(record: JobRecord) -> None:
            if place == "accepted" and record.state == "submitted":
                _pause(path)
            save(record)
            if (place, record.state) in {("intended", "intended"), ("booked", "submitted")}:
                _pause(path)

        cluster.ledger.save = save_and_pause  # type: ignore[method-assign] # on purpose
        return cluster

    SlurmHook.cluster = cluster_of  # type: ignore[method-assign] # on purpose
    operator = SlurmJobOperator.from_job(task_id="infer", job=planned, ssh_conn_id=CONNECTION)
    function: Callable[..., Any] = getattr(SlurmJobOperator, method)
    function = getattr(function, "__wrapped__", function)
    try:
        arguments = [{"ti": TaskInstance()}] + ([event] if method == "resume" else [])
        result = function(operator, *arguments)
    except TaskDeferred as deferral:
        if place == "deferring":
            _pause(path)
        _write(path, {"deferred": deferral.trigger.serialize()})
    except AirflowException as error:
        _write(path, {"failed": f"{type(error).__name__}: {error}"})
    else:
        _write(path, {"done": result})


def triggerer(triggers: list[tuple[str, dict[str, Any], str]]) -> None:
    """Run triggers from their serialised form, as a triggerer does; write each event into its file."""
    import importlib

    async def watch(path: str, arguments: dict[str, Any], out: str) -> None:
        module, name = path.rsplit(".", 1)
        trigger = getattr(importlib.import_module(module), name)(**arguments)
        async for event in trigger.run():
            _write(Path(out), dict(event.payload))
            return

    async def all_of_them() -> None:
        await asyncio.gather(*(watch(*trigger) for trigger in triggers))

    asyncio.run(all_of_them())


# --- around them


def environment(world: World) -> dict[str, str]:
    """Return what a process needs to find connection, store and site."""
    slurm = world.slurm
    extra = {"key_file": str(slurm.key_file), "host_key": slurm.host_key}
    connection = {"conn_type": "ssh", "host": slurm.host, "port": slurm.port, "login": slurm.user, "extra": extra}
    return {
        f"AIRFLOW_CONN_{CONNECTION.upper()}": json.dumps(connection),
        "SGOB_DATABASE_URL": world.engine.url.render_as_string(hide_password=False),
        "SGOB_HOME": str(world.folder),
    }


class Airflow:
    """Starts processes that stand for Airflow's workers and triggerers, and kills them."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        # Forked from a process that has imported everything: a worker is there at once.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["sgob_airflow.slurm_operator", "tests.faults.preload"])

    def start(self, target: Callable[..., None], *arguments: Any) -> BaseProcess:
        """Start a process."""
        process = self._context.Process(target=_with_environment, args=(environment(self.world), target, arguments))
        process.start()
        return process

    def planned(self, trial: Trial) -> dict[str, Any]:
        """Return a trial's job as a planning task does."""
        return {**trial.job.to_dict(), "job_dir": str(self.world.local(trial.job))}

    def out(self, trial: Trial, what: str) -> Path:
        """Return the file in which a process reports."""
        path = self.folder / f"{trial.job.key}.{what}"
        path.unlink(missing_ok=True)
        return path

    def task(self, trial: Trial, method: str = "execute", event: Any = None) -> dict[str, Any]:
        """Run a task's process to its end, with retries."""
        last: dict[str, Any] = {}
        for _ in range(4):
            out = self.out(trial, "json")
            process = self.start(task, method, self.planned(trial), str(self.world.package), str(out), "", event)
            process.join(DEADLINE_S)
            if not out.exists():
                raise AssertionError(f"{method} of {trial.job.key} ended with {process.exitcode} and said nothing")
            last = json.loads(out.read_text())
            if "failed" not in last or "FailException" in last["failed"]:
                return last
            method, event = "execute", None  # what Airflow's retry does
        return last

    def killed_task(self, trial: Trial, place: str) -> None:
        """Kill a task's process at a place."""
        out = self.out(trial, "json")
        process = self.start(task, "execute", self.planned(trial), str(self.world.package), str(out), place)
        with contextlib.suppress(AssertionError):
            until(out.with_suffix(".here").exists, f"{trial.job.key} to be {place}")
        process.kill()
        process.join()
        trial.check(process.exitcode == -9 and not out.exists(), f"the process was not killed: {process.exitcode}")
        out.with_suffix(".here").unlink(missing_ok=True)

    def wait(self, trials: Sequence[Trial], deferred: Sequence[Any], kills: Sequence[float] = ()) -> list[Any]:
        """Run the triggers of some trials in one triggerer, which is killed after some seconds, and again."""
        outs = [self.out(trial, "event") for trial in trials]
        waiting = [(*one, str(out)) for one, out in zip(deferred, outs, strict=True)]
        for seconds in kills:
            process = self.start(triggerer, [one for one in waiting if not Path(one[2]).exists()])
            process.join(seconds)
            process.kill()
            process.join()
        process = self.start(triggerer, [one for one in waiting if not Path(one[2]).exists()])
        process.join(DEADLINE_S)
        return [json.loads(out.read_text()) for out in outs]

    def to_the_end(self, trials: Sequence[Trial], kills: Sequence[float] = ()) -> None:
        """Run tasks that defer, wait and resume, until all are done."""
        states = self._all(trials, [partial(self.task, trial) for trial in trials])
        for _ in range(6):
            open_ = [(trial, state["deferred"]) for trial, state in states.items() if "deferred" in state]
            if not open_:
                break
            chosen = [trial for trial, _ in open_]
            events = self.wait(chosen, [deferred for _, deferred in open_], kills)
            kills = ()
            states |= self._all(
                chosen,
                [partial(self.task, trial, "resume", event) for trial, event in zip(chosen, events, strict=True)],
            )
        for trial, state in states.items():
            trial.check("done" in state, f"the task ended with {state}")

    def _all(self, trials: Sequence[Trial], actions: Sequence[Callable[[], Any]]) -> dict[Any, Any]:
        with self.world.at_once(actions) as futures:
            pass
        return dict(zip(trials, [future.result() for future in futures], strict=True))


def _with_environment(values: dict[str, str], target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ.update(values)
    # Airflow logs for its own UI; here it is in the way of the table.
    with Path(os.devnull).open("w") as nowhere:
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
    target(*arguments)


@contextlib.contextmanager
def airflow(world: World) -> Iterator[Airflow]:
    """Give workers and triggerers."""
    with tempfile.TemporaryDirectory(prefix="sgob-faults-") as folder:
        yield Airflow(world, Path(folder))


@fault("triggerer", "triggerer killed while waiting", trials=20, quick=2, alone=False)
def triggerer_killed(world: World, trials: int) -> list[Trial]:
    """Kill the triggerer twice while it waits for several jobs, some of which end meanwhile, and start it again."""
    done: list[Trial] = []
    with airflow(world) as around:
        for size in batches(trials):
            # Some end before the first kill, some between the two, some after both; in some a task dies.
            batch = [
                Trial(
                    world.job(tasks=2, seconds=1 + number % 5 * 2, die=[1] if number % 4 == 3 else []),
                    generations=1 + (number % 4 == 3),
                )
                for number in range(size)
            ]
            around.to_the_end(batch, kills=[random.uniform(1.0, 4.0), random.uniform(1.0, 4.0)])
            done += batch
    return done


@fault("scheduler", "scheduler killed between submit and defer", trials=20, quick=4, alone=False)
def scheduler_killed(world: World, trials: int) -> list[Trial]:
    """Kill the task's process between the intent and the deferral, and run the task again."""
    done: list[Trial] = []
    with airflow(world) as around:
        for size in batches(trials):
            batch = [Trial(world.job(seconds=1 + number % 3)) for number in range(size)]
            kills = [
                partial(around.killed_task, trial, PLACES[(len(done) + number) % len(PLACES)])
                for number, trial in enumerate(batch)
            ]
            with world.at_once(kills):
                pass
            around.to_the_end(batch)
            done += batch
    return done


SKEW = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static time_t skew(void) { const char *s = getenv("CLOCK_SKEW_S"); return s ? atol(s) : 0; }
int clock_gettime(clockid_t id, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, t);
    if (code == 0 && id == CLOCK_REALTIME) t->tv_sec += skew();
    return code;
}
int gettimeofday(struct timeval *t, void *zone) {
    struct timespec now;
    int code = clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec; t->tv_usec = now.tv_nsec / 1000;
    return code;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
"""
SKEWS_S = (3 * 3600, -3 * 3600, 2 * 86_400, -2 * 86_400)


@fault("clock", "clock skew", trials=4, quick=2)
def clock_skew(world: World, trials: int) -> list[Trial]:
    """Submit from a machine whose clock is hours off; go on, after its death, on one whose clock is right.

    Meanwhile the controller has forgotten the job and the file with its id is lost: accounting alone knows it.
    """
    done = [Trial(world.job(tasks=2)) for _ in range(trials)]
    with airflow(world) as around, world.configured(MinJobAge="2"):
        source, library = around.folder / "skew.c", around.folder / "skew.so"
        source.write_text(SKEW)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)

        def submit(trial: Trial, skew_s: int) -> None:
            out = around.out(trial, "json")
            arguments = ["execute", json.dumps(around.planned(trial)), str(world.package), str(out), "booked"]
            values = {**os.environ, **environment(world), "LD_PRELOAD": str(library), "CLOCK_SKEW_S": str(skew_s)}
            command = [sys.executable, "-m", "tests.faults.processes", *arguments]
            process = subprocess.Popen(command, env=values, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            until(out.with_suffix(".here").exists, "the submission by a wrong clock")
            process.kill()
            process.wait()
            record = world.cluster().ledger.get(trial.job.key)
            assert record is not None
            assert record.intended_at is not None
            off = record.intended_at.timestamp() - time.time()
            trial.check(abs(off - skew_s) < 300, f"the clock was off by {off:.0f} s")

        with world.at_once(
            [partial(submit, trial, SKEWS_S[number % len(SKEWS_S)]) for number, trial in enumerate(done)]
        ):
            pass
        names = ",".join(trial.job.name(1) for trial in done)
        until(lambda: not world.admin(f"squeue -h --states=all -n {names}").strip(), "the controller to forget", 90)
        for trial in done:
            _lose_the_id(world, trial)
        around.to_the_end(done)
    return done


def _lose_the_id(world: World, trial: Trial) -> None:
    from dataclasses import replace

    cluster = world.cluster()
    record = cluster.ledger.get(trial.job.key)
    assert record is not None
    cluster.ledger.save(replace(record, state="intended", job_id=None, submitted_at=None))
    (world.remote(trial.job) / "submitted" / "1.id").unlink()


if __name__ == "__main__":
    task(sys.argv[1], json.loads(sys.argv[2]), *sys.argv[3:6])
