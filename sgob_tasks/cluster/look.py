"""One look at all open jobs in one round trip: queue, tasks done, end of the newest log. Pure, and only reads."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.cluster.shell import CommandResult, combine, split
from sgob_tasks.cluster.slurm import check_name
from sgob_tasks.cluster.states import StateClass, canonical, state_class

LINES = 12
"""Of a log on the page of all jobs."""
SQUEUE_TIMEOUT_S = 8
"""So that logs and tasks done are shown while Slurm's controller is away."""
MAX_LOG_LINES = 400
MAX_LINE = 300
_MAX_BYTES = 64 * 1024
_TIMED_OUT = 124  # coreutils' timeout

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_SUCCESS = "'\"exit_code\": 0,'"


@dataclass(frozen=True)
class LiveTask:
    """One line of squeue: a job, or one task of an array.

    Attributes:
        job_id: of the job, or of the whole array.
        state: Slurm's long state word.
        start: when it started; for a waiting one when Slurm means to start it; None where Slurm does not say.
        nodes: where it runs, as Slurm abbreviates it; empty while it waits.
        name: job name.
        reason: why it waits; "None" while it runs.
    """

    job_id: str
    state: str
    start: datetime | None
    nodes: str
    name: str
    reason: str


@dataclass(frozen=True)
class JobLook:
    """What the cluster says about one job now.

    Attributes:
        tasks: squeue's lines of its last submission, ended ones included while Slurm remembers them; None where squeue
            did not answer.
        done: tasks whose marker tells of success, over all submissions; None where the directory could not be read.
        log_name: the newest log of its last submission; None where there is none yet.
        log: that log's end.
        troubles: what could not be learnt, and why.
    """

    tasks: tuple[LiveTask, ...] | None
    done: int | None
    log_name: str | None
    log: str
    troubles: tuple[str, ...] = ()

    def of(self, kind: StateClass) -> tuple[LiveTask, ...]:
        """Return the tasks of one class: WAITING or RUNNING."""
        return tuple(task for task in self.tasks or () if state_class(task.state) is kind)

    @property
    def words(self) -> str:
        """Slurm's words with their counts, such as ``RUNNING 2, PENDING 5``; one word alone has no count."""
        counts = Counter(task.state for task in self.tasks or ())
        if len(counts) == 1:
            return next(iter(counts))
        return ", ".join(f"{word} {count}" for word, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why tasks wait, in Slurm's words."""
        return tuple(sorted({task.reason for task in self.of(StateClass.WAITING)} - {"", "None"}))


def look_command(records: Sequence[JobRecord], lines: int = LINES) -> str:
    """Return one command that tells where jobs stand.

    Args:
        records: the jobs, from the ledger.
        lines: how many of each log's end.

    Raises:
        InputError: a key cannot be a job name.
    """
    names = ",".join(_name(record) for record in records)
    # The client writes times in its own zone, without naming it. While slurmctld is down it tries for a minute.
    queue = (
        f"TZ=UTC0 SLURM_TIME_FORMAT=standard timeout {SQUEUE_TIMEOUT_S} "
        f'squeue --noheader --states=all --array --user="$(id -un)" --name={names}'
        " --format='%i|%T|%S|%N|%j|%r'"
    )
    return combine(
        {"queue": queue, **{_section(number): _look(record, lines) for number, record in enumerate(records)}}
    )


def parse_look(result: CommandResult, records: Sequence[JobRecord]) -> dict[str, JobLook]:
    """Read the answer to ``look_command``.

    Returns:
        look by key; jobs about which nothing was answered are left out.
    """
    sections = split(result.stdout)
    queue = sections.get("queue")
    rows: tuple[LiveTask, ...] | None = None
    trouble: tuple[str, ...] = ()
    if queue is not None and queue.exit_code == 0:
        rows = parse_live_queue(queue.stdout)
    elif queue is not None:
        late = f"not within {SQUEUE_TIMEOUT_S} s"
        trouble = (f"squeue does not answer: {late if queue.exit_code == _TIMED_OUT else _last(queue.stdout)}",)
    looks = {}
    for number, record in enumerate(records):
        section = sections.get(_section(number))
        if queue is None and section is None:
            continue
        name = _name(record)
        mine = None if rows is None else tuple(
            row for row in rows if row.name == name and record.job_id in {None, row.job_id}
        )  # fmt: skip
        done, log_name, log, more = _parse_folder(section)
        looks[record.key] = JobLook(mine, done, log_name, log, trouble + more)
    return looks


def parse_live_queue(stdout: str) -> tuple[LiveTask, ...]:
    """Read squeue's lines; lines of another shape (banners) are skipped."""
    rows = []
    for line in stdout.splitlines():
        fields = [field.strip() for field in line.split("|", 5)]
        number = re.match(r"\d+", fields[0])
        if len(fields) == 6 and number and fields[1]:
            rows.append(LiveTask(number[0], canonical(fields[1]), _time(fields[2]), *fields[3:]))
    return tuple(rows)


def log_command(record: JobRecord, generation: int, index: int | None, lines: int = MAX_LOG_LINES) -> str:
    """Return the command that prints the end of a log: its name in the first line.

    Args:
        record: the job.
        generation: of the submission.
        index: of the array task; None for the log that was written last.
        lines: how many.
    """
    tail = f'ls -- "$f" >/dev/null && tail -c {_MAX_BYTES} -- "$f" | tail -n {int(lines)}'
    show = f'echo "$f"; [ -z "$f" ] || {{ {tail}; }}'
    return f"cd {shlex.quote(record.run_dir)} && {{ {_newest(generation, index)}; {show}; }}"


def readable(text: str) -> str:
    """Return the end of a log as a person can read it: no control characters or terminal colours, no endless lines."""
    lines = []
    for line in _ESCAPE.sub("", text).splitlines():
        clean = "".join(
            " " if char == "\t" else char for char in line if char == "\t" or unicodedata.category(char) not in _HIDDEN
        ).rstrip()
        lines.append(clean if len(clean) <= MAX_LINE else clean[: MAX_LINE - 1] + "…")
    return "\n".join(lines).strip("\n")


# Controls, and formats such as those that turn the direction of writing.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co"})


def _name(record: JobRecord) -> str:
    return check_name(f"{record.key}.{record.generation}")


def _newest(generation: int, index: int | None) -> str:
    if index is not None:
        return f"f=logs/task-{int(index):04d}.g{int(generation)}.log"
    return f"f=$(ls -t logs/task-*.g{int(generation)}.log 2>/dev/null | head -n 1)"


def _look(record: JobRecord, lines: int) -> str:
    # ls first: a network file system then looks again instead of answering from its cache.
    count = f"find done -name '*.json' -exec grep -l {_SUCCESS} {{}} + | wc -l"
    tail = f'[ -z "$f" ] || tail -c {_MAX_BYTES // 8} -- "$f" | tail -n {int(lines)}'
    newest = _newest(record.generation, None)
    return f'cd {shlex.quote(record.run_dir)} && ls done >/dev/null && {{ {count}; {newest}; echo "$f"; {tail}; }}'


def _parse_folder(section: CommandResult | None) -> tuple[int | None, str | None, str, tuple[str, ...]]:
    if section is None:
        return None, None, "", ("the job directory was not asked for its state",)
    lines = section.stdout.strip("\n").split("\n", 2)
    if section.exit_code != 0 or not lines[0].strip().isdecimal():
        return None, None, "", (f"the job directory cannot be read: {_last(section.stdout)}",)
    name = lines[1].removeprefix("logs/") if len(lines) > 1 else ""
    return int(lines[0]), name or None, readable(lines[2]) if len(lines) > 2 else "", ()


def _last(text: str) -> str:
    return readable(text)[-300:] or "no answer"


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def _section(number: int) -> str:
    return "job" + "".join(chr(ord("a") + int(digit)) for digit in str(number))
