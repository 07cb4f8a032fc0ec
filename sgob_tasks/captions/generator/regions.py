"""What the generator sees of a picture: a line of JSON for each, and the regions' pooled features beside them.

A shard is ``<name>.jsonl``, a line for each picture::

    {"sha256", "width", "height", "detections": [{"class_name", "score", "bbox", "candidates"?}, ...],
     "title"?, "year_from"?, "year_to"?, "forbidden"?: ["bicycle", ...], "file"?}

which is a line of the detector's results, with the labels after the time context, and what else is known of the
picture; ``forbidden`` are the classes that the time context ruled out, ``file`` is the picture itself, relative to the
job folder, for whoever pools its features. Where the detector's features are used,
``<name>.npz`` holds them: ``sha256`` ``[P]``, ``offsets`` ``[P + 1]`` and ``features`` ``[N, F]``
float16, in the lines' order, and ``info`` (JSON: the detector's weights, SHA-256 of the features).
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sgob_tasks.detection.files import write_durably
from sgob_tasks.errors import InputError

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Region:
    """One detected thing: class after context, score, and COCO box in pixels."""

    label: str
    score: float
    box: Box


@dataclass(frozen=True)
class Picture:
    """What is known of a picture.

    Attributes:
        sha256: of its file.
        width, height: in pixels.
        regions: in the order of the line.
        title: empty where there is none.
        year_from, year_to: None where the date is not known.
        forbidden: classes that the picture cannot show.
        file: of the picture; empty where it is not at hand.
        features: ``[R, F]`` pooled features of the regions; None where there are none.
    """

    sha256: str
    width: int
    height: int
    regions: tuple[Region, ...] = ()
    title: str = ""
    year_from: int | None = None
    year_to: int | None = None
    forbidden: tuple[str, ...] = ()
    file: str = ""
    features: npt.NDArray[np.float16] | None = field(default=None, compare=False, repr=False)


def _number(source: str, name: str, value: Any, *, least: float = -math.inf) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value) or value < least:
        raise InputError(source, name, value, f"must be a number{'' if least < 0 else f' of at least {least:g}'}")
    return float(value)


def _text(source: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(source, name, value, "must be a text")
    return value


def _year(source: str, name: str, value: Any) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise InputError(source, name, value, "must be a year or null")
    return value


def _region(source: str, where: str, entry: Any) -> Region:
    if not isinstance(entry, dict):
        raise InputError(source, where, entry, "must be an object")
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        raise InputError(source, f"{where}.bbox", box, "must be [x, y, width, height]")
    x, y = (_number(source, f"{where}.bbox", value) for value in box[:2])
    width, height = (_number(source, f"{where}.bbox", value, least=0.0) for value in box[2:])
    label = _text(source, f"{where}.class_name", entry.get("class_name"))
    return Region(label, _number(source, f"{where}.score", entry.get("score"), least=0.0), (x, y, width, height))


def parse_picture(source: str, value: Any) -> Picture | None:
    """Return what a line says; None for a picture that the detector could not read (a line with ``error``).

    Raises:
        InputError: a field is missing or does not fit.
    """
    if not isinstance(value, dict):
        raise InputError(source, "line", value, "must be an object")
    sha256 = _text(source, "sha256", value.get("sha256"))
    if "error" in value:
        return None
    width, height = (int(_number(source, name, value.get(name), least=1)) for name in ("width", "height"))
    found, forbidden = value.get("detections"), value.get("forbidden") or []
    if not isinstance(found, list):
        raise InputError(source, "detections", found, "must be a list")
    if not isinstance(forbidden, list) or not all(isinstance(name, str) for name in forbidden):
        raise InputError(source, "forbidden", forbidden, "must be a list of class names")
    regions = tuple(_region(source, f"detections[{place}]", entry) for place, entry in enumerate(found))
    title, file = (_text(source, name, value.get(name) or "") for name in ("title", "file"))
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise InputError(source, "file", file, "must be below the job folder")
    year_from, year_to = (_year(source, name, value.get(name)) for name in ("year_from", "year_to"))
    return Picture(sha256, width, height, regions, title, year_from, year_to, tuple(forbidden), file)


def read_pictures(path: Path, *, features: bool = False) -> Iterator[Picture]:
    """Yield the pictures of a shard, with their features where they are asked for.

    Args:
        path: the ``.jsonl`` file.
        features: also read the ``.npz`` file beside it.

    Raises:
        InputError: a file is missing or damaged, or the two do not belong together.
    """
    pooled = read_features(path.with_suffix(".npz")) if features else {}
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                source = f"{path}, line {number}"
                try:
                    value = json.loads(line)
                except ValueError as error:
                    raise InputError(source, "line", line[:80], f"is no JSON: {error}") from error
                picture = parse_picture(source, value)
                if picture is not None:
                    yield _with_features(source, picture, pooled) if features else picture
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "file", path.name, str(error)) from error


def _with_features(source: str, picture: Picture, pooled: Mapping[str, npt.NDArray[np.float16]]) -> Picture:
    found = pooled.get(picture.sha256)
    if found is None or len(found) != len(picture.regions):
        count = None if found is None else len(found)
        raise InputError(source, "features", count, f"must be of {len(picture.regions)} regions")
    return replace(picture, features=found)


def write_features(
    path: Path, entries: Sequence[tuple[str, npt.NDArray[np.floating[Any]]]], info: Mapping[str, Any]
) -> None:
    """Write the pooled features of pictures, whole or not at all.

    Args:
        path: the ``.npz`` file.
        entries: ``(sha256, [R, F])`` of each picture.
        info: where they come from, such as the detector's weights.
    """
    offsets = np.cumsum([0, *(len(values) for _, values in entries)])
    size = next((values.shape[1] for _, values in entries if values.ndim == 2), 0)
    whole = np.concatenate([np.zeros((0, size)), *(values.reshape(-1, size) for _, values in entries)])
    features = whole.astype(np.float16)
    described = dict(info) | {"features_sha256": hashlib.sha256(features.tobytes()).hexdigest()}
    text = np.frombuffer(json.dumps(described, sort_keys=True).encode(), np.uint8)
    names = np.asarray([sha256 for sha256, _ in entries], "U64")
    write_durably(
        path, lambda file: np.savez_compressed(file, sha256=names, offsets=offsets, features=features, info=text)
    )


def read_features(path: Path) -> dict[str, npt.NDArray[np.float16]]:
    """Return the pooled features ``[R, F]`` by the picture's SHA-256.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            names, offsets, features = file["sha256"], file["offsets"], file["features"]
            info = json.loads(file["info"].tobytes().decode())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(path, "file", path.name, f"holds no features: {error}") from error
    if hashlib.sha256(features.tobytes()).hexdigest() != info.get("features_sha256"):
        raise InputError(path, "features_sha256", info.get("features_sha256"), "is not that of the features")
    if len(offsets) != len(names) + 1 or offsets[-1] != len(features):
        raise InputError(path, "offsets", len(offsets), "do not fit the features")
    ends = zip(names, offsets[:-1], offsets[1:], strict=True)
    return {str(name): features[start:end] for name, start, end in ends}
