"""What people say of an arrangement: what stands where in relation to what.

Made from class names and boxes alone. Every sentence can be checked by looking: left and right are those of the boxes'
middles, neighbours have nothing between them, the largest thing has the largest box and is clearly larger than the
next, the nearest one's box reaches lowest, and whoever rides, wears or holds a thing touches it.

Five people see five things: one lists everything from left to right, as inventories do; the others, as most people do,
name a few things only: the largest, the nearest and the one in the middle, each with its neighbours, and what stands at
the two ends. Where nothing is largest, nearest or in the middle, they take any thing and its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sgob_tasks.sandbox.painter.row_words import Teller, clearly_most, groups, largest, sentences
from sgob_tasks.sandbox.painter.seen import Thing, joined

ARRANGEMENT = "arrangement"
"""Subject of an arrangement."""

NEARER = 0.02
"""How much lower than any other's the nearest thing's box reaches, as a share of the picture's width."""

MIDDLE = 0.1
"""Things in the middle are no further from it than this share of the picture's width."""


class _Teller(Teller):
    """One person's way of saying it."""

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
        place = largest(self.row)
        if place is None:
            return self.any_one()
        if self.rng.random() < 0.5:
            return f"the largest thing is {self.one(place)} {self.beside(place)}"
        return f"{self.one(place, 'large')} {self.stands(place)} {self.beside(place)}"

    def nearest(self) -> str:
        """The nearest thing and its neighbours."""
        margin = NEARER * self.width
        place = clearly_most([group.foot for group in self.row], lambda first, second: first >= second + margin)
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

    def nothing(self) -> str:
        """What can be said where nothing is visible."""
        return "a painted scene"

    def any_one(self) -> str:
        """Any thing and its neighbours."""
        place = self.rng.randrange(1, len(self.row) - 1)
        return f"{self.one(place)} {self.stands(place)} {self.beside(place)}"


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
    row = groups(things)
    wordings = _WORDINGS if len(row) > 2 else (_Teller.all_in_order if row else _Teller.nothing,)
    return sentences(_Teller, wordings, row, width, chance=f"arranged {{}} {seed}", count=count)
