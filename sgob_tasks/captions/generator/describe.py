"""``python -m sgob_tasks.captions.generator.describe``: describe pictures outside a job; ``sgob captions generate``.

See ``options.DESCRIBE`` for what it reads and writes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sgob_tasks.captions.generator.options import DESCRIBE
from sgob_tasks.captions.generator.parameters import Generation
from sgob_tasks.captions.generator.prepare import write_lines
from sgob_tasks.captions.generator.regions import Picture, read_pictures
from sgob_tasks.detection.files import write_json
from sgob_tasks.detection.program import run_program
from sgob_tasks.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return run_program(DESCRIBE, _work, lambda done: f"{done['pictures']} captions: {done['out']}", arguments)


def _work(parsed: argparse.Namespace) -> tuple[Any, int]:
    how = Generation(batch_size=parsed.batch_size, beam_width=parsed.beam_width)
    count = describe(parsed.model, getattr(parsed, "in"), parsed.out, how)
    return {"pictures": count, "out": str(parsed.out), **asdict(how)}, 0


def describe(model: Path, source: Path, out: Path, how: Generation) -> int:
    """Describe all pictures of a file or folder; return their number.

    Raises:
        InputError: there are no pictures, or a file does not fit.
    """
    from sgob_tasks.captions.generator.decoding import Generator
    from sgob_tasks.captions.generator.model_files import load_generator, weights_hash
    from sgob_tasks.detection.inference.measure import use_repeatable_device

    use_repeatable_device()
    network, info = load_generator(model)
    generator = Generator(
        network,
        batch_size=how.batch_size,
        beam_width=how.beam_width,
        length_alpha=how.length_alpha,
        attention_places=how.attention_places,
    )
    version = weights_hash(model)
    paths = sorted(source.glob("*.jsonl")) if source.is_dir() else [source]
    if not paths:
        raise InputError(source, "files", 0, "there are no .jsonl files")
    count = 0

    def lines() -> Iterator[dict[str, Any]]:
        for path in paths:
            waiting: list[Picture] = []
            for picture in read_pictures(path, features=info.config.feature_size > 0):
                waiting.append(picture)
                if len(waiting) == how.batch_size:
                    yield from told(waiting)
                    waiting = []
            if waiting:
                yield from told(waiting)

    def told(pictures: list[Picture]) -> Iterator[dict[str, Any]]:
        nonlocal count
        for picture, caption in zip(pictures, generator.describe(pictures), strict=True):
            count += 1
            yield {"sha256": picture.sha256, **caption.to_json(), "model_sha256": version}

    if out.suffix == ".json":
        write_json(out, [{"image_id": line["sha256"], "caption": line["caption"]} for line in lines()])
    else:
        write_lines(out, lines())
    return count


if __name__ == "__main__":
    sys.exit(main())
