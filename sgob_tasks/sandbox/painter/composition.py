"""Compositions: which things stand where in a picture of a given subject."""

from __future__ import annotations

import random
from collections.abc import Callable

from sgob_tasks.sandbox.painter import animals, beings, things
from sgob_tasks.sandbox.painter.cast import dragon, horse, lance, person, rider, winged
from sgob_tasks.sandbox.painter.props import (
    ANGEL,
    BANNER,
    BOAT,
    CHALICE,
    CLOSED_BOOK,
    CROWN,
    DOG,
    FLYING_BIRD,
    LION,
    OPEN_BOOK,
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
from sgob_tasks.sandbox.painter.twofold import WITH_LOOK_ALIKE


def _kind_of_rider(rng: random.Random) -> tuple[bool, bool, bool]:
    knight = rng.random() < 0.7
    holy = rng.random() < 0.5
    return knight, holy, not holy and rng.random() < 0.25


def george(stage: Stage) -> None:
    """Saint George: a rider with a lance above a dragon."""
    rng = stage.rng
    if rng.random() < 0.5:
        put(stage, TREE, rng.uniform(0.06, 0.16), rng.uniform(0.74, 0.8))
    elif rng.random() < 0.5:
        put(stage, BANNER, rng.uniform(0.08, 0.14), 0.86)
    mount = horse(
        stage,
        rng.uniform(0.36, 0.42),
        rng.uniform(0.86, 0.92),
        rng.uniform(0.5, 0.6),
        rearing=rng.random() < 0.6,
        saddled=True,
    )
    dragon(stage, rng.uniform(0.74, 0.8), rng.uniform(0.9, 0.96))
    knight, holy, crowned = _kind_of_rider(rng)
    seat = rider(stage, mount, animals.SADDLE, rng.uniform(0.86, 1.0), knight=knight, holy=holy, crowned=crowned)
    lance(stage, seat, beings.RIDER_HAND, rng.uniform(0.6, 0.75), rng.uniform(0.45, 0.75))
    if rng.random() < 0.35:
        stage.draw("shield", stage.attach(seat, (-0.04, -0.12), 0.36), lambda b: things.shield(b, rng, stage.palette))


def michael(stage: Stage) -> None:
    """The archangel Michael with sword or lance over a dragon."""
    rng = stage.rng
    dragon(stage, rng.uniform(0.66, 0.74), rng.uniform(0.92, 0.97))
    angel = winged(
        stage,
        rng.uniform(0.36, 0.44),
        rng.uniform(0.86, 0.92),
        rng.uniform(0.58, 0.68),
        flip=False,
        arm="raise",
        halo=rng.random() < 0.5,
    )
    if rng.random() < 0.65:
        stage.draw(
            "sword",
            stage.attach(angel, beings.HANDS["raise"], 0.52, angle=rng.uniform(0.35, 1.0)),
            lambda b: things.sword(b, rng, stage.palette),
        )
    else:
        lance(stage, angel, beings.HANDS["raise"], rng.uniform(0.65, 0.8), rng.uniform(0.7, 1.0))
    if rng.random() < 0.7:
        stage.draw(
            "shield",
            stage.attach(angel, (-0.14, -0.48), 0.36, angle=rng.uniform(-0.2, 0.2)),
            lambda b: things.shield(b, rng, stage.palette),
        )
    if rng.random() < 0.4:
        scatter(stage, [BANNER, TREE], [(0.1, 0.88)], 1)


def annunciation(stage: Stage) -> None:
    """The annunciation: an angel before a woman with a book, a dove above."""
    rng = stage.rng
    winged(
        stage,
        rng.uniform(0.22, 0.3),
        rng.uniform(0.88, 0.94),
        rng.uniform(0.56, 0.66),
        flip=False,
        arm=rng.choice(("pray", "raise", "hold")),
        halo=rng.random() < 0.5,
    )
    person(
        stage, rng.uniform(0.72, 0.8), rng.uniform(0.9, 0.95), rng.uniform(0.54, 0.64), arm="pray", flip=True, holy=True
    )
    if rng.random() < 0.8:
        put(stage, OPEN_BOOK, rng.uniform(0.48, 0.56), rng.uniform(0.84, 0.94))
    if rng.random() < 0.75:
        put(stage, FLYING_BIRD, rng.uniform(0.46, 0.54), rng.uniform(0.28, 0.38))


def jerome(stage: Stage) -> None:
    """Saint Jerome with his lion, his books and a skull."""
    rng = stage.rng
    person(
        stage,
        rng.uniform(0.26, 0.32),
        rng.uniform(0.88, 0.93),
        rng.uniform(0.6, 0.7),
        arm="hold",
        holy=rng.random() < 0.6,
    )
    put(stage, LION, rng.uniform(0.74, 0.82), rng.uniform(0.9, 0.95))
    scatter(stage, [OPEN_BOOK, SKULL, CHALICE], [(0.52, 0.8), (0.1, 0.93), (0.5, 0.96)], rng.randint(2, 3))


def ruler(stage: Stage) -> None:
    """A crowned ruler with sword, arms and hound."""
    rng = stage.rng
    frame, hand = person(
        stage,
        rng.uniform(0.42, 0.54),
        rng.uniform(0.92, 0.96),
        rng.uniform(0.68, 0.78),
        arm=rng.choice(("hold", "raise")),
        knight=rng.random() < 0.4,
        crowned=True,
    )
    if rng.random() < 0.75:
        stage.draw(
            "sword",
            stage.attach(frame, hand, 0.5, angle=rng.uniform(0.3, 0.8)),
            lambda b: things.sword(b, rng, stage.palette),
        )
    scatter(stage, [SHIELD, BANNER, DOG, LION, LION], [(0.16, 0.93), (0.84, 0.94)], 2)


def ships(stage: Stage) -> None:
    """Ships under sail, with birds."""
    rng = stage.rng
    put(stage, BOAT, rng.uniform(0.22, 0.34), rng.uniform(0.66, 0.72))
    if rng.random() < 0.8:
        put(stage, BOAT, rng.uniform(0.64, 0.78), rng.uniform(0.78, 0.9))
    for x in rng.sample((0.12, 0.5, 0.86), rng.randint(1, 2)):
        put(stage, FLYING_BIRD, x + rng.uniform(-0.04, 0.04), rng.uniform(0.22, 0.34))
    if rng.random() < 0.5:
        put(stage, ANGEL, rng.choice((0.14, 0.5, 0.88)), rng.uniform(0.48, 0.56))


def hunt(stage: Stage) -> None:
    """A hunting party."""
    rng = stage.rng
    put(stage, TREE, rng.uniform(0.82, 0.92), rng.uniform(0.74, 0.8))
    mount = horse(
        stage, rng.uniform(0.34, 0.42), rng.uniform(0.84, 0.9), rng.uniform(0.46, 0.56), rearing=False, saddled=True
    )
    seat = rider(
        stage, mount, animals.SADDLE, rng.uniform(0.86, 0.98), knight=False, holy=False, crowned=rng.random() < 0.25
    )
    if rng.random() < 0.45:
        lance(stage, seat, beings.RIDER_HAND, rng.uniform(0.55, 0.7), rng.uniform(-0.8, -0.4))
    for x in rng.sample((0.68, 0.86, 0.14), rng.randint(1, 2)):
        put(stage, DOG, x, rng.uniform(0.92, 0.97))
    if rng.random() < 0.25:
        put(stage, FLYING_BIRD, rng.uniform(0.6, 0.7), rng.uniform(0.2, 0.3))


def pastoral(stage: Stage) -> None:
    """A shepherd with sheep and dog below trees."""
    rng = stage.rng
    put(stage, TREE, rng.uniform(0.1, 0.2), rng.uniform(0.74, 0.82))
    scatter(stage, [TREE, FLYING_BIRD], [(0.86, 0.7)], rng.randint(0, 1))
    arm = rng.choice(("rest", "hold", "raise"))
    person(stage, rng.uniform(0.34, 0.44), rng.uniform(0.88, 0.93), rng.uniform(0.52, 0.62), arm=arm)
    put(stage, SHEEP, rng.uniform(0.58, 0.64), rng.uniform(0.86, 0.9))
    scatter(stage, [SHEEP, SHEEP, DOG, STANDING_BIRD], [(0.86, 0.96), (0.16, 0.96)], rng.randint(1, 2))


def vanitas(stage: Stage) -> None:
    """A still life of vanity on a table."""
    rng = stage.rng
    stage.closeness = rng.uniform(1.15, 1.4)
    y = rng.uniform(0.84, 0.94)
    places = [(0.16, y), (0.4, y - 0.04), (0.64, y), (0.86, y - 0.03)]
    scatter(stage, [SKULL, SKULL, OPEN_BOOK, CLOSED_BOOK, CHALICE, SWORD, CROWN, CROWN], places, rng.randint(3, 4))


def treasury(stage: Stage) -> None:
    """Precious things on a table."""
    rng = stage.rng
    stage.closeness = rng.uniform(1.15, 1.4)
    y = rng.uniform(0.86, 0.94)
    places = [(0.14, y), (0.4, y - 0.03), (0.65, y), (0.88, y - 0.02)]
    scatter(stage, [SHIELD, OPEN_BOOK, CHALICE, SKULL, CROWN, CHALICE, SWORD], places, rng.randint(3, 4))


def vision(stage: Stage) -> None:
    """An angel appears in the sky above the fields."""
    rng = stage.rng
    put(stage, ANGEL, rng.uniform(0.55, 0.7), rng.uniform(0.48, 0.54))
    person(stage, rng.uniform(0.26, 0.34), rng.uniform(0.9, 0.94), rng.uniform(0.48, 0.58), arm="raise")
    put(stage, SHEEP, rng.uniform(0.6, 0.68), rng.uniform(0.9, 0.96))
    scatter(stage, [SHEEP, DOG, BANNER, TREE], [(0.9, 0.86), (0.08, 0.86)], rng.randint(1, 2))


def tournament(stage: Stage) -> None:
    """Two knights tilting at each other."""
    rng = stage.rng
    for x, flip in ((rng.uniform(0.2, 0.26), False), (rng.uniform(0.74, 0.8), True)):
        mount = horse(
            stage,
            x,
            rng.uniform(0.86, 0.94),
            rng.uniform(0.42, 0.5),
            rearing=rng.random() < 0.3,
            saddled=True,
            flip=flip,
        )
        seat = rider(stage, mount, animals.SADDLE, rng.uniform(0.88, 0.98), knight=True, holy=False)
        lance(stage, seat, beings.RIDER_HAND, rng.uniform(0.42, 0.52), rng.choice((-1, 1)) * rng.uniform(0.22, 0.5))
    if rng.random() < 0.6:
        put(stage, BANNER, rng.uniform(0.46, 0.54), rng.uniform(0.66, 0.74))


def arms(stage: Stage) -> None:
    """A heraldic piece: a lion with shield, banner, crown or sword."""
    rng = stage.rng
    frame = stage.frame(
        rng.uniform(0.36, 0.48), rng.uniform(0.9, 0.95), rng.uniform(0.46, 0.58), angle=rng.uniform(-0.08, 0.08)
    )
    stage.draw("lion", frame, lambda b: animals.lion(b, rng, stage.palette))
    if rng.random() < 0.45:
        stage.draw("crown", stage.attach(frame, (0.36, -0.98), 0.4), lambda b: things.crown(b, rng, stage.palette))
    scatter(stage, [SHIELD, BANNER, SWORD, SHIELD, CROWN], [(0.82, 0.92), (0.1, 0.92)], 2)


def court(stage: Stage) -> None:
    """People in a garden with their animals and books."""
    rng = stage.rng
    if rng.random() < 0.7:
        put(stage, TREE, rng.choice((0.1, 0.9)), rng.uniform(0.76, 0.84))
    person(
        stage,
        rng.uniform(0.28, 0.36),
        rng.uniform(0.88, 0.93),
        rng.uniform(0.54, 0.64),
        arm=rng.choice(("hold", "rest", "raise")),
        crowned=rng.random() < 0.4,
    )
    if rng.random() < 0.6:
        person(
            stage,
            rng.uniform(0.64, 0.72),
            rng.uniform(0.9, 0.95),
            rng.uniform(0.54, 0.64),
            arm=rng.choice(("hold", "rest")),
            flip=True,
            crowned=rng.random() < 0.3,
        )
    scatter(
        stage,
        [DOG, STANDING_BIRD, CLOSED_BOOK, CHALICE, SWORD],
        [(0.5, 0.94), (0.9, 0.95), (0.1, 0.95)],
        rng.randint(1, 2),
    )


ORDINARY: dict[str, Callable[[Stage], None]] = {
    "george": george,
    "michael": michael,
    "annunciation": annunciation,
    "jerome": jerome,
    "ruler": ruler,
    "ships": ships,
    "hunt": hunt,
    "pastoral": pastoral,
    "vanitas": vanitas,
    "treasury": treasury,
    "vision": vision,
    "tournament": tournament,
    "arms": arms,
    "court": court,
}
"""Subjects without a look-alike."""
SUBJECTS = (*ORDINARY, *WITH_LOOK_ALIKE)


def horizon_of(rng: random.Random, subject: str) -> float:
    """Return where the ground begins, as a share of the picture's height."""
    return rng.uniform(0.66, 0.74) + (0.02 if subject in {"vanitas", "treasury", "in hand"} else 0.0)
