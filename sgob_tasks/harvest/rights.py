"""Which rights statements let us make and publish derived pictures: our own list, not the provider's word.

Europeana's ``reusability=open`` is asked for in the search and checked again here, because the filter is applied
by a remote index and because the rights of a single web resource may differ from those of its record. A statement
is recognised by its URI without scheme, ``www.`` and version, as in the categories of Europeana's
``RightReusabilityCategorizer``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_OPEN = {
    "creativecommons.org/publicdomain/mark": "PDM",
    "creativecommons.org/publicdomain/zero": "CC0",
    "creativecommons.org/licenses/by": "CC BY",
    "creativecommons.org/licenses/by-sa": "CC BY-SA",
}

_CLOSED = {
    "creativecommons.org/licenses/by-nc": ("CC BY-NC", "non-commercial use only"),
    "creativecommons.org/licenses/by-nc-sa": ("CC BY-NC-SA", "non-commercial use only"),
    "creativecommons.org/licenses/by-nd": ("CC BY-ND", "no derivatives"),
    "creativecommons.org/licenses/by-nc-nd": ("CC BY-NC-ND", "no derivatives"),
    "rightsstatements.org/vocab/noc-nc": ("NoC-NC", "non-commercial use only"),
    "rightsstatements.org/vocab/noc-oklr": ("NoC-OKLR", "other legal restrictions"),
    "rightsstatements.org/vocab/inc": ("InC", "in copyright"),
    "rightsstatements.org/vocab/inc-edu": ("InC-EDU", "in copyright"),
    "rightsstatements.org/vocab/inc-ow-eu": ("InC-OW-EU", "in copyright"),
    "rightsstatements.org/vocab/cne": ("CNE", "copyright not evaluated"),
    "europeana.eu/rights/out-of-copyright-non-commercial": ("OOC-NC", "non-commercial use only"),
    "europeana.eu/rights/rr-f": ("RR-F", "rights reserved"),
    "europeana.eu/rights/rr-p": ("RR-P", "rights reserved"),
    "europeana.eu/rights/rr-r": ("RR-R", "rights reserved"),
    "europeana.eu/rights/orphan-work-eu": ("orphan work", "in copyright"),
    "europeana.eu/rights/unknown": ("unknown", "rights unknown"),
}


@dataclass(frozen=True)
class Verdict:
    """What we may do with a picture.

    Attributes:
        allowed: whether crops, overlays and training images may be made and published.
        statement: short name of the statement, such as ``CC BY-SA``; None when it is not a known one.
        reason: why it is not allowed; None when it is.
    """

    allowed: bool
    statement: str | None
    reason: str | None


def _stem(uri: str) -> str:
    """Return the URI lower-case, without scheme, ``www.``, query and fragment."""
    stem = uri.strip().lower()
    for separator in ("?", "#"):
        stem = stem.partition(separator)[0]
    for prefix in ("https:", "http:"):
        stem = stem.removeprefix(prefix)
    return stem.lstrip("/").removeprefix("www.")


def judge(uri: str | None) -> Verdict:
    """Judge one rights statement.

    Args:
        uri: rights statement URI as the metadata has it; scheme, version and country port do not matter.

    Returns:
        The verdict; a missing or unknown statement is never allowed.
    """
    if uri is None or not uri.strip():
        return Verdict(allowed=False, statement=None, reason="rights: no statement")
    # The first three segments name the statement; what follows is version, country, "deed.en".
    name = "/".join(_stem(uri).split("/")[:3])
    if name in _OPEN:
        return Verdict(allowed=True, statement=_OPEN[name], reason=None)
    if name in _CLOSED:
        statement, why = _CLOSED[name]
        return Verdict(allowed=False, statement=statement, reason=f"rights: {why}")
    return Verdict(allowed=False, statement=None, reason="rights: statement not on our list")


def judge_all(uris: Iterable[str | None]) -> Verdict:
    """Judge several statements on the same thing: all of them must allow it, and the first that does not decides."""
    verdicts = [judge(uri) for uri in uris] or [judge(None)]
    return next((verdict for verdict in verdicts if not verdict.allowed), verdicts[0])


def judge_picture(record_rights: str | None, web_resource_rights: str | None) -> Verdict:
    """Judge a picture: the rights of its web resource, where it has some, override those of the record.

    Args:
        record_rights: ``edm:rights`` of the aggregation.
        web_resource_rights: ``edm:rights`` of the web resource that is the picture.
    """
    return judge(web_resource_rights if web_resource_rights else record_rights)
