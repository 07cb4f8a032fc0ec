"""Captions in COCO's format: references ``{"images", "annotations"}``, results ``[{"image_id", "caption"}]``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sgob_tasks.captions.scores import RESAMPLINGS, CaptionScores, score_captions
from sgob_tasks.detection.files import load_json
from sgob_tasks.errors import InputError

Key = int | str


def _entry(source: Path, where: str, entry: Any) -> tuple[Key, str]:
    if not isinstance(entry, dict):
        raise InputError(source, where, entry, "must be an object with image_id and caption")
    key, text = entry.get("image_id"), entry.get("caption")
    if not isinstance(key, (int, str)) or isinstance(key, bool):
        raise InputError(source, f"{where}.image_id", key, "must be a number or a text")
    if not isinstance(text, str):
        raise InputError(source, f"{where}.caption", text, "must be a text")
    return key, text


def read_references(path: Path) -> dict[Key, list[str]]:
    """Read the references of each picture, by ``image_id``; pictures without any are left out.

    Raises:
        InputError: the file is not COCO's format.
    """
    value = load_json(path)
    entries = value.get("annotations") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        raise InputError(path, "annotations", entries, "must be a list")
    found: dict[Key, list[str]] = {}
    for place, entry in enumerate(entries):
        key, text = _entry(path, f"annotations[{place}]", entry)
        found.setdefault(key, []).append(text)
    return found


def read_results(path: Path) -> dict[Key, str]:
    """Read a caption for each picture, by ``image_id``.

    Raises:
        InputError: the file is not COCO's format, or has two captions of one picture.
    """
    value = load_json(path)
    if not isinstance(value, list):
        raise InputError(path, "results", type(value).__name__, "must be a list")
    found: dict[Key, str] = {}
    for place, entry in enumerate(value):
        key, text = _entry(path, f"[{place}]", entry)
        if key in found:
            raise InputError(path, f"[{place}].image_id", key, "has a caption already")
        found[key] = text
    return found


def _ids_by_hash(path: Path) -> dict[str, Key]:
    images = load_json(path).get("images") or []
    return {str(image["sha256"]): image["id"] for image in images if "sha256" in image and "id" in image}


def score_files(truth: Path, results: Path, resamplings: int = RESAMPLINGS) -> CaptionScores:
    """Score a results file against a file of references.

    Args:
        truth: references; an image may have a ``sha256``, by which results may name it as well.
        results: captions.
        resamplings: of the bootstrap.

    Raises:
        InputError: a file does not fit, or a result is of a picture without references.
    """
    references, hashes = read_references(truth), _ids_by_hash(truth)
    captions = {hashes.get(str(key), key): text for key, text in read_results(results).items()}
    unknown = next((key for key in captions if key not in references), None)
    if unknown is not None:
        raise InputError(results, "image_id", unknown, f"has no reference in {truth.name}")
    return score_captions(references, captions, resamplings=resamplings)
