"""A generated caption over its picture: where the generator looked for each word. No script, no inline style.

Each word is a button of sorts: hovering or focusing it shows its regions over the picture, and its tooltip says the
same in numbers. All of it is plain HTML and SVG whose looks are in ``STYLE``, so that a page with a strict content
security policy can show it.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Box = tuple[float, float, float, float]
LEAST_SHOWN = 0.02
"""Weights below it are not drawn."""

STYLE = (Path(__file__).parent / "attention.css").read_text("utf-8")
"""Looks of what :func:`attention_page` returns; the page's own colours are used where it has them."""


@dataclass(frozen=True)
class Looked:
    """A region that a word came from: what it shows, where (COCO box in pixels), and the share of the attention."""

    label: str
    box: Box
    weight: float


def attention_page(
    words: Sequence[tuple[str, Sequence[Looked]]],
    width: int,
    height: int,
    picture_url: str,
    *,
    name: str = "attention",
    alt: str = "",
) -> str:
    """Return a ``<figure>`` with a picture and its caption, word by word; its looks are ``STYLE``.

    Args:
        words: of the caption, each with the regions that it came from.
        width: of the picture in pixels.
        height: of the picture in pixels.
        picture_url: of the picture, at any size of the same shape.
        name: unique on the page; made part of ids.
        alt: what the picture shows, for those who do not see it; by default the caption.
    """
    text = " ".join(word for word, _ in words)
    spans = "\n".join(
        _word(word, looked, width, height, f"{name}-{place}") for place, (word, looked) in enumerate(words)
    )
    shown = html.escape(alt or text, quote=True)
    image = f'<img src="{html.escape(picture_url, quote=True)}" alt="{shown}" width="{width}" height="{height}">'
    return f'<figure class="attention"><div class="picture">{image}</div>\n<p class="caption">{spans}</p></figure>'


def _word(word: str, looked: Sequence[Looked], width: int, height: int, name: str) -> str:
    kept = [one for one in looked if one.weight >= LEAST_SHOWN]
    if not kept:
        return f'<span class="word blind">{html.escape(word)}</span>'
    told = ", ".join(f"{one.label} {one.weight:.0%}" for one in kept)
    mask, size = html.escape(name, quote=True), round(max(width, height) / 22, 1)
    # One mask for all regions: the veil has holes, as deep as the regions' weights.
    holes = "".join(f'<rect {_place(one.box)} fill="#000" fill-opacity="{_depth(one, kept)}"/>' for one in kept)
    frames = "".join(f'<rect class="light" {_place(one.box)} stroke-opacity="{_depth(one, kept)}"/>' for one in kept)
    labels = "".join(
        f'<text {_label_place(one.box, width, size)} y="{max(one.box[1], 0.0) + size:.1f}" font-size="{size}">'
        f"{html.escape(one.label)} {one.weight:.0%}</text>"
        for one in kept
        if one.weight >= 0.1
    )
    return (
        f'<span class="word" tabindex="0" aria-label="{html.escape(f"{word}: {told}", quote=True)}">{html.escape(word)}'
        f'<svg class="looked" viewBox="0 0 {width} {height}" font-size="{size}" aria-hidden="true">'
        f'<mask id="{mask}"><rect width="{width}" height="{height}" fill="#fff"/>{holes}</mask>'
        f'<rect class="veil" width="{width}" height="{height}" mask="url(#{mask})"/>'
        f"{frames}{labels}</svg></span>"
    )


def _place(box: Box) -> str:
    x, y, width, height = (round(value, 1) for value in box)
    return f'x="{x}" y="{y}" width="{max(width, 0.0)}" height="{max(height, 0.0)}"'


def _label_place(box: Box, picture_width: int, size: float) -> str:
    """Return where a label begins or, in the right half, ends, so that the picture's edge does not cut it off."""
    left, width = box[0], box[2]
    if left + width / 2 <= picture_width / 2:
        return f'x="{left + size * 0.2:.1f}"'
    return f'x="{left + width - size * 0.2:.1f}" text-anchor="end"'


def _depth(one: Looked, all_of_them: Sequence[Looked]) -> float:
    """Return how clear a region is: 1 for the one that was looked at most."""
    return round(math.sqrt(one.weight / max(other.weight for other in all_of_them)), 3)
