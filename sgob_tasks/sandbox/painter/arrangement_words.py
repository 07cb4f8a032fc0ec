"""What people say of an arrangement: what stands where in relation to what.

Made from class names and boxes alone. Every sentence can be checked by looking: left and right are those of the boxes'
middles, neighbours have nothing between them, the largest thing has the largest box and is clearly larger than the
next, the nearest one's box reaches lowest, and whoever rides, wears or holds a thing touches it.

Five people see five things: one lists everything from left to right, as inventories do; the others, as most people do,
name a few things only: the largest, the nearest and the one in the middle, each with its neighbours, and what stands at
the two ends. Where nothing is largest, nearest or in the middle, they take any thing and its neighbours.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sgob_tasks.sandbox.painter.seen import Thing, joined, touch, with_article

ARRANGEMENT = "arrangement"
"""Subject of an arrangement."""

LARGER = 1.25
"""The largest thing's box is at least this many times as large as any other's."""

NEARER = 0.02
"""How much lower than any other's the nearest thing's box reaches, as a share of the picture's width."""

MIDDLE = 0.1
"""Things in the middle are no further from it than this share of the picture's width."""

_FIGURES = ("person", "angel")
_LYING = ("book", "skull", "crown", "sword")


@dataclass(frozen=True)
class Group:
    """A thing with what belongs to it: a figure and what it wears, holds and rides; else the thing alone.

    Attributes:
        thing: the figure, its mount, or the thing.
        rider: whether a person sits on it.
        crowned, holy: whether it, or the rider, has a crown, a halo.
        held: class of what it, or the rider, holds; empty for nothing.
    """

    thing: Thing
    rider: bool = False
    crowned: bool = False
    holy: bool = False
    held: str = ""

    @property
    def area(self) -> float:
        """Of the thing's box."""
        return self.thing.box[2] * self.thing.box[3]

    @property
    def foot(self) -> float:
        """Row at which the thing's box ends."""
        return self.thing.box[1] + self.thing.box[3]


def groups(things: Iterable[Thing]) -> list[Group]:
    """Return what stands side by side, from left to right by the middles of the boxes."""
    left = sorted(things, key=_place)

    def take(near: Thing, *names: str) -> Thing | None:
        found = next((thing for thing in left if thing.class_name in names and _belongs(thing, near)), None)
        if found is not None:
            left.remove(found)
        return found

    found = []
    for mount in [thing for thing in left if thing.class_name == "horse"]:
        left.remove(mount)
        rider = take(mount, "person")
        found.append(_with_belongings(mount, rider, take) if rider else Group(mount))
    for figure in [thing for thing in left if thing.class_name in _FIGURES]:
        left.remove(figure)
        found.append(_with_belongings(figure, None, take))
    return sorted([*found, *map(Group, left)], key=lambda group: _place(group.thing))


def _place(thing: Thing) -> tuple[tuple[float, float], str]:
    return thing.middle, thing.class_name


def _with_belongings(thing: Thing, rider: Thing | None, take: Callable[..., Thing | None]) -> Group:
    body = rider or thing
    crowned, holy, held = take(body, "crown"), take(body, "halo"), take(body, "lance", "sword")
    return Group(thing, rider is not None, crowned is not None, holy is not None, held.class_name if held else "")


def _belongs(thing: Thing, figure: Thing) -> bool:
    """Return whether boxes overlap or are adjacent: a crown hides the hair that it sits on."""
    x, y, width, height = thing.box
    return touch(Thing(thing.class_name, (x - 0.5, y - 0.5, width + 1, height + 1)), figure)


class _Teller:
    """One person's way of saying it."""

    def __init__(self, rng: random.Random, row: Sequence[Group], width: float) -> None:
        self.rng, self.row, self.width = rng, row, width
        self.person = rng.choice(("person", "figure"))
        self.riding = rng.choice(("rider on a horse", f"{self.person} riding a horse", f"{self.person} on a horse"))
        self.said: set[str] = set()

    def noun(self, group: Group) -> str:
        """Return what a group is called, without an article."""
        text = self.riding if group.rider else group.thing.class_name
        if text == "person":
            text = self.person
        text = f"{'crowned ' if group.crowned else ''}{text}{' with a halo' if group.holy else ''}"
        return f"{text} {'and' if group.holy else 'with'} {with_article(group.held)}" if group.held else text

    def one(self, place: int, adjective: str = "") -> str:
        """Return the group at a place with its article; one that is called like an earlier one is another."""
        noun = self.noun(self.row[place])
        if noun in self.said:
            return f"another {noun}"
        self.said.add(noun)
        return with_article(f"{adjective} {noun}".strip())

    def stands(self, place: int) -> str:
        """Return the verb for a group at a place."""
        return self.rng.choice(("is", "lies" if self.row[place].thing.class_name in _LYING else "stands"))

    def beside(self, place: int) -> str:
        """Return where the group at a place is, in relation to its neighbours."""
        if 0 < place < len(self.row) - 1:
            return f"between {self.one(place - 1)} and {self.one(place + 1)}"
        return f"to the left of {self.one(1)}" if place == 0 else f"to the right of {self.one(place - 1)}"

    def all_in_order(self) -> str:
        """Everything, from left to right."""
        named = joined([self.one(place) for place in range(len(self.row))])
        return self.rng.choice(
            (f"from left to right: {named}", f"{named}, from left to right", f"from the left: {named}")
        )

    def ends(self) -> str:
        """What stands at the two ends."""
        first, last = self.one(0), self.one(len(self.row) - 1)
        left, right = self.rng.choice(
            (("on the far left", "on the far right"), ("at the left end", "at the right end"))
        )
        return f"{first} {left} and {last} {right}"

    def largest(self) -> str:
        """The largest thing and its neighbours."""
        place = _most([group.area for group in self.row], lambda first, second: first >= LARGER * second)
        if place is None:
            return self.any_one()
        if self.rng.random() < 0.5:
            return f"the largest thing is {self.one(place)} {self.beside(place)}"
        return f"{self.one(place, 'large')} {self.stands(place)} {self.beside(place)}"

    def nearest(self) -> str:
        """The nearest thing and its neighbours."""
        margin = NEARER * self.width
        place = _most([group.foot for group in self.row], lambda first, second: first >= second + margin)
        if place is None:
            return self.any_one()
        where = self.rng.choice(("in the foreground", "nearest to the viewer"))
        return f"{where} {self.stands(place)} {self.one(place)} {self.beside(place)}"

    def middle(self) -> str:
        """What is in the middle, and its neighbours."""
        off = [-abs(group.thing.middle[0] / self.width - 0.5) for group in self.row]
        place = off.index(max(off))
        if off[place] < -MIDDLE or not 0 < place < len(self.row) - 1:
            return self.any_one()
        what, left, right = self.one(place), self.one(place - 1), self.one(place + 1)
        return f"in the middle {self.stands(place)} {what}, with {left} on its left and {right} on its right"

    def any_one(self) -> str:
        """Any thing and its neighbours."""
        place = self.rng.randrange(1, len(self.row) - 1)
        return f"{self.one(place)} {self.stands(place)} {self.beside(place)}"


def _most(values: Sequence[float], clearly: Callable[[float, float], bool]) -> int | None:
    """Return the place of the largest value; None where it is not clearly larger than the next."""
    first, second = sorted(values, reverse=True)[:2]
    return values.index(first) if clearly(first, second) else None


_WORDINGS: tuple[Callable[[_Teller], str], ...] = (
    _Teller.all_in_order,
    _Teller.ends,
    _Teller.largest,
    _Teller.nearest,
    _Teller.middle,
)


def arrangement_captions(things: Sequence[Thing], width: float, seed: int, count: int = 5) -> tuple[str, ...]:
    """Return what ``count`` people say of an arrangement; the same arguments give the same words.

    Args:
        things: what is visible.
        width: of the picture in pixels.
        seed: of the picture.
        count: number of sentences.
    """
    row, told = groups(things), []
    wordings = random.Random(f"arranged wordings {seed}").sample(_WORDINGS, len(_WORDINGS))  # noqa: S311 - no secret
    for number in range(count):
        teller = _Teller(random.Random(f"arranged words {seed} {number}"), row, width)  # noqa: S311 - no secret
        wording = wordings[number % len(wordings)] if len(row) > 2 else _Teller.all_in_order
        text = wording(teller) if row else "a painted scene"
        told.append(f"{text[0].upper()}{text[1:]}.")
    return tuple(told)
