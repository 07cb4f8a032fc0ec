"""``detect``'s configuration: a TOML file with at most six fields."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.detection.vocabularies import coco_classes, deart_classes
from sgob_tasks.errors import InputError

LARGEST_SIDE = 4096


@dataclass(frozen=True)
class DetectConfig:
    """What a person may say about a detection run; None leaves a field to the weights file, or to Matterport's default.

    Attributes:
        source: the file it was read from, for messages.
        backbone: ``resnet50`` or ``resnet101``: checked against the weights.
        image_size: side of the network's square input in pixels, a multiple of 64.
        classes: names of the classes without the background, in the order of the network's outputs.
        min_confidence: detections with a lower score are dropped.
        nms: two boxes of one class that overlap more (IoU) are one.
        max_detections: most detections of one picture.
    """

    source: str = "defaults"
    backbone: str | None = None
    image_size: int | None = None
    classes: tuple[str, ...] | None = None
    min_confidence: float | None = None
    nms: float | None = None
    max_detections: int | None = None

    def network_changes(self) -> dict[str, Any]:
        """Return the fields of ``DetectorConfig`` that are set, classes apart."""
        names = {
            "image_size": self.image_size,
            "detection_min_score": self.min_confidence,
            "detection_nms_iou": self.nms,
            "max_detections": self.max_detections,
        }
        return {name: value for name, value in names.items() if value is not None}


def read_detect_config(path: Path) -> DetectConfig:
    """Read a configuration.

    Raises:
        InputError: the file cannot be read, a field is unknown, or a value has the wrong type or range; names file,
            field and value.
    """
    values = _load_toml(path)
    fields: dict[str, Callable[[Path, Any], Any]] = {
        "backbone": _backbone,
        "image_size": _image_size,
        "classes": _classes,
        "min_confidence": _share("min_confidence"),
        "nms": _share("nms"),
        "max_detections": _max_detections,
    }
    for name, value in values.items():
        if name not in fields:
            raise InputError(path, name, value, f"is no field; known are {', '.join(fields)}")
    return DetectConfig(str(path), **{name: fields[name](path, value) for name, value in values.items()})


def _load_toml(path: Path) -> dict[str, Any]:
    # Python 3.10, the cluster's oldest, has it only under its first name.
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        with path.open("rb") as file:
            values: dict[str, Any] = toml.load(file)
            return values
    except OSError as error:
        raise InputError(path, "file", path.name, error.strerror or str(error)) from error
    except ValueError as error:
        raise InputError(path, "file", path.name, f"is not TOML: {error}") from error


def _backbone(path: Path, value: Any) -> str:
    if value not in ("resnet50", "resnet101"):
        raise InputError(path, "backbone", value, "must be resnet50 or resnet101")
    return str(value)


def _image_size(path: Path, value: Any) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 64 <= value <= LARGEST_SIDE or value % 64:
        raise InputError(path, "image_size", value, f"must be a multiple of 64 from 64 to {LARGEST_SIDE}")
    return int(value)


def _max_detections(path: Path, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10_000:
        raise InputError(path, "max_detections", value, "must be a whole number from 1 to 10000")
    return value


def _share(name: str) -> Callable[[Path, Any], float]:
    def read(path: Path, value: Any) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1:
            raise InputError(path, name, value, "must be a number from 0 to 1")
        return float(value)

    return read


def _classes(path: Path, value: Any) -> tuple[str, ...]:
    """Return the names: a list, ``coco``, ``deart``, or those of a text file, one a line, beside the configuration."""
    if isinstance(value, str):
        known = {"coco": coco_classes, "deart": deart_classes}
        if value in known:
            return known[value]()
        names = _lines(path, path.parent / value)
    elif isinstance(value, list) and all(isinstance(name, str) for name in value):
        names = [name.strip() for name in value]
    else:
        raise InputError(
            path, "classes", value, "must be a list of names, coco, deart, or a text file with a name a line"
        )
    if not names or "" in names:
        raise InputError(path, "classes", value, "must name every class")
    if "background" in names:
        raise InputError(path, "classes", "background", "is the network's own: leave it out")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(path, "classes", twice, "is named twice")
    return tuple(names)


def _lines(path: Path, file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(path, "classes", str(file), f"is neither coco, deart nor a text file: {error}") from error
