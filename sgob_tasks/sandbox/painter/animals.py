"""Animals, real and fabulous. Unit: the height at the head; origin: on the ground below the body; all face right."""

from __future__ import annotations

import random

from sgob_tasks.sandbox.painter.brush import Brush, Point, path, spine
from sgob_tasks.sandbox.painter.palette import Colour, Palette, darker, lighter, mix, vary

SADDLE: Point = (0.02, -0.68)
COATS: tuple[Colour, ...] = (
    (236, 228, 212),
    (228, 220, 206),
    (146, 88, 48),
    (112, 66, 40),
    (176, 168, 160),
    (70, 56, 50),
)


def horse(brush: Brush, rng: random.Random, palette: Palette, *, rearing: bool, saddled: bool) -> Colour:
    """Draw a horse and return its coat's colour."""
    coat = vary(rng, rng.choice(COATS))
    far, hair = darker(coat, 0.28), darker(coat, 0.5) if sum(coat) < 560 else mix(coat, (120, 100, 80), 0.55)
    brush.limb([(-0.4, -0.6, 0.06), (-0.54, -0.52, 0.09), (-0.58, -0.26, 0.08), (-0.52, -0.08, 0.02)], hair)
    step = rng.uniform(-0.05, 0.05)
    if rearing:
        brush.limb([(0.26, -0.5, 0.14), (0.5, -0.5, 0.08), (0.5, -0.32, 0.055), (0.56, -0.28, 0.05)], far)
        brush.limb([(0.28, -0.44, 0.14), (0.46, -0.36, 0.08), (0.42, -0.18, 0.055), (0.48, -0.14, 0.05)], coat)
    else:
        brush.limb(
            [(0.28, -0.45, 0.13), (0.36 + step, -0.26, 0.07), (0.3 + step, -0.04, 0.05), (0.35 + step, 0.0, 0.05)], far
        )
        brush.limb(
            [(0.2, -0.45, 0.15), (0.2 - step, -0.24, 0.075), (0.2 - step, -0.03, 0.05), (0.26 - step, 0.0, 0.05)], coat
        )
    brush.limb(
        [(-0.26, -0.48, 0.17), (-0.22 - step, -0.28, 0.08), (-0.3 - step, -0.04, 0.05), (-0.24 - step, 0.0, 0.05)], far
    )
    brush.blob(
        path(
            "0.1,-0.62 0.22,-0.78 0.3,-0.93 0.38,-0.99 0.46,-0.95 0.62,-0.8 0.62,-0.72 0.54,-0.72 "
            "0.44,-0.78 0.4,-0.66 0.38,-0.5 0.2,-0.45"
        ),
        coat,
    )
    brush.blob(
        path(
            "-0.44,-0.58 -0.32,-0.69 -0.14,-0.66 0.06,-0.65 0.24,-0.68 0.38,-0.58 0.34,-0.42 "
            "0.12,-0.37 -0.1,-0.37 -0.3,-0.38 -0.44,-0.46"
        ),
        coat,
    )
    brush.blob([(0.12, -0.6), (0.24, -0.72), (0.36, -0.62), (0.34, -0.46), (0.16, -0.44)], coat, outline=False)
    brush.limb(
        [(-0.34, -0.46, 0.22), (-0.38 + step, -0.26, 0.085), (-0.42 + step, -0.04, 0.05), (-0.36 + step, 0.0, 0.05)],
        coat,
    )
    brush.blob([(-0.42, -0.58), (-0.3, -0.64), (-0.2, -0.54), (-0.28, -0.42), (-0.42, -0.44)], coat, outline=False)
    brush.blob(
        [(0.12, -0.68), (0.18, -0.82), (0.3, -0.98), (0.38, -1.0), (0.33, -0.9), (0.27, -0.76), (0.2, -0.62)],
        hair,
        outline=False,
    )
    brush.fill([(0.36, -0.97), (0.36, -1.07), (0.42, -0.97)], coat)
    brush.spot(0.46, -0.875, 0.018, brush.ink)
    brush.spot(0.59, -0.765, 0.012, brush.ink)
    if saddled:
        cloth = palette.cloth(rng)
        brush.blob([(-0.14, -0.68), (0.14, -0.68), (0.18, -0.5), (0.04, -0.44), (-0.16, -0.5)], cloth)
        brush.detail([(-0.15, -0.5), (0.03, -0.45), (0.17, -0.5)], 0.025, palette.gold, curved=True)
        brush.detail([(0.57, -0.77), (0.42, -0.68), (0.2, -0.7)], 0.016, darker(cloth, 0.3))
        brush.detail([(0.5, -0.93), (0.5, -0.76)], 0.018, darker(cloth, 0.3))
        brush.detail([(0.2, -0.56), (0.37, -0.55)], 0.025, darker(cloth, 0.2))
    return coat


def dragon(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a dragon with bat wings, spines and a curled tail."""
    skin = vary(rng, rng.choice(((62, 118, 66), (84, 128, 56), (44, 98, 92), (150, 54, 44), (104, 90, 44))))
    belly, wing = lighter(mix(skin, palette.gold, 0.5), 0.2), mix(skin, rng.choice(palette.cloths), 0.55)
    brush.blob(
        path("-0.1,-0.52 -0.3,-0.98 -0.56,-1 -0.5,-0.84 -0.66,-0.72 -0.5,-0.66 -0.52,-0.5 -0.3,-0.5"),
        darker(wing, 0.3),
    )
    brush.limb(
        spine("-0.22,-0.3,0.26 -0.56,-0.12,0.18 -0.84,-0.12,0.12 -0.96,-0.34,0.08 -0.82,-0.46,0.05 -0.76,-0.34,0.02"),
        skin,
    )
    brush.fill([(-0.72, -0.38), (-0.83, -0.26), (-0.68, -0.24)], skin)
    brush.limb([(-0.26, -0.24, 0.16), (-0.3, -0.08, 0.08), (-0.18, 0.0, 0.05)], darker(skin, 0.25))
    brush.limb(
        spine("-0.44,-0.24,0.28 -0.2,-0.36,0.36 0.1,-0.34,0.3 0.26,-0.48,0.2 0.24,-0.72,0.14 0.38,-0.84,0.12"),
        skin,
    )
    brush.limb([(0.1, -0.24, 0.14), (0.16, -0.08, 0.08), (0.3, 0.0, 0.05)], skin)
    brush.detail([(-0.2, -0.22), (0.12, -0.22), (0.3, -0.42), (0.3, -0.68)], 0.06, belly, curved=True)
    for x, y in ((-0.42, -0.4), (-0.22, -0.56), (-0.02, -0.54), (0.15, -0.56), (0.16, -0.74)):
        brush.fill([(x - 0.05, y + 0.03), (x - 0.03, y - 0.08), (x + 0.05, y + 0.03)], mix(skin, palette.gold, 0.4))
    brush.blob(
        [(0.26, -0.86), (0.36, -0.98), (0.5, -0.92), (0.72, -0.9), (0.74, -0.84), (0.52, -0.82), (0.4, -0.78)], skin
    )
    brush.blob([(0.34, -0.8), (0.5, -0.8), (0.66, -0.72), (0.62, -0.68), (0.42, -0.72)], skin)
    brush.line([(0.56, -0.78), (0.74, -0.78), (0.82, -0.73)], 0.025, (196, 44, 36))
    brush.fill([(0.34, -0.95), (0.22, -1.06), (0.42, -0.97)], lighter(skin, 0.3))
    brush.spot(0.47, -0.89, 0.028, (240, 206, 80))
    brush.spot(0.475, -0.89, 0.014, brush.ink)
    brush.blob(
        path("0.02,-0.46 -0.06,-0.94 -0.3,-1.16 -0.3,-0.96 -0.5,-0.92 -0.4,-0.76 -0.5,-0.62 -0.3,-0.6 -0.22,-0.44"),
        wing,
    )
    for x, y in ((-0.3, -1.12), (-0.48, -0.9), (-0.48, -0.64)):
        brush.detail([(-0.02, -0.5), (-0.14, -0.78), (x, y)], 0.02, darker(wing, 0.4), curved=True)


def lion(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a lion with a round mane and a tufted tail."""
    coat = vary(rng, rng.choice(((206, 152, 78), (190, 134, 66), (216, 172, 100))))
    mane = mix(coat, (112, 50, 20), rng.uniform(0.55, 0.8))
    lift = rng.uniform(0.0, 0.25)
    brush.line(
        [(-0.5, -0.5), (-0.74, -0.5), (-0.72, -0.78 - lift), (-0.6, -0.86 - lift)],
        0.055,
        darker(coat, 0.25),
        curved=True,
    )
    brush.disc(-0.58, -0.88 - lift, 0.09, 0.075, mane)
    brush.limb([(0.2, -0.4, 0.17), (0.3, -0.2, 0.12), (0.28, -0.03, 0.1), (0.36, -0.02, 0.1)], darker(coat, 0.28))
    brush.limb([(-0.3, -0.4, 0.2), (-0.24, -0.18, 0.12), (-0.32, -0.03, 0.1), (-0.22, -0.02, 0.1)], darker(coat, 0.28))
    brush.blob(
        path("-0.52,-0.56 -0.3,-0.66 0,-0.6 0.3,-0.66 0.38,-0.4 0.16,-0.3 -0.16,-0.34 -0.42,-0.28 -0.54,-0.4"),
        coat,
    )
    brush.limb([(-0.42, -0.42, 0.26), (-0.42, -0.2, 0.13), (-0.48, -0.03, 0.1), (-0.38, -0.02, 0.1)], coat)
    brush.limb([(0.14, -0.4, 0.2), (0.12, -0.2, 0.13), (0.1, -0.03, 0.11), (0.2, -0.02, 0.1)], coat)
    ruff = path(
        "0.34,-1.02 0.48,-0.98 0.6,-0.86 0.62,-0.68 0.56,-0.5 0.42,-0.36 0.26,-0.34 "
        "0.12,-0.44 0.06,-0.62 0.1,-0.82 0.2,-0.96"
    )
    brush.blob([(x + rng.uniform(-0.025, 0.025), y + rng.uniform(-0.025, 0.025)) for x, y in ruff], mane)
    for i, (x, y) in enumerate(ruff):
        brush.detail(
            [
                (0.36 + (x - 0.36) * 0.6, -0.68 + (y + 0.68) * 0.6),
                (0.36 + (x - 0.36) * 0.92, -0.68 + (y + 0.68) * 0.92),
            ],
            0.03,
            darker(mane, 0.35) if i % 2 else lighter(mane, 0.18),
        )
    brush.disc(0.24, -0.88, 0.055, 0.05, coat)
    brush.disc(0.48, -0.88, 0.055, 0.05, coat)
    brush.blob(
        [(0.22, -0.78), (0.36, -0.87), (0.52, -0.78), (0.5, -0.62), (0.44, -0.5), (0.32, -0.5), (0.24, -0.62)],
        lighter(coat, 0.15),
    )
    brush.spot(0.31, -0.73, 0.026, brush.ink)
    brush.spot(0.45, -0.73, 0.026, brush.ink)
    brush.detail([(0.33, -0.61), (0.43, -0.61), (0.38, -0.56), (0.33, -0.61)], 0.035, brush.ink)
    brush.detail([(0.38, -0.56), (0.38, -0.52)], 0.018, brush.ink)


def dog(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a slim hound with a hanging ear and a raised tail."""
    coat = vary(rng, rng.choice(((238, 230, 214), (186, 134, 84), (120, 78, 50), (222, 200, 168))))
    patch = mix(coat, rng.choice(((110, 66, 36), (60, 46, 40))), 0.7)
    step = rng.uniform(-0.05, 0.05)
    brush.line([(-0.5, -0.62), (-0.68, -0.74), (-0.72, -0.94), (-0.64, -1.02)], 0.06, coat, curved=True)
    for x, lean, shade in ((0.36, 0.1, 0.28), (-0.36, -0.12, 0.28), (0.26, -0.04, 0.0), (-0.46, 0.04, 0.0)):
        tone = darker(coat, shade)
        brush.limb(
            [
                (x, -0.48, 0.17),
                (x + lean + step, -0.22, 0.08),
                (x + lean, -0.03, 0.065),
                (x + lean + 0.08, -0.02, 0.06),
            ],
            tone,
        )
    brush.blob(
        path(
            "-0.54,-0.6 -0.36,-0.7 0,-0.64 0.3,-0.72 0.46,-0.6 0.38,-0.38 0.14,-0.36 -0.14,-0.48 "
            "-0.36,-0.42 -0.54,-0.44"
        ),
        coat,
    )
    brush.blob([(-0.3, -0.68), (-0.06, -0.65), (-0.04, -0.52), (-0.26, -0.5)], patch, outline=False)
    brush.limb([(0.32, -0.6, 0.24), (0.46, -0.8, 0.2), (0.52, -0.88, 0.18)], coat)
    brush.blob(
        [(0.38, -0.9), (0.5, -1.0), (0.64, -0.96), (0.88, -0.82), (0.88, -0.74), (0.68, -0.74), (0.48, -0.76)], coat
    )
    brush.blob([(0.42, -0.95), (0.52, -0.96), (0.52, -0.78), (0.44, -0.66), (0.36, -0.74)], patch)
    brush.spot(0.62, -0.88, 0.026, brush.ink)
    brush.spot(0.87, -0.79, 0.035, brush.ink)
    brush.detail([(0.36, -0.72), (0.52, -0.66)], 0.06, palette.cloth(rng))


def bird(brush: Brush, rng: random.Random, palette: Palette, *, flying: bool) -> None:
    """Draw a bird; flying ones have both wings raised."""
    coat = vary(
        rng, rng.choice((palette.white, palette.white, (196, 66, 48), (62, 90, 138), (74, 62, 58), (206, 160, 72)))
    )
    wing = darker(coat, 0.22)
    beak = (222, 150, 52)
    if flying:
        beat = rng.uniform(-0.1, 0.12)
        brush.blob(
            [(0.0, -0.42), (-0.02, -0.9 + beat), (0.2, -1.06 + beat), (0.24, -0.8), (0.18, -0.44)], darker(wing, 0.15)
        )
        brush.fill([(-0.3, -0.38), (-0.74, -0.44), (-0.8, -0.28), (-0.66, -0.2), (-0.3, -0.22)], wing)
        brush.blob([(-0.4, -0.34), (-0.1, -0.48), (0.24, -0.48), (0.36, -0.32), (0.16, -0.16), (-0.16, -0.16)], coat)
        brush.disc(0.4, -0.46, 0.15, 0.14, coat)
        brush.fill([(0.53, -0.51), (0.72, -0.42), (0.52, -0.39)], beak)
        brush.spot(0.44, -0.49, 0.032, brush.ink)
        brush.blob(
            [
                (0.14, -0.36),
                (0.0, -0.72),
                (-0.3, -1.0 + beat),
                (-0.56, -1.0 + beat),
                (-0.5, -0.76),
                (-0.36, -0.48),
                (-0.1, -0.28),
            ],
            wing,
        )
        for i in range(4):
            brush.detail(
                [(-0.08 - 0.08 * i, -0.46 - 0.08 * i), (-0.22 - 0.1 * i, -0.58 - 0.11 * i)], 0.028, darker(wing, 0.35)
            )
        return
    for x in (-0.02, 0.1):
        brush.line([(x, -0.24), (x, -0.03), (x + 0.1, -0.02)], 0.035, beak)
    brush.fill([(-0.3, -0.44), (-0.74, -0.22), (-0.7, -0.12), (-0.24, -0.24)], wing)
    brush.blob(
        [(-0.36, -0.44), (-0.1, -0.64), (0.2, -0.74), (0.34, -0.56), (0.24, -0.28), (0.0, -0.18), (-0.26, -0.26)], coat
    )
    brush.disc(0.28, -0.8, 0.17, 0.16, coat)
    brush.fill([(0.43, -0.86), (0.66, -0.76), (0.42, -0.72)], beak)
    brush.spot(0.33, -0.83, 0.036, brush.ink)
    brush.blob([(0.14, -0.58), (-0.1, -0.58), (-0.46, -0.3), (-0.16, -0.28), (0.1, -0.38)], wing)


def sheep(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a sheep: a cloud of wool on four thin legs."""
    wool, face = vary(rng, (232, 222, 198)), darker((188, 150, 112), rng.uniform(0.0, 0.6))
    for x in (-0.36, -0.2, 0.18, 0.32):
        brush.limb([(x, -0.4, 0.1), (x, -0.03, 0.075), (x + 0.05, -0.02, 0.06)], darker(face, 0.2))
    curls = path("-0.44,-0.6 -0.3,-0.76 -0.08,-0.8 0.14,-0.8 0.32,-0.68 0.34,-0.48 0.12,-0.38 -0.12,-0.36 -0.36,-0.42")
    for x, y in curls:
        brush.disc(x, y, 0.16, 0.15, wool)
    brush.disc(-0.04, -0.58, 0.4, 0.26, wool, outline=False)
    for x, y in curls[::2]:
        brush.detail(
            [(x * 0.6 - 0.06, y + 0.02), (x * 0.6, y - 0.04), (x * 0.6 + 0.06, y + 0.02)],
            0.025,
            darker(wool, 0.25),
            curved=True,
        )
    brush.blob([(0.36, -0.86), (0.5, -0.9), (0.68, -0.72), (0.66, -0.6), (0.52, -0.6), (0.38, -0.68)], face)
    brush.blob([(0.34, -0.86), (0.24, -0.74), (0.3, -0.7), (0.4, -0.78)], face)
    brush.spot(0.53, -0.77, 0.026, brush.ink)
