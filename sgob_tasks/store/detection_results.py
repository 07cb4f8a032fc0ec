"""Reads the results of an inference job: one JSON line for each picture. No database here.

A line is ``{"sha256", "width", "height", "detections": [...]}`` or ``{"sha256", "error": "reason"}``. A detection has
``class_name``, ``score``, ``bbox`` ([x, y, width, height]), ``mask`` ({size, counts} or null) and ``candidates`` (score
by class name).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.errors import InputError

EDGE_TOLERANCE_PX = 1.0
"""How far a box may reach over the picture's edge: rounding in the network."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA256_IN_TORN_LINE = re.compile(r'^\s*\{\s*"sha256"\s*:\s*"([0-9a-f]{64})"')


@dataclass(frozen=True)
class Found:
    """One detection; the box is COCO ``x, y, width, height`` in pixels of the picture."""

    class_name: str
    score: float
    box: tuple[float, float, float, float]
    mask: dict[str, Any] | None
    candidates: dict[str, float]


@dataclass(frozen=True)
class ResultLine:
    """What one line says of a picture.

    Attributes:
        number: of the line, from 1.
        sha256: the picture; None where the line does not even say that.
        detections: best score first; empty where nothing was found.
        error: why the picture has no result: the program's own words, or what is wrong with the line.
        malformed: the line itself cannot be used.
    """

    number: int
    sha256: str | None
    detections: tuple[Found, ...] = ()
    error: str | None = None
    malformed: bool = False


def read_results(path: Path) -> Iterator[ResultLine]:
    """Yield what each line of a results file says. A line that cannot be used is yielded with its error.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if raw.strip():
                    yield _line(path, number, raw)
    except OSError as error:
        raise InputError(path, "file", error.strerror, "cannot be read") from error


def _line(path: Path, number: int, raw: bytes) -> ResultLine:
    source = f"{path.name}, line {number}"
    text = raw.decode("utf-8", errors="replace")
    torn = _SHA256_IN_TORN_LINE.match(text)
    sha256 = torn[1] if torn else None
    try:
        value = _object(source, text)
        sha256 = value["sha256"]
        if "error" in value:
            return ResultLine(number, sha256, error=str(value["error"]) or "the program gave no reason")
        found = [_found(source, place, entry, value) for place, entry in enumerate(_list(source, value))]
    except InputError as error:
        return ResultLine(number, sha256, error=str(error), malformed=True)
    return ResultLine(number, sha256, tuple(sorted(found, key=lambda one: -one.score)))


def _object(source: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(source, "line", text[:80], f"is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise InputError(source, "line", value, "must be an object")
    named = value.get("sha256")
    if not isinstance(named, str) or not _SHA256.fullmatch(named):
        raise InputError(source, "sha256", named, "must be 64 hexadecimal digits")
    return value


def _list(source: str, value: dict[str, Any]) -> list[Any]:
    for side in ("width", "height"):
        if not _is_number(value.get(side)) or value[side] <= 0:
            raise InputError(source, side, value.get(side), "must be a number of pixels")
    if not isinstance(value.get("detections"), list):
        raise InputError(source, "detections", value.get("detections"), "must be a list")
    detections: list[Any] = value["detections"]
    return detections


def _found(source: str, place: int, entry: Any, picture: dict[str, Any]) -> Found:
    where = f"detections[{place}]"
    if not isinstance(entry, dict):
        raise InputError(source, where, entry, "must be an object")
    name, score, candidates = entry.get("class_name"), entry.get("score"), entry.get("candidates", {})
    if not isinstance(name, str) or not name:
        raise InputError(source, f"{where}.class_name", name, "must be a text")
    if not isinstance(score, int | float) or not _is_share(score):
        raise InputError(source, f"{where}.score", score, "must be a number between 0 and 1")
    if not isinstance(candidates, dict) or not all(_is_share(value) for value in candidates.values()):
        raise InputError(source, f"{where}.candidates", candidates, "must give a score between 0 and 1 for each class")
    mask = entry.get("mask")
    if mask is not None and not (isinstance(mask, dict) and {"size", "counts"} <= mask.keys()):
        raise InputError(source, f"{where}.mask", mask, "must be null or {size, counts}")
    return Found(name, float(score), _box(source, f"{where}.bbox", entry.get("bbox"), picture), mask, candidates)


def _box(source: str, where: str, value: Any, picture: dict[str, Any]) -> tuple[float, float, float, float]:
    if not isinstance(value, list) or len(value) != 4 or not all(_is_number(side) for side in value):
        raise InputError(source, where, value, "must be [x, y, width, height]")
    x, y, width, height = map(float, value)
    if width <= 0 or height <= 0:
        raise InputError(source, where, value, "has no area")
    over = max(-x, -y, x + width - picture["width"], y + height - picture["height"])
    if over > EDGE_TOLERANCE_PX:
        raise InputError(source, where, value, f"lies {over:.1f} pixels outside the picture")
    return x, y, width, height


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0.0 <= value <= 1.0
