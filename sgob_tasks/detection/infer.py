"""``python -m sgob_tasks.detection.infer JOBDIR --task I``: find objects in the pictures of one shard.

Reads ``job.json``, the model it names and ``input/shards/<I>.json``. Appends a line per picture to
``results/<I>.jsonl``; started again, it leaves out the pictures that have one. Exits with 0 when every picture has
a line; a picture that cannot be decoded gets a line with its error. On SIGUSR1 it ends after the batch at hand with
exit code 85, which means: start me again. The same pictures, model and batch size give the same bytes. (The place of a
picture in its batch decides how sums are split: another place may change a last digit.)
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgob_tasks.detection.files import load_json, write_json
from sgob_tasks.detection.job_program import JobProgram, run_shard
from sgob_tasks.errors import InputError

if TYPE_CHECKING:
    from sgob_tasks.detection.inference.stream import Seen

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
    return run_shard(JobProgram("sgob_tasks.detection.infer", __doc__, "input/"), run, arguments)


def run(job: Path, task: int, started: float, interrupted: Callable[[], bool] = lambda: False) -> bool:
    """Find objects in every picture of a shard that has no line yet, and write the shard's summary.

    Args:
        job: the job folder.
        task: number of the shard.
        started: ``time.monotonic()`` when the program began.
        interrupted: asked before every batch.

    Returns:
        whether every picture has a line; False where it was interrupted before.

    Raises:
        InputError: the job's files do not fit.
        PermanentError: the memory does not hold the network and one picture.
    """
    pictures = read_shard(job, task)
    path = job / "results" / f"{task:04d}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = finished_pictures(path)
    waiting = list({p.sha256: p for p in pictures if p.sha256 not in done}.values())
    measured = _detect_all(job, waiting, path, started, interrupted) if waiting else {"complete": True}
    if not measured.pop("complete"):
        _say(f"shard {task}: asked to make room; {len(finished_pictures(path))} of {len(pictures)} pictures are done")
        return False
    wanted = {picture.sha256 for picture in pictures}
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    summary = {
        "shard": task,
        "count": len(wanted),
        "errors": sum("error" in line for line in lines if line["sha256"] in wanted),
        "done_before": len(wanted & done),
        "seconds": round(time.monotonic() - started, 3),
        **measured,
    }
    write_json(job / "results" / f"{task:04d}.summary.json", summary)
    _say(f"shard {task}: {summary}")
    return True


def _detect_all(
    job: Path, pictures: Sequence[ShardPicture], path: Path, started: float, interrupted: Callable[[], bool]
) -> dict[str, Any]:
    """Append a line for each picture; return what the run cost, and whether it is complete."""
    from sgob_tasks.detection.inference.detector import Detector
    from sgob_tasks.detection.inference.measure import Meter, peak_memory, surroundings, use_repeatable_device
    from sgob_tasks.detection.inference.stream import Stream
    from sgob_tasks.detection.parameters import InferenceParameters, read_parameters
    from sgob_tasks.detection.pictures import Pixels, load_picture

    def load(picture: ShardPicture) -> Pixels:
        return load_picture(picture.path)

    parameters = read_parameters(job, InferenceParameters)
    use_repeatable_device()
    detector = Detector.load(job / parameters.model, batch_size=parameters.batch_size, min_score=parameters.min_score)
    detector.has_masks = detector.has_masks and parameters.masks
    stream = Stream(detector, load, stop=interrupted, say=_say)
    meter = Meter(started, len(pictures))
    said = time.monotonic()
    with path.open("a", encoding="utf-8") as file:
        for batch in stream.batches(pictures):
            file.writelines(json.dumps(_line(seen), ensure_ascii=False) + "\n" for seen in batch)
            file.flush()
            os.fsync(file.fileno())
            meter.batch(len(batch))
            if time.monotonic() - said >= LOG_INTERVAL_S:
                said = time.monotonic()
                _say(meter.left())
    figures = meter.to_json() | {"memory": peak_memory(), "batch_size": stream.detector.batch_size}
    return figures | surroundings() | {"complete": not stream.stopped}


def _line(seen: Seen[ShardPicture]) -> dict[str, Any]:
    """Return the line of a picture; one that cannot be decoded gives its error.

    Only the reason: the path is of this machine and of no use to anyone who reads the results.
    """
    if seen.error:
        return {"sha256": seen.item.sha256, "error": seen.error}
    detections = [detection.to_json() for detection in seen.detections]
    return {"sha256": seen.item.sha256, "width": seen.width, "height": seen.height, "detections": detections}


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
