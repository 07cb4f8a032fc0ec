"""Faults that end a job, or a part of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from sgob_tasks.store.jobs import StoreLedger
from tests.faults.trials import Trial, fault
from tests.faults.world import World, persist, until


@fault("array", "array with failed, cancelled-pending and killed tasks", trials=6, quick=1, alone=False)
def array(world: World, trials: int) -> list[Trial]:
    """Cancel pending tasks of an array of which others fail and die; then ask for it again."""
    done = [
        Trial(world.job(tasks=8, seconds=1, fail=[1], die=[2], resources={"parallel_tasks": 2}), generations=2)
        for _ in range(trials)
    ]

    def one(trial: Trial) -> None:
        cluster = world.cluster()
        cluster.stage(trial.job, world.local(trial.job))
        record = cluster.submit_or_adopt(trial.job)
        world.admin(f"scancel {record.job_id}_[6-7]")
        cancelled = cluster.wait(trial.job, timeout_s=60)
        counts = dict(cancelled.verdict.counts)
        trial.check(
            counts == {"succeeded": 4, "failed": 2, "cancelled": 2} and cancelled.record.state == "cancelled",
            f"after the cancellation: {cancelled.record.state}, {counts}: {cancelled.reason}",
        )
        again = cluster.submit_or_adopt(trial.job)
        trial.check(again.indices == (1, 2, 6, 7), f"submitted again: {again.indices}")
        cluster.close()
        world.ends(trial)

    with world.at_once([partial(one, trial) for trial in done]):
        pass
    return done


@fault("node-lost", "node lost", trials=6, quick=2)
def node_lost(world: World, trials: int) -> list[Trial]:
    """Kill everything that runs on the jobs' nodes, as a power cut does, and have them marked as down."""
    done = [Trial(world.job(seconds=4), generations=2) for _ in range(trials)]
    with world.at_once([partial(world.ends, trial) for trial in done]):
        for trial in done:
            world.until_state(trial.job, "RUNNING")
        running = [world.admin(f"squeue -h -n {trial.job.name(1)} -o %N|%A").strip().split("|") for trial in done]
        nodes = sorted({node for node, _ in running})
        for node in nodes:
            pid = world.daemons[f"slurmd-{node}"].pid()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        world.kill_job_processes([job_id for _, job_id in running])
        world.admin(f"scontrol update nodename={','.join(nodes)} state=down reason=trial")
        for trial in done:
            world.until_state(trial.job, "NODE_FAIL")
        world.up()
    return done


@fault("preempted", "preemption", trials=4, quick=1)
def preempted(world: World, trials: int) -> list[Trial]:
    """Let a job of a higher partition take all nodes."""
    low = replace(world.site, partition="scavenge")
    done = [Trial(world.job(seconds=4), generations=2) for _ in range(trials)]
    with world.at_once([partial(world.ends, trial, low) for trial in done]):
        for trial in done:
            world.until_state(trial.job, "RUNNING")
        cluster = world.cluster()
        command = "sbatch --parsable -p main -N 4 --exclusive -t 5 -o /dev/null -J fault-high --wrap 'sleep 3'"
        result = cluster.transport.run(command)
        assert result.exit_code == 0, result
        cluster.close()
        for trial in done:
            world.until_state(trial.job, "PREEMPTED")
    return done


@fault("timeout", "timeout with and without a new checkpoint", trials=4, quick=2, alone=False)
def timeout(world: World, trials: int) -> list[Trial]:
    """Bring the time limit forward: training that left a checkpoint goes on, training that left none has failed."""
    impatient = replace(world.site, max_failures=0)
    done = []
    for number in range(trials):
        with_checkpoint = number % 2 == 0
        trial = Trial(world.job(kind="train", hang=[0], checkpoint=[0] if with_checkpoint else []), generations=2)
        if not with_checkpoint:
            trial.expect, trial.generations, trial.work = "failed", 1, 0
        done.append(trial)

    with world.at_once([partial(world.ends, trial, impatient) for trial in done]):
        for trial in done:
            world.until_state(trial.job, "RUNNING")
        time.sleep(1.5)
        for trial in done:
            job_id = world.admin(f"squeue -h -n {trial.job.name(1)} -o %A").strip()
            world.admin(f"scontrol update jobid={job_id} EndTime=now+1seconds", check=False)
        for trial in done:
            world.until_state(trial.job, "TIMEOUT")
    for trial in done:
        record = StoreLedger(world.engine).get(trial.job.key)
        if trial.expect == "failed" and record is not None:
            trial.check("no newer checkpoint" in (record.reason or ""), f"the reason is {record.reason}")
            trial.check(record.slurm_state == "TIMEOUT", f"the state is {record.slurm_state}")
    return done


@fault("memory", "out of memory inside a step of a script that goes on", trials=4, quick=2, alone=False)
def out_of_memory(world: World, trials: int) -> list[Trial]:
    """Have a step killed for its memory while its script ends with 0."""
    done = [Trial(world.job(hungry=[0]), generations=2) for _ in range(trials)]
    with world.little_memory() as confine, world.at_once([partial(world.ends, trial) for trial in done]):
        for trial in done:
            folder = world.remote(trial.job) / "checkpoints"
            until((folder / ".pid").exists, "the step")
            confine(int((folder / ".pid").read_text()))
            (folder / ".go").touch()
    for trial in done:
        log = (world.remote(trial.job) / "logs" / "task-0000.g1.log").read_text()
        trial.check("the step ended with 0" not in log, f"the fault did not strike: {log}")
    return done


SIZE = 24_000_000


@contextlib.contextmanager
def _cut(world: World, session: int, begun: Callable[[], bool]) -> Iterator[list[bool]]:
    """Kill a connection's process on the login node as soon as something has begun."""
    struck: list[bool] = []
    stop = threading.Event()

    def wait() -> None:
        while not stop.is_set():
            if begun():
                os.kill(session, signal.SIGKILL)
                struck.append(True)
                return
            time.sleep(0.001)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield struck
    finally:
        stop.set()
        thread.join()


@fault("cut", "inputs and results cut in transfer", trials=4, quick=1, alone=False)
def cut(world: World, trials: int) -> list[Trial]:
    """Kill the connection in the middle of a file, on the way there and on the way back."""
    done = []
    for _ in range(trials):
        trial = Trial(world.job(bytes=SIZE))
        job, here, there = trial.job, world.local(trial.job), world.remote(trial.job)
        (here / "input" / "data").write_bytes(os.urandom(SIZE))
        _transfer(world, trial, there / "input", lambda cluster, job=job, here=here: cluster.stage(job, here))
        world.ends(trial)
        _transfer(world, trial, here / "results", lambda cluster, job=job, here=here: cluster.fetch(job, here))
        for name in ("input/data", "results/0000.jsonl"):
            trial.check(_digest(here / name) == _digest(there / name), f"{name} is not what was sent")
        left = [path.name for folder in (here, there / "results") for path in folder.rglob("*.part")]
        trial.check(not left, f"half files are left: {left}")
        done.append(trial)
    return done


def _transfer(world: World, trial: Trial, target: Path, action: Callable[..., object]) -> None:
    cluster = world.cluster()
    # The shell's parent is the process of the connection that runs as the batch user.
    session = int(cluster.transport.run("echo $PPID").stdout)

    def begun() -> bool:
        return any(path.stat().st_size > 1_000_000 for path in target.glob("*.part") if path.exists())

    with _cut(world, session, begun) as struck:
        persist(lambda: action(cluster))
    trial.check(bool(struck), "the fault did not strike")
    cluster.close()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
