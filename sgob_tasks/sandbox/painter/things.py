"""Arms, regalia, vessels and vegetation. Unit: the longer side; the origin is told with each."""

from __future__ import annotations

import math
import random

from sgob_tasks.sandbox.painter.brush import Brush, Point, path, smooth
from sgob_tasks.sandbox.painter.palette import Palette, darker, lighter, mix, vary

ARMS_RED = (176, 36, 32)


def lance(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a lance along +x: butt at -0.5, tip at 0.5, grip near the origin."""
    shaft = rng.choice((palette.wood, lighter(palette.wood, 0.35), ARMS_RED, palette.white))
    brush.fill([(-0.5, -0.018), (0.36, -0.011), (0.36, 0.011), (-0.5, 0.018)], shaft)
    if rng.random() < 0.5:
        for i in range(7):
            x = -0.44 + 0.11 * i
            brush.detail([(x, -0.02), (x + 0.04, 0.02)], 0.014, darker(shaft, 0.55))
    brush.fill([(0.34, -0.034), (0.52, 0.0), (0.34, 0.034)], lighter(palette.steel, 0.25))
    brush.fill([(-0.2, -0.045), (-0.15, -0.02), (-0.15, 0.02), (-0.2, 0.045)], palette.gold)


def sword(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a sword along -y: the grip at the origin, the point up."""
    blade = lighter(palette.steel, 0.35)
    wide = rng.uniform(0.055, 0.07)
    brush.fill([(-wide, -0.1), (-wide * 0.7, -0.72), (0.0, -0.84), (wide * 0.7, -0.72), (wide, -0.1)], blade)
    brush.detail([(0.0, -0.12), (0.0, -0.7)], 0.02, darker(blade, 0.3))
    brush.limb([(0.0, -0.1, 0.055), (0.0, 0.1, 0.055)], darker(palette.wood, 0.3))
    droop = rng.uniform(-0.03, 0.05)
    brush.limb([(-0.2, -0.09 + droop, 0.06), (0.0, -0.1, 0.07), (0.2, -0.09 + droop, 0.06)], palette.gold)
    brush.disc(0.0, 0.13, 0.055, 0.055, palette.gold)


def crown(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a crown; the origin is the middle of its lower rim, the width one unit."""
    points = rng.choice((3, 5))
    rise = rng.uniform(0.52, 0.66)
    rim: list[Point] = [(-0.44, 0.02)]
    for i in range(points):
        left, right = -0.5 + i / points, -0.5 + (i + 1) / points
        rim += [(left if i else -0.52, -rise * 0.5), ((left + right) / 2 * 1.12, -rise)]
    rim += [(0.52, -rise * 0.5), (0.44, 0.02)]
    brush.fill(rim, palette.gold)
    brush.fill(
        [
            *smooth([(-0.45, -0.16), (0.0, -0.1), (0.45, -0.16)], closed=False),
            *smooth([(0.44, 0.04), (0.0, 0.1), (-0.44, 0.04)], closed=False),
        ],
        darker(palette.gold, 0.15),
    )
    for i in range(points):
        brush.disc((-0.5 + (i + 0.5) / points) * 1.12, -rise, 0.07, 0.07, lighter(palette.gold, 0.3))
    for i, x in enumerate((-0.26, 0.0, 0.26)):
        brush.spot(x, -0.02, 0.065, (180, 36, 44) if i % 2 else (40, 74, 150))


def halo(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a gilded nimbus round the origin, one unit wide."""
    gold = lighter(palette.gold, rng.uniform(0.1, 0.35))
    brush.disc(0.0, 0.0, 0.5, 0.5, gold)
    brush.ring(0.0, 0.0, 0.4, 0.035, darker(gold, 0.35))
    rays = rng.choice((0, 16, 24))
    for i in range(rays):
        turn = 2 * math.pi * i / rays
        brush.detail(
            [(0.2 * math.cos(turn), 0.2 * math.sin(turn)), (0.38 * math.cos(turn), 0.38 * math.sin(turn))],
            0.018,
            darker(gold, 0.3),
        )
    if not rays:
        for i in range(18):
            turn = 2 * math.pi * i / 18
            brush.spot(0.45 * math.cos(turn), 0.45 * math.sin(turn), 0.02, darker(gold, 0.5))


def shield(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a heater shield, origin in its middle, one unit high."""
    field = rng.choice((palette.white, palette.white, *palette.cloths))
    charge = ARMS_RED if field == palette.white else lighter(palette.gold, 0.15)
    outline = smooth(
        [(-0.4, -0.5), (0.0, -0.47), (0.4, -0.5), (0.4, -0.08), (0.26, 0.28), (0.0, 0.52), (-0.26, 0.28), (-0.4, -0.08)]
    )
    brush.fill(outline, field)
    device = rng.randrange(3)
    if device == 0:
        brush.detail([(0.0, -0.44), (0.0, 0.42)], 0.16, charge)
        brush.detail([(-0.36, -0.12), (0.36, -0.12)], 0.16, charge)
    elif device == 1:
        brush.detail([(-0.32, -0.38), (0.3, 0.2)], 0.2, charge)
    else:
        brush.detail([(-0.28, 0.12), (0.0, -0.2), (0.28, 0.12)], 0.14, charge)
        brush.spot(-0.2, -0.28, 0.07, charge)
        brush.spot(0.2, -0.28, 0.07, charge)
    edge = [(x * 0.93, y * 0.93) for x, y in outline]
    brush.detail([*edge, edge[0]], 0.035, mix(palette.gold, brush.ink, 0.2))


def book(brush: Brush, rng: random.Random, palette: Palette, *, opened: bool) -> None:
    """Draw a book, origin in its middle, one unit wide; open ones show two pages of script."""
    cover = rng.choice(palette.cloths[:5])
    if opened:
        brush.fill([(-0.52, -0.22), (0.0, -0.14), (0.52, -0.22), (0.52, 0.24), (0.0, 0.34), (-0.52, 0.24)], cover)
        for side in (-1.0, 1.0):
            brush.fill(
                smooth([(0.0, -0.18), (side * 0.22, -0.3), (side * 0.47, -0.24)], closed=False)
                + smooth([(side * 0.47, 0.17), (side * 0.22, 0.14), (0.0, 0.27)], closed=False),
                lighter(palette.white, 0.3),
            )
            for i in range(4):
                y = -0.15 + 0.085 * i
                brush.detail(
                    [(side * 0.08, y + 0.03), (side * 0.22, y - 0.02), (side * 0.4, y + 0.02)],
                    0.025,
                    mix(palette.white, brush.ink, 0.65),
                )
        brush.detail([(0.0, -0.18), (0.0, 0.28)], 0.03, brush.ink)
        return
    brush.fill([(-0.4, -0.16), (0.34, -0.16), (0.5, -0.34), (-0.24, -0.34)], cover)
    brush.fill([(-0.4, -0.16), (0.34, -0.16), (0.34, 0.1), (-0.4, 0.1)], lighter(palette.white, 0.2))
    brush.fill([(0.34, -0.16), (0.5, -0.34), (0.5, -0.08), (0.34, 0.1)], darker(palette.white, 0.25))
    for y in (-0.1, -0.03, 0.04):
        brush.detail([(-0.38, y), (0.33, y)], 0.018, darker(palette.white, 0.35))
    brush.fill(
        [(-0.43, 0.08), (0.35, 0.08), (0.52, -0.1), (0.52, -0.04), (0.36, 0.15), (-0.43, 0.15)], darker(cover, 0.25)
    )
    brush.detail([(0.0, -0.2), (0.1, -0.3)], 0.06, palette.gold)
    brush.detail([(-0.1, -0.16), (-0.1, 0.1)], 0.05, palette.gold)


def banner(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a swallow-tailed banner on its pole; the origin is the pole's foot, one unit high."""
    field = rng.choice((palette.white, palette.white, *palette.cloths[:4]))
    charge = ARMS_RED if field == palette.white else lighter(palette.gold, 0.2)
    wave = rng.uniform(0.02, 0.06)
    long = rng.uniform(0.5, 0.66)
    brush.fill([(-0.018, 0.0), (-0.014, -0.98), (0.014, -0.98), (0.018, 0.0)], palette.wood)
    brush.disc(0.0, -0.99, 0.032, 0.04, palette.gold)
    top = smooth([(0.01, -0.94), (long * 0.4, -0.94 - wave), (long * 0.75, -0.92 + wave), (long, -0.93)], closed=False)
    low = smooth([(long, -0.56), (long * 0.75, -0.54 + wave), (long * 0.4, -0.56 - wave), (0.01, -0.55)], closed=False)
    brush.fill([*top, (long * 0.74, -0.745 + wave / 2), *low], field)
    brush.detail(
        [(0.02, -0.745), (long * 0.4, -0.745 - wave), (long * 0.72, -0.735 + wave)], 0.085, charge, curved=True
    )
    brush.detail([(long * 0.32, -0.9 - wave), (long * 0.32, -0.58)], 0.085, charge)


def boat(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a boat under sail; the origin is the middle of its waterline, about one unit high."""
    hull = mix(palette.wood, rng.choice(((90, 50, 30), (60, 40, 36), (160, 110, 60))), 0.5)
    sail = rng.choice(
        (
            palette.white,
            lighter(palette.white, 0.2),
            mix(palette.white, palette.gold, 0.5),
            mix(palette.cloths[0], palette.white, 0.25),
        )
    )
    puff = rng.uniform(0.08, 0.16)
    brush.fill([(-0.02, -0.1), (-0.012, -1.0), (0.012, -1.0), (0.02, -0.1)], darker(hull, 0.3))
    if rng.random() < 0.55:
        brush.fill(
            smooth(
                [
                    (-0.34, -0.88),
                    (0.0, -0.84),
                    (0.3, -0.88),
                    (0.3 + puff, -0.56),
                    (0.34, -0.3),
                    (0.0, -0.24),
                    (-0.32, -0.3),
                    (-0.28 + puff, -0.58),
                ]
            ),
            sail,
        )
        brush.detail([(-0.1 + puff, -0.82), (-0.06 + puff, -0.28)], 0.05, mix(sail, ARMS_RED, 0.7))
        brush.detail([(-0.26 + puff, -0.58), (0.26 + puff, -0.58)], 0.05, mix(sail, ARMS_RED, 0.7))
    else:
        brush.fill(
            [(0.03, -0.94), *smooth([(0.03, -0.94), (0.2 + puff, -0.6), (0.46, -0.22)], closed=False), (0.03, -0.22)],
            sail,
        )
        brush.fill(
            [(-0.03, -0.84), *smooth([(-0.03, -0.84), (-0.16, -0.5), (-0.38, -0.24)], closed=False), (-0.03, -0.24)],
            darker(sail, 0.12),
        )
    brush.fill([(0.0, -1.0), (-0.22, -0.98), (-0.06, -0.94), (0.0, -0.92)], palette.cloth(rng))
    brush.fill(
        smooth(
            path(
                "-0.6,-0.24 -0.44,-0.16 0,-0.12 0.42,-0.16 0.64,-0.3 0.52,-0.04 0.36,0.07 0,0.1 -0.38,0.07 -0.54,-0.04"
            )
        ),
        hull,
    )
    for y in (-0.07, 0.0):
        brush.detail([(-0.5, y - 0.03), (0.0, y + 0.03), (0.5, y - 0.04)], 0.016, darker(hull, 0.45), curved=True)


def tree(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a tree: a round crown, a cypress or an umbrella pine; the origin is its foot."""
    leaf = palette.leaf(rng)
    bark = darker(palette.wood, rng.uniform(0.0, 0.3))
    kind = rng.choice(("round", "round", "cypress", "pine"))
    lean = rng.uniform(-0.05, 0.05)
    if kind == "cypress":
        brush.limb([(0.0, 0.0, 0.07), (0.0, -0.2, 0.06)], bark)
        brush.blob(
            [(0.0, -1.02), (0.1, -0.74), (0.15, -0.4), (0.1, -0.14), (-0.1, -0.14), (-0.15, -0.4), (-0.1, -0.74)], leaf
        )
        crown: list[Point] = [(rng.uniform(-0.08, 0.08), -0.2 - 0.1 * i) for i in range(6)]
        reach = 0.05
    else:
        brush.limb([(-0.06, 0.0, 0.14), (0.0, -0.25, 0.085), (lean, -0.6, 0.05)], bark)
        brush.line([(0.0, -0.3), (0.14, -0.52)], 0.035, bark)
        brush.line([(0.0, -0.34), (-0.13, -0.5)], 0.03, bark)
        if kind == "round":
            crown = [
                (lean - 0.2, -0.56),
                (lean + 0.2, -0.56),
                (lean - 0.24, -0.72),
                (lean + 0.24, -0.72),
                (lean - 0.1, -0.84),
                (lean + 0.12, -0.84),
                (lean, -0.66),
            ]
            reach = 0.155
        else:
            crown = [
                (lean - 0.28, -0.68),
                (lean + 0.28, -0.68),
                (lean - 0.12, -0.76),
                (lean + 0.12, -0.76),
                (lean, -0.7),
            ]
            reach = 0.14
        jitter = [(x + rng.uniform(-0.03, 0.03), y + rng.uniform(-0.02, 0.02)) for x, y in crown]
        flat = 0.7 if kind == "pine" else 1.0
        for x, y in jitter:
            brush.disc(x, y, reach, reach * flat, vary(rng, leaf, 8))
        for x, y in jitter:
            brush.disc(x, y, reach * 0.86, reach * flat * 0.86, vary(rng, leaf, 8), outline=False)
    for x, y in crown:
        for _ in range(3):
            dx, dy = rng.uniform(-reach, reach) * 0.8, rng.uniform(-reach, reach * 0.4) * 0.8
            brush.spot(
                x + dx, y + dy, 0.026, lighter(leaf, rng.uniform(0.1, 0.3)) if dx + dy < 0 else darker(leaf, 0.25)
            )


def skull(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a human skull, origin at its chin's level, one unit high."""
    bone = vary(rng, palette.bone)
    hollow = mix(brush.ink, (20, 12, 10), 0.5)
    brush.fill(smooth([(-0.2, -0.3), (0.22, -0.3), (0.2, -0.06), (0.12, 0.0), (-0.1, 0.0), (-0.19, -0.08)]), bone)
    brush.blob(
        path("-0.42,-0.62 -0.3,-0.9 0,-1 0.3,-0.9 0.42,-0.62 0.36,-0.38 0.24,-0.26 -0.22,-0.26 -0.36,-0.38"),
        bone,
    )
    brush.fill(
        smooth([(-0.3, -0.54), (-0.16, -0.6), (-0.06, -0.52), (-0.08, -0.4), (-0.22, -0.36)]), hollow, outline=False
    )
    brush.fill(smooth([(0.3, -0.54), (0.18, -0.6), (0.08, -0.52), (0.1, -0.4), (0.24, -0.36)]), hollow, outline=False)
    brush.fill([(0.01, -0.4), (-0.05, -0.27), (0.07, -0.27)], hollow, outline=False)
    brush.detail([(-0.16, -0.15), (0.17, -0.15)], 0.025, hollow)
    for i in range(5):
        x = -0.13 + 0.067 * i
        brush.detail([(x, -0.21), (x, -0.09)], 0.018, hollow)


def chalice(brush: Brush, rng: random.Random, palette: Palette) -> None:
    """Draw a chalice standing on the origin, one unit high."""
    metal = rng.choice((palette.gold, palette.gold, lighter(palette.steel, 0.2)))
    brush.fill(
        smooth([(-0.28, 0.0), (-0.2, -0.1), (-0.05, -0.18), (0.05, -0.18), (0.2, -0.1), (0.28, 0.0), (0.0, 0.04)]),
        metal,
    )
    brush.limb([(0.0, -0.16, 0.09), (0.0, -0.46, 0.09)], metal)
    brush.disc(0.0, -0.33, 0.11, 0.075, darker(metal, 0.15))
    brush.fill(
        [
            *smooth(
                [(-0.34, -0.94), (-0.3, -0.66), (-0.12, -0.46), (0.12, -0.46), (0.3, -0.66), (0.34, -0.94)],
                closed=False,
            )
        ],
        metal,
    )
    brush.disc(0.0, -0.94, 0.34, 0.06, darker(metal, 0.4))
    brush.detail([(-0.2, -0.82), (-0.14, -0.6)], 0.045, lighter(metal, 0.6))
    brush.spot(0.08, -0.7, 0.05, ARMS_RED)
