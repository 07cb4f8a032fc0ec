"""A model's scores as a table: each figure before and after time context."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_BEFORE = frozenset({"before", "raw", "detector"})
_AFTER = frozenset({"after", "context", "corrected"})
_BY_CLASS = re.compile(r"(by|per)_class|^classes$", re.IGNORECASE)
_AVERAGE_PRECISION = re.compile(r"^m?ap_?(?:@?\.?)(\d{2})?$", re.IGNORECASE)
_OVERALL = frozenset({"overall", "all", "total", "held_out"})
_WORDS = {"anachronistic": "anachronistic pictures"}


@dataclass(frozen=True)
class Score:
    """A figure before and after time context, both between 0 and 1."""

    name: str
    before: float | None
    after: float | None

    @property
    def change(self) -> float | None:
        """Difference that the context makes."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class ScoreTable:
    """The overall figures (the ones worth looking at first come first), and those of single classes."""

    overall: tuple[Score, ...]
    by_class: tuple[Score, ...]


@dataclass(frozen=True)
class HeldOut:
    """A model's box AP50 with time context on held-out pictures, and the ends of its 95 % interval (None: unknown)."""

    ap50: float
    low: float | None
    high: float | None
    images: int


def held_out(scores: Mapping[str, Any]) -> HeldOut | None:
    """Return the headline figure of a model's scores; None where they do not have it.

    Args:
        scores: as the model registry has them.
    """
    everything = _part(_part(scores, "held_out"), "all")
    ap50, images = _part(everything, "after").get("ap50"), everything.get("images")
    if not isinstance(ap50, int | float) or not isinstance(images, int):
        return None
    interval = _part(_part(scores, "intervals"), "after").get("ap50")
    low, high = interval if isinstance(interval, list) and len(interval) == 2 else (None, None)
    return HeldOut(float(ap50), low, high, images)


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    return part if isinstance(part, Mapping) else {}


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, (*path, str(key)))
    elif isinstance(value, float) and 0 <= value <= 1:  # counts, such as of images, are integers
        yield path, value


def _name(path: tuple[str, ...]) -> str:
    words: list[str] = []
    for part in path:
        match = _AVERAGE_PRECISION.match(part)
        if match:
            words.insert(0, f"AP{match[1] or ''}")
        elif part.lower() not in _OVERALL:
            words.append(_WORDS.get(part.lower(), part.replace("_", " ")))
    return ", ".join(words)


def _class_name(path: tuple[str, ...]) -> str:
    """Return the class, and of which part of the pictures the figure is."""
    parts = [part for part in path[:-1] if not _BY_CLASS.search(part)]
    return ", ".join(filter(None, (path[-1], _name(tuple(parts)))))


def _rank(name: str) -> tuple[int, int, str]:
    return (0 if name.startswith("AP50") else 1 if name.startswith("AP") else 2, name.count(","), name)


def score_table(scores: Mapping[str, Any]) -> ScoreTable:
    """Pair the figures of a model's scores.

    ``before`` and ``after`` may stand at any depth (``{"before": {"AP50": 0.4}}`` or ``{"AP50": {"before": 0.4}}``);
    a figure without either is the detector's own. What is no fraction between 0 and 1 is left out.

    Args:
        scores: as the model registry has them.
    """
    pairs: dict[tuple[bool, str], dict[str, float]] = {}
    for path, value in _leaves(scores):
        words = [part.lower() for part in path]
        side = "after" if any(word in _AFTER for word in words) else "before"
        rest = tuple(part for part in path if part.lower() not in _BEFORE | _AFTER)
        single = any(_BY_CLASS.search(part) for part in rest)
        name = _class_name(rest) if single else _name(rest)
        pairs.setdefault((single, name), {})[side] = value
    figures = [(single, Score(name, pair.get("before"), pair.get("after"))) for (single, name), pair in pairs.items()]
    return ScoreTable(
        overall=tuple(sorted((score for single, score in figures if not single), key=lambda one: _rank(one.name))),
        by_class=tuple(sorted((score for single, score in figures if single), key=lambda one: one.name)),
    )
