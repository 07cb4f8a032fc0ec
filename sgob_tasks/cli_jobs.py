"""``sgob jobs``: the Slurm jobs of the ledger, for people at a terminal."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

STATES = ("intended", "submitted", "running", "succeeded", "failed", "cancelled", "lost")


def add_jobs(verbs: Any) -> None:
    """Add ``jobs`` with its actions to the command line."""
    text = "list, show, follow and cancel Slurm jobs; compare the ledger with the queue"
    jobs = verbs.add_parser("jobs", help=text, description=text[0].upper() + text[1:] + ".")
    actions = jobs.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, handler: Callable[..., Any], show: Callable[[Any], str], help_: str) -> Any:
        sub = actions.add_parser(name, help=help_, description=help_[0].upper() + help_[1:] + ".")
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
        sub.set_defaults(handler=handler, render=show)
        return sub

    listing = action("list", _list, render_list, "the last jobs, newest first; the cluster is not asked")
    listing.add_argument("--state", action="append", choices=STATES, help="only these; may be repeated")
    listing.add_argument("--limit", type=_positive, default=20, metavar="N", help="at most this many (default: 20)")
    show = action("show", _show, render_job, "one job with all its submissions, resources, usage and files")
    show.add_argument("key", metavar="KEY", help="as `sgob jobs list` prints it")
    log = action("log", _log, render_log, "the end of the log of one task, read on the cluster")
    log.add_argument("key", metavar="KEY")
    log.add_argument("--index", type=int, metavar="I", help="array task (default: the first of the last submission)")
    log.add_argument("--lines", type=_positive, default=40, metavar="N", help="how many (default: 40)")
    cancel = action("cancel", _cancel, render_cancel, "cancel a job on the cluster and enter it in the ledger")
    cancel.add_argument("key", metavar="KEY")
    renew = action(
        "renew", _renew, render_renewal, "let a job do everything again, even what succeeded, when its task is next run"
    )
    renew.add_argument("key", metavar="KEY")
    reconcile = action(
        "reconcile",
        _reconcile,
        render_reconciliation,
        "compare the ledger with the queue: bring ended jobs up to date, adopt, find orphans; submits nothing",
    )
    reconcile.add_argument("--cancel", action="store_true", help="cancel orphans that are older than the grace time")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more")
    return value


def _list(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.config import load_settings
    from sgob_tasks.steps import slurm

    return slurm.list_jobs(load_settings(), states=parsed.state, limit=parsed.limit)


def _show(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.config import load_settings
    from sgob_tasks.steps import slurm

    return slurm.show_job(load_settings(), parsed.key)


def _log(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.config import load_settings
    from sgob_tasks.steps import slurm

    return slurm.job_log(load_settings(), parsed.key, index=parsed.index, lines=parsed.lines)


def _cancel(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.config import load_settings
    from sgob_tasks.steps import slurm

    return slurm.cancel_job(load_settings(), parsed.key)


def _renew(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.config import load_settings
    from sgob_tasks.steps import slurm

    return slurm.renew_job(load_settings(), parsed.key)


def _reconcile(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.config import load_settings
    from sgob_tasks.steps import slurm

    return slurm.reconcile(load_settings(), cancel=parsed.cancel)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns; those in which every cell is a number or empty are aligned to the right."""
    widths = [max(len(row[column]) for row in [titles, *rows]) for column in range(len(titles))]
    numbers = [all(_is_number(row[column]) for row in rows) and bool(rows) for column in range(len(titles))]

    def line(row: Sequence[str]) -> str:
        cells = zip(row, widths, numbers, strict=True)
        return "  ".join(cell.rjust(width) if number else cell.ljust(width) for cell, width, number in cells).rstrip()

    return "\n".join([line(titles), *(line(row) for row in rows)])


def _is_number(cell: str) -> bool:
    return cell == "-" or cell.rstrip("%hms").replace(".", "", 1).replace(":", "").isdecimal()


def hours(value: float | None) -> str:
    """Write hours, with two digits that matter."""
    return "-" if value is None else f"{value:.3f}" if value < 1 else f"{value:.1f}"


def duration(seconds: float | None) -> str:
    """Write a duration as ``h:mm:ss``."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def share(value: float | None) -> str:
    """Write a share of one as per cent."""
    return "-" if value is None else f"{100 * value:.0f}%"


def moment(time: datetime | None) -> str:
    """Write a time in UTC, to the second."""
    return "-" if time is None else f"{time:%Y-%m-%d %H:%M:%S}"


def _text(value: Any) -> str:
    return "-" if value in {None, ""} else str(value)


def render_list(jobs: Sequence[dict[str, Any]]) -> str:
    """Return the table of ``sgob jobs list``."""
    if not jobs:
        return "no jobs"
    titles = (
        "KEY",
        "STATE",
        "SLURM ID",
        "LINKS",
        "TASKS",
        "NODE-H",
        "GPU-H",
        "WAIT",
        "CPU",
        "RAN",
        "SUBMITTED",
        "OWNER",
    )
    rows = [
        (
            job["key"], job["state"], _text(job["job_id"]), str(job["links"]), str(job["tasks"]),
            hours(job["node_hours"]), hours(job["gpu_hours"]), duration(job["queue_wait_s"]), share(job["efficiency"]),
            duration(job["elapsed_s"]), moment(job["submitted_at"]), _text(job["owner"]),
        )
        for job in jobs
    ]  # fmt: skip
    return table(titles, rows)


def render_job(shown: dict[str, Any]) -> str:
    """Return the page of ``sgob jobs show``."""
    job, resources = shown["job"], shown["resources"]
    facts = {
        "job": job["key"],
        "state": f"{job['state']} ({_text(job['slurm_state'])})",
        "reason": _text(job["reason"]),
        "kind": _text(job["kind"]),
        "cluster": job["cluster"],
        "owner": _text(job["owner"]),
        "tasks": f"{job['tasks']}; "
        + (", ".join(f"{n} {word}" for word, n in shown["counts"].items()) or "not judged"),
        "asked": "-" if resources is None else ", ".join(f"{name} {value}" for name, value in resources.items()),
        "used": f"{hours(job['node_hours'])} node-hours, {hours(job['gpu_hours'])} GPU-hours, CPU efficiency "
        f"{share(job['efficiency'])}, ran {duration(job['elapsed_s'])}, waited {duration(job['queue_wait_s'])}",
        **{f"{name}": _text(path) for name, path in shown["files"].items() if name != "cluster"},
        "directory": shown["files"]["cluster"],
    }
    width = max(map(len, facts))
    lines = [f"{name.ljust(width)}  {value}" for name, value in facts.items()]
    titles = (
        "LINK",
        "SLURM ID",
        "STATE",
        "TASKS",
        "SUBMITTED",
        "WAIT",
        "RAN",
        "NODE-H",
        "GPU-H",
        "CPU",
        "FROM",
        "REASON",
    )
    rows = [
        (
            str(link["generation"]), _text(link["job_id"]), link["state"], str(link["indices"]),
            moment(link["submitted_at"]), duration(link["queue_wait_s"]), duration(link["elapsed_s"]),
            hours(link["node_hours"]), hours(link["gpu_hours"]), share(link["efficiency"]), _text(link["usage_source"]),
            _text(link["reason"]),
        )
        for link in shown["links"]
    ]  # fmt: skip
    notes = [f"link {link['generation']}: {link['usage_note']}" for link in shown["links"] if link["usage_note"]]
    return "\n".join([*lines, "", table(titles, rows), *notes])


def render_log(log: dict[str, Any]) -> str:
    """Return the log as it is, below its path."""
    return f"# {log['path']}\n{log['text']}".rstrip("\n")


def render_cancel(cancelled: dict[str, Any]) -> str:
    """Say what became of a job that was to be cancelled."""
    if cancelled["was"] == cancelled["state"]:
        return f"{cancelled['key']} was {cancelled['was']} already ({_text(cancelled['reason'])})"
    return f"{cancelled['key']} ({_text(cancelled['job_id'])}): {cancelled['was']} -> {cancelled['state']}"


def render_renewal(renewed: dict[str, Any]) -> str:
    """Say what happens next to a job that is to be submitted anew."""
    was = f"{renewed['key']} was {renewed['was']}"
    owner = f" ({renewed['owner']})" if renewed["owner"] else ""
    return f"{was}; clear its task{owner} in Airflow, or run its step: all of it is done again"


def render_reconciliation(found: dict[str, Any]) -> str:
    """Return the findings as a table below the counts."""
    counts = (
        f"{found['cluster']}: {found['open']} open in the ledger, {found['queued']} in the queue, "
        f"figures of {found['accounted']} submissions completed"
    )
    if not found["findings"]:
        return f"{counts}; ledger and queue agree"
    titles = ("FINDING", "KEY", "SLURM ID", "CANCELLED", "WHAT")
    rows = [
        (one["kind"], one["key"], _text(one["job_id"]), "yes" if one["cancelled"] else "no", one["text"])
        for one in found["findings"]
    ]
    return f"{counts}\n{table(titles, rows)}"
