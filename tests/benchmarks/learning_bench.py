"""What the detector learns from nothing on two cores: painted scenes, and the reference paintings.

``python -m tests.benchmarks painter`` and ``... paintings``; ``--budget=S`` changes the seconds of a training. The
pictures of the result go to ``.cache/learning/<name>/``: ``training.png`` and the page ``evaluation/index.html``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sgob_tasks.cluster_python import run_here
from sgob_tasks.detection.data.prepare import prepare_dataset
from sgob_tasks.report.training_curves import draw_training_curves
from sgob_tasks.sandbox.painter import paint_set_by_lot, paint_training_set
from sgob_tasks.steps.evaluate import evaluate
from sgob_tasks.steps.jobs import write_job
from tests.reference import REFERENCE

CACHE = Path(".cache/learning").resolve()
RANKS, SEED = 2, 1


def painted() -> Path:
    """Return painted scenes of 22 classes: 2400 to learn from, 300 held out; always the same."""
    folder = CACHE / "painted"
    if not (folder / "val.json").exists():
        paint_training_set(folder, 2400, 300, SEED)
    return folder


def arranged() -> Path:
    """Return painted arrangements: 2400 to learn from, 300 held out; always the same."""
    return _painted_by_lot("arrangement", CACHE / "arranged")


def crowded() -> Path:
    """Return painted crowds with a few in front: 2400 to learn from, 300 held out; always the same."""
    return _painted_by_lot("crowd", CACHE / "crowded")


def _painted_by_lot(subject: str, folder: Path) -> Path:
    if not (folder / "val.json").exists():
        paint_set_by_lot(subject, folder, 2400, 300, SEED)
    return folder


def paintings() -> Path | None:
    """Return the reference paintings, a quarter of them held out; None where they are not at hand."""
    if REFERENCE is None:
        return None
    folder, source = CACHE / "paintings-data", REFERENCE / "data" / "paintings"
    if not (folder / "val.json").exists():
        prepare_dataset(source, folder, val_fraction=0.25, test_fraction=0.0)
    return folder


def learn(name: str, data: Path, images: Path | None, budget_s: float, works: Path | None, **how: Any) -> None:
    """Train from nothing, evaluate, draw, and print."""
    job = CACHE / name
    shutil.rmtree(job, ignore_errors=True)
    (job / "input").mkdir(parents=True)
    (job / "input" / "dataset").symlink_to(data)
    parameters = {"preset": "tiny", "budget_s": budget_s, "reserve_s": 60.0, "epochs": 100000.0, "evaluations": 4}
    write_job(job, "train", 1, parameters | how)
    began = time.monotonic()
    run_here(job, RANKS, "sgob_tasks.detection.train", str(job))
    seconds = time.monotonic() - began
    results, out = job / "results", job / "evaluation"
    found = evaluate(data / "val.json", results / "val_detections.json", out=out, images=images, works=works)
    draw_training_curves(results, job / "training.png")
    trained = json.loads((results / "summary.json").read_text())["training"]
    described = f"{trained['pictures']} pictures, {trained['instances']} instances"
    print(f"{name}: {described}, {trained['steps']} steps of {trained['global_batch_size']} on {RANKS} ranks")
    print(f"{name}: {seconds / 60:.1f} minutes from start to last figure")
    for kind in ("bbox", "segm"):
        if kind in found:
            figures: Mapping[str, Any] = found[kind]
            print(f"{name}: {kind} AP50 {figures['AP50']:.3f}, AP75 {figures['AP75']:.3f}, AP {figures['AP']:.3f}")
    print(f"{name}: {job / 'training.png'}, {out / 'index.html'}")


def main(name: str) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, metavar="S", help="seconds of the training")
    options = parser.parse_args()
    if name == "painter":
        data = painted()
        learn(name, data, data / "images", options.budget or 2200.0, None, config={"mask_channels": 32})
        return
    prepared = paintings()
    if prepared is None or REFERENCE is None:
        print("paintings: the reference paintings are not at hand")
        return
    source = REFERENCE / "data" / "paintings"
    works = source / "paintings.csv"
    learn(name, prepared, source / "images", options.budget or 900.0, works, config={"image_size": 256})
