"""People and angels. Unit: the standing height; origin: between the feet, or the saddle of a rider."""

from __future__ import annotations

import random
from dataclasses import dataclass

from sgob_tasks.sandbox.painter.brush import Brush, Point, path, smooth
from sgob_tasks.sandbox.painter.palette import Colour, Palette, darker, lighter, mix

HEAD: Point = (0.0, -0.87)
RIDER_HEAD: Point = (0.03, -0.5)
HANDS: dict[str, Point] = {
    "hold": (0.27, -0.6),
    "raise": (0.29, -0.82),
    "pray": (0.17, -0.62),
    "rest": (0.19, -0.42),
}
RIDER_HAND: Point = (0.2, -0.26)


@dataclass(frozen=True)
class Dress:
    """How a person is clad."""

    robe: Colour
    cloak: Colour
    skin: Colour
    hair: Colour
    armour: bool
    long: bool
    beard: bool
    bare: bool


def dress(rng: random.Random, palette: Palette, *, knight: bool = False, holy: bool = False) -> Dress:
    """Choose a person's clothes and looks."""
    robe, cloak = palette.cloth(rng), palette.cloth(rng)
    return Dress(
        robe=robe,
        cloak=cloak,
        skin=palette.skin(rng),
        hair=rng.choice(palette.hair),
        armour=knight,
        long=holy or rng.random() < 0.6,
        beard=rng.random() < 0.35,
        bare=holy or knight or rng.random() < 0.55,
    )


def _head(brush: Brush, centre: Point, look: Dress, palette: Palette) -> None:
    x, y = centre
    brush.blob(
        [
            (x - 0.1, y - 0.02),
            (x - 0.02, y - 0.11),
            (x + 0.08, y - 0.07),
            (x + 0.06, y + 0.06),
            (x - 0.04, y + 0.1),
            (x - 0.1, y + 0.08),
        ],
        look.hair,
    )
    brush.limb([(x, y + 0.05, 0.07), (x, y + 0.13, 0.08)], darker(look.skin, 0.12), outline=False)
    brush.disc(x + 0.015, y + 0.005, 0.07, 0.088, look.skin)
    if look.beard:
        brush.blob(
            [(x - 0.04, y + 0.04), (x + 0.02, y + 0.05), (x + 0.08, y + 0.03), (x + 0.05, y + 0.13), (x, y + 0.12)],
            look.hair,
            outline=False,
        )
    brush.blob(
        [
            (x - 0.085, y + 0.02),
            (x - 0.075, y - 0.07),
            (x, y - 0.115),
            (x + 0.075, y - 0.065),
            (x + 0.03, y - 0.06),
            (x - 0.045, y - 0.035),
        ],
        look.hair,
        outline=False,
    )
    brush.spot(x + 0.0, y - 0.004, 0.011, brush.ink)
    brush.spot(x + 0.052, y - 0.004, 0.011, brush.ink)
    brush.detail([(x + 0.028, y), (x + 0.036, y + 0.026), (x + 0.024, y + 0.028)], 0.007, darker(look.skin, 0.4))
    brush.detail([(x + 0.008, y + 0.05), (x + 0.042, y + 0.048)], 0.01, mix(look.skin, (170, 40, 40), 0.6))
    if look.armour and not look.bare:
        brush.blob(
            [
                (x - 0.09, y + 0.02),
                (x - 0.06, y - 0.1),
                (x + 0.03, y - 0.12),
                (x + 0.09, y - 0.03),
                (x + 0.02, y - 0.03),
            ],
            palette.steel,
        )
    elif not look.bare:
        brush.blob(
            [(x - 0.13, y - 0.05), (x - 0.05, y - 0.14), (x + 0.06, y - 0.13), (x + 0.11, y - 0.055), (x, y - 0.06)],
            look.cloak,
        )


def person(brush: Brush, rng: random.Random, palette: Palette, look: Dress, arm: str = "hold") -> None:
    """Draw a standing person, facing right; ``arm`` is a key of :data:`HANDS`."""
    sway = rng.uniform(-0.02, 0.02)
    brush.blob(
        [(-0.1, -0.77), (0.06, -0.78), (-0.02, -0.4), (-0.1 + sway, -0.03), (-0.27 + sway, -0.02), (-0.21, -0.4)],
        look.cloak,
    )
    if look.long:
        hem = rng.uniform(0.17, 0.22)
        brush.limb([(-0.06, -0.03, 0.05), (-0.03, 0.0, 0.05), (0.04, 0.0, 0.04)], darker(look.robe, 0.6))
        brush.fill(
            [
                *smooth([(-0.11, -0.76), (0.0, -0.79), (0.11, -0.76), (0.12, -0.5), (hem, -0.02)], closed=False),
                (-hem, -0.02),
                *smooth([(-hem, -0.02), (-0.12, -0.5), (-0.11, -0.76)], closed=False),
            ],
            look.robe,
        )
        for fold in (-0.08, -0.01, 0.07):
            brush.detail([(fold * 0.6, -0.46), (fold * 1.6 + sway, -0.04)], 0.014, darker(look.robe, 0.3))
        brush.detail([(-0.115, -0.49), (0.115, -0.49)], 0.022, mix(look.cloak, palette.gold, 0.5))
    else:
        hose = palette.steel if look.armour else darker(look.cloak, 0.25)
        for foot in (-0.1, 0.08):
            brush.limb(
                [(foot * 0.5, -0.45, 0.11), (foot, -0.22, 0.09), (foot, -0.02, 0.06), (foot + 0.07, 0.0, 0.04)], hose
            )
        body = palette.steel if look.armour else look.robe
        brush.fill(
            smooth(path("-0.11,-0.76 0,-0.79 0.11,-0.76 0.1,-0.55 0.15,-0.36 0,-0.34 -0.15,-0.36 -0.1,-0.55")),
            body,
        )
        brush.detail(
            [(-0.1, -0.52), (0.1, -0.52)],
            0.024,
            mix(look.cloak, palette.gold, 0.3) if look.armour else darker(body, 0.5),
        )
    sleeve = palette.steel if look.armour else darker(look.robe, 0.1)
    hand = HANDS[arm]
    if arm == "pray":
        brush.limb(
            [(-0.07, -0.71, 0.09), (0.03, -0.55, 0.09), (hand[0] - 0.03, hand[1] + 0.01, 0.05)], darker(sleeve, 0.15)
        )
    else:
        brush.limb([(-0.1, -0.71, 0.09), (-0.16, -0.56, 0.08), (-0.09, -0.46, 0.05)], darker(sleeve, 0.15))
    elbow = (0.17, -0.55) if arm != "raise" else (0.2, -0.66)
    brush.limb([(0.09, -0.71, 0.09), (*elbow, 0.085), (*hand, 0.06)], sleeve)
    brush.disc(hand[0] + 0.01, hand[1], 0.032, 0.03, look.skin)
    _head(brush, HEAD, look, palette)


def rider(brush: Brush, rng: random.Random, palette: Palette, look: Dress, *, cape: bool) -> None:
    """Draw a seated rider, facing right; the origin is the saddle."""
    if cape:
        lift = rng.uniform(-0.12, 0.06)
        brush.blob(
            [(-0.05, -0.38), (0.03, -0.3), (-0.08, -0.08), (-0.36, -0.04 + lift), (-0.44, -0.16 + lift), (-0.2, -0.26)],
            look.cloak,
        )
    body = palette.steel if look.armour else look.robe
    hose = palette.steel if look.armour else darker(look.cloak, 0.2)
    brush.fill(
        smooth([(-0.1, -0.37), (0.02, -0.41), (0.12, -0.36), (0.1, -0.16), (0.12, 0.02), (-0.12, 0.02), (-0.1, -0.16)]),
        body,
    )
    brush.limb([(0.0, -0.02, 0.13), (0.15, 0.1, 0.1), (0.11, 0.28, 0.07), (0.2, 0.31, 0.04)], hose)
    brush.limb([(0.03, -0.33, 0.09), (0.1, -0.18, 0.08), (*RIDER_HAND, 0.055)], darker(body, 0.12))
    brush.disc(RIDER_HAND[0] + 0.01, RIDER_HAND[1], 0.032, 0.03, look.skin)
    _head(brush, RIDER_HEAD, look, palette)


def _wing(brush: Brush, root: Point, tip: Point, side: float, bands: tuple[Colour, Colour, Colour]) -> None:
    x, y = root
    brush.blob(
        [
            root,
            (x + side * 0.2, y - 0.24),
            tip,
            (x + side * 0.4, y + 0.1),
            (x + side * 0.34, y + 0.34),
            (x + side * 0.1, y + 0.14),
        ],
        bands[0],
    )
    for i in range(5):
        start = (x + side * (0.1 + 0.05 * i), y - 0.06 + 0.02 * i)
        end = (x + side * (0.24 + 0.035 * i), y + 0.27 - 0.06 * i)
        brush.detail([start, end], 0.022, bands[1 + i % 2])
    brush.detail([(x, y), (x + side * 0.19, y - 0.2), tip], 0.035, bands[1], curved=True)


def angel(brush: Brush, rng: random.Random, palette: Palette, arm: str = "pray") -> None:
    """Draw a winged angel in a long robe, facing right."""
    base = rng.choice(
        (
            palette.white,
            lighter(palette.gold, 0.3),
            mix(palette.cloths[0], palette.white, 0.35),
            mix(palette.cloths[1], palette.white, 0.4),
        )
    )
    bands = (base, mix(base, palette.cloth(rng), 0.6), mix(base, palette.gold, 0.75))
    reach = rng.uniform(0.98, 1.1)
    _wing(brush, (-0.05, -0.66), (-0.44, -reach), -1.0, bands)
    _wing(brush, (0.05, -0.66), (0.4, -reach), 1.0, bands)
    look = dress(rng, palette, holy=True)
    robe = rng.choice(
        (palette.white, mix(palette.cloths[0], palette.white, 0.5), mix(palette.cloths[1], palette.white, 0.45))
    )
    gold_hair = (198, 150, 70)
    person(
        brush,
        rng,
        palette,
        Dress(robe, look.cloak, look.skin, gold_hair, armour=False, long=True, beard=False, bare=True),
        arm,
    )
