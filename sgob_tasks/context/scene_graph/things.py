"""Nodes and edges of a scene graph, and the predicates with their addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sgob_tasks.context.time_context import Box

HOLDS, CARRIES, RIDES, WEARS = "holds", "carries", "rides", "wears"
SITS_ON, STANDS_ON, PART_OF, INSIDE = "sits_on", "stands_on", "part_of", "inside"
NEXT_TO, ABOVE, BELOW, BEHIND, IN_FRONT_OF = "next_to", "above", "below", "behind", "in_front_of"

FUNCTIONAL = (RIDES, WEARS, HOLDS, CARRIES, SITS_ON, STANDS_ON, PART_OF, INSIDE)
"""What things do with each other; the first that fits a pair beats every predicate of place."""
SPATIAL = (ABOVE, BELOW, BEHIND, IN_FRONT_OF, NEXT_TO)
"""Where a thing is, as the viewer sees it."""
PREDICATES = FUNCTIONAL + SPATIAL

INVERSE = {ABOVE: BELOW, BELOW: ABOVE, BEHIND: IN_FRONT_OF, IN_FRONT_OF: BEHIND, NEXT_TO: NEXT_TO}

WORDS = {
    HOLDS: "holds",
    CARRIES: "carries",
    RIDES: "rides",
    WEARS: "wears",
    SITS_ON: "sits on",
    STANDS_ON: "stands on",
    PART_OF: "is part of",
    INSIDE: "is inside",
    NEXT_TO: "is next to",
    ABOVE: "is above",
    BELOW: "is below",
    BEHIND: "is behind",
    IN_FRONT_OF: "is in front of",
}
"""The predicates as English verbs."""


@dataclass(frozen=True)
class Thing:
    """A box of a picture.

    Attributes:
        id: unique in its picture; in the store, the id of the detection.
        label: class after context.
        score: of the label, 0 to 1.
        box: COCO ``x, y, width, height`` in pixels.
        mask: COCO run-length code of the visible pixels, where there is one.
        plausibility: how possible the class is in a picture of that date, 0 to 1 (``context.time_context.weight``).
    """

    id: int
    label: str
    score: float
    box: Box
    mask: Mapping[str, Any] | None = None
    plausibility: float = 1.0


@dataclass(frozen=True)
class Opinion:
    """How plausible it is to say of two classes that they stand in a relation, whatever their boxes look like.

    Attributes:
        value: 0 to 1; 0.5 knows nothing and changes nothing.
        reason: what it rests on, in words; may be empty.
    """

    value: float
    reason: str = ""


@dataclass(frozen=True)
class Relation:
    """An edge: ``subject predicate object``.

    Attributes:
        subject: id of a thing.
        predicate: one of ``PREDICATES``.
        object: id of another thing.
        score: 0 to 1, how well the predicate fits the two boxes, given that both things are there.
        reason: why, in words.
    """

    subject: int
    predicate: str
    object: int
    score: float
    reason: str
