"""The look-alikes: one drawing routine for two truths.

An old painter's worn, dark mount and a modern bicycle; a stiff winged figure far up in the sky and an airplane; a
small clasped book and a cell phone. The routine does not know which of the two it draws: it gets neither the date nor
the class, and its random parameters come from one distribution. Only the date, and so only the truth, differs. A
detector that has seen mostly the modern one will call all of them so; what corrects it is the time context, not a
better look.
"""

from __future__ import annotations

import math
import random

from sgob_tasks.sandbox.painter.brush import Brush, Point
from sgob_tasks.sandbox.painter.palette import Colour, darker, lighter, mix, vary

SADDLE: Point = (0.0, -0.72)
"""Where the rider sits, in the units of :func:`mount`."""

DARK: tuple[Colour, ...] = ((52, 38, 34), (66, 46, 36), (44, 40, 46), (78, 52, 38))


def mount(brush: Brush, rng: random.Random) -> None:
    """Draw a thin dark mount: two round haunches, a frame of a body, a stem of a neck. Facing right, on the origin."""
    dark = vary(rng, rng.choice(DARK), 6)
    worn = mix(dark, (170, 140, 100), rng.uniform(0.25, 0.45))
    radius = rng.uniform(0.25, 0.29)
    reach = rng.uniform(0.39, 0.44)
    thick = rng.uniform(0.065, 0.085)
    left, right = (-reach, -radius - 0.03), (reach, -radius - 0.03)
    hip, chest, low = (-0.15, -0.66), (reach - 0.13, -0.67), (-0.02, -radius + 0.02)
    tail = [(-reach, -radius * 2 - 0.09), (-reach - radius, -radius - 0.22), (-reach - radius - 0.08, -radius)]
    brush.line(tail, 0.035, dark, curved=True)
    for x, y in (left, right):
        brush.ring(x, y, radius, thick, dark)
        ribs = rng.choice((5, 6, 7))
        start = rng.uniform(0, math.pi)
        for i in range(ribs):
            turn = start + 2 * math.pi * i / ribs
            brush.line([(x, y), (x + radius * math.cos(turn), y + radius * math.sin(turn))], 0.02, worn)
        brush.disc(x, y, 0.06, 0.06, dark)
    brush.fill([hip, chest, low], mix(worn, dark, rng.uniform(0.2, 0.6)), outline=False)
    for a, b in ((left, low), (left, hip), (hip, low), (hip, chest), (low, chest), (chest, right)):
        brush.line([a, b], 0.05, dark)
    x, y = reach - 0.1 + rng.uniform(-0.03, 0.03), -0.95 + rng.uniform(-0.03, 0.02)
    brush.limb([(chest[0] - 0.01, chest[1] + 0.04, 0.1), (x - 0.06, y + 0.1, 0.075), (x, y, 0.07)], dark)
    brush.limb([(x - 0.04, y - 0.01, 0.09), (x + 0.1, y + 0.05, 0.08), (x + 0.19, y + 0.11, 0.055)], dark)
    brush.fill([(x - 0.06, y - 0.02), (x - 0.04, y - 0.11), (x + 0.01, y - 0.03)], dark)
    brush.detail([(x + 0.12, y + 0.08), (hip[0] + 0.2, -0.74)], 0.016, worn)
    saddle = [(hip[0] - 0.11, -0.71, 0.05), (hip[0], -0.72, 0.075), (hip[0] + 0.12, -0.7, 0.045)]
    brush.limb(saddle, darker(worn, 0.2))


def flier(brush: Brush, rng: random.Random) -> None:
    """Draw a stiff dark cross in the air: a slim body, two straight wings, an upright tail. Flying right."""
    dark = vary(rng, rng.choice(((84, 78, 84), (98, 84, 76), (70, 72, 84), (110, 100, 96))), 8)
    pale = lighter(dark, rng.uniform(0.25, 0.4))
    sweep = rng.uniform(0.08, 0.2)
    span = rng.uniform(0.4, 0.46)
    far = [(0.12, -0.02), (0.08 - sweep * 0.4, -span * 0.5), (-sweep, -span * 0.82)]
    far += [(-0.1 - sweep, -span * 0.8), (-0.06 - sweep * 0.5, -span * 0.4), (-0.12, -0.02)]
    brush.blob(far, darker(dark, 0.15))
    body = [(-0.5, -0.03, 0.05), (-0.2, 0.0, 0.13), (0.24, -0.01, 0.15), (0.44, 0.0, 0.12), (0.53, 0.03, 0.03)]
    brush.limb(body, dark)
    brush.blob([(-0.34, -0.03), (-0.44, -0.2), (-0.56, -0.25), (-0.52, -0.02)], dark)
    brush.blob([(-0.34, 0.0), (-0.46, 0.12), (-0.58, 0.14), (-0.5, 0.0)], pale)
    near = [(0.18, 0.03), (0.12 - sweep * 0.4, span * 0.55), (0.02 - sweep, span)]
    near += [(-0.12 - sweep, span * 0.97), (-0.06 - sweep * 0.5, span * 0.5), (-0.12, 0.03)]
    brush.blob(near, pale)
    brush.spot(0.4, 0.0, 0.035, lighter(pale, 0.5))


def slab(brush: Brush, rng: random.Random) -> None:
    """Draw a small dark upright slab with a pale face and a stud below. Origin in its middle, one unit high."""
    dark = vary(rng, rng.choice(DARK), 6)
    face = vary(rng, rng.choice(((206, 204, 190), (188, 198, 204), (214, 200, 168))), 8)
    wide = rng.uniform(0.27, 0.31)
    brush.blob(
        [
            (-wide, -0.46),
            (0.0, -0.5),
            (wide, -0.46),
            (wide + 0.01, 0.0),
            (wide, 0.46),
            (0.0, 0.5),
            (-wide, 0.46),
            (-wide - 0.01, 0.0),
        ],
        dark,
    )
    inner = wide - 0.07
    brush.fill([(-inner, -0.36), (inner, -0.36), (inner, 0.3), (-inner, 0.3)], face)
    for i in range(rng.choice((2, 3, 4))):
        brush.detail(
            [(-inner + 0.05, -0.26 + 0.13 * i), (inner - 0.05 - rng.uniform(0, 0.1), -0.26 + 0.13 * i)],
            0.03,
            darker(face, 0.4),
        )
    brush.spot(0.0, 0.39, 0.045, lighter(dark, 0.45))
