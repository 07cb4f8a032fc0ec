"""Pieces: single things, people and riders that can stand anywhere; and a row of them, side by side.

What a picture shows is drawn by lot from these, for those pictures in which nothing but the places tells who stands
where (see :mod:`.arrangement`, :mod:`.crowd`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sgob_tasks.sandbox.painter import animals, beings, props, things
from sgob_tasks.sandbox.painter.cast import horse, lance, person, rider, winged
from sgob_tasks.sandbox.painter.props import Prop, put
from sgob_tasks.sandbox.painter.stage import Stage

GAP = 0.015
"""Between two pieces at least, as a share of the picture's width: so what touches a figure belongs to it."""

MANNERS = ("country", "country", "dusk", "gilded", "diapered", "bright", "sunburst")
"""Grounds that anything can stand on, whatever the date."""

LOWEST = 0.97
"""Nothing stands lower than this share of the height."""

Routine = Callable[[Stage, float, float, float], None]
"""Draws a piece at ``x, y`` (shares of width and height), ``tall`` (share of the height)."""


@dataclass(frozen=True)
class Piece:
    """What is put in a place of its own.

    Attributes:
        draw: see :data:`Routine`.
        things: depicted things that it consists of.
        smallest, largest: as of :class:`.props.Prop`.
        aloft: whether it hangs in the air.
    """

    draw: Routine
    things: int
    smallest: float
    largest: float
    aloft: bool = False


def _single(prop: Prop, *, aloft: bool = False) -> Piece:
    def draw(stage: Stage, x: float, y: float, tall: float) -> None:
        put(stage, replace(prop, smallest=tall, largest=tall), x, y)

    return Piece(draw, 1, prop.smallest, prop.largest, aloft)


def _figure(*, holy: bool = False, crowned: bool = False, armed: bool = False) -> Routine:
    def draw(stage: Stage, x: float, y: float, tall: float) -> None:
        rng = stage.rng
        arm = "raise" if armed else rng.choice(("rest", "hold", "raise", "pray"))
        flip, knight = rng.random() < 0.5, rng.random() < 0.25
        frame, hand = person(stage, x, y, tall, arm=arm, flip=flip, knight=knight, holy=holy, crowned=crowned)
        if armed:
            grip = stage.attach(frame, hand, 0.45, angle=rng.uniform(-0.1, 0.4))
            stage.draw("sword", grip, lambda b: things.sword(b, rng, stage.palette))

    return draw


def _angel(*, halo: bool) -> Routine:
    def draw(stage: Stage, x: float, y: float, tall: float) -> None:
        arm = stage.rng.choice(("raise", "hold", "pray"))
        winged(stage, x, y, tall, flip=stage.rng.random() < 0.5, arm=arm, halo=halo)

    return draw


def _mounted(*, armed: bool) -> Routine:
    def draw(stage: Stage, x: float, y: float, tall: float) -> None:
        rng = stage.rng
        mount = horse(stage, x, y, tall, rearing=False, saddled=True, flip=rng.random() < 0.5)
        seat = rider(stage, mount, animals.SADDLE, rng.uniform(0.86, 0.98), knight=rng.random() < 0.5, holy=False)
        if armed:
            lance(stage, seat, beings.RIDER_HAND, tall * stage.closeness, rng.choice((-1, 1)) * rng.uniform(0.5, 0.9))

    return draw


HORSE = Prop("horse", lambda b, r, p: animals.horse(b, r, p, rearing=False, saddled=False), 0.36, 0.48, lean=0.04)
DRAGON = Prop("dragon", animals.dragon, 0.3, 0.4, lean=0.12)

PIECES: tuple[Piece, ...] = (
    _single(props.TREE),
    _single(props.DOG),
    _single(props.SHEEP),
    _single(props.LION),
    _single(props.FLYING_BIRD, aloft=True),
    _single(props.STANDING_BIRD),
    _single(props.BANNER),
    _single(props.SHIELD),
    _single(props.SKULL),
    _single(props.CHALICE),
    _single(props.CROWN),
    _single(props.OPEN_BOOK),
    _single(props.CLOSED_BOOK),
    _single(props.SWORD),
    _single(HORSE),
    _single(DRAGON),
    Piece(_angel(halo=False), 1, 0.4, 0.5),
    Piece(_angel(halo=True), 2, 0.4, 0.5),
    Piece(_figure(), 1, 0.44, 0.56),
    Piece(_figure(), 1, 0.44, 0.56),
    Piece(_figure(crowned=True), 2, 0.44, 0.56),
    Piece(_figure(holy=True), 2, 0.44, 0.56),
    Piece(_figure(armed=True), 2, 0.44, 0.56),
    Piece(_mounted(armed=False), 2, 0.34, 0.44),
    Piece(_mounted(armed=True), 3, 0.34, 0.44),
)
"""All pieces, each as likely as the others."""


@dataclass(frozen=True)
class Standing:
    """A piece, where its foot is, how tall it is, and what its details come from: so it can be drawn twice."""

    piece: Piece
    y: float
    tall: float
    seed: int

    def draw(self, stage: Stage, x: float) -> None:
        """Draw it at ``x``, a share of the picture's width, and leave the stage's source of chance where it was."""
        rng, stage.rng = stage.rng, random.Random(self.seed)  # noqa: S311 - pictures, not secrets
        self.piece.draw(stage, x, self.y, self.tall)
        stage.rng = rng


def drawn_by_lot(rng: random.Random, count: int, pieces: Sequence[Piece] = PIECES) -> list[Piece]:
    """Return pieces that consist of ``count`` things together."""
    left, chosen = count, []
    while left:
        piece = rng.choice([piece for piece in pieces if piece.things <= left])
        chosen.append(piece)
        left -= piece.things
    return chosen


def places(rng: random.Random, widths: Sequence[float]) -> list[float]:
    """Return the middles of pieces side by side, uniform over all ways to place them in this order without overlap."""
    slack = 1.0 - sum(widths)
    cuts = sorted(rng.uniform(0.0, slack) for _ in widths)
    return [cut + sum(widths[:place]) + width / 2 for place, (cut, width) in enumerate(zip(cuts, widths, strict=True))]


def draw_from_afar(stage: Stage, standing: Sequence[Standing], at: Sequence[float]) -> None:
    """Draw pieces at their places across the picture, the far ones first."""
    for one, x in sorted(zip(standing, at, strict=True), key=lambda each: each[0].y):
        one.draw(stage, x)


def draw_row(stage: Stage, row: Sequence[Standing]) -> None:
    """Draw pieces side by side in this order, with room for all that each takes; where it is too little, all shrink."""
    reaches = [stage.reach(partial(standing.draw, x=0.5)) for standing in row]
    stage.closeness = min(1.0, (1.0 - GAP * len(row)) / sum(map(sum, reaches)))
    ends = [(left * stage.closeness, right * stage.closeness) for left, right in reaches]
    middles = places(stage.rng, [left + right + GAP for left, right in ends])
    draw_from_afar(
        stage, row, [middle + (left - right) / 2 for middle, (left, right) in zip(middles, ends, strict=True)]
    )
