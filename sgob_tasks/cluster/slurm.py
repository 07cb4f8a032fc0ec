"""Slurm's commands as text: what to run, and what its answer means. Nothing here touches a cluster.

Only options and fields that old releases know are used: ``squeue``'s ``%T`` words, ``sacct``'s JobID, State and exit
codes. Login shells and modules chatter on standard output, so a row counts only when it has a row's shape.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sgob_tasks.cluster.states import canonical
from sgob_tasks.errors import AmbiguousError, InputError, PermanentError, SgobError, TransientError

_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SUBMITTED = re.compile(r"^(?:Submitted batch job )?(\d+)(?:;\S+)?(?: on cluster \S+)?$")
_JOB_ID = re.compile(r"^(?P<job>\d+)(?:_(?:(?P<index>\d+)|\[(?P<indices>[^\]]*)\]))?(?:\+\d+)?$")
_EXIT = re.compile(r"^(\d+):(\d+)$")
MAX_NAMES = 500
"""In one question: of more jobs than these squeue lists all of ours, as a command has no room for their names."""
MY_JOBS = '--user="$(id -un)"'


@dataclass(frozen=True)
class QueueRow:
    """One line of squeue.

    Attributes:
        job_id: of the job, or of the whole array.
        indices: array indices it stands for; None for a job that is no array.
        state: Slurm's long state word.
        reason: why it is pending; "None" while it runs.
        name: job name.
    """

    job_id: str
    indices: tuple[int, ...] | None
    state: str
    reason: str
    name: str


@dataclass(frozen=True)
class OwnJob:
    """One line of our own queue: a job, or some tasks of an array.

    Attributes:
        job_id: of the job, or of the whole array.
        state: Slurm's long state word.
        name: job name.
        age_s: seconds since it was submitted, by the cluster's clock.
    """

    job_id: str
    state: str
    name: str
    age_s: float


@dataclass(frozen=True)
class AccountingRow:
    """One line of ``sacct -X``: as ``QueueRow``, with exit codes as (code, signal) and no reason.

    ``derived_exit`` is the worst of the steps; it tells what a script hid that carried on after a step was killed.
    """

    job_id: str
    indices: tuple[int, ...] | None
    state: str
    exit_code: tuple[int, int]
    derived_exit: tuple[int, int]
    name: str


def check_name(name: str) -> str:
    """Return ``name`` if it can be a job name in every command and file name.

    Raises:
        InputError: it cannot.
    """
    if not _JOB_NAME.fullmatch(name):
        raise InputError("job", "name", name, "letters, digits, '.', '_' and '-' only, 128 at most, not '-' first")
    return name


def format_indices(indices: Iterable[int]) -> str:
    """Write array indices as ``--array`` takes them: ``0-2,5``."""
    parts: list[str] = []
    ordered = sorted(set(indices))
    start = 0
    for position in range(1, len(ordered) + 1):
        if position == len(ordered) or ordered[position] != ordered[position - 1] + 1:
            first, last = ordered[start], ordered[position - 1]
            parts.append(str(first) if first == last else f"{first}-{last}")
            start = position
    return ",".join(parts)


def parse_indices(text: str) -> tuple[int, ...]:
    """Read array indices as squeue and sacct print them: ``3-11:2,20%3``; a cut-off list (``...``) loses its rest."""
    found: list[int] = []
    for raw in text.partition("%")[0].split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", raw.strip())
        if match:
            first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
            found.extend(range(first, last + 1, max(step, 1)))
    return tuple(found)


def parse_job_id(text: str) -> tuple[str, tuple[int, ...] | None] | None:
    """Return job id and array indices (None for a job that is no array) of ``12``, ``12_3`` or ``12_[4-7%2]``."""
    match = _JOB_ID.match(text)
    if match is None:
        return None
    if match["index"] is not None:
        return match["job"], (int(match["index"]),)
    if match["indices"] is not None:
        return match["job"], parse_indices(match["indices"])
    return match["job"], None


def submit_command(script: str) -> str:
    """Return the command that submits a script, which holds every other option itself."""
    return f"sbatch --parsable {shlex.quote(script)}"


def parse_submitted(stdout: str) -> str | None:
    """Return the job id that sbatch printed, None where there is none.

    Takes ``--parsable`` output (``12`` or ``12;cluster``) and the plain sentence; the last fitting line wins, since
    banners come first.
    """
    for line in reversed(stdout.splitlines()):
        match = _SUBMITTED.match(line.strip())
        if match:
            return match[1]
    return None


def queue_command(names: Sequence[str]) -> str:
    """Return the squeue command that lists our jobs of these names, finished ones included while Slurm remembers.

    Asked by name and not by id: for an id that Slurm forgot, squeue fails when it is alone and is silent among others.
    The answer begins on a line of its own: what a login shell said before may have no end of line.
    """
    joined = ",".join(check_name(name) for name in names)
    chosen = f" --name={joined}" if len(names) <= MAX_NAMES else ""
    return f"echo; squeue --noheader --states=all --array {MY_JOBS}{chosen} --format='%i|%T|%j|%r'"


def parse_queue(stdout: str) -> tuple[QueueRow, ...]:
    """Read ``queue_command``'s output; lines of another shape are skipped."""
    rows = []
    for line in stdout.splitlines():
        fields = line.strip().split("|", 3)
        parsed = parse_job_id(fields[0])
        if len(fields) == 4 and parsed and fields[1]:
            rows.append(QueueRow(*parsed, canonical(fields[1]), fields[3], fields[2]))
    return tuple(rows)


def own_queue_command() -> str:
    """Return the command that lists all our jobs in the queue, whatever they are called, after the cluster's clock."""
    return f"date +%s && TZ=UTC squeue --noheader {MY_JOBS} --format='%i|%T|%j|%V'"


def parse_own_queue(stdout: str) -> tuple[OwnJob, ...]:
    """Read ``own_queue_command``'s output; lines of another shape are skipped, and all without the clock's."""
    clock = next((int(line) for line in stdout.splitlines() if re.fullmatch(r"\d{9,}", line.strip())), None)
    rows = []
    for line in stdout.splitlines():
        fields = line.strip().split("|", 3)
        parsed = parse_job_id(fields[0])
        if clock is None or len(fields) != 4 or parsed is None or not fields[1]:
            continue
        try:
            submitted = datetime.fromisoformat(fields[3]).replace(tzinfo=UTC)
        except ValueError:
            continue
        rows.append(OwnJob(parsed[0], canonical(fields[1]), fields[2], clock - submitted.timestamp()))
    return tuple(rows)


def accounting_command(names: Sequence[str], since_s: float) -> str:
    """Return the sacct command that lists our jobs of these names, one line for each job or array task.

    Args:
        names: job names.
        since_s: how far to look back, in seconds; without it sacct begins at midnight. Relative to the cluster's own
            clock, so that time zones do not matter.
    """
    joined = ",".join(check_name(name) for name in names)
    return (
        f"sacct --allocations --noheader --parsable2 {MY_JOBS} --name={joined} --starttime=now-{max(int(since_s), 60)} "
        "--format=JobID,State,ExitCode,DerivedExitCode,JobName"
    )


def parse_accounting(stdout: str) -> tuple[AccountingRow, ...]:
    """Read ``accounting_command``'s output; lines of another shape are skipped."""
    rows = []
    for line in stdout.splitlines():
        fields = line.strip().split("|", 4)
        parsed = parse_job_id(fields[0])
        if len(fields) != 5 or not parsed or not fields[1]:
            continue
        codes = [_parse_exit(text) for text in fields[2:4]]
        rows.append(AccountingRow(*parsed, canonical(fields[1]), codes[0], codes[1], fields[4]))
    return tuple(rows)


def steps_command(name: str) -> str:
    """Return the squeue command that lists the worst exit status of the steps of our jobs of a name.

    sacct knows it too, but only seconds after the job's end.
    """
    fields = "JobArrayID:64,DerivedEC:16"
    return f"squeue --noheader --states=all --array {MY_JOBS} --name={check_name(name)} --Format={fields}"


def parse_steps(stdout: str) -> dict[tuple[str, int], tuple[int, int]]:
    """Read ``steps_command``'s output: (code, signal) by job id and array index, 0 for a job that is no array."""
    found = {}
    for line in stdout.splitlines():
        words = line.split()
        parsed = parse_job_id(words[0]) if len(words) == 2 and words[1].isdecimal() else None
        if parsed is not None:
            status = int(words[1])  # as wait(2) gives it
            for index in parsed[1] or (0,):
                found[parsed[0], index] = (status >> 8, status & 0x7F)
    return found


def _parse_exit(text: str) -> tuple[int, int]:
    match = _EXIT.match(text.strip())
    return (int(match[1]), int(match[2])) if match else (0, 0)


def cancel_command(name: str) -> str:
    """Return the command that cancels our jobs of a name, including one whose id was never learnt.

    ``scancel`` exits 0 for a job it does not know: ask squeue whether it worked.
    """
    return f"scancel {MY_JOBS} --name={check_name(name)}"


def config_command() -> str:
    """Return the command that prints the controller's configuration."""
    return "scontrol show config"


def parse_config(stdout: str) -> dict[str, str]:
    """Read ``scontrol show config``: ``Key = value`` lines."""
    pairs = (line.partition("=") for line in stdout.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


# The order matters: "Batch job submission failed" stands in messages of all three kinds.
_AMBIGUOUS = (
    "socket timed out",
    "zero bytes were transmitted or received",
    "connection timed out",
    "broken pipe",
    "connection reset",
    "unexpected message received",
    "slurm_receive_msg",
)
_TRANSIENT = (
    "unable to contact slurm controller",
    "connection refused",
    "network is unreachable",
    "no route to host",
    "slurm temporarily unable to accept job",
    "temporarily unavailable",
    "slurm backup controller in standby mode",
    "slurmdbd",
    "slurm_persist_conn",
    "munge",
    "submission rate",
    "submit limit",
    "maxsubmit",
    "job cannot be submitted without",  # some sites' job_submit plug-ins while they restart
    "resource temporarily unavailable",
    "no space left on device",
    "disk quota exceeded",
)
_PERMANENT = (
    "invalid",
    "violates accounting",
    "node configuration is not available",
    "exceeds",
    "not allowed",
    "not permitted",
    "permission denied",
    "access denied",
    "unrecognized option",
    "unrecognized argument",
    "command not found",
    "no such file or directory",
    "unable to open file",
    "does not exist",
    "batch job submission failed",
    "accounting storage is disabled",
)


def error_class(text: str) -> type[SgobError]:
    """Tell what a failed Slurm command asks of us, from what it printed.

    Measured on 22.05: after "Socket timed out" sbatch exits 1 and the job **is** in the queue; "Unable to contact slurm
    controller (connect failure)" means that nothing was accepted. What nobody knows counts as ambiguous: look first.

    Returns:
        AmbiguousError, TransientError or PermanentError.
    """
    lowered = text.lower()
    classes: Mapping[type[SgobError], tuple[str, ...]] = {
        AmbiguousError: _AMBIGUOUS,
        TransientError: _TRANSIENT,
        PermanentError: _PERMANENT,
    }
    for error, patterns in classes.items():
        if any(pattern in lowered for pattern in patterns):
            return error
    return AmbiguousError
