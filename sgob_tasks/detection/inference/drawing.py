"""Detections drawn on their picture: boxes, masks, labels."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sgob_tasks.detection.inference.selection import Detection
from sgob_tasks.detection.masks import decode_mask
from sgob_tasks.detection.pictures import Pixels

LONGEST_SIDE = 1600
"""Drawn pictures are scaled down to it: they are for looking at."""

MASK_SHARE = 0.4
_FONT_SHARE = 1 / 45


def colour_of(class_name: str) -> tuple[int, int, int]:
    """Return the colour of a class: the same in every picture, and well apart from most others."""
    hue = zlib.crc32(class_name.encode("utf-8")) % 360 / 360
    red, green, blue = colorsys.hls_to_rgb(hue, 0.45, 0.85)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_detections(pixels: Pixels, detections: Sequence[Detection]) -> Image.Image:
    """Return a picture (``[height, width, 3]``) with its detections, the best ones on top."""
    painted = np.array(pixels, np.float32)
    height, width = pixels.shape[:2]
    for found in reversed(detections):
        if found.mask is not None:
            inside = decode_mask(found.mask, width, height, "mask").astype(bool)
            painted[inside] += MASK_SHARE * (np.array(colour_of(found.class_name), np.float32) - painted[inside])
    image = Image.fromarray(painted.round().astype(np.uint8))
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    if scale < 1.0:
        image = image.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(11, round(max(image.size) * _FONT_SHARE)))
    for found in reversed(detections):
        _draw_box(pen, font, found, scale, image.size)
    return image


def _draw_box(pen: Any, font: Any, found: Detection, scale: float, size: tuple[int, int]) -> None:
    x, y, width, height = (value * scale for value in found.box)
    colour = colour_of(found.class_name)
    thick = max(2, round(max(size) / 400))
    pen.rectangle((x, y, x + width, y + height), outline=colour, width=thick)
    text = f"{found.class_name} {found.score:.2f}"
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    # Above the box where there is room, else inside it; and never over the picture's edge.
    text_y = y - (bottom - top) - 6 if y >= bottom - top + 6 else y + thick
    text_x = min(x, max(0.0, size[0] - (right - left) - 6))
    pen.rectangle((text_x, text_y, text_x + right - left + 6, text_y + bottom - top + 6), fill=colour)
    pen.text((text_x + 3 - left, text_y + 3 - top), text, fill="white", font=font)


def save_drawing(image: Image.Image, folder: Path, file_name: str) -> Path:
    """Write a drawn picture as JPEG below a folder, under its own name; return where."""
    path = folder / (file_name if file_name.lower().endswith((".jpg", ".jpeg")) else f"{file_name}.jpg")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "JPEG", quality=90)
    return path
