"""``python -m sgob_tasks.detection.infer JOBDIR --task I``: find objects in the pictures of one shard.

Reads ``job.json``, the model it names and ``input/shards/<I>.json``. Appends a line per picture to
``results/<I>.jsonl``; started again, it leaves out the pictures that have one. Exits with 0 when every picture has
a line; a picture that cannot be decoded gets a line with its error.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgob_tasks.detection.files import load_json
from sgob_tasks.errors import InputError, SgobError

if TYPE_CHECKING:
    from sgob_tasks.detection.inference.detector import Detector

EXIT_FAILED, EXIT_WRONG_USE = 1, 2
LOG_INTERVAL_S = 10.0


@dataclass(frozen=True)
class ShardPicture:
    """One picture of a shard; ``path`` is absolute."""

    sha256: str
    path: Path


def read_shard(job: Path, task: int) -> list[ShardPicture]:
    """Read the pictures of a shard.

    Raises:
        InputError: the file is missing or a field does not fit.
    """
    source = job / "input" / "shards" / f"{task:04d}.json"
    described = load_json(source)
    if not isinstance(described, dict) or not isinstance(described.get("pictures"), list):
        raise InputError(source, "pictures", described, "must be a list")
    pictures = []
    for index, entry in enumerate(described["pictures"]):
        for field in ("sha256", "file"):
            value = entry.get(field) if isinstance(entry, dict) else None
            if not isinstance(value, str) or not value:
                raise InputError(source, f"pictures[{index}].{field}", value, "must be a text")
        if Path(entry["file"]).is_absolute() or ".." in Path(entry["file"]).parts:
            raise InputError(source, f"pictures[{index}].file", entry["file"], "must be below the job folder")
        pictures.append(ShardPicture(entry["sha256"], job / entry["file"]))
    return pictures


def finished_pictures(path: Path) -> set[str]:
    """Return the pictures that have a whole line in a results file, and cut off a torn last line.

    Raises:
        InputError: a line other than the last is damaged: that is no restart, but a broken file.
    """
    if not path.exists():
        return set()
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    done = set()
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            done.add(str(json.loads(line)["sha256"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(path, f"line {number}", line[:80], "is no result") from error
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
            os.fsync(file.fileno())
    return done


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m sgob_tasks.detection.infer", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("job", type=Path, metavar="JOBDIR", help="job folder with job.json and input/")
    parser.add_argument("--task", type=int, default=0, metavar="I", help="number of the shard (default: 0)")
    parsed = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        run(parsed.job, parsed.task)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_WRONG_USE
    except SgobError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED
    return 0


def run(job: Path, task: int) -> None:
    """Find objects in every picture of a shard that has no line yet, and write the shard's summary.

    Raises:
        InputError: the job's files do not fit.
    """
    from sgob_tasks.detection.files import write_json

    started = time.monotonic()
    pictures = read_shard(job, task)
    path = job / "results" / f"{task:04d}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = finished_pictures(path)
    waiting = list({p.sha256: p for p in pictures if p.sha256 not in done}.values())
    if waiting:
        _detect_all(job, waiting, path)
    wanted = {picture.sha256 for picture in pictures}
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    summary = {
        "shard": task,
        "count": len(wanted),
        "errors": sum("error" in line for line in lines if line["sha256"] in wanted),
        "done_before": len(wanted & done),
        "seconds": round(time.monotonic() - started, 3),
    }
    write_json(job / "results" / f"{task:04d}.summary.json", summary)
    _say(f"shard {task}: {summary}")


def _detect_all(job: Path, pictures: Sequence[ShardPicture], path: Path) -> None:
    """Append a line for each picture."""
    from sgob_tasks.detection.inference.detector import Detector
    from sgob_tasks.detection.parameters import InferenceParameters, read_parameters
    from sgob_tasks.detection.training.devices import cores_per_rank, use_devices

    parameters = read_parameters(job, InferenceParameters)
    use_devices(0, cores_per_rank(1))
    detector = Detector.load(job / parameters.model, batch_size=parameters.batch_size, min_score=parameters.min_score)
    detector.has_masks = detector.has_masks and parameters.masks
    said = time.monotonic()
    with path.open("a", encoding="utf-8") as file:
        for first in range(0, len(pictures), parameters.batch_size):
            for line in _detect_batch(detector, pictures[first : first + parameters.batch_size]):
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            if time.monotonic() - said >= LOG_INTERVAL_S:
                said = time.monotonic()
                _say(f"{min(first + parameters.batch_size, len(pictures))} of {len(pictures)} pictures")


def _detect_batch(detector: Detector, pictures: Sequence[ShardPicture]) -> list[dict[str, Any]]:
    """Return the lines of a batch; a picture that cannot be decoded gives one with its error."""
    from sgob_tasks.detection.pictures import load_picture

    lines: list[dict[str, Any]] = []
    decoded, places = [], []
    for place, picture in enumerate(pictures):
        lines.append({"sha256": picture.sha256})
        try:
            decoded.append(load_picture(picture.path))
        except InputError as error:
            # The path is of this machine and of no use to anyone who reads the results.
            lines[place]["error"] = error.reason
        else:
            places.append(place)
    if decoded:
        for place, pixels, found in zip(places, decoded, detector.detect(decoded), strict=True):
            lines[place] |= {
                "width": pixels.shape[1],
                "height": pixels.shape[0],
                "detections": [detection.to_json() for detection in found],
            }
    return lines


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
