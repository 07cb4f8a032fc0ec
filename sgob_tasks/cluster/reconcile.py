"""Compare the ledger with the queue, and put right what no owner will: nothing is ever submitted here.

* A job that ended while its owner was away gets its true state (``Cluster.settle``); an owner who comes back goes on.
* A job that was meant to be submitted, and whose caller died, is adopted when Slurm has it under its name.
* A job in the queue that no open record stands for is an orphan: it is cancelled, unless it may be another
  installation's: one that neither the ledger nor the local job directories know is only reported.
* A job whose owner has ended is cancelled when the owner had ended at an earlier look too: a person who clears a failed
  task in between adopts it.
* Submissions without figures from sacct are asked for again.

The queue is asked before the ledger is read: the intent to submit is in the ledger before the job is in the queue, so
a submission that is under way looks like an owned job and not like an orphan.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sgob_tasks.cluster.jobdir import Job, check_answer
from sgob_tasks.cluster.jobs import Cluster
from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.cluster.settle import settle, usage_of
from sgob_tasks.cluster.shell import repeatable
from sgob_tasks.cluster.slurm import MY_JOBS, OwnJob, own_queue_command, parse_own_queue
from sgob_tasks.cluster.states import StateClass, state_class
from sgob_tasks.cluster.submit import look_up
from sgob_tasks.errors import InputError, SgobError

log = logging.getLogger(__name__)

OURS = re.compile(r"(?P<key>sgob-.+)\.(?P<generation>\d+)")
"""Names of our jobs in the queue."""

ACCOUNT_AGAIN = timedelta(days=7)
_HOUR_S = 3600.0
_CANCEL_LOOKS = 15


@dataclass(frozen=True)
class Finding:
    """Something that ledger and queue did not agree on.

    Attributes:
        kind: ``settled``, ``ended`` (its owner still has time to see it), ``adopted``, ``unsent``, ``ownerless``,
            ``orphan``, ``foreign``, ``trouble``.
        key: of the job.
        job_id: Slurm's; None where it is not known.
        text: for people.
        cancelled: whether the job was cancelled.
    """

    kind: str
    key: str
    job_id: str | None
    text: str
    cancelled: bool = False


@dataclass(frozen=True)
class Reconciliation:
    """What one look brought.

    Attributes:
        cluster: name of the site.
        open: number of open records.
        queued: number of our jobs in the queue.
        accounted: number of submissions whose figures were completed.
        findings: one for each difference.
    """

    cluster: str
    open: int
    queued: int
    accounted: int
    findings: tuple[Finding, ...]


def reconcile(
    cluster: Cluster,
    *,
    cancel: bool = False,
    ended_owners: Collection[str] = (),
    staged_here: Callable[[str], bool] = lambda key: False,
    grace_s: float | None = None,
) -> Reconciliation:
    """Compare the ledger with the queue, and put right what no owner will.

    Args:
        cluster: the cluster with its ledger.
        cancel: cancel orphans, and jobs whose owner has ended.
        ended_owners: owners of open records that are known to have ended; all others are taken to live.
        staged_here: tells of a key whether this installation has made its job directory.
        grace_s: how old jobs and intents have to be; by default the site's ``orphan_after_s``.

    Raises:
        TransientError: the queue cannot be asked now.
    """
    grace_s = cluster.site.orphan_after_s if grace_s is None else grace_s
    queue = _queue(cluster)
    records = cluster.ledger.open_records(cluster.site.name)
    findings: list[Finding] = []
    for record in records:
        try:
            findings += _look_at(cluster, record, queue, grace_s, cancel=cancel, ended=record.owner in ended_owners)
        except SgobError as error:
            log.warning("job %s: %s", record.key, error)
            findings.append(Finding("trouble", record.key, record.job_id, str(error)))
    done = {finding.job_id for finding in findings if finding.cancelled}
    orphans = list(_orphans(cluster, [job for job in queue if job.job_id not in done], grace_s, staged_here))
    gone = _cancel(cluster, {one.job_id for one in orphans if one.kind == "orphan"}) if cancel else set()
    findings += [replace(one, cancelled=one.job_id in gone) for one in orphans]
    for finding in findings:
        log.info("%s: job %s (%s): %s", finding.kind, finding.key, finding.job_id, finding.text)
    accounted = _account(cluster)
    return Reconciliation(
        cluster.site.name, len(records), len({job.job_id for job in queue}), accounted, tuple(findings)
    )


def _queue(cluster: Cluster) -> list[OwnJob]:
    """Return our jobs that live; one that is only completing has ended."""
    result = repeatable(cluster.transport, own_queue_command(), cluster.site.command_timeout_s)
    check_answer(result)
    rows = parse_own_queue(result.stdout)
    return [row for row in rows if OURS.fullmatch(row.name) and _alive(row)]


def _alive(row: OwnJob) -> bool:
    return row.state != "COMPLETING" and state_class(row.state).active


def _look_at(
    cluster: Cluster, record: JobRecord, queue: Sequence[OwnJob], grace_s: float, *, cancel: bool, ended: bool
) -> list[Finding]:
    """Compare one open record with the queue."""
    name = f"{record.key}.{record.generation}"
    findings: list[Finding] = []
    if record.state == "intended" or record.job_id is None:
        if _age_s(record.intended_at) < grace_s:
            return []
        adopted = _adopt(cluster, record, name)
        if adopted is None:
            text = f"was to be submitted {_age_s(record.intended_at):.0f} s ago and is not in Slurm; its owner has to"
            return [Finding("unsent", record.key, None, text)]
        record = adopted
        findings = [Finding("adopted", record.key, record.job_id, "was submitted by a caller who did not learn its id")]
    alive = [row for row in queue if row.name == name and row.job_id == record.job_id]
    if alive:
        return findings + _watch(cluster, record, alive, grace_s, cancel=cancel, ended=ended)
    described = record.details.get("job")
    if not isinstance(described, dict):
        raise InputError(f"job {record.key}", "details.job", described, "the ledger does not say what it was")
    progress = settle(cluster, Job.from_dict(described), grace_s)
    kind = "settled" if progress.done else "ended"
    word = progress.record.state if progress.done else "has left the queue"
    return [*findings, Finding(kind, record.key, record.job_id, f"{word}: {progress.reason}")]


def _age_s(time: datetime | None) -> float:
    return (datetime.now(UTC) - time).total_seconds() if time is not None else 0.0


def _adopt(cluster: Cluster, record: JobRecord, name: str) -> JobRecord | None:
    ids = look_up(
        cluster.transport,
        record.run_dir,
        name,
        record.generation,
        _age_s(record.intended_at) + _HOUR_S,
        ended=True,
        accounts=True,
        timeout_s=cluster.site.command_timeout_s + 60.0,
    )
    if not ids:
        return None
    adopted = replace(record, state="submitted", job_id=ids[0], submitted_at=datetime.now(UTC))
    cluster.ledger.save(adopted, replaces=record)
    return adopted


def _watch(
    cluster: Cluster, record: JobRecord, alive: Sequence[OwnJob], grace_s: float, *, cancel: bool, ended: bool
) -> list[Finding]:
    """Note how a living job does, and cancel it when nobody has waited for it for long enough."""
    details = {name: value for name, value in record.details.items() if name != "ownerless_since"}
    since = record.details.get("ownerless_since")
    if ended and since is not None and _age_s(datetime.fromisoformat(since)) >= grace_s:
        text = f"its owner {record.owner} had ended by {since}"
        if cancel:
            cluster.cancel(record.key, f"cancelled: {text}")
        return [Finding("ownerless", record.key, record.job_id, text, cancelled=cancel)]
    if ended:
        details["ownerless_since"] = since or datetime.now(UTC).isoformat(timespec="seconds")
    running = any(state_class(row.state) is StateClass.RUNNING for row in alive)
    seen = replace(record, state="running" if running else record.state, slurm_state=alive[0].state, details=details)
    if seen != record:
        cluster.ledger.save(seen, replaces=record)
    if not ended:
        return []
    text = f"its owner {record.owner} has ended; it is cancelled at a later look unless somebody takes it up"
    return [Finding("ownerless", record.key, record.job_id, text)]


def _orphans(
    cluster: Cluster, queue: Sequence[OwnJob], grace_s: float, staged_here: Callable[[str], bool]
) -> Iterator[Finding]:
    """Name the jobs in the queue, old enough, that no open record stands for."""
    for job in {row.job_id: row for row in queue if row.age_s >= grace_s}.values():
        match = OURS.fullmatch(job.name)
        if match is None:
            continue
        key, generation = match["key"], int(match["generation"])
        record = cluster.ledger.get(key)
        if record is None and not staged_here(key):
            text = f"{job.name} ({job.state}) is not in this ledger: it may be another installation's"
            yield Finding("foreign", key, job.job_id, text)
            continue
        why = _why_orphan(record, cluster.site.name, job, generation, grace_s)
        if why:
            yield Finding("orphan", key, job.job_id, f"{job.name} ({job.state}, {job.age_s:.0f} s old): {why}")


def _why_orphan(record: JobRecord | None, site: str, job: OwnJob, generation: int, grace_s: float) -> str:
    """Say why a job is an orphan; nothing where it is none."""
    if record is None:
        return "the ledger has lost it"
    if record.cluster != site:
        return ""
    if not record.open:
        # It may be on its last lines: the marker is written before the script ends.
        ended_long_ago = record.ended_at is None or _age_s(record.ended_at) >= grace_s
        return f"the ledger has it as {record.state}" if ended_long_ago else ""
    if generation != record.generation:
        return f"the ledger is at submission {record.generation}"
    if record.job_id is not None and record.job_id != job.job_id:
        return f"submitted twice: the ledger has it as {record.job_id}"
    return ""


def _cancel(cluster: Cluster, job_ids: set[str | None]) -> set[str]:
    """Cancel jobs by id, wait until they are gone, and return those that are.

    Raises:
        TransientError: the queue does not answer.
    """
    ids = {job_id for job_id in job_ids if job_id is not None}
    if not ids:
        return set()
    answer = repeatable(cluster.transport, f"scancel {MY_JOBS} {' '.join(sorted(ids, key=int))}")
    if answer.exit_code != 0:
        # One that ended meanwhile makes it fail for all it says: the queue tells what it did.
        log.warning("scancel: exit %d: %s", answer.exit_code, answer.text[-300:])
    left = ids
    for _ in range(_CANCEL_LOOKS):
        left = ids & {row.job_id for row in _queue(cluster)}
        if not left:
            break
        cluster.pause(1.0)
    return ids - left


def _account(cluster: Cluster) -> int:
    """Ask again for what sacct did not tell when a submission ended; return how many it has told now."""
    told = 0
    for record in cluster.ledger.unaccounted(cluster.site.name, datetime.now(UTC) - ACCOUNT_AGAIN):
        if "job" not in record.details:
            continue
        job = Job.from_dict(record.details["job"])
        try:
            answer = cluster.observe(job, record)
        except SgobError as error:
            log.info("job %s: no markers any more: %s", record.key, error)
            answer = None
        usage = usage_of(cluster, job, record, answer)
        if usage.source != "none":
            cluster.ledger.end_submission(record, usage)
            told += usage.source == "sacct"
        if answer is not None and answer.seen.accounting is None:
            break  # sacct is still away: nothing to be had for the others either
    return told
