"""Ask the Record API about records we hold: deletions and mergers never show in the search.

The same answer has the rights of the picture itself, which may be stricter than those of its record, and which the
search does not tell. One request a record: budget it (a personal key has 1,000 requests an hour).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from sgob_tasks.errors import TransientError
from sgob_tasks.harvest.client import EuropeanaClient, Gone
from sgob_tasks.harvest.parse import picture_resource
from sgob_tasks.harvest.rights import judge_picture
from sgob_tasks.progress import track
from sgob_tasks.store import records

log = logging.getLogger(__name__)

_FAILURES_IN_A_ROW = 3


@dataclass(frozen=True)
class RecheckCounts:
    """What a recheck found.

    Attributes:
        checked: records that Europeana gave an answer about.
        gone: records that are no more.
        merged: records that live on under another id.
        refused: pictures that we may not use after all, by reason.
        failed: records that Europeana gave no answer about; they stay first in line.
    """

    checked: int = 0
    gone: int = 0
    merged: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0


def recheck(engine: sa.Engine, client: EuropeanaClient, limit: int) -> RecheckCounts:
    """Check the slice of active records that were checked longest ago, never-checked ones first.

    Args:
        engine: the store.
        client: asks Europeana.
        limit: how many records at most; each costs a request.

    Raises:
        KeyRefusedError: Europeana does not accept the key.
        PermanentError: Europeana does not accept the request.
        TransientError: several records in a row got no answer: the service is down, not the record bad.
    """
    done: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    in_a_row = 0
    with records.exclusive(engine, "recheck"):
        for record_id, rights in track(records.to_check(engine, limit), "Rechecking records"):
            try:
                answer = client.record(record_id)
            except TransientError as error:
                done["failed"] += 1
                in_a_row += 1
                log.warning("%s not checked: %s", record_id, error)
                if in_a_row >= _FAILURES_IN_A_ROW:
                    raise TransientError(f"recheck given up after {in_a_row} failures in a row: {error}") from error
                continue
            in_a_row = 0
            done["checked"] += 1
            if isinstance(answer, Gone):
                done["gone"] += 1
                records.mark_checked(engine, record_id, state="gone", reason=f"gone ({answer.status})")
                continue
            about = answer.get("about")
            if isinstance(about, str) and about != record_id:
                # The record lives on under another id, where the search finds it: two rows would be one too many.
                done["merged"] += 1
                records.mark_checked(engine, record_id, state="gone", reason=f"merged into {about}")
                continue
            picture = picture_resource(answer)
            own_rights = picture.rights if picture else None
            reason = judge_picture(rights, own_rights).reason
            records.mark_checked(
                engine,
                record_id,
                state="refused" if reason else "active",
                reason=reason,
                picture_rights=own_rights if own_rights != rights else None,
            )
            if reason:
                refused[reason] += 1
    return RecheckCounts(done["checked"], done["gone"], done["merged"], dict(refused), done["failed"])
