"""Submit a job exactly once: look before, look after whatever is unclear, and adopt what is there.

``sbatch`` may fail and have submitted all the same (a slow controller: six times in six), and a broken connection loses
the answer. Four things together keep a job single:

* its name is derived from what it does, and everything looks for the name;
* the intent is in the ledger before the command runs;
* on the cluster the command runs under a lock and leaves the id in a file, so that a second caller, or the same one
  after a broken connection, finds the id instead of submitting again;
* the script itself is fenced (``_job.sh.j2``): of two jobs only the first one does the work.
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Callable

from sgob_tasks.cluster.shell import CommandResult, Transport, combine, repeatable, split
from sgob_tasks.cluster.slurm import (
    accounting_command,
    cancel_command,
    error_class,
    parse_accounting,
    parse_queue,
    parse_submitted,
    queue_command,
    submit_command,
)
from sgob_tasks.cluster.states import StateClass, state_class
from sgob_tasks.errors import AmbiguousError, InputError, PermanentError, TransientError

log = logging.getLogger(__name__)

LOCK_WAIT_S = 60
NO_ACCOUNTING = "accounting storage is disabled"
ATTEMPTS = 3
MAX_SCRIPT = 60_000
"""Bytes; Linux takes 128 KiB for one word of a command, and quotes make it longer."""
LOOK_AGAIN_S = 5.0


class RefusedError(PermanentError):
    """Slurm refuses the job: it is not in the queue, and the same again would be refused again."""


def look_up(
    transport: Transport,
    run_dir: str,
    name: str,
    generation: int,
    since_s: float,
    *,
    ended: bool,
    accounts: bool,
    timeout_s: float = 120.0,
) -> list[str]:
    """Return the ids of our jobs of a name, the one to keep first.

    Args:
        transport: the cluster.
        run_dir: the job's directory there.
        name: Slurm job name.
        generation: of the submission.
        since_s: how far back sacct has to look, in seconds.
        ended: whether jobs that ended count too.
        accounts: whether sacct has to answer, unless the site keeps no accounts.
        timeout_s: for the command.

    Raises:
        TransientError: a source that has to answer does not: nothing is known.
    """
    folder = shlex.quote(f"{run_dir}/submitted")
    stored = f"{generation}.id"
    result = repeatable(
        transport,
        combine(
            {
                # Behind the lock: a submission that is still under way on the login node ends before we look.
                "stored": f"cd {folder} && flock -w {LOCK_WAIT_S} .lock sh -c '[ ! -s {stored} ] || cat {stored}'",
                "queue": queue_command([name]),
                "accounting": accounting_command([name], since_s),
            }
        ),
        timeout_s,
    )
    sections = split(result.stdout)
    needed = ["stored", "queue", "accounting"] if accounts else ["stored", "queue"]
    for section in needed:
        answer = sections.get(section)
        if section == "accounting" and answer is not None and NO_ACCOUNTING in answer.stdout.lower():
            continue  # it never will answer: the stored id and the markers have to do
        if answer is None or answer.exit_code != 0:
            text = answer.stdout if answer else result.text
            raise TransientError(f"cannot look for job {name}: {section}: {text.strip()[-300:]}")
    found: dict[str, StateClass | None] = {}
    accounting = sections.get("accounting")
    if ended and accounting is not None and accounting.exit_code == 0:
        found |= {row.job_id: state_class(row.state) for row in parse_accounting(accounting.stdout) if row.name == name}
    for queued in parse_queue(sections["queue"].stdout):
        if queued.name == name and (ended or state_class(queued.state).active):
            found[queued.job_id] = state_class(queued.state)
    job_id = parse_submitted(sections["stored"].stdout)
    if job_id is not None:
        found.setdefault(job_id, None)
    # One that runs has the claim already; else the oldest.
    return sorted(found, key=lambda one: (found[one] is not StateClass.RUNNING, int(one)))


def submit(
    transport: Transport,
    run_dir: str,
    name: str,
    generation: int,
    script: str,
    since_s: float,
    *,
    known_intent: bool,
    timeout_s: float = 120.0,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, bool]:
    """Submit a script under a name that is used once, or adopt the job that has the name.

    Args:
        transport: the cluster.
        run_dir: the job's directory there; it exists.
        name: Slurm job name; the script says the same.
        generation: of the submission.
        script: text of the batch script.
        since_s: seconds since the submission was first intended, and some more.
        known_intent: whether an earlier call may have submitted it already.
        timeout_s: for one command.
        sleep: waits some seconds.

    Returns:
        Slurm's job id, and whether it was adopted.

    Raises:
        RefusedError: Slurm refuses the job.
        TransientError: Slurm does not take jobs now, or cannot be asked.
        AmbiguousError: it is not known whether the job was submitted, and looking did not help; call again.
    """

    def look(*, ended: bool, accounts: bool = False) -> str | None:
        ids = look_up(
            transport, run_dir, name, generation, since_s, ended=ended, accounts=accounts, timeout_s=timeout_s
        )
        if len(ids) > 1:
            log.warning("job %s was submitted %d times (%s): %s is kept", name, len(ids), ", ".join(ids), ids[0])
            # By id and name: once ids have restarted from 1, an old id may be another job's.
            repeatable(transport, f"{cancel_command(name)} {' '.join(ids[1:])}", timeout_s)
        return ids[0] if ids else None

    job_id = look(ended=known_intent, accounts=known_intent)
    if job_id is None and known_intent:
        sleep(LOOK_AGAIN_S)
        job_id = look(ended=True, accounts=True)
    if job_id is not None:
        return job_id, True
    command = combine({"submitted": locked_submit_command(run_dir, generation, script)})
    trouble = ""
    for _ in range(ATTEMPTS):
        try:
            answer = transport.run(command, timeout_s)
        except AmbiguousError as error:
            trouble = str(error)
        else:
            # A banner may hold what looks like an id: only what stands in the section counts.
            result = split(answer.stdout).get("submitted", CommandResult(answer.exit_code or 1, "", answer.text))
            job_id = parse_submitted(result.stdout) if result.exit_code == 0 else None
            if job_id is not None:
                return job_id, False
            trouble = f"exit {result.exit_code}: {result.text[-500:]}"
            refused = error_class(trouble)
            if refused is not AmbiguousError:
                raise (RefusedError if refused is PermanentError else refused)(f"sbatch {name}: {trouble}")
        log.warning("not clear whether job %s was submitted (%s): looking for it", name, trouble)
        job_id = _look_patiently(look, sleep)
        if job_id is not None:
            log.info("job %s is there: %s is adopted", name, job_id)
            return job_id, True
    raise AmbiguousError(f"sbatch {name}: {trouble}; the job was not seen afterwards")


def _look_patiently(look: Callable[..., str | None], sleep: Callable[[float], None], answers: int = 2) -> str | None:
    """Look until the job is found or was not there in two answers, some seconds apart.

    Raises:
        AmbiguousError: Slurm did not answer for too long.
    """
    trouble: Exception | None = None
    for attempt in range(12):
        try:
            # A short job that the controller took late may have ended by the time of the second look.
            job_id = look(ended=True)
        except TransientError as error:
            trouble = error
        else:
            answers -= 1
            if job_id is not None or answers == 0:
                return job_id
        sleep(min(LOOK_AGAIN_S * (attempt + 1), 30.0))
    raise AmbiguousError(f"it is not known whether the job was submitted: {trouble}") from trouble


def locked_submit_command(run_dir: str, generation: int, script: str) -> str:
    """Return the command that submits at most once, and prints the id of an earlier success instead.

    The script comes with the command: one round trip. The answer goes into a file and not only down the connection:
    ``sbatch`` outlives a broken connection.

    Raises:
        InputError: the script is longer than a command may be.
    """
    if len(script.encode()) > MAX_SCRIPT:
        raise InputError("batch script", "length", len(script), f"is more than {MAX_SCRIPT} bytes")
    number = str(generation)
    body = (
        f'if [ ! -s {number}.id ]; then printf %s "$1" > .{number}.new && mv -f .{number}.new {number}.sbatch && '
        f"{submit_command(f'{number}.sbatch')} > {number}.out 2> {number}.err || "
        f"{{ code=$?; cat {number}.err >&2; exit $code; }}; mv -f {number}.out {number}.id; fi; cat {number}.id"
    )
    return (
        f"cd {shlex.quote(run_dir + '/submitted')} && "
        f"flock -w {LOCK_WAIT_S} .lock sh -c {shlex.quote(body)} sh {shlex.quote(script)}"
    )


def cancel(transport: Transport, name: str, wait_s: float = 30.0, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Cancel our jobs of a name and wait until none is alive.

    Returns:
        whether there was one to cancel.

    Raises:
        TransientError: it is still alive, or Slurm does not answer.
    """
    deadline = time.monotonic() + wait_s
    cancelled = False
    while True:
        result = repeatable(transport, queue_command([name]))
        if result.exit_code != 0:
            raise TransientError(f"cannot look for job {name}: {result.text[-300:]}")
        alive = [row for row in parse_queue(result.stdout) if row.name == name and state_class(row.state).active]
        if not alive or (cancelled and all(row.state == "COMPLETING" for row in alive)):
            return cancelled
        if time.monotonic() > deadline:
            raise TransientError(f"job {name} is still {alive[0].state} {wait_s:.0f} s after it was cancelled")
        answer = repeatable(transport, cancel_command(name))
        if answer.exit_code != 0 and error_class(answer.text) is PermanentError:
            raise PermanentError(f"scancel {name}: {answer.text[-300:]}")
        cancelled = True
        sleep(0.5)
