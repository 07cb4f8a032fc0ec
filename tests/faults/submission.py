"""Faults that strike while a job is submitted."""

from __future__ import annotations

import time
from functools import partial

from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.errors import InputError, PermanentError, TransientError
from sgob_tasks.store.jobs import StoreLedger
from tests.faults.trials import Trial, fault
from tests.faults.world import World, batches, until

FROZEN_S = 12.0  # longer than Slurm's MessageTimeout here: sbatch gives up, and the job is accepted all the same


def _planned(world: World, trials: int, plans: list[str]) -> list[Trial]:
    """Do trials whose ``sbatch`` meets one plan after the other, several at once."""
    done = []
    for size in batches(trials):
        batch = [Trial(world.job(seconds=1)) for _ in range(size)]
        for trial in batch:
            world.plan(trial.job, plans[(len(done) + batch.index(trial)) % len(plans)])
        with world.at_once([partial(world.ends, trial) for trial in batch]):
            pass
        for trial in batch:
            trial.check(world.struck(trial.job), "the fault did not strike")
        done += batch
    return done


@fault("frozen", "controller frozen during sbatch, and thawed", trials=20, quick=2)
def controller_frozen(world: World, trials: int) -> list[Trial]:
    """Freeze the controller between the look for the job and sbatch's question to it."""
    done: list[Trial] = []
    for size in batches(trials):
        gate = world.hook / f"gate-{time.monotonic_ns()}"
        batch = [Trial(world.job(seconds=1)) for _ in range(size)]
        for trial in batch:
            world.plan(trial.job, f'until [ -e {gate} ]; do sleep 0.05; done; exec sbatch "$@"')
        with world.at_once([partial(world.ends, trial) for trial in batch]):
            until(lambda batch=batch: all(world.struck(trial.job) for trial in batch), "all sbatch to begin")
            with world.frozen_controller():
                gate.touch()
                time.sleep(FROZEN_S)
        done += batch
    return done


@fault("ssh-killed", "ssh killed during sbatch", trials=20, quick=2, alone=False)
def ssh_killed(world: World, trials: int) -> list[Trial]:
    """End the connection before sbatch asks the controller: it still submits, at once or later, or not at all."""
    plans = ['hang_up; exec sbatch "$@"', "hang_up; exit 1", 'hang_up; sleep 2; exec sbatch "$@"']
    return _planned(world, trials, plans)


@fault("answer-lost", "sbatch's answer lost, job accepted", trials=20, quick=2, alone=False)
def answer_lost(world: World, trials: int) -> list[Trial]:
    """Let sbatch submit, and lose what it says: down the line, in its exit code, in its file."""
    said = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
    plans = [
        'sbatch "$@" > /dev/null; hang_up; kill -KILL $$',
        f'sbatch "$@" > /dev/null; echo "{said}" >&2; exit 1',
        'sbatch "$@" > /dev/null; exit 0',
        'sbatch "$@"; hang_up; exit 0',
    ]
    return _planned(world, trials, plans)


@fault("refused", "oversized job refused, then made smaller", trials=6, quick=2, alone=False)
def oversized(world: World, trials: int) -> list[Trial]:
    """Ask for more nodes, memory or time than there is; then for what there is."""
    sizes = [{"nodes": 99}, {"memory_mb": 10_000_000}, {"time_limit_s": 30 * 86_400}]
    done = []
    for number in range(trials):
        trial = Trial(world.job(tasks=2, resources=sizes[number % len(sizes)]), generations=2)
        job = trial.job
        cluster = world.cluster()
        cluster.stage(job, world.local(job))
        try:
            cluster.wait(job, timeout_s=30)
            trial.remarks.append("Slurm took it")
        except PermanentError as error:
            trial.check("sbatch" in str(error), f"the reason does not tell: {error}")
        cluster.close()
        record = StoreLedger(world.engine).get(job.key)
        trial.check(record is not None and record.state == "failed", f"after the refusal the ledger has {record}")
        trial.check(not world.admin(f"squeue -h -n {job.name(1)}").strip(), "a refused job is in the queue")
        trial.job = Job.from_dict({**job.to_dict(), "resources": {}})
        done.append(world.ends(trial))
    return done


@fault("crowd", "40 tasks connecting at once", trials=40, quick=15, alone=False)
def crowd(world: World, trials: int) -> list[Trial]:
    """Let many tasks connect at the same moment, each with a job of its own; sshd drops some of them."""
    done = [Trial(world.job(seconds=1)) for _ in range(trials)]
    with world.at_once([partial(world.ends, trial, poll_s=4.0) for trial in done]):
        pass
    return done


CHATTER = """\
echo "Welcome to the cluster. 12345 users, 99 jobs."
echo "4711"
echo "Submitted batch job 99"
echo "99|COMPLETED|0:0|0:0|fault.1"
echo "99|COMPLETED|fault.1|None"
echo '{"index": 0, "exit_code": 0, "slurm_job_id": "99"}'
echo "@@sgob begin queue"
echo "Lmod: loading impi/2017.4 (IMPI, MKL, PATH)" >&2
printf 'no line break at the end: '
"""


@fault("chatter", "login banner and module chatter on stdout", trials=6, quick=2)
def chatter(world: World, trials: int) -> list[Trial]:
    """Let every shell on the login node say things that look like Slurm's answers."""
    path = world.hook / "chatter"
    path.write_text(CHATTER)
    path.chmod(0o644)
    done = [
        Trial(world.job(tasks=2, seconds=1, die=[1] if number % 2 else []), generations=1 + number % 2)
        for number in range(trials)
    ]
    try:
        with world.at_once([partial(world.ends, trial) for trial in done]):
            pass
        cluster = world.cluster()
        for trial in done:
            cluster.fetch(trial.job, world.local(trial.job))
            found = sorted(path.name for path in (world.local(trial.job) / "results").iterdir())
            trial.check(found == ["0000.jsonl", "0001.jsonl"], f"fetched {found}")
        cluster.close()
    finally:
        path.unlink()
    return done


HOSTILE = (
    "-rf", "$(touch pwned)", "`touch pwned`", "; touch pwned;", "it's \"quoted\"", "two  spaces ", "*", "~", "#x",
    "&& touch pwned", "grüße ☃.jpg", "%a %j %%", "--help", "a|b", "x" * 200, "@@sgob end markers 0", "!!", "{a,b}",
)  # fmt: skip


@fault("names", "hostile names", trials=4, quick=1, alone=False)
def hostile_names(world: World, trials: int) -> list[Trial]:
    """Give files, comments and parameters names that a shell would act upon; keys of that kind are refused."""
    done = []
    for number in range(trials):
        comment = HOSTILE[number % len(HOSTILE)] + " $(touch pwned) 'x' \"y\" \\ `touch pwned` #; touch pwned"
        trial = Trial(world.job(comment=comment, inputs=sorted(HOSTILE), note=comment))
        for name in HOSTILE:
            (world.local(trial.job) / "input" / name).write_text(name)
        for name in HOSTILE:
            try:
                Job(name, "infer")
            except InputError:
                continue
            trial.check(name == "x" * 200, f"the key {name!r} was accepted")
        (world.local(trial.job) / "input" / "line\nbreak").write_text("")
        try:
            cluster = world.cluster()
            cluster.stage(trial.job, world.local(trial.job))
            trial.remarks.append("a file name with a line break was accepted")
        except InputError:
            (world.local(trial.job) / "input" / "line\nbreak").unlink()
        finally:
            cluster.close()
        done.append(trial)
    with world.at_once([partial(world.ends, trial) for trial in done]):
        pass
    for trial in done:
        for name in HOSTILE:
            copy = world.remote(trial.job) / "input" / name
            trial.check(copy.is_file() and copy.read_text() == name, f"{name!r} did not arrive")
        found = [*world.remote(trial.job).rglob("pwned"), *world.layout.home.rglob("pwned")]
        trial.check(not found, f"a name was run as a command: {found}")
    return done


@fault("accounts-off", "accounting disabled", trials=6, quick=2)
def accounting_disabled(world: World, trials: int) -> list[Trial]:
    """Run without sacct: jobs that end well and badly, and one whose submitter died before it had learnt the id."""
    done = []
    with world.configured(AccountingStorageType="accounting_storage/none", AccountingStorageTRES=""):
        for number in range(trials):
            trial = Trial(world.job(tasks=2, seconds=1, die=[1] if number % 2 == 0 else []))
            trial.generations = 2 if number % 2 == 0 else 1
            done.append(trial)
            if number % 2:
                _forget(world, trial, with_file=number % 4 == 1)
        with world.at_once([partial(world.ends, trial) for trial in done]):
            pass
    return done


def _forget(world: World, trial: Trial, *, with_file: bool) -> None:
    """Submit a job and put the ledger back to where it was before."""
    from dataclasses import replace

    cluster = world.cluster()
    cluster.stage(trial.job, world.local(trial.job))
    record = cluster.submit_or_adopt(trial.job)
    cluster.ledger.save(replace(record, state="intended", job_id=None, submitted_at=None))
    if not with_file:
        (world.remote(trial.job) / "submitted" / "1.id").unlink()
    cluster.close()


@fault("disk-full", "disk full on the cluster", trials=6, quick=3, alone=False)
def disk_full(world: World, trials: int) -> list[Trial]:
    """Fill the job's file system before the inputs come, before sbatch writes the id, and before the results."""
    done = []
    for number in range(trials):
        when = ("staging", "sbatch", "results")[number % 3]
        # With the id lost, the job may begin and fail while the disk is still full.
        generations = {"staging": 1, "sbatch": 0, "results": 2}[when]
        trial = Trial(world.job(seconds=2, bytes=100_000), generations=generations)
        (world.local(trial.job) / "input" / "data").write_bytes(bytes(200_000))
        remote = world.remote(trial.job)
        remote.mkdir(parents=True)
        world.mount(remote)
        try:
            _meet_full_disk(world, trial, when)
            world.ends(trial)
            for folder in ("results", "done", "submitted"):
                parts = [path.name for path in (remote / folder).iterdir() if path.name.endswith(".part")]
                trial.check(not parts, f"half a file is left: {parts}")
        finally:
            world.unmount(remote)
        done.append(trial)
    return done


def _meet_full_disk(world: World, trial: Trial, when: str) -> None:
    job, remote = trial.job, world.remote(trial.job)
    filler = remote / "filler"
    cluster = world.cluster()

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return

    if when == "staging":
        fill()
        try:
            cluster.stage(job, world.local(job))
            trial.remarks.append("staging said nothing")
        except TransientError as error:
            trial.check("full" in str(error), f"the reason does not tell: {error}")
    elif when == "sbatch":
        # Files can still be made, but nothing written into them: the id is lost, the job is not.
        world.plan(job, f'dd if=/dev/zero of={filler} bs=4k 2>/dev/null; exec sbatch "$@"')
        cluster.stage(job, world.local(job))
        record = cluster.submit_or_adopt(job)
        trial.check(world.struck(job), "the fault did not strike")
        trial.check(not (remote / "submitted" / "1.id").read_text() if record else False, "the id was written")
    else:
        cluster.stage(job, world.local(job))
        cluster.submit_or_adopt(job)
        world.until_state(job, "RUNNING")
        fill()
        until(lambda: not world.admin(f"squeue -h -n {job.name(1)}").strip(), "the end of the job")
        trial.check(not (remote / "done" / "0.json").exists(), "the marker was written")
    cluster.close()
    filler.unlink()
