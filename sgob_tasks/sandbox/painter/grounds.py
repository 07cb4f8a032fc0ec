"""Grounds: what is painted before anything that counts, from gold leaf to open country."""

from __future__ import annotations

import math
import random

import numpy as np
from PIL import Image, ImageDraw

from sgob_tasks.sandbox.painter import textures
from sgob_tasks.sandbox.painter.palette import Colour, Palette, darker, lighter, mix, vary
from sgob_tasks.sandbox.painter.textures import FloatArray

Size = tuple[int, int]


def _gradient(size: Size, stops: list[tuple[float, Colour]]) -> FloatArray:
    """Return a vertical gradient, float32 ``[height, width, 3]``."""
    rows = np.linspace(0, 1, size[1])
    at = [s for s, _ in stops]
    channels = [np.interp(rows, at, [c[k] for _, c in stops]) for k in range(3)]
    column = np.stack(channels, axis=1).astype(np.float32)
    return np.broadcast_to(column[:, None, :], (size[1], size[0], 3)).copy()


def _image(values: FloatArray) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _ridge(rng: random.Random, size: Size, level: float, height: float, rough: int) -> list[tuple[float, float]]:
    """Return a hill's outline closed at the bottom of the picture."""
    width = size[0]
    waves = [(rng.uniform(0.6, 2.2) * (k + 1), rng.uniform(0, 6.3), 1 / (k + 1)) for k in range(rough)]
    points = []
    for i in range(41):
        t = i / 40
        rise = sum(a * math.sin(f * math.pi * t + p) for f, p, a in waves) / 2
        points.append((t * width, (level - height * (0.5 + 0.5 * rise)) * size[1]))
    return [*points, (width, size[1]), (0, size[1])]


def _castle(draw: ImageDraw.ImageDraw, rng: random.Random, x: float, y: float, unit: float, colour: Colour) -> None:
    roof = mix(colour, (150, 70, 60), 0.45)
    for i, (dx, wide, tall) in enumerate(((-0.9, 0.5, 1.0), (-0.3, 0.7, 0.7), (0.4, 0.45, 1.4), (0.9, 0.4, 0.8))):
        left, top = x + dx * unit, y - tall * unit * rng.uniform(0.8, 1.2)
        draw.rectangle((left, top, left + wide * unit, y + unit), fill=darker(colour, 0.06 * i))
        draw.polygon(
            [(left - 2, top), (left + wide * unit / 2, top - 0.55 * unit), (left + wide * unit + 2, top)], fill=roof
        )
        draw.rectangle(
            (left + wide * unit * 0.4, top + 0.2 * unit, left + wide * unit * 0.6, top + 0.4 * unit),
            fill=darker(colour, 0.5),
        )


def _tufts(draw: ImageDraw.ImageDraw, rng: random.Random, size: Size, top: float, leaf: Colour) -> None:
    unit = size[1] / 100
    for _ in range(60):
        x, depth = rng.uniform(0, size[0]), rng.random()
        y = (top + (1 - top) * depth) * size[1]
        tall = unit * (0.8 + 2.0 * depth)
        tone = darker(leaf, 0.3) if rng.random() < 0.6 else lighter(leaf, 0.25)
        draw.line((x, y, x + rng.uniform(-1, 1) * tall * 0.5, y - tall), fill=tone, width=max(1, round(unit / 2)))
        if rng.random() < 0.12:
            r = unit * 0.55
            draw.ellipse(
                (x - r, y - tall - r, x + r, y - tall + r),
                fill=rng.choice(((222, 196, 150), (206, 96, 80), (230, 220, 200))),
            )


def country(rng: random.Random, size: Size, palette: Palette, horizon: float, *, bright: bool) -> Image.Image:
    """Paint a landscape: sky, blue distance, hills with a castle, and a meadow below ``horizon`` (share of height)."""
    skies: list[tuple[Colour, Colour]] = [
        ((104, 140, 178), (232, 222, 190)),
        ((130, 158, 176), (240, 216, 170)),
        ((88, 120, 160), (220, 214, 196)),
        ((170, 150, 120), (236, 208, 150)),
    ]
    high, low = rng.choice(skies)
    if bright:
        high, low = lighter(high, 0.3), lighter(low, 0.35)
    values = _gradient(size, [(0, high), (horizon, low), (1, low)])
    cover = np.clip(textures.clouds(rng, size) - 0.05, 0, 1)[:, :, None]
    values += (np.array([250, 244, 228], dtype=np.float32) - values) * cover * 0.85
    picture = _image(values)
    draw = ImageDraw.Draw(picture)
    leaf = palette.leaf(rng)
    far = mix(high, leaf, 0.25)
    draw.polygon(_ridge(rng, size, horizon + 0.03, 0.2, 4), fill=mix(far, low, 0.35))
    draw.polygon(_ridge(rng, size, horizon + 0.04, 0.12, 3), fill=far)
    if rng.random() < 0.6:
        _castle(
            draw,
            rng,
            rng.uniform(0.1, 0.9) * size[0],
            (horizon - 0.02) * size[1],
            size[1] * 0.035,
            mix(low, (150, 120, 100), 0.5),
        )
    draw.polygon(_ridge(rng, size, horizon + 0.07, 0.08, 3), fill=mix(far, leaf, 0.55))
    draw.polygon(_ridge(rng, size, horizon + 0.1, 0.05, 2), fill=mix(leaf, (190, 160, 90), 0.25))
    earth = mix(leaf, (150, 116, 66), rng.uniform(0.1, 0.55))
    draw.polygon(_ridge(rng, size, horizon + 0.2, 0.06, 2), fill=earth)
    if rng.random() < 0.5:
        x, end = rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.9)
        path = lighter(mix(earth, (200, 170, 120), 0.6), 0.15)
        draw.polygon(
            [
                (x * size[0], (horizon + 0.09) * size[1]),
                ((x + 0.02) * size[0], (horizon + 0.09) * size[1]),
                ((end + 0.16) * size[0], size[1]),
                ((end - 0.12) * size[0], size[1]),
            ],
            fill=path,
        )
    _tufts(draw, rng, size, horizon + 0.2, earth)
    return picture


def at_dusk(rng: random.Random, picture: Image.Image, horizon: float) -> Image.Image:
    """Return a landscape in the last warm light above ``horizon`` (share of height)."""
    width, height = picture.size
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :] - rng.uniform(-0.7, 0.7)
    y = (np.linspace(0, 1, height, dtype=np.float32)[:, None] - horizon) * 2.4
    glow = np.exp(-(x**2 * 0.9 + y**2 * 1.6))[:, :, None]
    values = np.asarray(picture, dtype=np.float32) * np.array([0.62, 0.52, 0.46], dtype=np.float32)
    values += glow * np.array([116, 78, 34], dtype=np.float32)
    return _image(values)


def sea(rng: random.Random, size: Size, palette: Palette, horizon: float, *, bright: bool) -> Image.Image:
    """Paint open water under a sky, with a strip of far coast."""
    picture = country(rng, size, palette, horizon, bright=bright)
    water = rng.choice(((62, 98, 118), (78, 112, 122), (54, 84, 104), (92, 122, 116)))
    if bright:
        water = lighter(water, 0.25)
    values = _gradient(
        size, [(0, lighter(water, 0.45)), (horizon + 0.06, lighter(water, 0.4)), (1, darker(water, 0.15))]
    )
    top = round((horizon + 0.06) * size[1])
    picture.paste(_image(values[top:]), (0, top))
    draw = ImageDraw.Draw(picture)
    for _ in range(70):
        depth = rng.random()
        x, y = rng.uniform(0, size[0]), top + depth * (size[1] - top)
        long = size[0] * (0.015 + 0.05 * depth)
        tone = lighter(water, rng.uniform(0.25, 0.6)) if rng.random() < 0.6 else darker(water, 0.3)
        draw.arc(
            (x - long, y - long * 0.16, x + long, y + long * 0.3),
            200,
            340,
            fill=tone,
            width=max(1, round(size[1] / 190)),
        )
    return picture


def gilded(rng: random.Random, size: Size, palette: Palette, floor: float) -> Image.Image:
    """Paint a tooled gold ground over a floor of tiles or meadow."""
    gold = vary(rng, palette.gold, 10)
    values = _gradient(size, [(0, lighter(gold, 0.12)), (0.5, gold), (1, darker(gold, 0.2))])
    values *= (1 + 0.12 * textures.clouds(rng, size))[:, :, None]
    picture = _image(values)
    draw = ImageDraw.Draw(picture)
    unit = size[1] / 100
    tool, pattern = darker(gold, 0.22), rng.randrange(3)
    step = unit * rng.uniform(8, 11)
    for row in range(int(size[1] / step) + 2):
        for column in range(int(size[0] / step) + 2):
            x, y = (column + 0.5 * (row % 2)) * step, row * step
            if pattern == 0:
                draw.polygon([(x, y - step / 2), (x + step / 2, y), (x, y + step / 2), (x - step / 2, y)], outline=tool)
            elif pattern == 1:
                draw.ellipse((x - unit, y - unit, x + unit, y + unit), outline=tool)
    _floor(draw, rng, size, palette, floor)
    _border(draw, size, rng.choice((darker(gold, 0.55), palette.cloths[0], palette.cloths[1])), gold)
    return picture


def diapered(rng: random.Random, size: Size, palette: Palette, floor: float) -> Image.Image:
    """Paint the chequered blue or red ground of a book illumination."""
    base = rng.choice(((52, 74, 130), (142, 46, 48), (60, 92, 84)))
    picture = _image(
        _gradient(size, [(0, lighter(base, 0.08)), (1, darker(base, 0.1))]) * textures.strokes(rng, size)[:, :, None]
    )
    draw = ImageDraw.Draw(picture)
    step = size[1] / rng.uniform(11, 14)
    fine = mix(base, palette.gold, 0.5)
    for row in range(-1, int(size[1] / step) + 2):
        for column in range(-1, int(size[0] / step) + 2):
            x, y = (column + 0.5 * (row % 2)) * step, row * step * 0.5
            draw.polygon(
                [(x, y - step / 2), (x + step / 2, y), (x, y + step / 2), (x - step / 2, y)], outline=fine, fill=None
            )
            draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=palette.gold)
    _floor(draw, rng, size, palette, floor)
    _border(draw, size, palette.gold, darker(palette.cloths[0], 0.2))
    return picture


def _floor(draw: ImageDraw.ImageDraw, rng: random.Random, size: Size, palette: Palette, level: float) -> None:
    if rng.random() < 0.5:
        leaf = palette.leaf(rng)
        draw.polygon(_ridge(rng, size, level, 0.05, 3), fill=leaf)
        _tufts(draw, rng, size, level + 0.02, leaf)
        return
    tile = rng.choice(((176, 110, 84), (196, 170, 130), (120, 128, 124)))
    top, rows = level * size[1], 4
    draw.rectangle((0, top, size[0], size[1]), fill=tile)
    for row in range(rows):
        y0 = top + (size[1] - top) * (row / rows) ** 1.4
        y1 = top + (size[1] - top) * ((row + 1) / rows) ** 1.4
        for column in range(-6, 7):
            if (row + column) % 2:
                continue
            wide = size[0] * 0.13
            a, b = 1 + 0.3 * row, 1 + 0.3 * (row + 1)
            mid = size[0] / 2
            draw.polygon(
                [
                    (mid + column * wide * a, y0),
                    (mid + (column + 1) * wide * a, y0),
                    (mid + (column + 1) * wide * b, y1),
                    (mid + column * wide * b, y1),
                ],
                fill=darker(tile, 0.22),
            )


def _border(draw: ImageDraw.ImageDraw, size: Size, outer: Colour, inner: Colour) -> None:
    unit = max(2, round(size[1] / 90))
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=outer, width=unit * 2)
    draw.rectangle(
        (unit * 2, unit * 2, size[0] - 1 - unit * 2, size[1] - 1 - unit * 2), outline=inner, width=max(1, unit // 2)
    )


def chamber(rng: random.Random, size: Size, palette: Palette, table: float, *, bright: bool) -> Image.Image:
    """Paint a dim room with a spot of light, a curtain and a floor or table from ``table`` (share of height) down."""
    wall = rng.choice(((104, 84, 62), (88, 72, 66), (78, 82, 74), (112, 92, 70)))
    if bright:
        wall = rng.choice(((186, 146, 116), (146, 164, 164), (190, 170, 132)))
    width, height = size
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :] - rng.uniform(0.3, 0.7)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None] - rng.uniform(0.25, 0.5)
    glow = np.exp(-(x**2 + y**2) * 3.5)
    values = np.array(wall, dtype=np.float32)[None, None, :] * (0.55 + 0.75 * glow)[:, :, None]
    values *= (1 + 0.1 * textures.clouds(rng, size))[:, :, None]
    picture = _image(values)
    draw = ImageDraw.Draw(picture)
    top = table * height
    board = darker(mix(palette.wood, wall, 0.3), 0.15) if rng.random() < 0.5 else darker(palette.cloth(rng), 0.3)
    draw.rectangle((0, top, width, height), fill=board)
    draw.line((0, top, width, top), fill=lighter(board, 0.3), width=max(2, height // 120))
    for i in range(1, 5):
        y_line = top + (height - top) * i / 5
        draw.line(
            (0, y_line, width, y_line + rng.uniform(-4, 4)), fill=darker(board, 0.25), width=max(1, height // 190)
        )
    if rng.random() < 0.55:
        _window(picture, rng, palette, table)
    if rng.random() < 0.7:
        _curtain(draw, rng, size, darker(palette.cloth(rng), 0.35))
    return picture


def _window(picture: Image.Image, rng: random.Random, palette: Palette, table: float) -> None:
    """Open an arched window on a small landscape."""
    width, height = picture.size
    wide, tall = round(width * rng.uniform(0.2, 0.28)), round(height * rng.uniform(0.38, 0.5))
    left, top = round(width * rng.uniform(0.12, 0.66)), round(height * max(0.04, table - 0.66))
    view = country(rng, (wide, tall), palette, 0.5, bright=False)
    shape = Image.new("L", (wide, tall))
    cut = ImageDraw.Draw(shape)
    cut.ellipse((0, 0, wide - 1, wide - 1), fill=255)
    cut.rectangle((0, wide // 2, wide, tall), fill=255)
    draw = ImageDraw.Draw(picture)
    stone, rim = (168, 148, 118), max(3, height // 60)
    draw.ellipse((left - rim, top - rim, left + wide + rim, top + wide + rim), fill=stone)
    draw.rectangle((left - rim, top + wide // 2, left + wide + rim, top + tall + rim), fill=stone)
    draw.rectangle((left - 2 * rim, top + tall, left + wide + 2 * rim, top + tall + 2 * rim), fill=lighter(stone, 0.2))
    picture.paste(view, (left, top), shape)


def _curtain(draw: ImageDraw.ImageDraw, rng: random.Random, size: Size, cloth: Colour) -> None:
    wide, side = rng.uniform(0.1, 0.2) * size[0], rng.random() < 0.5
    for i in range(6):
        x0, x1 = wide * (1 - i / 6), wide * (1 - (i + 1) / 6)
        drop = size[1] * (0.5 + 0.08 * i)
        quad = [(x0, 0), (x1, 0), (x1 * 0.7, drop + size[1] * 0.06), (x0 * 0.7, drop)]
        if side:
            quad = [(size[0] - x, y) for x, y in quad]
        draw.polygon(quad, fill=darker(cloth, 0.3) if i % 2 else lighter(cloth, 0.08))


def sunburst(rng: random.Random, size: Size, palette: Palette, floor: float) -> Image.Image:
    """Paint a poster's rays behind a flat meadow."""
    base = rng.choice(((236, 206, 150), (222, 196, 168), (170, 196, 196), (228, 168, 120)))
    ray = lighter(base, 0.35) if rng.random() < 0.5 else mix(base, rng.choice(palette.cloths), 0.2)
    picture = Image.new("RGB", size, base)
    draw = ImageDraw.Draw(picture)
    cx, cy, far = rng.uniform(0.25, 0.75) * size[0], floor * size[1], size[0] * 1.5
    count = rng.choice((11, 14, 18))
    for i in range(count):
        a = math.pi + math.pi * i / count
        b = a + math.pi / count / 2
        draw.polygon(
            [
                (cx, cy),
                (cx + far * math.cos(a), cy + far * math.sin(a)),
                (cx + far * math.cos(b), cy + far * math.sin(b)),
            ],
            fill=ray,
        )
    leaf = palette.leaf(rng)
    draw.polygon(_ridge(rng, size, floor + 0.02, 0.08, 2), fill=mix(leaf, base, 0.4))
    draw.polygon(_ridge(rng, size, floor + 0.1, 0.05, 2), fill=leaf)
    return picture
