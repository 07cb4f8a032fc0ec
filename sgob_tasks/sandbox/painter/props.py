"""Single things and animals, and how to put them into a picture."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sgob_tasks.sandbox.painter import animals, beings, things
from sgob_tasks.sandbox.painter.brush import Brush
from sgob_tasks.sandbox.painter.palette import Palette
from sgob_tasks.sandbox.painter.stage import Stage


@dataclass(frozen=True)
class Prop:
    """A thing that can stand, lie or fly anywhere.

    Attributes:
        class_name: what it is.
        routine: draws it.
        smallest: smallest size of its unit, as a share of the picture's height.
        largest: largest size.
        lean: it is turned by up to this many radians to either side.
        raised: how far its origin is above the place it stands on, in its units.
        mirrored: whether it may face left.
    """

    class_name: str
    routine: Callable[[Brush, random.Random, Palette], object]
    smallest: float
    largest: float
    lean: float = 0.0
    raised: float = 0.0
    mirrored: bool = True


TREE = Prop("tree", things.tree, 0.42, 0.66, mirrored=False)
DOG = Prop("dog", animals.dog, 0.2, 0.29)
SHEEP = Prop("sheep", animals.sheep, 0.2, 0.28)
LION = Prop("lion", animals.lion, 0.34, 0.46)
FLYING_BIRD = Prop("bird", lambda b, r, p: animals.bird(b, r, p, flying=True), 0.13, 0.2, lean=0.2)
STANDING_BIRD = Prop("bird", lambda b, r, p: animals.bird(b, r, p, flying=False), 0.17, 0.24)
BANNER = Prop("banner", things.banner, 0.48, 0.64, lean=0.12)
SHIELD = Prop("shield", things.shield, 0.22, 0.3, lean=0.2, raised=0.5, mirrored=False)
SKULL = Prop("skull", things.skull, 0.17, 0.25, lean=0.25)
CHALICE = Prop("chalice", things.chalice, 0.22, 0.3)
CROWN = Prop("crown", things.crown, 0.18, 0.26, lean=0.15)
OPEN_BOOK = Prop("book", lambda b, r, p: things.book(b, r, p, opened=True), 0.22, 0.32, lean=0.12, raised=0.3)
CLOSED_BOOK = Prop("book", lambda b, r, p: things.book(b, r, p, opened=False), 0.22, 0.32, lean=0.12, raised=0.15)
SWORD = Prop("sword", things.sword, 0.36, 0.48)
BOAT = Prop("boat", things.boat, 0.3, 0.5, lean=0.05)
ANGEL = Prop("angel", lambda b, r, p: beings.angel(b, r, p, "raise"), 0.34, 0.44, lean=0.1)


def put(stage: Stage, prop: Prop, x: float, y: float) -> None:
    """Put a thing at a place, given as shares of the picture's width and height."""
    rng = stage.rng
    size = rng.uniform(prop.smallest, prop.largest)
    angle = rng.uniform(-prop.lean, prop.lean)
    if prop.class_name == SWORD.class_name:  # a sword lies
        angle = rng.choice((-1, 1)) * rng.uniform(0.9, 1.35)
    foot = y - size * stage.closeness * prop.raised
    frame = stage.frame(x, foot, size, flip=prop.mirrored and rng.random() < 0.5, angle=angle)
    stage.draw(prop.class_name, frame, lambda b: prop.routine(b, rng, stage.palette))


def scatter(stage: Stage, props: Sequence[Prop], places: Sequence[tuple[float, float]], count: int) -> None:
    """Put ``count`` things at different places; what is named twice comes twice as often."""
    chosen = stage.rng.sample(props, min(count, len(props), len(places)))
    for prop, (x, y) in zip(chosen, stage.rng.sample(places, len(chosen)), strict=True):
        put(stage, prop, x + stage.rng.uniform(-0.03, 0.03), y + stage.rng.uniform(-0.02, 0.02))
