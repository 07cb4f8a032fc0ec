"""Pictures whose things are drawn by lot and stand where they happen to stand: arrangements and crowds."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from sgob_tasks.errors import InputError
from sgob_tasks.sandbox.painter import arrangement, crowd
from sgob_tasks.sandbox.painter.arrangement_words import ARRANGEMENT, arrangement_captions
from sgob_tasks.sandbox.painter.crowd_words import CROWD, crowd_captions
from sgob_tasks.sandbox.painter.dating import date_in
from sgob_tasks.sandbox.painter.pieces import MANNERS
from sgob_tasks.sandbox.painter.scene import EARLIEST, LAST_OLD, SIZE, Scene, checked, finished
from sgob_tasks.sandbox.painter.seen import Thing
from sgob_tasks.sandbox.painter.stage import Stage


@dataclass(frozen=True)
class Kind:
    """A kind of picture.

    Attributes:
        draw: draws it on a stage whose ground begins at a share of the height.
        horizons: between which shares that is.
        tell: says what is in it, given what people speak of, the picture's width, its seed and the number of sentences.
        chance: begins the name of its sources of chance.
    """

    draw: Callable[[Stage, float], None]
    horizons: tuple[float, float]
    tell: Callable[..., tuple[str, ...]]
    chance: str


KINDS: dict[str, Kind] = {
    ARRANGEMENT: Kind(arrangement.arrange, arrangement.HORIZONS, arrangement_captions, "arranged"),
    CROWD: Kind(crowd.gather, crowd.HORIZONS, crowd_captions, "crowded"),
}
"""Subject -> kind of picture."""


def paint_by_lot(subject: str, seed: int, *, split: str, size: tuple[int, int] = SIZE) -> Scene:
    """Paint one arrangement or crowd.

    Args:
        subject: a key of :data:`KINDS`.
        seed: decides everything; the same seed gives the same pixels.
        split: ``train``, ``held_out`` or ``served``; only noted.
        size: width and height in pixels.

    Raises:
        InputError: unknown subject or split, or a size too small to show anything.
    """
    if subject not in KINDS:
        raise InputError("painter", "subject", subject, f"one of {', '.join(KINDS)} expected")
    checked(split, size)
    kind = KINDS[subject]
    facts = random.Random(f"{kind.chance} facts {seed}")  # noqa: S311 - pictures, not secrets
    hand = random.Random(f"{kind.chance} hand {seed}")  # noqa: S311
    dating, horizon = date_in(facts, EARLIEST, LAST_OLD), hand.uniform(*kind.horizons)
    stage = Stage(hand, size, hand.choice(MANNERS), horizon)
    kind.draw(stage, horizon)
    scene = finished(stage, facts, seed=seed, split=split, subject=subject, dating=dating)
    spoken_of = [Thing(thing.class_name, thing.bbox) for thing in scene.objects if not thing.behind]
    return replace(scene, reference_caption=kind.tell(spoken_of, size[0], seed, 1)[0])
