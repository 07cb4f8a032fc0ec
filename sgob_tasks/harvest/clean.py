"""Make what Europeana sends safe to keep: no API key, nothing PostgreSQL cannot hold, text without mark-up.

All functions are pure.
"""

from __future__ import annotations

import html
import math
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

SCRUBBED = "REMOVED"

_KEY_PARAMETER = re.compile(r"(?i)([?&](?:wskey|apikey|api_key|utm_campaign)=)[^&#\s]*")
# Older records: edm:isShownAt goes through https://api.europeana.eu/api/<key>/redirect?shownAt=...
_KEY_SEGMENT = re.compile(r"(?i)(//(?:www\.|api\.)?europeana\.eu/api/)(?!v\d)[^/?#\s]+(/redirect)")
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_BREAK = re.compile(r"(?i)<br\s*/?>|</p\s*>")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,300}>")
_SHORTEST_KEY = 6  # a shorter "key" could be a word of the metadata


def scrub(value: Any, key: str = "") -> Any:
    """Return an answer of the API without the key that asked for it.

    Answers echo the key in ``apikey``, as ``wskey`` and ``utm_campaign`` in ``link`` and ``guid``, and, in redirect
    addresses, as a path segment. Characters and numbers that PostgreSQL's ``jsonb`` refuses (NUL, lone surrogates,
    infinities) go too.

    Args:
        value: parsed JSON of any depth.
        key: the API key; every other occurrence of it is removed as well.
    """
    if isinstance(value, str):
        return scrub_text(value, key)
    if isinstance(value, dict):
        return {
            scrub_text(str(name), key): scrub(item, key)
            for name, item in value.items()
            if name not in ("apikey", "wskey")
        }
    if isinstance(value, list):
        return [scrub(item, key) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def scrub_text(text: str, key: str = "") -> str:
    """Return text without API keys and without characters that cannot be stored."""
    text = _NOT_STORABLE.sub("", text)
    if len(key) >= _SHORTEST_KEY:
        text = text.replace(key, SCRUBBED)
    if "=" in text:
        text = _KEY_PARAMETER.sub(rf"\g<1>{SCRUBBED}", text)
    if "/redirect" in text:
        text = _KEY_SEGMENT.sub(rf"\g<1>{SCRUBBED}\g<2>", text)
    return text


def plain_text(text: str) -> str:
    """Return one line of text: entities resolved, tags and hard breaks gone, white space single.

    Entities are resolved twice, because some providers escape what was escaped before (``&amp;nbsp;``).
    """
    text = html.unescape(html.unescape(text))
    text = _TAG.sub("", _BREAK.sub(" ", text))
    return " ".join(_NOT_STORABLE.sub("", text).split())


def is_uri(text: str) -> bool:
    """Tell whether a metadata value is a reference (``http://...``, ``#agent``) and not text for people."""
    stripped = text.strip()
    return stripped.startswith(("http://", "https://", "urn:", "#")) and " " not in stripped


def unwrap_redirect(url: str) -> str:
    """Return the provider's address from Europeana's old ``.../redirect?shownAt=<address>`` wrapper."""
    if "/redirect" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if not (parts.hostname or "").endswith("europeana.eu") or not parts.path.endswith("/redirect"):
        return url
    return next(iter(parse_qs(parts.query).get("shownAt", [])), url)
