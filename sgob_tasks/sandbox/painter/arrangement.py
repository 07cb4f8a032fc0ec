"""Arrangements: four to seven things side by side, each drawn by lot and standing where it happens to stand.

A composition has its things in fixed places, so that knowing what is there is almost knowing where. Here nothing but
the places tells who stands beside whom: pieces come in any order, at any distance and depth, and one may come twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sgob_tasks.errors import InputError
from sgob_tasks.sandbox.painter import animals, beings, props, things, wording
from sgob_tasks.sandbox.painter.arrangement_words import ARRANGEMENT, arrangement_captions
from sgob_tasks.sandbox.painter.cast import horse, lance, person, rider, winged
from sgob_tasks.sandbox.painter.dating import date_in
from sgob_tasks.sandbox.painter.props import Prop, put
from sgob_tasks.sandbox.painter.scene import AMBIGUOUS_SHARE, EARLIEST, LAST_OLD, SIZE, Scene
from sgob_tasks.sandbox.painter.seen import Thing
from sgob_tasks.sandbox.painter.stage import PaintedObject, Stage

FEWEST, MOST = 4, 7
"""Things in an arrangement; what somebody rides, wears or holds counts."""

GAP = 0.015
"""Between two pieces at least, as a share of the picture's width: so what touches a figure belongs to it."""

MANNERS = ("country", "country", "dusk", "gilded", "diapered", "bright", "sunburst")
"""Grounds that anything can stand on, whatever the date."""

LOWEST = 0.97
"""Nothing stands lower than this share of the height."""

NEAR, FAR = 1.15, 0.8
"""Sizes in the foreground and at the horizon, to those of the compositions."""

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
class _Standing:
    """A piece, where its foot is, how tall it is, and what its details come from: so it can be drawn twice."""

    piece: Piece
    y: float
    tall: float
    seed: int

    def draw(self, stage: Stage, x: float) -> None:
        stage.rng = random.Random(self.seed)  # noqa: S311 - pictures, not secrets
        self.piece.draw(stage, x, self.y, self.tall)


def _chosen(rng: random.Random) -> list[Piece]:
    left, chosen = rng.randint(FEWEST, MOST), []
    while left:
        piece = rng.choice([piece for piece in PIECES if piece.things <= left])
        chosen.append(piece)
        left -= piece.things
    return chosen


def _places(rng: random.Random, widths: Sequence[float]) -> list[float]:
    """Return the middles of pieces side by side, uniform over all ways to place them in this order without overlap."""
    slack = 1.0 - sum(widths)
    cuts = sorted(rng.uniform(0.0, slack) for _ in widths)
    return [cut + sum(widths[:place]) + width / 2 for place, (cut, width) in enumerate(zip(cuts, widths, strict=True))]


def arrange(stage: Stage, horizon: float) -> None:
    """Draw an arrangement on a stage whose ground begins at ``horizon`` (share of the height)."""
    rng, plan = stage.rng, []
    for piece in _chosen(rng):
        y = rng.uniform(0.3, 0.5) if piece.aloft else rng.uniform(horizon + 0.04, LOWEST)
        depth = 0.5 if piece.aloft else (y - horizon) / (LOWEST - horizon)
        tall = rng.uniform(piece.smallest, piece.largest) * (FAR + (NEAR - FAR) * depth)
        plan.append(_Standing(piece, y, tall, rng.getrandbits(32)))
    reaches = [stage.reach(partial(standing.draw, x=0.5)) for standing in plan]
    stage.closeness = min(1.0, (1.0 - GAP * len(plan)) / sum(map(sum, reaches)))
    ends = [(left * stage.closeness, right * stage.closeness) for left, right in reaches]
    middles = _places(rng, [left + right + GAP for left, right in ends])
    origins = [middle + (left - right) / 2 for middle, (left, right) in zip(middles, ends, strict=True)]
    for standing, x in sorted(zip(plan, origins, strict=True), key=lambda each: each[0].y):  # the far ones first
        standing.draw(stage, x)
    stage.rng = rng


def paint_arrangement(seed: int, *, split: str, size: tuple[int, int] = SIZE) -> Scene:
    """Paint one arrangement.

    Args:
        seed: decides everything; the same seed gives the same pixels.
        split: ``train``, ``held_out`` or ``served``; only noted.
        size: width and height in pixels.

    Raises:
        InputError: unknown split, or a size too small to show anything.
    """
    if split not in AMBIGUOUS_SHARE:
        raise InputError("painter", "split", split, f"one of {', '.join(AMBIGUOUS_SHARE)} expected")
    if min(size) < 96:
        raise InputError("painter", "size", size, "at least 96 pixels on both sides expected")
    facts = random.Random(f"arranged facts {seed}")  # noqa: S311 - pictures, not secrets
    hand = random.Random(f"arranged hand {seed}")  # noqa: S311
    dating, horizon = date_in(facts, EARLIEST, LAST_OLD), hand.uniform(0.66, 0.74)
    stage = Stage(hand, size, hand.choice(MANNERS), horizon)
    arrange(stage, horizon)
    objects = stage.objects()
    image = stage.varnish(min(1.0, max(0.0, (1930 - dating.year_from) / 500)))
    seen = [wording.Seen(thing.class_name, (thing.bbox[0] + thing.bbox[2] / 2) / size[0]) for thing in objects]
    words = wording.describe(facts, ARRANGEMENT, "", seen, dating)
    return Scene(
        file_name=f"{wording.slug(words.creator)}_{wording.slug(words.title)}_{seed:x}.jpg",
        seed=seed,
        split=split,
        subject=ARRANGEMENT,
        title=words.title,
        creator=words.creator,
        dating=dating,
        sentences=words.sentences,
        reference_caption=arrangement_captions(_boxes(objects), size[0], seed, 1)[0],
        objects=objects,
        width=image.width,
        height=image.height,
        image=image,
    )


def _boxes(objects: Sequence[PaintedObject]) -> list[Thing]:
    return [Thing(thing.class_name, thing.bbox) for thing in objects]
