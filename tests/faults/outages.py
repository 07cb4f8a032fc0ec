"""Faults of Slurm's daemons and of what they remember."""

from __future__ import annotations

import shutil
import time
from functools import partial

from tests.faults.trials import Trial, fault
from tests.faults.world import World, until

OUTAGE_S = 4.0


def _outage(world: World, trials: int, *names: str) -> list[Trial]:
    """Stop daemons while some jobs run and others are being submitted."""
    # One in three has a task that dies: even then the reason has to be found.
    done = [
        Trial(world.job(tasks=2, seconds=2, die=[1] if number % 3 == 2 else []), generations=1 + (number % 3 == 2))
        for number in range(trials)
    ]
    early, late = done[: (trials + 1) // 2], done[(trials + 1) // 2 :]
    with world.at_once([partial(world.ends, trial) for trial in early]):
        for trial in early:
            world.until_state(trial.job, "RUNNING")
        for name in names:
            assert world.daemons[name].stop(), name
        with world.at_once([partial(world.ends, trial) for trial in late]):
            time.sleep(OUTAGE_S)
            world.up()
    return done


@fault("slurmctld", "slurmctld down", trials=8, quick=2)
def controller_down(world: World, trials: int) -> list[Trial]:
    """Stop the controller for some seconds."""
    return _outage(world, trials, "slurmctld")


@fault("slurmdbd", "slurmdbd down", trials=8, quick=2)
def accounting_down(world: World, trials: int) -> list[Trial]:
    """Stop accounting for some seconds."""
    return _outage(world, trials, "slurmdbd")


@fault("both", "slurmctld and slurmdbd down", trials=8, quick=2)
def both_down(world: World, trials: int) -> list[Trial]:
    """Stop both for some seconds."""
    return _outage(world, trials, "slurmctld", "slurmdbd")


@fault("purged", "job purged from the controller", trials=6, quick=2)
def purged(world: World, trials: int) -> list[Trial]:
    """Look at jobs only when the controller has forgotten them."""
    done = [
        Trial(world.job(tasks=2, die=[1] if number % 2 else []), generations=1 + number % 2) for number in range(trials)
    ]
    with world.configured(MinJobAge="2"):
        cluster = world.cluster()
        for trial in done:
            cluster.stage(trial.job, world.local(trial.job))
            cluster.submit_or_adopt(trial.job)
        cluster.close()
        names = ",".join(trial.job.name(1) for trial in done)
        until(lambda: not world.admin(f"squeue -h --states=all -n {names}").strip(), "the controller to forget", 90)
        with world.at_once([partial(world.ends, trial) for trial in done]):
            pass
    return done


@fault("ids", "job ids restarting from 1", trials=6, quick=3)
def ids_restart(world: World, trials: int) -> list[Trial]:
    """Take the controller's memory: running jobs are forgotten, and new ones get the ids of older ones."""
    plain = [Trial(world.job(tasks=2)) for _ in range(max(trials - 2 * (trials // 3), 1))]
    # Forgotten, a job is killed as an orphan or comes to its end all the same: both are right.
    running = [Trial(world.job(seconds=6), generations=0) for _ in range(trials // 3)]
    after = [Trial(world.job(tasks=2, die=[1]), generations=2) for _ in range(trials // 3)]
    _forget_all(world)
    with world.at_once([partial(world.ends, trial) for trial in plain]):
        pass
    with world.at_once([partial(world.ends, trial) for trial in running]):
        for trial in running:
            world.until_state(trial.job, "RUNNING")
        _forget_all(world)
    # As an administrator has to: slurmd refuses a job whose id it still knows, and Slurm then calls that one CANCELLED.
    for node in world.layout.node_names:
        world.daemons[f"slurmd-{node}"].stop()
    world.up()
    with world.at_once([partial(world.ends, trial) for trial in after]):
        pass
    first = world.cluster().ledger.get(after[0].job.key) if after else None
    if first is not None and first.job_id is not None:
        after[0].check(int(first.job_id) < 200, f"ids did not restart: {first.job_id}")
    return plain + running + after


def _forget_all(world: World) -> None:
    world.daemons["slurmctld"].stop()
    shutil.rmtree(world.layout.root / "state")
    world.up()
