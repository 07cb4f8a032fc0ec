"""What was wrong with a data set's source: each fault with file, field, value and reason, counted by kind."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.errors import InputError

log = logging.getLogger(__name__)

KINDS = ("document", "picture", "box", "label", "mask", "split", "duplicate")
"""Kinds of fault. What is left out: an annotation file, a picture, a box, a box, a mask (the box stays), a picture, a
picture."""

MOST_LISTED = 10_000
"""More faults than these are counted only: a wrong list of classes must not fill the memory."""

_MOST_SHOWN = 200


@dataclass(frozen=True)
class Problem:
    """One fault: what kind, in which file and field, the value as it was read (shortened), and why it does not hold."""

    kind: str
    file: str
    field: str
    value: str
    reason: str


class Problems:
    """Collects faults; in strict mode the first one is raised instead.

    Attributes:
        strict: raise instead of collecting.
        counts: faults by kind.
        entries: the first ``MOST_LISTED`` of them.
    """

    def __init__(self, *, strict: bool = False, base: Path | None = None) -> None:
        """Begin without faults.

        Args:
            strict: raise instead of collecting.
            base: files below it are named relative to it.
        """
        self.strict, self._base = strict, base
        self.counts: Counter[str] = Counter()
        self.entries: list[Problem] = []

    def report(self, kind: str, error: InputError) -> None:
        """Note a fault, of which the caller leaves out what it concerns.

        Raises:
            InputError: in strict mode.
        """
        if self.strict:
            raise error
        self.counts[kind] += 1
        log.info("left out: %s", error)
        if len(self.entries) < MOST_LISTED:
            value = error.value if isinstance(error.value, str) else repr(error.value)
            self.entries.append(
                Problem(kind, self._name(error.source), error.field, value[:_MOST_SHOWN], error.reason[:_MOST_SHOWN])
            )

    def _name(self, source: str) -> str:
        if self._base is None:
            return source
        prefix = f"{self._base}/"
        return source[len(prefix) :] if source.startswith(prefix) else source

    def to_json(self) -> dict[str, Any]:
        """Return ``counts`` by kind and the ``list`` of faults."""
        counts = {kind: self.counts[kind] for kind in KINDS if self.counts[kind]}
        return {"counts": counts, "list": [asdict(entry) for entry in self.entries]}
