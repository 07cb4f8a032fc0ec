"""The cast: people on foot and mounted, horses and angels, with what belongs to them.

Places ``x``, ``y`` and sizes ``tall`` are shares of the picture's width and height.
"""

from __future__ import annotations

from sgob_tasks.sandbox.painter import animals, beings, things
from sgob_tasks.sandbox.painter.brush import Frame, Point
from sgob_tasks.sandbox.painter.stage import Stage


def person(
    stage: Stage,
    x: float,
    y: float,
    tall: float,
    *,
    arm: str,
    flip: bool = False,
    knight: bool = False,
    holy: bool = False,
    crowned: bool = False,
) -> tuple[Frame, Point]:
    """Draw a standing person (with halo or crown) and return the frame and the hand's place in it."""
    rng, palette = stage.rng, stage.palette
    look = beings.dress(rng, palette, knight=knight, holy=holy or crowned)
    frame = stage.frame(x, y, tall, flip=flip, angle=rng.uniform(-0.04, 0.04))
    if holy:
        stage.draw("halo", stage.attach(frame, beings.HEAD, 0.37), lambda b: things.halo(b, rng, palette))
    stage.draw("person", frame, lambda b: beings.person(b, rng, palette, look, arm))
    if crowned:
        stage.draw("crown", stage.attach(frame, (0.005, -0.935), 0.22), lambda b: things.crown(b, rng, palette))
    return frame, beings.HANDS[arm]


def rider(
    stage: Stage, mount: Frame, saddle: Point, unit: float, *, knight: bool, holy: bool, crowned: bool = False
) -> Frame:
    """Draw a rider (with halo or crown) in a mount's saddle and return the frame."""
    rng, palette = stage.rng, stage.palette
    look = beings.dress(rng, palette, knight=knight, holy=holy or crowned)
    frame = stage.attach(mount, saddle, unit)
    if holy:
        stage.draw("halo", stage.attach(frame, beings.RIDER_HEAD, 0.38), lambda b: things.halo(b, rng, palette))
    stage.draw("person", frame, lambda b: beings.rider(b, rng, palette, look, cape=rng.random() < 0.6))
    if crowned:
        stage.draw("crown", stage.attach(frame, (0.035, -0.565), 0.22), lambda b: things.crown(b, rng, palette))
    return frame


def lance(stage: Stage, hand: Frame, point: Point, length: float, angle: float) -> None:
    """Draw a lance through a hand; ``length`` is a share of the picture's height, ``angle`` dips the tip."""
    x, y = hand.at(point)
    frame = Frame(x, y, length * stage.height, hand.flip, angle)
    stage.draw("lance", frame, lambda b: things.lance(b, stage.rng, stage.palette))


def horse(stage: Stage, x: float, y: float, tall: float, *, rearing: bool, saddled: bool, flip: bool = False) -> Frame:
    """Draw a horse and return its frame."""
    rng = stage.rng
    frame = stage.frame(x, y, tall, flip=flip, angle=-rng.uniform(0.12, 0.3) if rearing else rng.uniform(-0.04, 0.04))
    stage.draw("horse", frame, lambda b: animals.horse(b, rng, stage.palette, rearing=rearing, saddled=saddled))
    return frame


def winged(stage: Stage, x: float, y: float, tall: float, *, flip: bool, arm: str, halo: bool) -> Frame:
    """Draw an angel (with halo) and return the frame."""
    rng = stage.rng
    frame = stage.frame(x, y, tall, flip=flip, angle=rng.uniform(-0.06, 0.14))
    if halo:
        stage.draw("halo", stage.attach(frame, beings.HEAD, 0.37), lambda b: things.halo(b, rng, stage.palette))
    stage.draw("angel", frame, lambda b: beings.angel(b, rng, stage.palette, arm))
    return frame


def dragon(stage: Stage, x: float, y: float) -> None:
    """Draw a dragon that faces the left, where its enemy comes from."""
    rng = stage.rng
    frame = stage.frame(x, y, rng.uniform(0.34, 0.44), flip=True, angle=rng.uniform(-0.12, 0.12))
    stage.draw("dragon", frame, lambda b: animals.dragon(b, rng, stage.palette))
