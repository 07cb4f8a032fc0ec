"""What the rules for annotations share: how they refuse, and what a URL is."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


class RefusedError(Exception):
    """The annotation is refused with ``status`` and a text."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def is_url(value: object) -> bool:
    """Say whether a value is an http(s) URL."""
    if not isinstance(value, str) or re.search(r"\s", value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:  # such as an open bracket in the host
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def missing(field: str) -> RefusedError:
    """Return the refusal of an annotation without a mandatory field."""
    return RefusedError(f"Missing mandatory field! {field}")


def cannot_parse() -> RefusedError:
    """Return the refusal of what cannot be read as an annotation."""
    return RefusedError("Cannot parse body to annotation!")
