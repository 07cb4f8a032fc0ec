"""The stage: objects are drawn on it from back to front, and it keeps the truth about each."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageChops

from sgob_tasks.sandbox.painter import grounds, textures
from sgob_tasks.sandbox.painter.brush import SUPERSAMPLING, Brush, Frame, Point
from sgob_tasks.sandbox.painter.masks import Box, Mask, Rle, bounding_box, encode
from sgob_tasks.sandbox.painter.palette import BAROQUE, MEDIEVAL, MODERN, RENAISSANCE, Palette

MIN_VISIBLE_PX = 30
MIN_VISIBLE_SHARE = 0.15
"""What shows less than this of itself is no longer counted as depicted."""


@dataclass(frozen=True)
class PaintedObject:
    """One depicted thing, and exactly where.

    Attributes:
        class_name: what it is (the truth).
        bbox: tight box ``[x, y, width, height]`` of the visible pixels.
        area: number of visible pixels.
        mask: COCO's uncompressed RLE, column-major, of the visible pixels.
        ambiguous: an old thing drawn in the manner of a modern one; the pixels do not tell which it is.
        behind: whether it is part of the staffage behind those whom the picture is about.
    """

    class_name: str
    bbox: Box
    area: int
    mask: Rle
    ambiguous: bool
    behind: bool = False


MANNERS: dict[str, Palette] = {
    "gilded": MEDIEVAL,
    "diapered": MEDIEVAL,
    "country": RENAISSANCE,
    "sea": RENAISSANCE,
    "chamber": BAROQUE,
    "dusk": BAROQUE,
    "bright": MODERN,
    "bright sea": MODERN,
    "bright chamber": MODERN,
    "sunburst": MODERN,
}
"""Manner of painting -> palette."""


class Stage:
    """A picture in the making.

    Attributes:
        width: delivered width in pixels.
        height: delivered height in pixels.
        palette: the pigments in use.
        manner: manner of painting, a key of :data:`MANNERS`.
        closeness: how near the viewer stands; still lifes are seen from nearer.
    """

    def __init__(self, rng: random.Random, size: tuple[int, int], manner: str, horizon: float) -> None:
        self.rng = rng
        self.width, self.height = size
        self.palette = MANNERS[manner]
        self.manner = manner
        self.closeness = 1.0
        self._mirrored = rng.random() < 0.5
        full = (self.width * SUPERSAMPLING, self.height * SUPERSAMPLING)
        self._canvas = _ground(rng, full, manner, horizon)
        self._grain = textures.strokes(rng, full)
        ground = np.asarray(self._canvas, dtype=np.float32) * self._grain[:, :, None]
        self._canvas = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
        self._drawn: list[tuple[str, Image.Image, bool]] = []
        self._number_behind = 0

    def frame(self, x: float, y: float, unit: float, *, flip: bool = False, angle: float = 0.0) -> Frame:
        """Return a frame at shares of the picture: ``x`` of the width, ``y`` and ``unit`` of the height."""
        if self._mirrored:
            x, flip = 1 - x, not flip
        return Frame(x * self.width, y * self.height, unit * self.closeness * self.height, flip, angle)

    def attach(self, base: Frame, point: Point, unit: float, *, angle: float = 0.0) -> Frame:
        """Return a frame at a point of another object; ``unit`` is in that object's units."""
        x, y = base.at(point)
        return replace(base, x=x, y=y, unit=base.unit * unit, angle=base.angle + angle)

    def draw(
        self, class_name: str, frame: Frame, routine: Callable[[Brush], object], *, ambiguous: bool = False
    ) -> None:
        """Draw one object in front of everything that is already there."""
        brush = Brush((self.width, self.height), frame, self.palette.ink)
        routine(brush)
        mask = brush.lift(self._canvas, self._grain, self.palette.relief)
        self._drawn.append((class_name, mask, ambiguous))

    def all_behind(self) -> None:
        """Take all that has been drawn so far as staffage behind what comes."""
        self._number_behind = len(self._drawn)

    def reach(self, routine: Callable[[Stage], object]) -> tuple[float, float]:
        """Return how far what a routine draws at ``x = 0.5`` goes to the left and to the right of there.

        Args:
            routine: draws on the stage that it is given, which is thrown away; it has to draw something.

        Returns:
            Shares of the picture's width, in the direction of ``x``.
        """
        trial = copy.copy(self)
        trial._canvas, trial._drawn = Image.new("RGB", self._canvas.size), []
        routine(trial)
        boxes = [box for _, mask, _ in trial._drawn if (box := mask.getbbox())]
        width = self._canvas.width
        left, right = 0.5 - min(box[0] for box in boxes) / width, max(box[2] for box in boxes) / width - 0.5
        return (right, left) if self._mirrored else (left, right)

    def objects(self) -> tuple[PaintedObject, ...]:
        """Return the truth about what is visible, from back to front."""
        found: list[PaintedObject] = []
        above = Image.new("L", self._canvas.size)
        taken = np.zeros((self.height, self.width), dtype=np.bool_)
        for number, (class_name, mask, ambiguous) in reversed(list(enumerate(self._drawn))):
            whole = int(_reduced(mask).sum())
            pixels = _reduced(ImageChops.subtract(mask, above)) & ~taken  # a pixel shared by halves goes to the front
            above = ImageChops.lighter(above, mask)
            area = int(pixels.sum())
            if area < max(MIN_VISIBLE_PX, MIN_VISIBLE_SHARE * whole):
                continue
            taken |= pixels
            behind = number < self._number_behind
            found.append(PaintedObject(class_name, bounding_box(pixels), area, encode(pixels), ambiguous, behind))
        return tuple(reversed(found))

    def varnish(self, age: float) -> Image.Image:
        """Return the finished picture: reduced, on its support, cracked and yellowed by ``age`` (0 new to 1 old)."""
        rng, size = self.rng, (self.width, self.height)
        values = np.asarray(self._canvas.reduce(SUPERSAMPLING), dtype=np.float32)
        factor = textures.canvas(rng, size) * textures.vignette(size)
        if rng.random() < 0.15 + 0.5 * age:
            factor = factor * textures.cracks(rng, size)
        factor = factor * (1 + 0.05 * textures.clouds(rng, size))
        tint = np.array([1.0, 1.0 - 0.045 * age, 1.0 - 0.17 * age], dtype=np.float32) * rng.uniform(0.96, 1.06)
        values = values * factor[:, :, None] * tint
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _reduced(mask: Image.Image) -> Mask:
    """Return the delivered pixels of which a supersampled mask covers at least half."""
    return np.asarray(np.asarray(mask.reduce(SUPERSAMPLING)) >= 128, dtype=np.bool_)


def _ground(rng: random.Random, size: tuple[int, int], manner: str, horizon: float) -> Image.Image:
    palette, bright = MANNERS[manner], manner.startswith("bright")
    if manner == "gilded":
        return grounds.gilded(rng, size, palette, horizon)
    if manner == "diapered":
        return grounds.diapered(rng, size, palette, horizon)
    if manner == "sunburst":
        return grounds.sunburst(rng, size, palette, horizon)
    if manner.endswith("chamber"):
        return grounds.chamber(rng, size, palette, horizon, bright=bright)
    if manner.endswith("sea"):
        return grounds.sea(rng, size, palette, horizon - 0.16, bright=bright)
    picture = grounds.country(rng, size, palette, horizon - 0.22, bright=bright)
    if manner == "dusk":
        return grounds.at_dusk(rng, picture, horizon - 0.15)
    return picture
