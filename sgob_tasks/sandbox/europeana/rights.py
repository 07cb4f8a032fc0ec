"""Rights statements and the three classes of re-use that Europeana sorts them into."""

from __future__ import annotations

import re

_OPEN = ("publicdomain/mark/", "publicdomain/zero/", "licenses/by/", "licenses/by-sa/")
_RESTRICTED = (
    "licenses/by-nc/",
    "licenses/by-nc-sa/",
    "licenses/by-nc-nd/",
    "licenses/by-nd/",
    "vocab/ooc-nc/",
    "vocab/noc-nc/",
    "vocab/noc-oklr/",
    "vocab/inc-edu/",
    "/rights/out-of-copyright-non-commercial",
)
REUSABILITIES = ("open", "restricted", "permission")
# What the Annotation API takes as the licence of a full text (BaseAnnotationValidator of europeana/annotation).
_FULL_TEXT = (*_OPEN, "licenses/by-nd/", "licenses/by-nc/", "licenses/by-nc-sa/", "licenses/by-nc-nd/", "vocab/noc-nc/")


def _path(uri: str) -> str:
    return re.sub(r"^https?://(www\.)?", "", uri.strip().lower()) + "/"


def reusability(uri: str) -> str:
    """Return ``open``, ``restricted`` or ``permission`` for a rights statement URI.

    After RightReusabilityCategorizer of europeana/corelib: what is unknown needs permission.
    """
    path = _path(uri)
    if any(part in path for part in _OPEN):
        return "open"
    return "restricted" if any(part in path for part in _RESTRICTED) else "permission"


def accepted_for_full_text(uri: str) -> bool:
    """Say whether an ordinary user may put this licence on a transcription or a caption."""
    path = _path(uri)
    return path.startswith(("creativecommons.org/", "rightsstatements.org/")) and any(p in path for p in _FULL_TEXT)
