"""A brush that draws in an object's own coordinates, on a colour layer and on the object's mask at once.

An object is drawn once, in units of its own height with ``y`` pointing down; a :class:`Frame` says where it stands, how
large, how tilted and whether mirrored. Because colour and mask come from the same strokes, the truth is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from sgob_tasks.sandbox.painter.palette import Colour
from sgob_tasks.sandbox.painter.textures import FloatArray

Point = tuple[float, float]

SUPERSAMPLING = 2
"""Scenes are drawn this many times larger than they are delivered: cheap, even anti-aliasing."""


@dataclass(frozen=True)
class Frame:
    """Where an object's coordinates lie in the picture.

    Attributes:
        x: picture column of the object's origin, in delivered pixels.
        y: picture row of the origin.
        unit: pixels per object unit (most objects are one unit high).
        flip: mirrored left to right.
        angle: rotation about the origin, in radians, clockwise as seen.
    """

    x: float
    y: float
    unit: float
    flip: bool = False
    angle: float = 0.0

    def at(self, point: Point) -> Point:
        """Return where a point of the object lies in the picture, in delivered pixels."""
        px, py = point
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x, y = px * cos - py * sin, px * sin + py * cos
        return self.x + (-x if self.flip else x) * self.unit, self.y + y * self.unit


@lru_cache(maxsize=1024)
def path(text: str) -> tuple[Point, ...]:
    """Return the points of an outline written as ``"x,y x,y ..."``, as in SVG."""
    return tuple((float(x), float(y)) for x, y in (pair.split(",") for pair in text.split()))


@lru_cache(maxsize=1024)
def spine(text: str) -> tuple[tuple[float, float, float], ...]:
    """Return the knots of a limb written as ``"x,y,width x,y,width ..."``."""
    return tuple((float(x), float(y), float(width)) for x, y, width in (knot.split(",") for knot in text.split()))


def smooth(points: Sequence[Point], steps: int = 5, *, closed: bool = True) -> list[Point]:
    """Return a Catmull-Rom curve through ``points``, sampled ``steps`` times per segment."""
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        padded = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        padded = np.concatenate([knots[:1], knots, knots[-1:]])
    p0, p1, p2, p3 = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c, d = (p[:, None, :] for p in (p0, p1, p2, p3))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    flat = curve.reshape(-1, 2)
    if not closed:
        flat = np.concatenate([flat, knots[-1:]])
    return [(float(x), float(y)) for x, y in flat]


def ellipse(x: float, y: float, rx: float, ry: float, steps: int = 20) -> list[Point]:
    """Return the outline of an ellipse."""
    turn = 2 * math.pi / steps
    return [(x + rx * math.cos(turn * i), y + ry * math.sin(turn * i)) for i in range(steps)]


def tapered(limb: Sequence[tuple[float, float, float]], steps: int = 4) -> list[Point]:
    """Return the outline of a limb: a curve ``(x, y, width)`` with its own width at every knot."""
    xy = np.asarray(smooth([(x, y) for x, y, _ in limb], steps, closed=False))
    knots = np.linspace(0.0, 1.0, len(limb))
    width = np.interp(np.linspace(0.0, 1.0, len(xy)), knots, [w for _, _, w in limb])
    tangent = np.gradient(xy, axis=0)
    tangent /= np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), 1e-9)[:, None]
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) * (width / 2)[:, None]
    outline = np.concatenate([xy + normal, (xy - normal)[::-1]])
    return [(float(x), float(y)) for x, y in outline]


class Brush:
    """Draws one object.

    Attributes:
        frame: where the object stands.
        ink: colour of outlines.
    """

    def __init__(self, size: tuple[int, int], frame: Frame, ink: Colour) -> None:
        self.frame = frame
        self.ink = ink
        full = (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
        self._colour = Image.new("RGB", full, ink)
        self._mask = Image.new("L", full)
        self._paint = ImageDraw.Draw(self._colour)
        self._cut = ImageDraw.Draw(self._mask)
        self._line = max(2, round(0.011 * frame.unit * SUPERSAMPLING))

    def with_frame(self, frame: Frame) -> Brush:
        """Return a brush that goes on with the same object in other coordinates."""
        other = object.__new__(Brush)
        other.__dict__.update(self.__dict__)
        other.frame = frame
        return other

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        at = self.frame.at
        return [(x * SUPERSAMPLING, y * SUPERSAMPLING) for x, y in map(at, points)]

    def _width(self, width: float) -> int:
        return max(1, round(width * self.frame.unit * SUPERSAMPLING))

    def fill(self, points: Sequence[Point], colour: Colour, *, outline: bool = True) -> None:
        """Fill a polygon, with an ink outline unless told otherwise."""
        pixels = self._pixels(points)
        self._paint.polygon(pixels, fill=colour)
        self._cut.polygon(pixels, fill=255)
        if outline:
            ring = [*pixels, pixels[0], pixels[1]]
            self._paint.line(ring, fill=self.ink, width=self._line, joint="curve")
            self._cut.line(ring, fill=255, width=self._line, joint="curve")

    def blob(self, points: Sequence[Point], colour: Colour, *, outline: bool = True) -> None:
        """Fill a smooth closed curve through ``points``."""
        self.fill(smooth(points), colour, outline=outline)

    def disc(self, x: float, y: float, rx: float, ry: float, colour: Colour, *, outline: bool = True) -> None:
        """Fill an ellipse."""
        self.fill(ellipse(x, y, rx, ry), colour, outline=outline)

    def limb(self, knots: Sequence[tuple[float, float, float]], colour: Colour, *, outline: bool = True) -> None:
        """Fill a tapered limb."""
        self.fill(tapered(knots), colour, outline=outline)

    def line(self, points: Sequence[Point], width: float, colour: Colour, *, curved: bool = False) -> None:
        """Draw a stroke that belongs to the object; ``width`` in object units."""
        pixels = self._pixels(smooth(points, closed=False) if curved else points)
        wide = self._width(width)
        self._paint.line(pixels, fill=colour, width=wide, joint="curve")
        self._cut.line(pixels, fill=255, width=wide, joint="curve")

    def detail(self, points: Sequence[Point], width: float, colour: Colour, *, curved: bool = False) -> None:
        """Draw a stroke on the object's surface; it never widens the mask."""
        pixels = self._pixels(smooth(points, closed=False) if curved else points)
        self._paint.line(pixels, fill=colour, width=self._width(width), joint="curve")

    def spot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Draw a dot on the object's surface; it never widens the mask."""
        self._paint.polygon(self._pixels(ellipse(x, y, radius, radius, 10)), fill=colour)

    def ring(self, x: float, y: float, radius: float, width: float, colour: Colour) -> None:
        """Draw an open ring: what is inside it stays visible."""
        circle = ellipse(x, y, radius, radius, 28)
        self.line([*circle, circle[0], circle[1]], width, colour)

    def lift(self, canvas: Image.Image, grain: FloatArray, relief: float) -> Image.Image:
        """Model the object with light and grain, lay it on ``canvas``, and return its mask.

        Args:
            canvas: supersampled picture; changed in place.
            grain: brush texture around 1.0, float32 ``[height, width]`` of the supersampled picture.
            relief: strength of light and shade, 0 flat to 1 strong.
        """
        box = self._mask.getbbox()
        if box is None:
            return self._mask
        mask = self._mask.crop(box)
        radius = max(2.0, 0.05 * max(mask.size))
        height = np.asarray(mask.filter(ImageFilter.BoxBlur(radius)), dtype=np.float32) * (radius / 255)
        light = np.zeros_like(height)
        light[:, 1:-1] += height[:, 2:] - height[:, :-2]
        light[1:-1, :] += (height[2:, :] - height[:-2, :]) * 1.2
        shade = 1.0 + relief * 0.42 * light
        shade *= grain[box[1] : box[3], box[0] : box[2]]
        colour = np.asarray(self._colour.crop(box), dtype=np.float32) * shade[:, :, None]
        canvas.paste(Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8)), box[:2], mask)
        return self._mask
