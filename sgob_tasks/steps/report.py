"""Tell people what is there and what a run did."""

from __future__ import annotations

from typing import Any

from sgob_tasks.config import Settings
from sgob_tasks.report import static
from sgob_tasks.store import runs, summary
from sgob_tasks.store.engine import open_store

LATEST = "latest"
"""Link to the folder of the newest run that had pictures."""


def status(settings: Settings) -> dict[str, Any]:
    """Count everything in the store, by state and reason."""
    return summary.status(open_store(settings)).as_dict()


def write_report(settings: Settings, run_id: str | None = None, *, ends: bool = False) -> dict[str, str]:
    """Write the page of a run; return where it is.

    Args:
        settings: the installation's.
        run_id: which run; None for the newest enrichment.
        ends: whether this is the run's last step.

    Raises:
        InputError: the store has no such run.
    """
    engine = open_store(settings)
    if ends and run_id is not None:
        runs.end(engine, run_id)
    page = static.write_report(engine, run_id, settings.runs_dir, settings.media_dir)
    latest = static.write_report(engine, None, settings.runs_dir, settings.media_dir) if run_id else page
    link = settings.runs_dir / LATEST
    temporary = link.with_name(f".{LATEST}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(latest.parent.name)
    temporary.replace(link)
    return {"page": str(page)}
