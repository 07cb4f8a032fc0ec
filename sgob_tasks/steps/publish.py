"""Give annotations back to Europeana."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sgob_tasks.annotations import publish as publishing
from sgob_tasks.annotations.client import AnnotationClient
from sgob_tasks.config import Settings
from sgob_tasks.store import annotations as queries
from sgob_tasks.store import runs
from sgob_tasks.store.engine import open_store


def approval_needed(settings: Settings) -> bool:
    """Tell whether a person has to approve first, and whether there is anything to approve."""
    return settings.publish.require_approval and queries.count_in_state(open_store(settings), "proposed") > 0


def approve(settings: Settings, until: str | None = None) -> dict[str, int]:
    """Approve proposed annotations.

    Args:
        settings: the installation's.
        until: only what was proposed before this time (ISO 8601): what came later, nobody has seen.
    """
    before = datetime.fromisoformat(until) if until else None
    return {"approved": publishing.approve(open_store(settings), before=before)}


def publish(
    settings: Settings, run_id: str | None = None, limit: int | None = None, approve_until: str | None = None
) -> dict[str, Any]:
    """Send approved annotations to Europeana, each once, and read them back.

    Args:
        settings: the installation's.
        run_id: written into the ledger.
        limit: at most this many; the rest stays approved.
        approve_until: approve first what was proposed before this time (ISO 8601).

    Raises:
        AccessError: the account may not write. Nothing is lost: the next run goes on.
        TransientError: Europeana stays busy, or another publication is under way.
    """
    engine = open_store(settings)
    approved = approve(settings, approve_until) if approve_until else {}
    client = AnnotationClient.from_settings(settings.europeana)
    counts = publishing.publish(engine, client, run_id, limit=limit, settle_s=settings.publish.settle_s)
    result = approved | asdict(counts)
    runs.note(engine, run_id, "publish", result)
    return result
