"""A contact sheet of one picture under the augmentation: each effect alone at full strength, then mixtures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from sgob_tasks.detection.data.ageing import apply_table, content_box, cracks, fade, grain, stains, varnish
from sgob_tasks.detection.data.augmentation import Augmentation, Boxes, augment
from sgob_tasks.detection.pictures import Pixels, into_square

_LABEL, _GAP = 14, 6
_PAPER, _INK, _FRAME = (250, 248, 242), (60, 50, 40), (255, 225, 60)


def _alone(pixels: Pixels, options: Augmentation, seed: int) -> list[tuple[str, Image.Image]]:
    """Return the square as it is and with every effect of age alone; the padding stays black."""
    square = Image.fromarray(pixels)
    place = content_box(pixels) or (0, 0, *square.size)
    picture = square.crop(place)
    table = np.repeat(np.arange(256.0)[:, None], 3, axis=1)

    def darkened(light: Image.Image) -> Image.Image:
        return ImageChops.multiply(picture, Image.merge("RGB", (light,) * 3))

    def rng() -> np.random.Generator:
        return np.random.default_rng(seed)

    effects = {
        "as it is": picture,
        "varnish": apply_table(picture, varnish(table, options.varnish)),
        "fading": apply_table(picture, fade(table, options.fading)),
        "craquelure": darkened(cracks(*picture.size, options.craquelure, rng())),
        "stains": darkened(stains(*picture.size, options.stains, rng())),
        "grain": grain(picture, options.grain, rng()),
    }
    cells: list[tuple[str, Image.Image]] = []
    for label, effect in effects.items():
        whole = Image.new("RGB", square.size)
        whole.paste(effect, place[:2])
        cells.append((label, whole))
    return cells


def augmentation_sheet(
    pixels: Pixels,
    boxes: Boxes,
    *,
    options: Augmentation | None = None,
    side: int = 192,
    columns: int = 6,
    mixtures: int = 12,
    seed: int = 0,
) -> Image.Image:
    """Return the sheet.

    Args:
        pixels: ``[height, width, 3]``.
        boxes: ``[N, (y1, x1, y2, x2)]`` in pixels, drawn where they come to lie in the mixtures.
        options: how far; the defaults of training if omitted.
        side: of one picture on the sheet, in pixels.
        columns: pictures in a row.
        mixtures: number of random mixtures, all of them aged.
        seed: of the first mixture.
    """
    options = options or Augmentation()
    square, placement = into_square(pixels, side)
    placed = placement.to_square(boxes)
    cells = _alone(square, options, seed)
    always_aged = replace(options, ageing=1.0)
    for number in range(mixtures):
        rng = np.random.default_rng([seed, number])
        changed, moved, _ = augment(square, placed, np.ones((len(placed), 1, 1), np.uint8), always_aged, rng)
        picture = Image.fromarray(changed)
        draw = ImageDraw.Draw(picture)
        for y1, x1, y2, x2 in moved:
            draw.rectangle((x1, y1, x2 - 1, y2 - 1), outline=_FRAME)
        cells.append((f"mixture {number + 1}", picture))
    return _laid_out(cells, side, columns)


def _laid_out(cells: Sequence[tuple[str, Image.Image]], side: int, columns: int) -> Image.Image:
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (side + _GAP) + _GAP, rows * (side + _LABEL + _GAP) + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, (label, picture) in enumerate(cells):
        x, y = _GAP + place % columns * (side + _GAP), _GAP + place // columns * (side + _LABEL + _GAP)
        sheet.paste(picture, (x, y))
        draw.text((x + 2, y + side + 1), label, fill=_INK)
    return sheet
