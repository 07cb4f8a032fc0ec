"""One rule for each predicate: how well it fits two boxes, 0 to 1, and why in words.

A rule is a product of ramps over the measures of :class:`~sgob_tasks.context.scene_graph.geometry.Lie`: each factor is
one thing that has to be so. The bends of the ramps were set on painted training scenes (docs/context.md), whose riders
and holders are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sgob_tasks.context.scene_graph.geometry import lie, ramp, rise, slant
from sgob_tasks.context.scene_graph.roles import Role, can
from sgob_tasks.context.scene_graph.things import (
    ABOVE,
    BEHIND,
    BELOW,
    CARRIES,
    HOLDS,
    IN_FRONT_OF,
    INSIDE,
    NEXT_TO,
    PART_OF,
    RIDES,
    SITS_ON,
    STANDS_ON,
    WEARS,
    Thing,
)
from sgob_tasks.context.scene_graph.touching import Contact

NO_TOUCH = 0.35
"""What is left of a hold whose masks do not touch: a hand may be too thin for a mask."""
WITHOUT_MASKS = 0.8
"""What is left of "behind" and "in front of" where only the boxes' feet tell."""


@dataclass(frozen=True)
class Fit:
    """How well a predicate fits a pair."""

    predicate: str
    score: float
    reason: str


@dataclass(frozen=True)
class Pair:
    """Two things in this order, with what they can do and how their masks meet (None where they have none)."""

    a: Thing
    b: Thing
    role_a: Role
    role_b: Role
    contact: Contact | None


def functional(pair: Pair) -> Iterator[Fit]:
    """Yield what A may do with B."""
    for predicate, rule in _FUNCTIONAL.items():
        if can(predicate, pair.role_a, pair.role_b):
            yield rule(pair)


def _rides(pair: Pair) -> Fit:
    m = lie(pair.a.box, pair.b.box)
    score = (
        ramp(m.over_x, 0.3, 0.65)
        * ramp(m.foot, 0.15, 0.4)
        * ramp(m.foot, 1.15, 0.95)
        * ramp(rise(pair.a.box, pair.b.box), 0.02, 0.22)
        * ramp(m.inside, 0.05, 0.2)
        * ramp(m.tall, 0.25, 0.4)
        * ramp(m.tall, 2.2, 1.5)
        * _touch(pair, 0.6)
    )
    return Fit(RIDES, score, f"{pair.a.label} sits over the back of {pair.b.label}")


def _wears(pair: Pair) -> Fit:
    m = lie(pair.b.box, pair.a.box)  # the worn thing in its wearer's measures
    if pair.role_b.worn == "body":
        score = ramp(m.inside, 0.5, 0.85) * ramp(m.size, 0.8, 0.5) * ramp(m.y, 0.9, 0.7)
        return Fit(WEARS, score, f"{pair.b.label} lies on the body of {pair.a.label}")
    near = max(ramp(abs(m.x - 0.5), 0.55, 0.35), ramp(m.over_x, 0.4, 0.9))
    score = (
        near
        * ramp(m.y, 0.45, 0.25)
        * ramp(m.y, -0.3, -0.12)
        * ramp(m.foot, -0.12, 0.0)
        * ramp(m.wide, 1.6, 1.1)
        * ramp(m.tall, 0.85, 0.55)
        * ramp(m.over_x, 0.2, 0.5)
    )
    where = "is round the head of" if pair.b.label == "halo" else "is on the head of"
    return Fit(WEARS, score, f"{pair.b.label} {where} {pair.a.label}")


def _holds(pair: Pair) -> Fit:
    m = lie(pair.b.box, pair.a.box)
    if pair.role_b.long:
        score = (
            ramp(m.gap, 0.12, 0.02)
            * ramp(max(m.covers, m.inside), 0.01, 0.12)
            * ramp(m.tall, 3.0, 2.2)
            * ramp(m.top, 0.85, 0.6)
            * ramp(m.foot, 0.05, 0.25)
        )
        lies = m.top > 0.5 and slant(pair.b.box) < 3
        if pair.role_b.broad or lies:  # what reaches the ground beside somebody stands or lies there by itself
            score *= max(ramp(m.foot, 0.98, 0.85), ramp(m.inside, 0.4, 0.75))
    else:
        beside = max(-m.x, m.x - 1.0, 0.0)
        score = (
            ramp(m.gap, 0.1, 0.0)
            * ramp(beside, 0.45, 0.2)
            * ramp(m.y, -0.12, 0.0)
            * ramp(m.y, 0.88, 0.64)
            * ramp(m.size, 1.0, 0.6)
            * ramp(max(m.inside, 1.0 - 2 * beside), 0.1, 0.5)
        )
    return Fit(HOLDS, score * _touch(pair, NO_TOUCH), f"{pair.b.label} is within reach of the hands of {pair.a.label}")


def _carries(pair: Pair) -> Fit:
    m = lie(pair.b.box, pair.a.box)
    score = (
        ramp(m.inside, 0.3, 0.7)
        * ramp(m.y, 0.0, 0.1)
        * ramp(m.y, 0.8, 0.55)
        * ramp(m.size, 0.7, 0.4)
        * _touch(pair, NO_TOUCH)
    )
    return Fit(CARRIES, score, f"{pair.b.label} is against the body of {pair.a.label}, off the ground")


def _sits(pair: Pair) -> Fit:
    m = lie(pair.a.box, pair.b.box)
    score = ramp(m.over_x, 0.3, 0.7) * ramp(m.foot, 0.25, 0.5) * ramp(m.inside, 0.1, 0.3)
    return Fit(
        SITS_ON, score * ramp(rise(pair.a.box, pair.b.box), -0.05, 0.15), f"{pair.a.label} is over {pair.b.label}"
    )


def _stands(pair: Pair) -> Fit:
    m = lie(pair.a.box, pair.b.box)
    score = (
        ramp(m.over_x, 0.25, 0.6)
        * ramp(m.foot, -0.08, 0.05)
        * ramp(m.foot, 1.02, 0.7)
        * ramp(rise(pair.a.box, pair.b.box), 0.3, 0.55)
    )
    return Fit(STANDS_ON, score, f"the foot of {pair.a.label} is on {pair.b.label}")


def _part(pair: Pair) -> Fit:
    m = lie(pair.a.box, pair.b.box)
    score = ramp(m.inside, 0.6, 0.9) * ramp(m.size, 0.35, 0.175)
    return Fit(PART_OF, score, f"{pair.a.label} lies within {pair.b.label}")


def _aboard(pair: Pair) -> Fit:
    m = lie(pair.a.box, pair.b.box)
    score = ramp(m.over_x, 0.7, 0.95) * ramp(m.inside, 0.4, 0.8) * ramp(m.size, 0.6, 0.35) * ramp(m.foot, 1.1, 1.0)
    return Fit(INSIDE, score, f"{pair.a.label} is over the lower part of {pair.b.label} and within its sides")


_FUNCTIONAL: Mapping[str, Callable[[Pair], Fit]] = {
    RIDES: _rides,
    WEARS: _wears,
    HOLDS: _holds,
    CARRIES: _carries,
    SITS_ON: _sits,
    STANDS_ON: _stands,
    PART_OF: _part,
    INSIDE: _aboard,
}


def _touch(pair: Pair, otherwise: float) -> float:
    return 1.0 if pair.contact is None or pair.contact.touch else otherwise


def spatial(pair: Pair) -> Iterator[Fit]:
    """Yield where A is, seen from B; each of these has its inverse for B seen from A."""
    a, b = pair.a, pair.b
    m, n = lie(a.box, b.box), lie(b.box, a.box)
    over_x, over_y = max(m.over_x, n.over_x), max(m.over_y, n.over_y)
    up = rise(a.box, b.box)
    upright = ramp(over_x, 0.1, 0.6) * ramp(over_y, 0.9, 0.3)
    yield Fit(ABOVE, upright * ramp(up, 0.3, 0.9), f"{a.label} is higher in the picture, over {b.label}")
    yield Fit(BELOW, upright * ramp(-up, 0.3, 0.9), f"{a.label} is lower in the picture, under {b.label}")
    overlap = ramp(max(m.inside, n.inside), 0.1, 0.4)
    front, why = _front(pair)
    yield Fit(IN_FRONT_OF, overlap * front, f"{a.label} {why} {b.label}")
    yield Fit(BEHIND, overlap * _behind(pair), f"{b.label} {why} {a.label}")
    beside = ramp(min(m.gap, n.gap), 1.0, 0.2) * ramp(over_y, 0.3, 0.7) * ramp(over_x, 0.7, 0.2)
    alike = ramp(max(m.size, n.size), 30.0, 8.0)
    yield Fit(NEXT_TO, 0.9 * beside * alike, f"{a.label} and {b.label} stand side by side")


def _front(pair: Pair) -> tuple[float, str]:
    """Return how surely A is in front, and why: by pixels where there are masks, else by the lower foot."""
    if pair.contact is not None and pair.contact.front is not None:
        return ramp(pair.contact.front, 0.55, 0.85), "covers a part of"
    return WITHOUT_MASKS * ramp(_lower(pair.a, pair.b), 0.02, 0.25), "reaches lower in the picture than"


def _behind(pair: Pair) -> float:
    if pair.contact is not None and pair.contact.front is not None:
        return ramp(1.0 - pair.contact.front, 0.55, 0.85)
    return WITHOUT_MASKS * ramp(_lower(pair.b, pair.a), 0.02, 0.25)


def _lower(a: Thing, b: Thing) -> float:
    """Return how far A's foot is below B's, in the mean of the heights; nothing for things that are long and thin."""
    if max(slant(a.box), slant(b.box)) > 6:
        return 0.0
    m, n = lie(a.box, b.box), lie(b.box, a.box)
    return ((m.foot - 1.0) * ramp(m.tall, 0.0, 1.0) + (1.0 - n.foot) * ramp(n.tall, 0.0, 1.0)) / 2
