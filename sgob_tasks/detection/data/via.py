"""VGG Image Annotator (VIA 2) JSON: the format of the project's first boxes, drawn on Europeana thumbnails.

A file is a project (``_via_img_metadata`` besides settings) or that object alone, as "Export Annotations (as json)"
writes it: one entry per picture with ``filename``, ``size`` (bytes), ``regions`` (a list; in VIA 1 an object) and
``file_attributes``; see https://www.robots.ox.ac.uk/~vgg/software/via/. A region has ``shape_attributes`` and
``region_attributes``, one of which is the label. VIA does not store a picture's size in pixels:
it is read from the file.

Shapes: a ``rect`` is a box. ``circle``, ``ellipse`` and ``polygon`` are also masks (the round ones as polygons of 64
points, cut at the picture's edge). A ``polyline`` encloses nothing and counts as its box. A ``point`` has no area.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sgob_tasks.detection.data.dataset import EDGE_TOLERANCE, Box, Dataset, fit_box, json_value
from sgob_tasks.detection.data.find import PictureFinder, is_url
from sgob_tasks.detection.data.labels import LabelledObject, LabelledPicture, build_dataset, clean_label
from sgob_tasks.detection.data.problems import Problems
from sgob_tasks.detection.files import load_json
from sgob_tasks.detection.pictures import picture_size
from sgob_tasks.errors import InputError

LABEL_ATTRIBUTES = ("class", "label", "name", "type", "category", "object")
"""Region attributes that hold the label, the likeliest first; where there is but one attribute, it is the label."""

CIRCLE_POINTS = 64

Shape = tuple[Box, list[float] | None]
"""A box that is not yet cut to its picture, and the polygon ``[x, y, x, y, ...]`` where the shape is a mask."""


def via_entries(document: Any) -> dict[str, dict[str, Any]] | None:
    """Return the entries of a VIA document by their keys; None where it is none."""
    entries = document.get("_via_img_metadata", document) if isinstance(document, dict) else None
    if not isinstance(entries, dict) or (not entries and "_via_img_metadata" not in document):
        return None
    fits = all(isinstance(entry, dict) and {"filename", "regions"} <= entry.keys() for entry in entries.values())
    return entries if fits else None


def _regions(entry: dict[str, Any], source: Path, where: str) -> list[Any]:
    regions = entry["regions"]
    if isinstance(regions, dict):
        return list(regions.values())
    if not isinstance(regions, list):
        raise InputError(source, f"{where}/regions", type(regions).__name__, "must be a list or an object")
    return regions


def _attributes(region: Any) -> dict[str, Any]:
    found = region.get("region_attributes") if isinstance(region, dict) else None
    return found if isinstance(found, dict) else {}


def label_attribute(entries: dict[str, dict[str, Any]]) -> str:
    """Return which region attribute is the label: the only one, else the first of ``LABEL_ATTRIBUTES`` that is used.

    Where none of these is used it is the commonest attribute, the first by name among equals.
    """
    used: Counter[str] = Counter()
    for entry in entries.values():
        regions = entry["regions"]
        for region in regions.values() if isinstance(regions, dict) else regions if isinstance(regions, list) else ():
            used.update(_attributes(region).keys())
    known = [name for name in LABEL_ATTRIBUTES if used[name]]
    if known:
        return known[0]
    return min(used, key=lambda name: (-used[name], name)) if used else LABEL_ATTRIBUTES[0]


def _label(value: Any) -> str:
    """Return the label of an attribute's value: a text, or the only ticked one of several boxes."""
    if isinstance(value, dict):
        ticked = [name for name, state in value.items() if state]
        return clean_label(ticked[0]) if len(ticked) == 1 else ""
    return clean_label(value) if isinstance(value, str) else ""


def _numbers(shape: dict[str, Any], source: Path, where: str, *names: str) -> list[float]:
    numbers: list[float] = []
    for name in names:
        value = shape.get(name)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) < 1e6:
            raise InputError(source, f"{where}/{name}", value, "is no pixel position")
        numbers.append(float(value))
    return numbers


def _points(shape: dict[str, Any], source: Path, where: str, fewest: int) -> list[tuple[float, float]]:
    axes: list[list[float]] = []
    for name in ("all_points_x", "all_points_y"):
        values = shape.get(name)
        if not isinstance(values, list):
            raise InputError(source, f"{where}/{name}", values, "must be a list")
        axes.append([_numbers({name: value}, source, where, name)[0] for value in values])
    if len(axes[0]) != len(axes[1]) or len(axes[0]) < fewest:
        size = [len(axis) for axis in axes]
        raise InputError(source, f"{where}/all_points", size, f"must be as many x as y, {fewest} or more")
    return list(zip(*axes, strict=True))


def _extent(points: list[tuple[float, float]]) -> Box:
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def _ellipse(cx: float, cy: float, rx: float, ry: float, theta: float, width: int, height: int) -> Shape:
    """Return an ellipse cut to the picture; ``theta`` turns it, in radians, clockwise on the screen."""
    cos, sin = math.cos(theta), math.sin(theta)
    half_width, half_height = math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)
    left, top = max(cx - half_width, 0.0), max(cy - half_height, 0.0)
    right, bottom = min(cx + half_width, float(width)), min(cy + half_height, float(height))
    polygon: list[float] = []
    for step in range(CIRCLE_POINTS):
        angle = 2 * math.pi * step / CIRCLE_POINTS
        x, y = rx * math.cos(angle), ry * math.sin(angle)
        polygon += [
            min(max(cx + x * cos - y * sin, 0.0), float(width)),
            min(max(cy + x * sin + y * cos, 0.0), float(height)),
        ]
    return (left, top, right - left, bottom - top), polygon


def _shape(region: Any, source: Path, where: str, width: int, height: int) -> Shape:
    shape = region.get("shape_attributes") if isinstance(region, dict) else None
    if not isinstance(shape, dict):
        raise InputError(source, f"{where}/shape_attributes", shape, "must be an object")
    kind = shape.get("name")
    where = f"{where}/{kind}"
    if kind == "rect":
        x, y, wide, tall = _numbers(shape, source, where, "x", "y", "width", "height")
        return (x, y, wide, tall), None
    if kind == "circle":
        cx, cy, r = _numbers(shape, source, where, "cx", "cy", "r")
        return _ellipse(cx, cy, r, r, 0.0, width, height)
    if kind == "ellipse":
        cx, cy, rx, ry = _numbers(shape, source, where, "cx", "cy", "rx", "ry")
        theta = _numbers(shape, source, where, "theta")[0] if "theta" in shape else 0.0
        return _ellipse(cx, cy, rx, ry, theta, width, height)
    if kind == "polygon":
        points = _points(shape, source, where, 3)
        return _extent(points), [number for point in points for number in point]
    if kind == "polyline":
        return _extent(_points(shape, source, where, 2)), None
    if kind == "point":
        raise InputError(source, where, [shape.get("cx"), shape.get("cy")], "has no area")
    raise InputError(source, f"{where}/name", kind, "is no shape of VIA")


def _object(region: Any, source: Path, where: str, attribute: str, size: tuple[int, int]) -> LabelledObject:
    """Return one region as an object."""
    width, height = size
    box, polygon = _shape(region, source, where, width, height)
    try:
        fitted = fit_box(box, width, height, EDGE_TOLERANCE)
    except ValueError as error:
        raise InputError(source, f"{where}/shape_attributes", list(box), str(error)) from error
    attributes = _attributes(region)
    label = _label(attributes.get(attribute))
    if not label:
        raise InputError(source, f"{where}/{attribute}", attributes.get(attribute), "is no label")
    extras = {name: json_value(value) for name, value in attributes.items() if name != attribute}
    return LabelledObject(label, fitted, [polygon] if polygon else None, extras)


def _objects(
    entry: dict[str, Any], source: Path, key: str, attribute: str, size: tuple[int, int], problems: Problems
) -> Iterator[LabelledObject]:
    for index, region in enumerate(_regions(entry, source, key), 1):
        where = f"{key}/region[{index}]"
        try:
            item = _object(region, source, where, attribute, size)
        except InputError as error:
            problems.report("label" if error.field == f"{where}/{attribute}" else "box", error)
        else:
            yield item


def _find(entry: dict[str, Any], source: Path, key: str, finder: PictureFinder, before: set[Path]) -> Path:
    name = entry["filename"]
    if not isinstance(name, str) or not name:
        raise InputError(source, f"{key}/filename", name, "must be a file name or a URL")
    if is_url(name):
        path = finder.find_url(name)
    elif Path(name).is_absolute() or ".." in Path(name).parts:
        raise InputError(source, f"{key}/filename", name, "must be a path below the images folder")
    else:
        path = finder.find(name)
    if path is None:
        raise InputError(source, f"{key}/filename", name, f"no file of this name in {finder.folder.name}/")
    if path in before:
        raise InputError(source, f"{key}/filename", name, f"another entry means {path.name} too")
    return path


def read_via(source: Path, images: Path, problems: Problems | None = None, attribute: str | None = None) -> Dataset:
    """Read a VIA file. Of the pictures only the size is looked at.

    Args:
        source: the JSON file.
        images: folder of the pictures. A file name that is a URL is found by ``find.local_names``: the SHA-256 of the
            URL, the last segment of its path, or that of the URL inside it.
        problems: collects what does not hold and is left out: pictures and boxes, each alone. None raises.
        attribute: region attribute that is the label; None chooses as :func:`label_attribute` says.

    Raises:
        InputError: what does not hold, by file, entry and value; with ``problems`` only what spoils all of the file.
    """
    problems = problems if problems is not None else Problems(strict=True)
    entries = via_entries(load_json(source))
    if entries is None:
        raise InputError(source, "file", source.name, "is no VIA project and no VIA annotations")
    attribute = attribute or label_attribute(entries)
    finder = PictureFinder(images)
    members: dict[Path, LabelledPicture] = {}
    for key, entry in entries.items():
        try:
            path = _find(entry, source, key, finder, set(members))
            size = picture_size(path)
            objects = tuple(_objects(entry, source, key, attribute, size, problems))
        except InputError as error:
            if problems.strict:
                raise
            problems.report("picture", error)
            continue
        members[path] = LabelledPicture(path.relative_to(images).as_posix(), *size, objects, _extras(entry))
    return build_dataset(source, ((picture, path) for path, picture in members.items()))


def _extras(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what an entry says of its picture, and where the picture came from."""
    attributes = entry.get("file_attributes")
    extras = dict(json_value(attributes)) if isinstance(attributes, dict) else {}
    return extras | ({"url": entry["filename"]} if is_url(entry["filename"]) else {})
