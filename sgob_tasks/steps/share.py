"""Share the results as a data set."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sgob_tasks.config import Settings
from sgob_tasks.sharing.dataset import build_dataset
from sgob_tasks.sharing.publish import publish_dataset
from sgob_tasks.store.engine import open_store


def share(settings: Settings, run_id: str | None = None) -> dict[str, Any]:
    """Build the data set of all results and put it on the object store; the same content is not sent twice.

    Raises:
        PermanentError: the object store refuses, or the licence cannot be used.
        TransientError: the object store is not reachable.
    """
    engine = open_store(settings)
    dataset = build_dataset(engine, settings.datasets_dir, licence=settings.publish.licence)
    counts = publish_dataset(engine, settings.storage, dataset, run_id=run_id)
    return asdict(counts) | {"rows": dict(dataset.counts)}
