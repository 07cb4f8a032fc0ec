"""``python -m sgob_tasks.detection.detect``: find what the pictures of a folder show; ``sgob detect`` is the same.

See ``options.DETECT`` for what it reads and writes.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgob_tasks.detection.detect_config import DetectConfig, read_detect_config
from sgob_tasks.detection.files import write_json
from sgob_tasks.detection.options import DETECT
from sgob_tasks.detection.program import EXIT_FAILED, run_program

if TYPE_CHECKING:
    from sgob_tasks.detection.inference.numbering import Picture
    from sgob_tasks.detection.inference.opening import Opened
    from sgob_tasks.detection.inference.results_file import PartFile
    from sgob_tasks.detection.inference.stream import Seen

STARTED = time.monotonic()
SAY_INTERVAL_S = 10.0
BATCH_ON_GPU = 4


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return run_program(DETECT, _work, _render, arguments)


def _work(parsed: argparse.Namespace) -> tuple[Any, int]:
    wanted = read_detect_config(parsed.config) if parsed.config else DetectConfig()
    summary = detect_folder(
        parsed.weights,
        parsed.images,
        parsed.out,
        wanted,
        truth=parsed.truth,
        batch_size=parsed.batch_size,
        annotated=parsed.annotated,
        fresh=parsed.fresh,
        started=STARTED,
        say=_say,
    )
    return summary, 0 if summary["pictures"] else EXIT_FAILED


def detect_folder(
    weights: Path,
    images: Path,
    out: Path,
    wanted: DetectConfig,
    *,
    truth: Path | None = None,
    batch_size: int | None = None,
    annotated: Path | None = None,
    fresh: bool = False,
    started: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Find what the pictures of a folder show, and write COCO results, a summary and a list of errors.

    Args:
        weights: weights file or model folder (``opening.open_model``).
        images: searched for pictures.
        out: the results; ``out`` with the endings ``.summary.json`` and ``.errors.json`` are beside it, and while it
            runs ``<out>.part``, from which an interrupted run goes on.
        wanted: what the person said about the network.
        truth: COCO file whose ids to use.
        batch_size: pictures at once; None for what suits the device.
        annotated: folder for pictures with what was found drawn on them.
        fresh: throw away what an interrupted run left.
        started: ``time.monotonic()`` when the program began; None for now.
        say: takes a sentence about progress and broken pictures.

    Returns:
        the summary: ``pictures`` (with a result), ``errors`` (by reason), ``detections``, ``seconds``,
        ``seconds_to_first``, ``pictures_per_s``, ``memory``, ``config``, ``weights`` (load report), and so on.

    Raises:
        InputError: something that was given does not fit.
        PermanentError: the memory does not hold the network and one picture.
    """
    from sgob_tasks.detection.inference.numbering import find_pictures, number_categories, number_pictures, read_truth
    from sgob_tasks.detection.inference.opening import open_model
    from sgob_tasks.detection.inference.results_file import PartFile, write_results

    began = time.monotonic() if started is None else started
    opened = open_model(weights, wanted)
    known = read_truth(truth) if truth is not None else None
    pictures, unknown = number_pictures(images, find_pictures(images), known)
    categories = number_categories(opened.config.classes, known)
    weights_sha256 = _sha256(opened.weights)
    run = {"weights_sha256": weights_sha256, "config": opened.config.to_json(), "images": str(images.resolve())}
    part = PartFile(out.with_name(out.name + ".part"), run, fresh=fresh)
    waiting = [picture for picture in pictures if picture.file_name not in part.done]
    done_before = len(pictures) - len(waiting)
    if done_before:
        say(f"going on: {done_before} of {len(pictures)} pictures are done")
    measured = _detect_all(opened, waiting, part, batch_size, annotated, began, say) if waiting else {}
    detections = write_results(out, part, pictures, categories)
    errors = _write_errors(out.with_suffix(".errors.json"), part, pictures)
    summary = {
        "pictures": len(pictures) - sum(errors.values()),
        "errors": errors,
        "detections": detections,
        "done_before": done_before,
        "not_in_truth": unknown,
        "out": str(out),
        "seconds": round(time.monotonic() - began, 3),
        **measured,
        "weights_file": str(opened.weights),
        "weights_sha256": weights_sha256,
        "classes_from": opened.classes_from,
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
        "config": opened.config.to_json(),
    }
    write_json(out.with_suffix(".summary.json"), summary)
    part.remove()
    return summary


def _detect_all(
    opened: Opened,
    pictures: Sequence[Picture],
    part: PartFile,
    batch_size: int | None,
    annotated: Path | None,
    began: float,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Write a line for each picture; return what it cost and what was loaded."""
    import tensorflow as tf

    from sgob_tasks.detection.inference.detector import Detector
    from sgob_tasks.detection.inference.measure import Meter, peak_memory, surroundings, use_repeatable_device
    from sgob_tasks.detection.inference.stream import Stream
    from sgob_tasks.detection.pictures import Pixels, load_picture

    def load(picture: Picture) -> Pixels:
        return load_picture(picture.path)

    use_repeatable_device()
    model, report = opened.build()
    size = batch_size or (BATCH_ON_GPU if tf.config.get_visible_devices("GPU") else 1)
    detector = Detector(model, has_masks=opened.has_masks, batch_size=min(size, len(pictures)))
    stream = Stream(detector, load, say=say)
    meter = Meter(began, len(pictures))
    said = time.monotonic()
    for batch in stream.batches(pictures):
        for seen in batch:
            if seen.error:
                say(f"{seen.item.file_name}: {seen.error}")
            elif annotated is not None:
                _draw(seen, annotated)
        part.append(_line(seen) for seen in batch)
        meter.batch(len(batch))
        if time.monotonic() - said >= SAY_INTERVAL_S:
            said = time.monotonic()
            say(meter.left())
    figures = meter.to_json() | {"memory": peak_memory(), "batch_size": stream.detector.batch_size}
    return figures | surroundings() | {"weights": report.to_json()}


def _line(seen: Seen[Picture]) -> dict[str, Any]:
    line: dict[str, Any] = {"file_name": seen.item.file_name}
    if seen.error:
        return line | {"error": seen.error}
    return line | {
        "width": seen.width,
        "height": seen.height,
        "detections": [detection.to_json() for detection in seen.detections],
    }


def _draw(seen: Seen[Picture], folder: Path) -> None:
    from sgob_tasks.detection.inference.drawing import draw_detections, save_drawing
    from sgob_tasks.detection.pictures import load_picture

    save_drawing(draw_detections(load_picture(seen.item.path), seen.detections), folder, seen.item.file_name)


def _write_errors(path: Path, part: PartFile, pictures: Sequence[Picture]) -> dict[str, int]:
    """Write which pictures were broken and why; return how many, by reason. No file where there are none."""
    lines = part.entries(picture.file_name for picture in pictures)
    broken = [{"file_name": line["file_name"], "reason": line["error"]} for line in lines if "error" in line]
    if broken:
        write_json(path, broken)
    else:
        path.unlink(missing_ok=True)
    counts: dict[str, int] = {}
    for entry in broken:
        counts[entry["reason"]] = counts.get(entry["reason"], 0) + 1
    return counts


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}\n")
    sys.stderr.flush()


def _render(summary: dict[str, Any]) -> str:
    broken = sum(summary["errors"].values())
    lines = [f"{summary['detections']} detections in {summary['pictures']} pictures: {summary['out']}"]
    if broken:
        lines.append(f"{broken} pictures are broken: {Path(summary['out']).with_suffix('.errors.json')}")
    if summary["not_in_truth"]:
        lines.append(f"{len(summary['not_in_truth'])} pictures are not in the truth and were left out")
    rate = summary.get("pictures_per_s")
    if summary.get("seconds_to_first") is not None:
        lines.append(
            f"{summary['seconds']:.1f} s, first result after {summary['seconds_to_first']:.1f} s"
            + (f", then {rate:.2f} pictures/s" if rate else "")
            + f"; {summary['memory']['rss_bytes'] / 1e9:.2f} GB; {summary['device']}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
