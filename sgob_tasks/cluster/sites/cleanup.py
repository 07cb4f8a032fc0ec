"""What may be deleted on a cluster, and deleting it: directories of closed jobs, and code that nothing uses.

Deleted is only what is known to be ours and done: a job directory whose job the ledger has closed for longer than the
site keeps it, and deployed code that no open job, no job directory and not this version uses. Directories that the
ledger does not know belong to somebody else, such as another installation with the same root, and stay. Links are
neither followed nor deleted, and nothing outside ``root/jobs`` and ``root/code`` is touched.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.cluster.shell import CommandResult, Transport, combine, repeatable, split
from sgob_tasks.cluster.sites.site import Site
from sgob_tasks.cluster.slurm import check_name
from sgob_tasks.errors import InputError, TransientError

DELETE_TIMEOUT_S = 1800.0
HALF_MADE_S = 86_400.0
"""How old a half-made deployment has to be before nobody is making it any more, in seconds."""
_CODE = re.compile(r"[0-9a-f]{16}")
_HALF_CODE = re.compile(r"\.[0-9a-f]{16}-[0-9a-f]{8}")
_REMOVED = re.compile(r"\.removed-[A-Za-z0-9][A-Za-z0-9._-]*")
_ROW = re.compile(r"(\d+)(?:\.\d+)? (.+)")


@dataclass(frozen=True)
class Listing:
    """What lies on the cluster.

    Attributes:
        jobs: age in seconds by name of the directories in ``jobs/``, links left out.
        code: the same for ``code/``.
        used: deployed code (hashes) that the scripts of the job directories name, with the directories' names.
    """

    jobs: Mapping[str, float]
    code: Mapping[str, float]
    used: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Decision:
    """What becomes of one directory.

    Attributes:
        area: ``jobs`` or ``code``.
        name: of the directory.
        delete: whether it goes.
        reason: why it goes or stays.
    """

    area: str
    name: str
    delete: bool
    reason: str


def list_command(root: str) -> str:
    """Return one command that lists job directories, deployed code, and which uses which."""
    quoted = shlex.quote(root)

    def folders(area: str) -> str:
        # -P and the test for a link: what lies behind a link is not ours to delete.
        return (
            f"cd -P -- {quoted} || exit 1; [ ! -d {area} ] || [ -L {area} ] || "
            f"find {area} -mindepth 1 -maxdepth 1 -type d -printf '%T@ %f\\n'"
        )

    return combine(
        {
            "now": "date +%s",
            "jobs": f"( {folders('jobs')} )",
            "code": f"( {folders('code')} )",
            "used": f"( cd -P -- {quoted} || exit 1; [ ! -d jobs ] || [ -L jobs ] || "
            "find jobs -mindepth 3 -maxdepth 3 -type f -path '*/submitted/*.sbatch' "
            "-exec grep -oE -e '/code/[0-9a-f]{16}' /dev/null {} + | sort -u )",
        }
    )


def parse_listing(result: CommandResult) -> Listing:
    """Read the answer to ``list_command``; names that are none of ours are left out.

    Raises:
        TransientError: one of the parts did not answer, so nothing may be concluded.
    """
    sections = split(result.stdout)
    for name in ("now", "jobs", "code", "used"):
        section = sections.get(name)
        if section is None or section.exit_code != 0:
            raise TransientError(f"cannot list the site's folders: {section.stdout if section else result.text}")
    now = float(sections["now"].stdout.strip() or 0)
    used: dict[str, set[str]] = {}
    for line in sections["used"].stdout.splitlines():
        path, _, code = line.rpartition(":/code/")
        parts = path.split("/")
        if len(parts) == 4 and _CODE.fullmatch(code):
            used.setdefault(code, set()).add(parts[1])
    return Listing(
        jobs=_ages(sections["jobs"].stdout, now),
        code=_ages(sections["code"].stdout, now),
        used={code: frozenset(names) for code, names in used.items()},
    )


def _ages(text: str, now: float) -> dict[str, float]:
    matches = (_ROW.fullmatch(line) for line in text.splitlines())
    return {match[2]: max(now - float(match[1]), 0.0) for match in matches if match}


def plan_jobs(
    site: Site,
    listing: Listing,
    records: Iterable[JobRecord],
    now: datetime,
    fetched: Callable[[str], bool] = lambda _: True,
) -> list[Decision]:
    """Decide about the job directories. Pure but for ``fetched``.

    Args:
        site: its ``keep_..._days``.
        listing: what is there.
        records: the ledger's, of this cluster.
        now: with zone.
        fetched: whether a job's results have been copied from the cluster, as far as that can be told.
    """
    known = {record.key: record for record in records}
    decisions = []
    for name in sorted(listing.jobs):
        if _REMOVED.fullmatch(name):
            decisions.append(Decision("jobs", name, True, "its deletion was interrupted"))
            continue
        delete, reason = _job(site, name, known.get(name), now, fetched)
        decisions.append(Decision("jobs", name, delete, reason))
    return decisions


def _job(
    site: Site, name: str, record: JobRecord | None, now: datetime, fetched: Callable[[str], bool]
) -> tuple[bool, str]:
    if record is None or record.cluster != site.name:
        return False, "is not in the ledger"
    try:
        ours = record.run_dir == site.job_dir(name)
    except InputError:
        ours = False
    if not ours:
        return False, f"the ledger has it at {record.run_dir}"
    if record.open or record.ended_at is None:
        return False, f"is {record.state}"
    days = site.keep_succeeded_days if record.state == "succeeded" else site.keep_failed_days
    age = now - record.ended_at
    word = f"{record.state} {age.total_seconds() / 86400:.1f} days ago, kept for {days:g}"
    if age < timedelta(days=days):
        return False, word
    if record.state == "succeeded" and not fetched(name):
        return False, f"{word}; its results were not fetched yet"
    return True, word


def plan_code(
    site: Site,
    listing: Listing,
    records: Iterable[JobRecord],
    current: str,
    going: Collection[str] = (),
) -> list[Decision]:
    """Decide about the deployed code. Pure.

    Args:
        site: its ``keep_code_days``.
        listing: what is there.
        records: the ledger's, of this cluster.
        current: hash of this version.
        going: job directories that are being deleted: what only they use goes with them.
    """
    open_code = {str(record.details.get("code", "")).rpartition("/")[2] for record in records if record.open}
    decisions = []
    for name, age_s in sorted(listing.code.items()):
        word = f"last deployed {age_s / 86400:.1f} days ago, kept for {site.keep_code_days:g}"
        users = sorted(listing.used.get(name, frozenset()) - set(going))
        if _REMOVED.fullmatch(name):
            delete, reason = True, "its deletion was interrupted"
        elif _HALF_CODE.fullmatch(name):
            delete, reason = age_s > HALF_MADE_S, "is half made"
        elif not _CODE.fullmatch(name):
            delete, reason = False, "is no code of ours"
        elif name == current:
            delete, reason = False, "is this version"
        elif name in open_code:
            delete, reason = False, "an open job uses it"
        elif users:
            delete, reason = False, f"{users[0]} uses it"
        else:
            delete, reason = age_s > site.keep_code_days * 86400, word
        decisions.append(Decision("code", name, delete, reason))
    return decisions


def delete_command(site: Site, decision: Decision, token: str) -> str:
    """Return the command that deletes one directory: renamed first, so that it is there whole or not at all.

    Exits 75 where somebody submits the job right now.

    Args:
        site: the cluster.
        decision: what to delete.
        token: letters and digits that make the temporary name unique.

    Raises:
        InputError: the name could lead somewhere else.
    """
    name, area = decision.name, decision.area
    known = _REMOVED.fullmatch(name) or (
        _CODE.fullmatch(name) or _HALF_CODE.fullmatch(name) if area == "code" else None
    )
    if area not in {"jobs", "code"} or not token.isalnum() or "/" in name:
        raise InputError("clean-up", "directory", f"{area}/{name}", "is none of ours")
    if not known:
        check_name(name)
    removed = name if _REMOVED.fullmatch(name) else f".removed-{name.lstrip('.')}-{token}"
    return (
        f"cd -P -- {shlex.quote(site.root)} || exit 1; [ ! -L {area} ] && cd -P {area} || exit 1; "
        f"d={shlex.quote('./' + name)}; r={shlex.quote('./' + removed)}; "
        '[ -d "$d" ] && [ ! -L "$d" ] || exit 0; '
        'if [ -d "$d/submitted" ] && [ ! -L "$d/submitted" ] && [ ! -L "$d/submitted/.lock" ]; then '
        'exec 9>"$d/submitted/.lock" && flock -n 9 || exit 75; fi; '
        '[ "$d" = "$r" ] || mv -T -- "$d" "$r" || exit 1; rm -rf --one-file-system -- "$r"'
    )


def sizes_command(site: Site, decisions: Iterable[Decision]) -> str:
    """Return the command that measures some directories, in KiB, one line each."""
    paths = " ".join(shlex.quote(f"./{decision.area}/{decision.name}") for decision in decisions)
    return f"cd -P -- {shlex.quote(site.root)} && du -sk -- {paths}"


def clean(
    site: Site,
    transport: Transport,
    records: Callable[[], Iterable[JobRecord]],
    current: str,
    token: str,
    now: datetime,
    *,
    fetched: Callable[[str], bool] = lambda _: True,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Delete what the site's policy lets go.

    Args:
        site: the cluster, with its policy.
        transport: the way to it.
        records: reads the ledger's records of this cluster; asked again before anything is deleted.
        current: hash of this version's code.
        token: makes temporary names unique; letters and digits.
        now: with zone.
        fetched: whether a job's results have been copied from the cluster.
        dry_run: only say what would be deleted.

    Returns:
        ``deleted`` and ``kept``: reason by directory, relative to the root; ``failed``: what could not be deleted and
        why; ``bytes``: room of what is, or would be, deleted.

    Raises:
        TransientError: the folders cannot be listed; nothing was deleted.
    """
    listing = parse_listing(repeatable(transport, list_command(site.root), site.command_timeout_s))
    ledger = list(records())
    plan = plan_jobs(site, listing, ledger, now, fetched)
    plan += plan_code(site, listing, ledger, current, [one.name for one in plan if one.delete])
    going = [one for one in plan if one.delete]
    deleted: dict[str, str] = {}
    failed: dict[str, str] = {}
    size = 0
    for start in range(0, len(going), 100):
        answer = repeatable(transport, sizes_command(site, going[start : start + 100]), DELETE_TIMEOUT_S)
        size += sum(int(line.split()[0]) * 1024 for line in answer.stdout.splitlines() if line[:1].isdigit())
    for decision in going:
        path = f"{decision.area}/{decision.name}"
        if not dry_run:
            trouble = _delete(site, transport, decision, token, records)
            if trouble:
                failed[path] = trouble
                continue
        deleted[path] = decision.reason
    kept = {f"{one.area}/{one.name}": one.reason for one in plan if not one.delete}
    return {"dry_run": dry_run, "deleted": deleted, "kept": kept, "failed": failed, "bytes": size}


def _delete(
    site: Site,
    transport: Transport,
    decision: Decision,
    token: str,
    records: Callable[[], Iterable[JobRecord]],
) -> str:
    """Delete one directory unless it has come to life meanwhile; return what was in the way."""
    if decision.area == "jobs" and not _REMOVED.fullmatch(decision.name):
        record = next((one for one in records() if one.key == decision.name), None)
        if record is None or record.open:
            return "was submitted again meanwhile"
    result = repeatable(transport, delete_command(site, decision, token), DELETE_TIMEOUT_S)
    if result.exit_code == 75:
        return "is being submitted right now"
    return "" if result.exit_code == 0 else f"exit {result.exit_code}: {result.text[-300:]}"
