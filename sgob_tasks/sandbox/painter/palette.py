"""Pigments: the colours a workshop has, by manner of painting."""

from __future__ import annotations

import random
from dataclasses import dataclass

Colour = tuple[int, int, int]


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Return ``a`` with ``share`` of ``b`` mixed in."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def darker(colour: Colour, share: float = 0.25) -> Colour:
    """Return a darker shade of ``colour``."""
    return mix(colour, (22, 14, 12), share)


def lighter(colour: Colour, share: float = 0.25) -> Colour:
    """Return a lighter tint of ``colour``."""
    return mix(colour, (255, 248, 228), share)


def vary(rng: random.Random, colour: Colour, amount: int = 12) -> Colour:
    """Return ``colour`` a little off, as no two mixtures are the same."""
    shift = rng.randint(-amount, amount)
    red, green, blue = (min(255, max(0, c + shift + rng.randint(-amount // 2, amount // 2))) for c in colour)
    return red, green, blue


@dataclass(frozen=True)
class Palette:
    """What is on the palette.

    Attributes:
        ink: outlines and the darkest accents.
        cloths: colours of dress and banners.
        gold: gilding and yellow metal.
        steel: armour and blades.
        foliage: leaves and grass.
        relief: how strongly bodies are modelled with light and shade, 0 to 1.
    """

    ink: Colour
    cloths: tuple[Colour, ...]
    gold: Colour
    steel: Colour
    foliage: tuple[Colour, ...]
    relief: float
    skins: tuple[Colour, ...] = ((236, 196, 160), (226, 180, 142), (198, 148, 110), (150, 102, 72))
    hair: tuple[Colour, ...] = ((96, 58, 30), (150, 98, 44), (58, 40, 30), (188, 150, 84), (150, 140, 130))
    wood: Colour = (122, 82, 48)
    bone: Colour = (226, 212, 176)
    white: Colour = (244, 238, 222)

    def cloth(self, rng: random.Random) -> Colour:
        """Return one of the colours of dress."""
        return vary(rng, rng.choice(self.cloths))

    def leaf(self, rng: random.Random) -> Colour:
        """Return one of the greens."""
        return vary(rng, rng.choice(self.foliage))

    def skin(self, rng: random.Random) -> Colour:
        """Return a colour of skin."""
        return rng.choices(self.skins, (5, 5, 2, 1))[0]


MEDIEVAL = Palette(
    ink=(52, 28, 20),
    cloths=((178, 44, 38), (38, 68, 140), (52, 108, 72), (214, 150, 60), (150, 60, 96), (226, 206, 176)),
    gold=(222, 178, 70),
    steel=(150, 158, 168),
    foliage=((62, 104, 58), (84, 122, 60), (44, 82, 62)),
    relief=0.55,
)
RENAISSANCE = Palette(
    ink=(44, 28, 24),
    cloths=((186, 52, 40), (44, 72, 128), (70, 112, 84), (208, 142, 70), (128, 66, 84), (232, 214, 186)),
    gold=(216, 172, 78),
    steel=(152, 160, 168),
    foliage=((70, 96, 50), (94, 112, 56), (54, 78, 54)),
    relief=0.9,
)
BAROQUE = Palette(
    ink=(26, 18, 14),
    cloths=((156, 42, 32), (58, 66, 98), (92, 88, 56), (190, 138, 76), (108, 56, 52), (222, 204, 170)),
    gold=(206, 158, 70),
    steel=(138, 142, 144),
    foliage=((72, 78, 42), (90, 92, 48), (58, 64, 42)),
    relief=1.15,
)
MODERN = Palette(
    ink=(48, 44, 58),
    cloths=((204, 78, 62), (62, 104, 158), (96, 148, 108), (230, 176, 84), (150, 96, 146), (240, 228, 208)),
    gold=(232, 190, 92),
    steel=(160, 172, 184),
    foliage=((98, 138, 72), (124, 152, 80), (74, 116, 84)),
    relief=0.6,
)
