"""Compositions with a look-alike: the same company of people and things, whichever of its two truths it has."""

from __future__ import annotations

from typing import Protocol

from sgob_tasks.sandbox.painter import beings, lookalikes
from sgob_tasks.sandbox.painter.cast import dragon, lance, person, rider
from sgob_tasks.sandbox.painter.props import (
    BANNER,
    BOAT,
    CHALICE,
    DOG,
    FLYING_BIRD,
    LION,
    SHEEP,
    SHIELD,
    SKULL,
    STANDING_BIRD,
    SWORD,
    TREE,
    put,
    scatter,
)
from sgob_tasks.sandbox.painter.stage import Stage


class Twofold(Protocol):
    """A composition that is told the true class of its look-alike, and does nothing with it but name the truth."""

    def __call__(self, stage: Stage, truth: str, *, ambiguous: bool) -> None:
        """Draw it."""


LOOK_ALIKES: dict[str, tuple[str, tuple[str, ...]]] = {
    "mounted": ("bicycle", ("horse",)),
    "aloft": ("airplane", ("angel", "bird")),
    "in hand": ("cell phone", ("book",)),
}
"""Subject with a look-alike -> its modern class, and the old classes that are drawn by the same routine."""


def mounted(stage: Stage, truth: str, *, ambiguous: bool) -> None:
    """A rider on the thin dark mount, in any company a rider can have."""
    rng = stage.rng
    beasts = rng.random() < 0.35
    scatter(stage, [TREE, BANNER, FLYING_BIRD], [(0.08, 0.78), (0.62, 0.76)], rng.randint(0, 1))
    x = rng.uniform(0.3, 0.42) if beasts else rng.uniform(0.36, 0.6)
    mount = stage.frame(
        x,
        rng.uniform(0.88, 0.94),
        rng.uniform(0.46, 0.58),
        flip=rng.random() < 0.3 and not beasts,
        angle=rng.uniform(-0.08, 0.05),
    )
    stage.draw(truth, mount, lambda b: lookalikes.mount(b, rng), ambiguous=ambiguous)
    knight, holy = rng.random() < 0.3, rng.random() < 0.3
    seat = rider(stage, mount, lookalikes.SADDLE, rng.uniform(0.84, 0.98), knight=knight, holy=holy)
    if beasts:
        dragon(stage, rng.uniform(0.78, 0.84), rng.uniform(0.92, 0.97))
    if rng.random() < (0.6 if beasts else 0.15):
        lance(stage, seat, beings.RIDER_HAND, rng.uniform(0.5, 0.65), rng.uniform(0.4, 0.7))
    if not beasts:
        scatter(stage, [DOG, DOG, SHEEP, STANDING_BIRD, SHIELD], [(0.12, 0.95), (0.88, 0.95)], rng.randint(0, 2))


def aloft(stage: Stage, truth: str, *, ambiguous: bool) -> None:
    """A stiff winged thing in the sky above land or water."""
    rng = stage.rng
    if stage.manner.endswith("sea"):
        scatter(stage, [BOAT, BOAT], [(0.24, 0.8), (0.74, 0.88)], 2)
    else:
        scatter(stage, [TREE, DOG, BANNER, SHEEP, TREE], [(0.12, 0.86), (0.86, 0.88), (0.64, 0.95)], rng.randint(2, 3))
        if rng.random() < 0.5:
            person(
                stage,
                rng.uniform(0.36, 0.46),
                rng.uniform(0.92, 0.95),
                rng.uniform(0.42, 0.52),
                arm=rng.choice(("raise", "hold")),
            )
    high = rng.sample((0.22, 0.5, 0.78), 2)
    frame = stage.frame(
        high[0], rng.uniform(0.2, 0.32), rng.uniform(0.3, 0.44), flip=rng.random() < 0.5, angle=rng.uniform(-0.3, 0.15)
    )
    stage.draw(truth, frame, lambda b: lookalikes.flier(b, rng), ambiguous=ambiguous)
    if rng.random() < 0.35:
        put(stage, FLYING_BIRD, high[1], rng.uniform(0.24, 0.32))


def in_hand(stage: Stage, truth: str, *, ambiguous: bool) -> None:
    """Someone holding a small dark slab, or the slab among other things on a table."""
    rng = stage.rng
    if stage.manner.endswith("chamber") and rng.random() < 0.5:
        stage.closeness = 1.25
        y = rng.uniform(0.86, 0.94)
        tall = rng.uniform(0.22, 0.28)
        frame = stage.frame(rng.uniform(0.42, 0.54), y - tall * stage.closeness / 2, tall, angle=rng.uniform(-0.3, 0.3))
        stage.draw(truth, frame, lambda b: lookalikes.slab(b, rng), ambiguous=ambiguous)
        scatter(stage, [SKULL, CHALICE, SWORD, STANDING_BIRD], [(0.16, y), (0.74, y), (0.9, y - 0.03)], 2)
        return
    holder, hand = person(
        stage,
        rng.uniform(0.36, 0.5),
        rng.uniform(0.92, 0.96),
        rng.uniform(0.62, 0.74),
        arm=rng.choice(("hold", "raise")),
        holy=rng.random() < 0.15,
        crowned=rng.random() < 0.15,
    )
    grip = stage.attach(
        holder, (hand[0] + 0.03, hand[1] - 0.07), rng.uniform(0.3, 0.36), angle=rng.uniform(-0.25, 0.25)
    )
    stage.draw(truth, grip, lambda b: lookalikes.slab(b, rng), ambiguous=ambiguous)
    scatter(stage, [DOG, LION, SKULL, CHALICE, CHALICE], [(0.82, 0.94), (0.12, 0.94)], rng.randint(1, 2))


WITH_LOOK_ALIKE: dict[str, Twofold] = {"mounted": mounted, "aloft": aloft, "in hand": in_hand}
"""Subjects with a look-alike."""
