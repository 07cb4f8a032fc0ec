"""A finding of a check: what was found, what it should be, what to do. Plain values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

OK = "ok"
WARNING = "warning"
FAILED = "failed"
STATUSES = (OK, WARNING, FAILED)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was looked at, such as ``slurm.MinJobAge``.
        status: ``ok``, ``warning`` (works, but look at it) or ``failed`` (jobs will not run).
        found: what is there.
        expected: what it should be; empty where anything would do.
        action: what to do; empty where nothing has to be done.
    """

    check: str
    status: str
    found: str
    expected: str = ""
    action: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return all values, for JSON."""
        return asdict(self)


def ok(check: str, found: object, expected: str = "") -> Finding:
    """Return a finding that is as it should be."""
    return Finding(check, OK, _line(found), expected)


def warning(check: str, found: object, expected: str, action: str) -> Finding:
    """Return a finding that a person should look at."""
    return Finding(check, WARNING, _line(found), expected, action)


def failed(check: str, found: object, expected: str, action: str) -> Finding:
    """Return a finding that keeps jobs from running."""
    return Finding(check, FAILED, _line(found), expected, action)


def worst(findings: Iterable[Finding]) -> str:
    """Return the worst status; ok where there is no finding."""
    return max((finding.status for finding in findings), key=STATUSES.index, default=OK)


def _line(value: object, most: int = 300) -> str:
    # What a cluster prints goes to a terminal: control characters stay out.
    text = re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", str(value)).strip()
    return text if len(text) <= most else text[: most - 1] + "…"
