"""The place of the trials: the tests' own Slurm, a ledger, and a way to do harm on the login node."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pwd
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.jobs import Cluster
from sgob_tasks.cluster.sites.site import Site, load_site
from sgob_tasks.cluster.transport import SshTransport, ssh_client
from sgob_tasks.errors import AmbiguousError, SgobError, TransientError
from sgob_tasks.sandbox.processes import start_time
from sgob_tasks.sandbox.slurm import SlurmSandbox, up
from sgob_tasks.sandbox.slurm.cluster import run as administer
from sgob_tasks.sandbox.slurm.cluster import services
from sgob_tasks.sandbox.slurm.layout import Layout
from sgob_tasks.store.jobs import StoreLedger
from tests.faults.trials import FAULTS, Fault, Tally, Trial
from tests.integration.cluster.conftest import PORTS, PYTHON, ROOT, USER

T = TypeVar("T")
PROGRAM = Path(__file__).with_name("program.py")
DEADLINE_S = 150.0
AT_ONCE = 10

# On the login node, before the real sbatch: does to one submission, once, what the trial planned for it.
SBATCH = """\
#!/bin/bash
key=$(basename "$(dirname "$PWD")")
PATH=${PATH#*:}
plan=~/.faults/plans/$key
mv "$plan" "$plan.struck" 2>/dev/null || exec sbatch "$@"
hang_up() {  # end the connection that we came by
    pid=$$
    while [ "$pid" -gt 1 ]; do
        pid=$(ps -o ppid= -p "$pid" | tr -d ' ')
        if [ "$(cat "/proc/$pid/comm")" = sshd ]; then kill -KILL "$pid"; return; fi
    done
}
. "$plan.struck"
"""
BASHRC = """\
PATH=~/.faults/bin:$PATH
[ ! -r ~/.faults/chatter ] || . ~/.faults/chatter
"""

_numbers = itertools.count(1)


def batches(trials: int, size: int = AT_ONCE) -> list[int]:
    """Split a number of trials into numbers that run at once."""
    return [min(size, trials - start) for start in range(0, trials, size)]


def until(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Wait for something that has to come."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(0.05)


def persist(action: Callable[[], T], timeout_s: float = DEADLINE_S) -> T:
    """Do something again while it may work later, as a task's retries do."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return action()
        except (TransientError, AmbiguousError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


class World:
    """The tests' Slurm with all that trials need.

    Args:
        slurm: the running cluster.
        engine: an empty, migrated store.
        folder: for local job directories; becomes ``$SGOB_HOME``.
    """

    def __init__(self, slurm: SlurmSandbox, engine: sa.Engine, folder: Path) -> None:
        self.slurm = slurm
        self.folder = folder
        self.layout = Layout(ROOT, USER, PORTS)
        self.daemons = services(self.layout)
        self.hook = self.layout.home / ".faults"
        self.done = Path(slurm.root) / f"work-done-{os.getpid()}"
        # As many at once as connect at once: each trial has a thread.
        self.engine = sa.create_engine(engine.url, pool_size=10, max_overflow=60)
        self._make_site()
        self._install()

    # --- set up and take down

    def _make_site(self) -> None:
        overlay = self.folder / "sites" / "sandbox.toml"
        overlay.parent.mkdir(parents=True, exist_ok=True)
        resources = {"gpus_per_node": 0, "memory_mb": 60, "time_limit_s": 600}
        top = {"poll_min_s": 0.5, "poll_max_s": 1.0, "marker_wait_s": 5, "lost_after_s": 8, "python": PYTHON}
        tables = {
            "infer": {**resources, "parallel_tasks": 4},
            "train": {**resources, "nodes": 1, "warning_s": 0},
        }
        lines = ["launcher = []", *(f"{name} = {json.dumps(value)}" for name, value in top.items())]
        lines.append(self.slurm.site_overlay())  # ends with a table
        for table, values in tables.items():
            lines += [f"[{table}]", *(f"{name} = {value}" for name, value in values.items())]
        overlay.write_text("\n".join(lines) + "\n")
        self.site: Site = load_site("sandbox", overlay)
        self.package = self.folder / "code" / "sgob_tasks"
        (self.package / "detection").mkdir(parents=True)
        for name in ("__init__.py", "detection/__init__.py"):
            (self.package / name).write_text("")
        for name in ("infer", "train"):
            shutil.copyfile(PROGRAM, self.package / "detection" / f"{name}.py")

    def _install(self) -> None:
        for folder in (self.hook, self.hook / "bin", self.hook / "plans"):
            folder.mkdir(parents=True, exist_ok=True)
            shutil.chown(folder, USER, USER)
        (self.hook / "bin" / "sbatch").write_text(SBATCH)
        (self.hook / "bin" / "sbatch").chmod(0o755)
        (self.layout.home / ".bashrc").write_text(BASHRC)
        self.done.write_text("")
        shutil.chown(self.done, USER, USER)

    def close(self) -> None:
        """Leave the cluster as it was found."""
        (self.layout.home / ".bashrc").unlink(missing_ok=True)
        shutil.rmtree(self.hook, ignore_errors=True)
        self.done.unlink(missing_ok=True)
        self.engine.dispose()

    # --- work

    def cluster(self, site: Site | None = None) -> Cluster:
        """Return the cluster over a connection of its own."""
        connect = ssh_client(self.slurm.host, self.slurm.port, USER, self.slurm.key_file, self.slurm.host_key)
        return Cluster(site or self.site, SshTransport(connect), StoreLedger(self.engine), self.package)

    def job(self, tasks: int = 1, kind: str = "infer", **parameters: Any) -> Job:
        """Make a job that nobody has made before, with its local directory; it is not staged yet."""
        key = f"fault-{os.getpid()}-{int(time.time())}-{next(_numbers)}"
        resources, comment = parameters.pop("resources", {}), parameters.pop("comment", "")
        parameters["work"] = str(self.done)
        job = Job(key, kind, parameters, tasks, comment, outputs=("results/{index:04d}.jsonl",), resources=resources)
        (self.local(job) / "input").mkdir(parents=True)
        return job

    def local(self, job: Job) -> Path:
        """Return a job's directory here."""
        return self.folder / "jobs" / job.key

    def remote(self, job: Job) -> Path:
        """Return a job's directory on the cluster, which is on this machine."""
        return Path(self.site.job_dir(job.key))

    def ends(self, trial: Trial, site: Site | None = None, poll_s: float | None = None) -> Trial:
        """Stage, submit or adopt, wait; errors that may pass are met by doing it all again, as a task does."""
        cluster = self.cluster(site)

        def attempt() -> None:
            cluster.stage(trial.job, self.local(trial.job))
            cluster.wait(trial.job, poll_s=poll_s, timeout_s=DEADLINE_S)

        try:
            persist(attempt)
        except SgobError as error:
            trial.remarks.append(f"{type(error).__name__}: {error}")
        finally:
            cluster.close()
        return trial

    @contextlib.contextmanager
    def at_once(self, actions: Sequence[Callable[[], Any]]) -> Iterator[list[Future[Any]]]:
        """Run actions in threads while the body does harm; wait for them."""
        with ThreadPoolExecutor(max(len(actions), 1)) as pool:
            futures = [pool.submit(action) for action in actions]
            yield futures
            for future in futures:
                future.result()

    # --- harm

    def plan(self, job: Job, body: str) -> None:
        """Let ``body`` (bash, with ``hang_up``) take the place of the next ``sbatch`` of a job."""
        path = self.hook / "plans" / job.key
        path.write_text(body + "\n")
        shutil.chown(path, USER, USER)

    def struck(self, job: Job) -> bool:
        """Tell whether the plan was carried out, or is being."""
        return (self.hook / "plans" / f"{job.key}.struck").exists()

    @contextlib.contextmanager
    def frozen_controller(self) -> Iterator[None]:
        """Stop the controller, and let it go on."""
        pid = self.daemons["slurmctld"].pid()
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def up(self) -> None:
        """Start what was stopped, take back lost nodes."""
        up(ROOT, ports=PORTS, user=USER)

    @contextlib.contextmanager
    def configured(self, **changes: str) -> Iterator[None]:
        """Run the whole cluster with other options in ``slurm.conf``; an empty one is left out."""
        text = self.layout.configuration()["slurm.conf"]
        lines = [f"{name}={value}" for name, value in changes.items() if value]
        lines += [line for line in text.splitlines() if line.partition("=")[0] not in changes]
        names = ["slurmctld", *(f"slurmd-{node}" for node in self.layout.node_names)]

        def restart(conf: str) -> None:
            for name in names:
                self.daemons[name].stop()
            self.layout.conf.write_text(conf)
            for name in names:
                self.daemons[name].start()
            until(lambda: "UP" in self.admin("scontrol ping", check=False), "the controller")
            self.up()

        try:
            restart("\n".join(lines) + "\n")
            yield
        finally:
            restart(text)

    def mount(self, folder: Path, size: str = "1m") -> None:
        """Put a small file system of its own into a folder of the batch user's."""
        options = f"size={size},mode=755,uid={pwd.getpwnam(USER).pw_uid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "sgob-faults", str(folder)], check=True)

    def unmount(self, folder: Path) -> None:
        """Take it away again, once nobody is in it."""
        until(
            lambda: subprocess.run(["umount", str(folder)], check=False, capture_output=True).returncode == 0, "umount"
        )

    @contextlib.contextmanager
    def little_memory(self, size: int = 60_000_000) -> Iterator[Callable[[int], None]]:
        """Give a function that takes most of the memory from a process: the kernel kills it once it wants more.

        Done with a memory control group, as Slurm's ``task/cgroup`` does it; where there is none to be had, the
        process gets a limit instead and ends by itself.
        """
        trees = ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (Path("/sys/fs/cgroup"), "memory.max"))
        made: Path | None = None
        for tree, limit in trees:
            group = tree / f"sgob-faults-{os.getpid()}"
            with contextlib.suppress(OSError):
                group.mkdir()
                made = group
                (group / limit).write_text(str(size))
                break
            if made is not None:
                made.rmdir()
                made = None

        def confine(pid: int) -> None:
            if made is not None:
                (made / "cgroup.procs").write_text(str(pid))
            else:
                resource.prlimit(pid, resource.RLIMIT_AS, (size, size))

        try:
            yield confine
        finally:
            if made is not None:
                until(lambda: not (made / "cgroup.procs").read_text(), "the group to be empty")
                made.rmdir()

    def admin(self, command: str, *, check: bool = True) -> str:
        """Run an administrator's command."""
        return administer(command.split(), self.layout, check=check).stdout

    def until_state(self, job: Job, state: str, generation: int = 1) -> None:
        """Wait until squeue shows a job in a state."""
        name = job.name(generation)
        until(
            lambda: state in self.admin(f"squeue -h --states=all --name={name} -o %T", check=False).split(),
            f"{name} to be {state}",
        )

    def kill_job_processes(self, job_ids: Iterable[str]) -> None:
        """Kill whatever of some Slurm jobs runs, step daemons included, as a power cut would."""
        ids = list(job_ids)
        marks = {f"SLURM_JOB_ID={one}".encode() for one in ids}
        titles = tuple(f"slurmstepd: [{one}." for one in ids)

        def kill() -> int:
            killed = 0
            for entry in Path("/proc").iterdir():
                if not entry.name.isdigit() or start_time(int(entry.name)) is None:
                    continue
                with contextlib.suppress(OSError):
                    title = (entry / "cmdline").read_bytes().decode(errors="replace")
                    if title.startswith(titles) or marks & set((entry / "environ").read_bytes().split(b"\0")):
                        os.kill(int(entry.name), signal.SIGKILL)
                        killed += 1
            return killed

        # What was forked during one look is found by the next.
        while kill():
            time.sleep(0.02)

    # --- the count

    def count(self, fault: Fault, trials: list[Trial], seconds: float) -> Tally:
        """Compare what was done with what had to be done, and what is shown with what is true."""
        tally = Tally(fault.title, len(trials), seconds=seconds)
        lines = Counter(tuple(line.split()[:2]) for line in self.done.read_text().splitlines())
        keys = {trial.job.key for trial in trials}
        left = self._left(keys)
        slurm = self._slurm(trials)
        for trial in trials:
            job, own = trial.job, len(trial.remarks)
            for index in job.indices:
                times = lines[(job.key, str(index))]
                tally.duplicates += max(0, times - trial.work)
                tally.losses += max(0, trial.work - times)
                trial.check(times == trial.work, f"index {index} was done {times} times")
            tally.orphans += left[job.key]
            trial.check(not left[job.key], f"{left[job.key]} jobs are left in the queue")
            before = len(trial.remarks)
            self._compare(trial, slurm)
            tally.wrong += int(own > 0 or len(trial.remarks) > before)
            if len(trial.remarks) > own and trial.expect == "succeeded":
                for log in sorted((self.remote(job) / "logs").glob("*"))[:2]:
                    trial.remarks.append(f"{log.name}: {log.read_text(errors='replace')[-500:]}")
            tally.remarks += [f"{job.key}: {remark}" for remark in trial.remarks]
        self._clean_up(trials)
        return tally

    def _left(self, keys: set[str]) -> Counter[str]:
        deadline = time.monotonic() + 10
        while True:
            names = self.admin("squeue -h --array -o %j").split()
            found = Counter(key for key in (name.rpartition(".")[0] for name in names) if key in keys)
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.3)

    def _slurm(self, trials: list[Trial]) -> dict[str, dict[str, set[str]]]:
        """Return Slurm's own words by job name and id; it may take some seconds until accounting has them."""
        names = [trial.job.name(number) for trial in trials for number in range(1, max(trial.generations, 1) + 1)]
        found: dict[str, dict[str, set[str]]] = {}
        deadline = time.monotonic() + 15
        while True:
            found = {}
            query = f"-n -P -X --name={','.join(names)} -S now-1hour -o JobID,JobName,State -u {USER}"
            for line in self.admin(f"sacct {query}").splitlines():
                job_id, name, state = line.split("|")
                found.setdefault(name, {}).setdefault(job_id.partition("_")[0], set()).add(state.split()[0])
            ended = all(not {"PENDING", "RUNNING"} & state for ids in found.values() for state in ids.values()) and set(
                names
            ) <= set(found)
            if ended or time.monotonic() > deadline:
                return found
            time.sleep(0.5)

    def _compare(self, trial: Trial, slurm: dict[str, dict[str, set[str]]]) -> None:
        record = trial.record = StoreLedger(self.engine).get(trial.job.key)
        if record is None:
            trial.check(False, "the ledger does not know it")
            return
        trial.check(record.state == trial.expect, f"the state is {record.state} ({record.reason}), not {trial.expect}")
        right = trial.generations in {0, record.generation}
        trial.check(right, f"{record.generation} generations, not {trial.generations}")
        for number in range(1, trial.generations + 1):
            ids = slurm.get(trial.job.name(number), {})
            trial.check(len(ids) <= 1, f"generation {number} was submitted as {sorted(ids)}")
        last = slurm.get(trial.job.name(record.generation), {})
        if record.job_id is not None and last:
            trial.check(record.job_id in last, f"the ledger has job {record.job_id}, Slurm {sorted(last)}")
            words = last.get(record.job_id, set())
            if record.state == "succeeded":
                trial.check(words == {"COMPLETED"}, f"Slurm says {sorted(words)} of a job that succeeded")

    def _clean_up(self, trials: list[Trial]) -> None:
        for trial in trials:
            for number in range(1, trial.generations + 4):
                self.admin(f"scancel --name={trial.job.name(number)}", check=False)
            shutil.rmtree(self.remote(trial.job), ignore_errors=True)
            shutil.rmtree(self.local(trial.job), ignore_errors=True)

    def run(self, name: str, trials: int | None = None) -> Tally:
        """Do the trials of a fault, and count."""
        chosen = FAULTS[name]
        started = time.monotonic()
        done = chosen.run(self, trials or chosen.trials)
        return self.count(chosen, done, time.monotonic() - started)
