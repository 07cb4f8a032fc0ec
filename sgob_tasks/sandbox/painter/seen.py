"""Visible things as those see them who write about a picture: class and box; and the words for one or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Thing:
    """A visible thing: class and COCO box in pixels."""

    class_name: str
    box: tuple[float, float, float, float]

    @property
    def middle(self) -> tuple[float, float]:
        """Its middle in pixels."""
        return self.box[0] + self.box[2] / 2, self.box[1] + self.box[3] / 2


def touch(first: Thing, second: Thing) -> bool:
    """Return whether two boxes overlap."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = first.box, second.box
    return x1 < x2 + w2 and x2 < x1 + w1 and y1 < y2 + h2 and y2 < y1 + h1


def with_article(noun: str) -> str:
    """Return a noun with "a" or "an"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def joined(parts: Sequence[str]) -> str:
    """Return one or more parts with commas, and "and" before the last."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
