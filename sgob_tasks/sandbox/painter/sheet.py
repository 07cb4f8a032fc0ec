"""A contact sheet: pictures side by side, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from sgob_tasks.sandbox.painter.scene import Scene


def contact_sheet(scenes: Sequence[Scene], columns: int = 4, *, boxes: bool = False) -> Image.Image:
    """Return pictures in rows, each with its title and date below.

    Args:
        scenes: what to show, with pixels; all of one size.
        columns: pictures in a row.
        boxes: draw the true boxes, those of look-alikes in red.

    Raises:
        PermanentError: the pixels of a scene were not kept.
    """
    width, height = max(s.width for s in scenes), max(s.height for s in scenes)
    label, gap = 14, 6
    rows = -(-len(scenes) // columns)
    size = (columns * (width + gap) + gap, rows * (height + label + gap) + gap)
    sheet = Image.new("RGB", size, (250, 248, 242))
    draw = ImageDraw.Draw(sheet)
    for i, scene in enumerate(scenes):
        x, y = gap + i % columns * (width + gap), gap + i // columns * (height + label + gap)
        sheet.paste(scene.picture, (x, y))
        draw.text((x + 2, y + height + 1), f"{scene.title}, {scene.dating.text}"[: width // 6], fill=(60, 50, 40))
        for thing in scene.objects if boxes else ():
            left, top, wide, tall = thing.bbox
            frame = (x + left, y + top, x + left + wide - 1, y + top + tall - 1)
            draw.rectangle(frame, outline=(220, 30, 30) if thing.ambiguous else (255, 225, 60))
            draw.text((x + left + 2, y + top), thing.class_name, fill=(30, 30, 160))
    return sheet
