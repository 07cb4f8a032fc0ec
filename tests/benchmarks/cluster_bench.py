"""What jobs on the cluster cost: connections, commands, seconds, memory; beside plain ``ssh sbatch`` and ``rsync``.

Connections and commands are counted in the log of the login node's sshd, not by our own code.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.ledger import JobRecord
from tests.faults.__main__ import a_world
from tests.faults.processes import CONNECTION, environment
from tests.faults.world import World, until

JOBS = 200
PLAIN_JOBS = 40
WAITING_JOBS = 1000
TASKS, TASK_S = 128, 3
FILES, FILE_BYTES = 240, 250_000


class Count:
    """Lines of sshd's log between two moments: connections, commands, file sessions."""

    def __init__(self, world: World) -> None:
        self._log = world.daemons["sshd"].log_file
        self._start = self._log.stat().st_size

    def take(self) -> tuple[int, int, int]:
        """Return connections, commands and SFTP sessions since the last call."""
        time.sleep(0.3)
        with self._log.open("rb") as file:
            file.seek(self._start)
            text = file.read()
        self._start += len(text)
        marks = (b"Accepted publickey", b"Starting session: command", b"Starting session: subsystem 'sftp'")
        connections, commands, files = (text.count(mark) for mark in marks)
        return connections, commands, files


def ssh(world: World, command: str) -> str:
    """Run a command as people do in a loop: one connection for each."""
    slurm = world.slurm
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    address = ["-p", str(slurm.port), "-i", str(slurm.key_file), f"{slurm.user}@{slurm.host}"]
    result = subprocess.run(["ssh", *options, *address, command], capture_output=True, text=True, check=True)
    return result.stdout


def plain_loop(world: World, jobs: int) -> None:
    """Submit jobs one by one, ask for each until it has left the queue."""
    ids = [ssh(world, "sbatch --parsable --mem=10 -o /dev/null --wrap true").strip() for _ in range(jobs)]
    for job_id in ids:
        while ssh(world, f"squeue -h -j {job_id} -t pending,running,completing -o %i 2>/dev/null || true").strip():
            time.sleep(1)


def many_jobs(world: World, jobs: int) -> dict[str, tuple[int, int, int]]:
    """Stage, submit and wait for separate jobs over one connection."""
    count = Count(world)
    cluster = world.cluster()
    made = [world.job() for _ in range(jobs)]
    for job in made:
        cluster.stage(job, world.local(job))
    staged = count.take()
    for job in made:
        cluster.submit_or_adopt(job)
    submitted = count.take()
    names = [job.name(1) for job in made]
    while any(row.state in {"PENDING", "RUNNING", "COMPLETING"} for row in cluster.queue(names)):
        time.sleep(2)
    waited = count.take()
    assert all(cluster.advance(job, 0.0).record.state == "succeeded" for job in made)
    judged = count.take()
    cluster.close()
    return {"staging": staged, "submission": submitted, "waiting": waited, "judgement": judged}


def connections_and_commands(world: World) -> None:
    count = Count(world)
    started = time.monotonic()
    plain_loop(world, PLAIN_JOBS)
    plain, plain_s = count.take(), time.monotonic() - started
    started = time.monotonic()
    ours = many_jobs(world, JOBS)
    ours_s = time.monotonic() - started
    total = [sum(values) for values in zip(*ours.values(), strict=True)]
    job = world.job(tasks=JOBS, resources={"parallel_tasks": 0})
    cluster = world.cluster()
    count.take()
    cluster.stage(job, world.local(job))
    assert cluster.wait(job, poll_s=2.0, timeout_s=120).record.state == "succeeded"
    cluster.close()
    array = count.take()
    print("for each job                       connections  commands  seconds")
    each = [value / PLAIN_JOBS for value in (plain[0], plain[1], plain_s)]
    print(f"plain loop of ssh, {PLAIN_JOBS:3d} jobs    {each[0]:11.2f} {each[1]:9.2f} {each[2]:8.2f}")
    print(f"ours, {JOBS} separate jobs         {total[0] / JOBS:11.3f} {total[1] / JOBS:9.2f} {ours_s / JOBS:8.2f}")
    print(f"ours, one array of {JOBS}          {array[0] / JOBS:11.3f} {array[1] / JOBS:9.2f}")
    print(f"connections in all: {total[0]} for {JOBS} jobs, {array[0]} for the array")
    print(f"commands in all: {total[1]} for {JOBS} jobs, {array[1]} for the array")
    for part, (_, commands, files) in ours.items():
        print(f"  {part:12s} {commands / JOBS:6.2f} commands a job ({commands}), {files} file sessions")


def overhead(world: World) -> None:
    """Compare our run of an array with the same script, submitted by hand on the login node."""

    def prepared() -> Job:
        return world.job(tasks=TASKS, seconds=TASK_S, resources={"parallel_tasks": 0})

    cluster = world.cluster()
    ours, raw = [], []
    for _ in range(2):
        job = prepared()
        cluster.stage(job, world.local(job))
        script = world.remote(job) / "submitted" / "1.sbatch"
        script.write_text(cluster.script(job, cluster.deploy()))
        started = time.monotonic()
        job_id = world.admin(f"runuser -u {world.slurm.user} -- sbatch --parsable {script}").strip()
        until(
            lambda job_id=job_id: not world.admin(f"squeue -h -j {job_id} -t pd,r,cg", check=False).strip(), "raw", 120
        )
        raw.append(time.monotonic() - started)
        job = prepared()
        started = time.monotonic()
        cluster.stage(job, world.local(job))
        assert cluster.wait(job, timeout_s=120).record.state == "succeeded"
        ours.append(time.monotonic() - started)
    cluster.close()
    best, plain = min(ours), min(raw)
    print(f"array of {TASKS} x {TASK_S} s: by hand {plain:.1f} s, ours {best:.1f} s, overhead {best / plain - 1:+.1%}")


def _trigger(world: World, job: Job, record: JobRecord) -> Any:
    from sgob_airflow.slurm_trigger import SlurmJobTrigger

    site = world.site
    assert record.job_id is not None
    return SlurmJobTrigger(
        ssh_conn_id=CONNECTION,
        job=job.to_dict(),
        generation=record.generation,
        job_id=record.job_id,
        run_dir=record.run_dir,
        intended_at=str(record.intended_at),
        poll_min_s=1.0,
        poll_max_s=2.0,
        marker_wait_s=site.marker_wait_s,
        lost_after_s=site.lost_after_s,
        command_timeout_s=site.command_timeout_s,
    )


def latency(world: World, jobs: int = 20) -> None:
    """Measure from the marker's time of writing to the trigger's event and the worker's verdict on it."""
    cluster = world.cluster()
    # Long enough that all triggers wait before the first job ends, and spread over several intervals.
    made = [world.job(seconds=12 + number % 7 + number / jobs) for number in range(jobs)]
    for job in made:
        cluster.stage(job, world.local(job))
    records = [cluster.submit_or_adopt(job) for job in made]
    count = Count(world)

    async def one(job: Job, record: JobRecord) -> float:
        async for event in _trigger(world, job, record).run():
            assert event.payload["status"] == "ended"
            await asyncio.to_thread(cluster.advance, job, event.payload["quiet_s"])
            return time.time() - (world.remote(job) / "done" / "0.json").stat().st_mtime
        raise AssertionError

    async def all_of_them() -> list[float]:
        return await asyncio.gather(*(one(job, record) for job, record in zip(made, records, strict=True)))

    seconds = sorted(asyncio.run(all_of_them()))
    cluster.close()
    connections, commands, _ = count.take()
    print(
        f"end of job to verdict, {jobs} jobs, interval 1-2 s: median {statistics.median(seconds):.2f} s, "
        f"90 % {seconds[int(jobs * 0.9)]:.2f} s; {connections} connection, {commands} commands"
    )


def staging(world: World) -> None:
    """Stage files, and send the same ones with rsync; in turns, several times."""
    pairs = [_staged(world) for _ in range(5)]
    ours, plain = (statistics.median(values) for values in zip(*pairs, strict=True))
    ratio = statistics.median(plain / ours for ours, plain in pairs)
    size = FILES * FILE_BYTES / 1e6
    print(
        f"staging of {FILES} files, {size:.0f} MB, median of {len(pairs)}: ours {size / ours:.0f} MB/s with checksums, "
        f"rsync {size / plain:.0f} MB/s, ratio {ratio:.2f}"
    )


def _staged(world: World) -> tuple[float, float]:
    """Return the seconds that staging took, and rsync."""
    job = world.job()
    for number in range(FILES):
        (world.local(job) / "input" / f"{number:05d}.jpg").write_bytes(os.urandom(FILE_BYTES))
    cluster = world.cluster()
    cluster.transport.run("true")
    started = time.monotonic()
    cluster.stage(job, world.local(job))
    ours = time.monotonic() - started
    slurm = world.slurm
    shell = f"ssh -p {slurm.port} -i {slurm.key_file} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    target = f"{slurm.user}@{slurm.host}:{slurm.root}/bench-rsync/"
    started = time.monotonic()
    subprocess.run(["rsync", "-aq", "-e", shell, f"{world.local(job)}/input/", target], check=True, capture_output=True)
    plain = time.monotonic() - started
    cluster.transport.run(f"rm -rf {slurm.root}/bench-rsync")
    cluster.close()
    return ours, plain


def rss_kb() -> int:
    """Return this process's resident memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def watch(arguments: list[dict[str, Any]]) -> None:
    """Run triggers for a while in this process, and print what they take: at first one, then all."""
    import gc

    from sgob_airflow.slurm_hook import ClusterPoller
    from sgob_airflow.slurm_trigger import SlurmJobTrigger

    async def run() -> None:
        async def consume(trigger: SlurmJobTrigger) -> None:
            async for _ in trigger.run():
                raise AssertionError("a held job has ended")

        tasks = [asyncio.create_task(consume(SlurmJobTrigger(**arguments[0])))]
        await asyncio.sleep(6)
        gc.collect()
        before, asked = rss_kb(), ClusterPoller.shared(CONNECTION).questions
        started = time.monotonic()
        tasks += [asyncio.create_task(consume(SlurmJobTrigger(**one))) for one in arguments[1:]]
        await asyncio.sleep(14)
        gc.collect()
        asked = ClusterPoller.shared(CONNECTION).questions - asked
        result = {"before": before, "after": rss_kb(), "questions": asked, "seconds": time.monotonic() - started}
        sys.stderr.write(f"\nRESULT {json.dumps(result)}\n")
        for task in tasks:
            task.cancel()

    asyncio.run(run())


def memory(world: World) -> None:
    """Let one process wait for many held jobs."""
    cluster = world.cluster()
    key = f"fault-held-{os.getpid()}"
    one = f"sbatch --parsable --hold --mem=10 -o /dev/null -J {key}-$i.1 --wrap true"
    loop = f"PATH=${{PATH#*:}}; for i in $(seq {WAITING_JOBS}); do {one}; done"
    ids = cluster.transport.run(loop, 200).stdout.split()
    assert len(ids) == WAITING_JOBS
    arguments = []
    for number, job_id in enumerate(ids, 1):
        job = Job(f"{key}-{number}", "infer", {"batch": "x" * 40})
        record = JobRecord(job.key, "sandbox", "", "submitted", world.site.job_dir(job.key), job_id=job_id)
        now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        trigger = _trigger(world, job, replace(record, intended_at=now))
        arguments.append({**trigger.serialize()[1], "command_timeout_s": 30.0})
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(arguments, file)
        file.flush()
        count = Count(world)
        command = [sys.executable, "-m", "tests.benchmarks.cluster_bench", "--watch", file.name]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        connections, commands, _ = count.take()
    cluster.transport.run(f"scancel --user={world.slurm.user} --state=PENDING", 120)
    cluster.close()
    lines = [line for line in process.stderr.splitlines() if line.startswith("RESULT ")]
    assert lines, process.stderr[-2000:]
    found = json.loads(lines[-1].removeprefix("RESULT "))
    each = (found["after"] - found["before"]) / (WAITING_JOBS - 1)
    print(
        f"triggerer with {WAITING_JOBS} waiting jobs: {found['after'] / 1024:.0f} MB resident, {each:.1f} kB a job; "
        f"{connections} connection, {commands} commands in {found['seconds'] + 6:.0f} s"
    )


@contextlib.contextmanager
def _environment(world: World) -> Iterator[None]:
    before = dict(os.environ)
    # Before Airflow is imported: what triggers say would hide the figures.
    os.environ.update({**environment(world), "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def main() -> None:
    """Print what jobs on the sandbox cluster cost."""
    with a_world() as world, _environment(world):
        for part in (connections_and_commands, overhead, latency, staging, memory):
            started = time.monotonic()
            part(world)
            print(f"  ({time.monotonic() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--watch"]:
        watch(json.loads(Path(sys.argv[2]).read_text()))
    else:
        main()
