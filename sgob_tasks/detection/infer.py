"""``python -m sgob_tasks.detection.infer JOBDIR --task I``: find objects in the pictures of one shard.

Reads ``job.json``, the model it names and ``input/shards/<I>.json``. Appends a line per picture to
``results/<I>.jsonl``; started again, it leaves out the pictures that have one. Exits with 0 when every picture has
a line; a picture that cannot be decoded gets a line with its error. On SIGUSR1 it ends after the batch at hand with
exit code 85, which means: start me again. The same pictures, model and batch size give the same bytes. (The place of a
picture in its batch decides how sums are split: another place may change a last digit.)
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgob_tasks.detection.files import load_json
from sgob_tasks.detection.job_program import JobProgram, run_shard
from sgob_tasks.detection.shard_results import ShardResults, say
from sgob_tasks.errors import InputError

if TYPE_CHECKING:
    from sgob_tasks.detection.inference.stream import Seen


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
    pictures, results = read_shard(job, task), ShardResults(job, task, started)
    wanted = {picture.sha256 for picture in pictures}
    waiting = list({p.sha256: p for p in pictures if p.sha256 not in results.before}.values())
    measured = _detect_all(job, waiting, results, started, interrupted) if waiting else {}
    if measured is None:
        return results.interrupted(wanted)
    errors = sum("error" in line for line in results.lines() if line["sha256"] in wanted)
    return results.finish(wanted, {"errors": errors, **measured})


def _detect_all(
    job: Path,
    pictures: Sequence[ShardPicture],
    results: ShardResults,
    started: float,
    interrupted: Callable[[], bool],
) -> dict[str, Any] | None:
    """Append a line for each picture; return what the run cost, None where it was interrupted."""
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
    stream = Stream(detector, load, stop=interrupted, say=say)
    meter = Meter(started, len(pictures))

    def lines() -> Iterator[list[str]]:
        for batch in stream.batches(pictures):
            meter.batch(len(batch))
            yield [json.dumps(_line(seen), ensure_ascii=False) + "\n" for seen in batch]

    results.append(lines(), meter.left)
    if stream.stopped:
        return None
    return meter.to_json() | {"memory": peak_memory(), "batch_size": stream.detector.batch_size} | surroundings()


def _line(seen: Seen[ShardPicture]) -> dict[str, Any]:
    """Return the line of a picture; one that cannot be decoded gives its error.

    Only the reason: the path is of this machine and of no use to anyone who reads the results.
    """
    if seen.error:
        return {"sha256": seen.item.sha256, "error": seen.error}
    detections = [detection.to_json() for detection in seen.detections]
    return {"sha256": seen.item.sha256, "width": seen.width, "height": seen.height, "detections": detections}


if __name__ == "__main__":
    sys.exit(main())
