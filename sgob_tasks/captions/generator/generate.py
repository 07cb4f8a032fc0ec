"""``python -m sgob_tasks.captions.generator.generate JOBDIR --task I``: describe the pictures of one shard.

Reads ``job.json``, the generator that it names and ``input/regions/<I>.jsonl`` (see ``regions``); where the generator
wants the detector's features and there is no ``input/regions/<I>.npz``, they are pooled first, with the detector in
``input/detector`` and the pictures that the lines name. Appends a line per picture to ``results/<I>.jsonl``; started
again, it leaves out the pictures that have one. On SIGUSR1 it ends after the batch at hand with exit code 85, which
means: start me again. The same pictures, generator and batch size give the same bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sgob_tasks.captions.generator.parameters import Generation
from sgob_tasks.captions.generator.pool import pool_shard
from sgob_tasks.captions.generator.regions import Picture, read_pictures
from sgob_tasks.detection.job_program import JobProgram, run_shard
from sgob_tasks.detection.shard_results import ShardResults, say


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return run_shard(JobProgram("sgob_tasks.captions.generator.generate", __doc__, "input/regions/"), run, arguments)


def run(job: Path, task: int, started: float, interrupted: Callable[[], bool] = lambda: False) -> bool:
    """Describe every picture of a shard that has no line yet, and write the shard's summary.

    Args:
        job: the job folder.
        task: number of the shard.
        started: ``time.monotonic()`` when the program began.
        interrupted: asked before every batch.

    Returns:
        whether every picture has a line; False where it was interrupted before.

    Raises:
        InputError: the job's files do not fit.
    """
    from sgob_tasks.detection.parameters import read_parameters

    parameters = read_parameters(job, Generation)
    shard, results = job / "input" / "regions" / f"{task:04d}.jsonl", ShardResults(job, task, started)
    wanted = {picture.sha256 for picture in read_pictures(shard)}
    facts = _describe_all(job, shard, parameters, results, interrupted) if wanted - results.before else {}
    return results.interrupted(wanted) if facts is None else results.finish(wanted, facts)


def _describe_all(
    job: Path, shard: Path, parameters: Generation, results: ShardResults, interrupted: Callable[[], bool]
) -> dict[str, Any] | None:
    """Append a line for each picture that has none; return what was used, None where it was interrupted."""
    from sgob_tasks.captions.generator.decoding import Generator
    from sgob_tasks.captions.generator.model_files import load_generator, weights_hash
    from sgob_tasks.detection.inference.measure import surroundings, use_repeatable_device

    use_repeatable_device()
    folder = job / parameters.model
    network, info = load_generator(folder)
    features = info.config.feature_size > 0
    if features and not shard.with_suffix(".npz").exists():
        say(f"{shard.name}: pooling the regions' features")
        if pool_shard(shard, job / parameters.detector, job, stop=interrupted) is None:
            return None
    generator = Generator(
        network,
        batch_size=parameters.batch_size,
        beam_width=parameters.beam_width,
        length_alpha=parameters.length_alpha,
        attention_places=parameters.attention_places,
    )
    version = weights_hash(folder)
    waiting = _once(read_pictures(shard, features=features), results.before)
    count, complete = 0, False

    def lines() -> Iterator[list[str]]:
        nonlocal count, complete
        while not interrupted():
            batch = list(islice(waiting, parameters.batch_size))
            if not batch:
                complete = True
                return
            told = zip(batch, generator.describe(batch), strict=True)
            count += len(batch)
            yield [_line(picture, caption.to_json(), version) for picture, caption in told]

    results.append(lines(), lambda: f"{count} pictures")
    return {"described": count, "model_sha256": version, **surroundings()} if complete else None


def _once(pictures: Iterable[Picture], before: Collection[str]) -> Iterator[Picture]:
    """Yield the pictures that are not described yet, each once."""
    known = set(before)
    for picture in pictures:
        if picture.sha256 not in known:
            known.add(picture.sha256)
            yield picture


def _line(picture: Picture, caption: dict[str, Any], version: str) -> str:
    return json.dumps({"sha256": picture.sha256, **caption, "model_sha256": version}, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
