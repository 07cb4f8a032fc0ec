"""The ledger of one destination: what was sent, what is there already, what came back.

Pure comparisons here; the queries are in ``store.publications``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sgob_tasks.annotations.model import body_identity
from sgob_tasks.store.publications import AnnotationRow


def says_the_same(document: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Say whether a stored annotation has the motivation and the body of ours (the record is known to be the same)."""
    return stored.get("motivation") == document["motivation"] and _identity(stored) == _identity(document)


def _identity(document: Mapping[str, Any]) -> tuple[str, ...]:
    if "body" not in document and "bodyValue" in document:
        return ("text", str(document["bodyValue"]).strip(), "")
    return body_identity(document.get("body"))


def is_ours(stored: Mapping[str, Any], creator: str | None) -> bool:
    """Say whether we made a stored annotation; without knowing who we are, whatever says the same counts as ours."""
    if creator is None:
        return True
    given = stored.get("creator")
    return (given.get("id") if isinstance(given, Mapping) else given) == creator


def find_published(
    annotation: AnnotationRow, stored: Iterable[Mapping[str, Any]], creator: str | None
) -> Mapping[str, Any] | None:
    """Return the stored annotation that stands for ours, or None.

    First one of ours that says the same, whatever its region; else one that is equal in every part, whoever is written
    as its creator: to send it again would only make it twice.
    """
    same = [one for one in stored if isinstance(one.get("id"), str) and says_the_same(annotation.document, one)]
    ours = [one for one in same if is_ours(one, creator)]
    equal = [one for one in same if not differences(annotation.document, one)]
    return next(iter([*ours, *equal]), None)


def differences(sent: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    """Return what of an annotation did not arrive: motivation, body, record or picture and region.

    What the server adds (creator, generator, times) and how it writes a body do not count.
    """
    found = []
    if kept.get("motivation") != sent["motivation"]:
        found.append(f"motivation: sent {sent['motivation']!r}, kept {kept.get('motivation')!r}")
    if _identity(kept) != _identity(sent):
        found.append(f"body: sent {_identity(sent)}, kept {_identity(kept)}")
    mine, theirs = _target(sent.get("target")), _target(kept.get("target"))
    for name in ("scope", "source"):
        if mine[name] != theirs[name]:
            found.append(f"target.{name}: sent {mine[name]!r}, kept {theirs[name]!r}")
    return found


def _target(target: object) -> dict[str, str | None]:
    """Return a target's record and picture, whichever of its forms it is written in."""
    if isinstance(target, list) and len(target) == 1:
        target = target[0]
    if isinstance(target, Mapping):
        scope = target.get("scope", target.get("id"))
        return {"scope": scope, "source": target.get("source")}
    return {"scope": target if isinstance(target, str) else None, "source": None}
