"""Augmentation that suits paintings: mirror, zoom, shift, stretch, colour, and what time does to paint.

All of it keeps every object whole, and the padding black. There is no vertical flip and no turning: people, horses and
angels stand upright in art, and an angel upside down is a fallen one. Mirroring is right for what is there, though it
makes right hands left.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

from sgob_tasks.detection.data import ageing
from sgob_tasks.detection.pictures import Pixels
from sgob_tasks.errors import InputError

Boxes = npt.NDArray[np.float64]
Masks = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Augmentation:
    """How far pictures are changed. Each effect of age has a strength of 0 (off) to 1, the most it is used with.

    Attributes:
        mirror: probability of a mirror image.
        zoom: smallest and largest factor of size.
        stretch: largest change of the aspect ratio, as a share.
        colour: largest change of brightness, contrast and each channel, as a share.
        ageing: probability that a picture is aged; each effect below is then used with a probability of one half.
        varnish: yellowed varnish.
        fading: loss of contrast.
        craquelure: fine cracks.
        stains: dark patches.
        grain: noise.
    """

    mirror: float = 0.5
    zoom: tuple[float, float] = (0.75, 1.35)
    stretch: float = 0.12
    colour: float = 0.15
    ageing: float = 0.4
    varnish: float = 0.8
    fading: float = 0.6
    craquelure: float = 0.6
    stains: float = 0.6
    grain: float = 0.5

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: one is out of its range.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "zoom":
                if not 0 < value[0] <= value[1] < 100:
                    raise InputError("augmentation", "zoom", value, "must be two factors above 0, the smaller first")
            elif not 0 <= value <= 1:
                raise InputError("augmentation", field.name, value, "must be 0 to 1")


def mirror(pixels: Pixels, boxes: Boxes, masks: Masks) -> tuple[Pixels, Boxes, Masks]:
    """Mirror left and right.

    Args:
        pixels: ``[S, S, 3]``.
        boxes: ``[N, (y1, x1, y2, x2)]`` in pixels.
        masks: ``[N, m, m]`` relative to the boxes.
    """
    side = pixels.shape[1]
    y1, x1, y2, x2 = boxes.T
    return pixels[:, ::-1], np.stack([y1, side - x2, y2, side - x1], axis=-1), masks[:, :, ::-1]


def _shift(low: float, high: float, scale: float, side: int, rng: np.random.Generator) -> float:
    """Choose a shift for which ``[low, high] * scale + shift`` stays inside ``[0, side]``; it must fit."""
    first = -low * scale
    return float(rng.uniform(first, max(first, side - high * scale)))  # rounding may leave less than no room


def rescale(
    pixels: Pixels, boxes: Boxes, zoom: float, stretch: float, rng: np.random.Generator
) -> tuple[Pixels, Boxes]:
    """Zoom and shift the square such that all boxes stay whole; the zoom is reduced where they would not.

    Args:
        pixels: ``[S, S, 3]``.
        boxes: ``[N, (y1, x1, y2, x2)]`` in pixels.
        zoom: factor of size.
        stretch: width grows and height shrinks by the root of it.
        rng: chooses the shift.
    """
    side = pixels.shape[0]
    y1, x1, y2, x2 = _hull(boxes, side)
    scale_y = min(zoom / np.sqrt(stretch), side / (y2 - y1))
    scale_x = min(zoom * np.sqrt(stretch), side / (x2 - x1))
    top, left = _shift(y1, y2, scale_y, side, rng), _shift(x1, x2, scale_x, side, rng)
    return _moved(pixels, scale_y, scale_x, top, left), _scaled(boxes, scale_y, scale_x, top, left)


def _moved(pixels: Pixels, scale_y: float, scale_x: float, top: float, left: float) -> Pixels:
    """Scale and shift a square; what comes in from outside is black.

    Only what stays in view is scaled, and no pixel is made of picture and outside together. Nothing is turned, so that
    Pillow's ``resize`` will do: it takes a third of the time of ``transform`` and does not alias.
    """
    side = pixels.shape[0]
    y1, y2 = int(np.ceil(max(top, 0.0))), int(min(top + side * scale_y, side))
    x1, x2 = int(np.ceil(max(left, 0.0))), int(min(left + side * scale_x, side))
    result = np.zeros_like(pixels)
    if y2 > y1 and x2 > x1:
        seen = ((x1 - left) / scale_x, (y1 - top) / scale_y, (x2 - left) / scale_x, (y2 - top) / scale_y)
        inside_x1, inside_y1, inside_x2, inside_y2 = (min(max(edge, 0.0), float(side)) for edge in seen)
        inside = (inside_x1, inside_y1, inside_x2, inside_y2)
        picture = Image.fromarray(pixels).resize((x2 - x1, y2 - y1), Image.Resampling.BILINEAR, inside)
        result[y1:y2, x1:x2] = np.asarray(picture)
    return result


def _hull(boxes: Boxes, side: int) -> tuple[float, float, float, float]:
    """Return the smallest box around all boxes; the middle third where there is none."""
    if not len(boxes):
        return side / 3, side / 3, 2 * side / 3, 2 * side / 3
    y1, x1 = boxes[:, :2].min(axis=0)
    y2, x2 = boxes[:, 2:].max(axis=0)
    return float(y1), float(x1), float(y2), float(x2)


def _scaled(boxes: Boxes, scale_y: float, scale_x: float, top: float, left: float) -> Boxes:
    moved: Boxes = boxes * np.array([scale_y, scale_x, scale_y, scale_x]) + np.array([top, left, top, left])
    return moved


def colour_table(amount: float, rng: np.random.Generator) -> ageing.Table:
    """Return new values per channel: brightness, contrast and each channel's gain change by up to ``amount``."""
    gain = rng.uniform(1 - amount, 1 + amount, 3) * rng.uniform(1 - amount, 1 + amount)
    offset = 255 * rng.uniform(-amount, amount) / 2
    table: ageing.Table = np.clip(np.arange(256, dtype=np.float64)[:, None] * gain + offset, 0, 255)
    return table


def repaint(pixels: Pixels, options: Augmentation, rng: np.random.Generator) -> Pixels:
    """Change colours and age the picture inside its black padding.

    Args:
        pixels: ``[S, S, 3]``.
        options: how far.
        rng: the source of chance.
    """
    table = colour_table(options.colour, rng)
    aged = rng.random() < options.ageing
    strengths = (options.varnish, options.fading, options.craquelure, options.stains, options.grain)
    chosen = [float(rng.random() * strength) if aged and rng.random() < 0.5 else 0.0 for strength in strengths]
    varnish, fading, craquelure, stains, grain = chosen
    table = ageing.fade(ageing.varnish(table, varnish), fading)
    place = ageing.content_box(pixels)
    if place is None:
        return pixels
    left, top, right, bottom = place
    width, height = right - left, bottom - top
    picture = ageing.apply_table(Image.fromarray(pixels[top:bottom, left:right]), table)
    light = [ageing.cracks(width, height, craquelure, rng)] if craquelure else []
    light += [ageing.stains(width, height, stains, rng)] if stains else []
    if light:
        together = light[0] if len(light) == 1 else ImageChops.multiply(*light)
        picture = ImageChops.multiply(picture, Image.merge("RGB", (together,) * 3))
    if grain:
        picture = ageing.grain(picture, grain, rng)
    result = np.zeros_like(pixels)
    result[top:bottom, left:right] = np.asarray(picture)
    return result


def augment(
    pixels: Pixels, boxes: Boxes, masks: Masks, options: Augmentation, rng: np.random.Generator
) -> tuple[Pixels, Boxes, Masks]:
    """Apply a random mixture of all.

    Colours come before zoom and shift, so that what these bring into view stays black like all padding.

    Args:
        pixels: ``[S, S, 3]``.
        boxes: ``[N, (y1, x1, y2, x2)]`` in pixels.
        masks: ``[N, m, m]`` relative to the boxes.
        options: how far.
        rng: the source of chance.
    """
    if rng.random() < options.mirror:
        pixels, boxes, masks = mirror(pixels, boxes, masks)
    zoom = float(np.exp(rng.uniform(*np.log(options.zoom))))
    stretch = float(np.exp(rng.uniform(-1, 1) * np.log1p(options.stretch)))
    pixels = repaint(np.ascontiguousarray(pixels), options, rng)
    pixels, boxes = rescale(pixels, boxes, zoom, stretch, rng)
    return pixels, boxes, masks
