"""Progress of long work: a bar where a person looks at a terminal, a line now and then where a log is written."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

LOG_INTERVAL_S = 10.0


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield ``items`` and show how far the work is.

    Args:
        items: what to go through; read lazily, one by one.
        label: what is being done, such as "Fetching pictures".
        total: number of items, where it is known and ``items`` has no length.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as rich_track

        yield from rich_track(items, label, total=total, console=Console(stderr=True), transient=True)
        return
    last = time.monotonic()
    count = 0
    for count, item in enumerate(items, 1):
        yield item
        if time.monotonic() - last >= LOG_INTERVAL_S:
            last = time.monotonic()
            log.info("%s: %d of %s", label, count, total if total is not None else "?")
    log.info("%s: %d done", label, count)
