"""What people say of a crowd: who is in front of it, and who stands beside whom there.

Nobody speaks of those behind, except as a crowd. Made from class names and boxes of those in front alone; every
sentence can be checked by looking, as those of :mod:`.arrangement_words`. Five people name the same few things in five
ways: side by side, by what stands beside what, from left to right, in the foreground, and beginning with the largest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sgob_tasks.sandbox.painter.row_words import Teller, groups, largest, sentences
from sgob_tasks.sandbox.painter.seen import Thing, joined

CROWD = "crowd"
"""Subject of a crowd with somebody in front."""

_BEFORE = ("in front of a crowd", "before a crowd", "in front of many others", "with a crowd behind")


class _Teller(Teller):
    """One person's way of saying it."""

    def before(self) -> str:
        """Return how those in front stand to the others."""
        return self.rng.choice(_BEFORE)

    def all_of_them(self) -> str:
        """All in front, from left to right."""
        return joined([self.one(place) for place in range(len(self.row))])

    def side_by_side(self) -> str:
        """All in front, without a word on who is where."""
        return f"{self.all_of_them()} {self.before()}"

    def neighbours(self) -> str:
        """Who stands between, or to the left or right of, whom."""
        place = len(self.row) // 2 if len(self.row) > 2 else self.rng.randrange(2)
        return f"{self.one(place)} {self.stands(place)} {self.beside(place)}, {self.before()}"

    def left_to_right(self) -> str:
        """All in front with their sides."""
        sides = ["on the left", *["in the middle"] * (len(self.row) - 2), "on the right"]
        return f"{joined([f'{self.one(place)} {side}' for place, side in enumerate(sides)])}, {self.before()}"

    def foreground(self) -> str:
        """All in front, with a word on where they are."""
        return f"in the foreground {self.rng.choice(('are', 'one sees'))} {self.all_of_them()}, {self.before()}"

    def beginning_with_the_largest(self) -> str:
        """The largest, or where there is none the one on the right, and the others."""
        found = largest(self.row)
        place = len(self.row) - 1 if found is None else found
        first = self.one(place, "" if found is None else "large")
        others = joined([self.one(other) for other in range(len(self.row)) if other != place])
        return f"{first} beside {others}, {self.before()}"

    def nobody(self) -> str:
        """What can be said where nobody is in front."""
        return "a crowd"


_WORDINGS: tuple[Callable[[_Teller], str], ...] = (
    _Teller.side_by_side,
    _Teller.neighbours,
    _Teller.left_to_right,
    _Teller.foreground,
    _Teller.beginning_with_the_largest,
)


def crowd_captions(front: Sequence[Thing], width: float, seed: int, count: int = 5) -> tuple[str, ...]:
    """Return what ``count`` people say of those in front of a crowd; the same arguments give the same words.

    Args:
        front: what is visible in front.
        width: of the picture in pixels.
        seed: of the picture.
        count: number of sentences.
    """
    row = groups(front)
    wordings = _WORDINGS if len(row) > 1 else (_Teller.side_by_side if row else _Teller.nobody,)
    return sentences(_Teller, wordings, row, width, chance=f"crowded {{}} {seed}", count=count)


def largest_class(front: Sequence[Thing]) -> str | None:
    """Return the class of the largest of those in front; None where none is clearly larger than the next."""
    row = groups(front)
    place = largest(row)
    return None if place is None else row[place].thing.class_name
