"""A row of things as people see it: figures with what belongs to them, and words for one and for its neighbours.

Made from class names and boxes alone. Every word can be checked by looking: left and right are those of the boxes'
middles, neighbours have nothing between them, and whoever rides, wears or holds a thing touches it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sgob_tasks.sandbox.painter.seen import Thing, touch, with_article

LARGER = 1.25
"""The largest thing's box is at least this many times as large as any other's."""

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


class Teller:
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


def largest(row: Sequence[Group]) -> int | None:
    """Return the place of the largest group; None where it is not clearly larger than the next."""
    return clearly_most([group.area for group in row], lambda first, second: first >= LARGER * second)


def clearly_most(values: Sequence[float], clearly: Callable[[float, float], bool]) -> int | None:
    """Return the place of the largest value; None where it is not clearly larger than the next, or the only one."""
    if len(values) < 2:
        return None
    first, second = sorted(values, reverse=True)[:2]
    return values.index(first) if clearly(first, second) else None


Person = TypeVar("Person", bound=Teller)


def sentences(
    teller: type[Person],
    wordings: Sequence[Callable[[Person], str]],
    row: Sequence[Group],
    width: float,
    *,
    chance: str,
    count: int,
) -> tuple[str, ...]:
    """Return what ``count`` people say; each takes another wording, in an order drawn by lot, while there are any left.

    Args:
        teller: makes a person.
        wordings: return what a person says, without capital and full stop.
        row: what people speak of.
        width: of the picture in pixels.
        chance: name of the sources of chance, with a place for what is drawn; the same one gives the same words.
        count: number of sentences.
    """
    order = random.Random(chance.format("wordings")).sample(wordings, len(wordings))  # noqa: S311 - no secret
    told = []
    for number in range(count):
        person = teller(random.Random(f"{chance.format('words')} {number}"), row, width)  # noqa: S311 - no secret
        text = order[number % len(order)](person)
        told.append(f"{text[0].upper()}{text[1:]}.")
    return tuple(told)
