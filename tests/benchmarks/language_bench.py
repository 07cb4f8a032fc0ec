"""The language model on real records: a hidden thing found among ten, and how fast; the records where they exist.

``python -m tests.benchmarks language``; ``--data=FILE`` takes other records (see ``context.language.records``).
``--quick`` trains a smaller model on every fifth record with two things or more, and asks half as many questions.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from sgob_tasks.context.language.embedding_training import Recipe
from sgob_tasks.context.language.encoder import Context
from sgob_tasks.context.language.evaluate import evaluation_rows, render_rows
from sgob_tasks.context.language.model_files import load_model, save_model
from sgob_tasks.context.language.records import TEST, read_records, split_of
from sgob_tasks.context.language.training import fit_language_model
from tests.reference import reference_files

SPEED_CASES = 2000
QUICK_RECORDS, QUICK_QUESTIONS = 3000, 1500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, metavar="FILE", help="records")
    parser.add_argument("--quick", action="store_true", help="a part of the records, a smaller model")
    options = parser.parse_args()
    data = options.data or next(iter(reference_files("data/tate/subjects.csv.gz")), None)
    if data is None:
        print("language: the reference records are not at hand")
        return
    records, recipe = read_records(data), Recipe()
    training = [record for record in records if split_of(record.id) != TEST]
    held_out = [record for record in records if split_of(record.id) == TEST]
    if options.quick:
        step = sum(len(record.labels) > 1 for record in records) // QUICK_RECORDS
        training = [record for record in training if len(record.labels) > 1][::step]
        held_out = [record for record in held_out if len(record.labels) > 1][:QUICK_QUESTIONS]
        recipe = Recipe(dimensions=32, epochs=3)
    began, used = time.monotonic(), time.process_time()
    model = fit_language_model(training, source=data, recipe=recipe)
    print(
        f"language: trained on {model.info.data['with_labels']} records in {time.monotonic() - began:.0f} s "
        f"({time.process_time() - used:.0f} s of processor time), version {model.info.version}"
    )
    with tempfile.TemporaryDirectory(prefix="sgob-bench-") as folder:
        save_model(model, Path(folder) / "model")
        size = sum(path.stat().st_size for path in (Path(folder) / "model").iterdir())
        model = load_model(Path(folder) / "model")
    print(f"language: the model takes {size / 1e6:.0f} MB")
    print(render_rows(evaluation_rows(model, held_out, source=data)))
    names = model.components.encoder.labels.names
    cases = [Context(one.title, labels=one.labels[1:], year=one.year) for one in held_out[:SPEED_CASES]]
    began = time.process_time()
    model.log_probs(cases, [names[place % 100 :: len(names) // 10][:10] for place in range(len(cases))])
    print(f"language: {len(cases) / (time.process_time() - began):.0f} cases of ten candidates a second, on one core")


if __name__ == "__main__":
    main()
