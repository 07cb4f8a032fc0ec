"""The caption generator on painted pictures: what it learns in a quarter of an hour, against two baselines.

``python -m tests.benchmarks generator``, on compositions (things in fixed places), on arrangements (things in places
drawn by lot) and on crowds (a few in front of many); ``--only=NAME`` for one of the three, ``--budget=S`` changes the
seconds of each training, ``--steps=N`` counts their updates instead (on a busy machine), ``--ranks=N`` the processes.
The regions are those of the detector that ``python -m tests.benchmarks painter`` trained, after the time context, or
with ``--true-boxes`` the true ones, a little moved. Baselines: the one training caption that is best on the held-out
pictures, and the same network with as many weights that sees the mean of all regions for every word, trained for the
same time.
"""

from __future__ import annotations

import argparse
import html
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sgob_tasks.captions.generated import attention_json, looked_at
from sgob_tasks.captions.generator.baselines import best_constant_caption
from sgob_tasks.captions.generator.class_words import names
from sgob_tasks.captions.generator.local import train_here
from sgob_tasks.captions.generator.regions import read_pictures
from sgob_tasks.captions.generator.show import STYLE, attention_page
from sgob_tasks.captions.scores import CaptionScores, score_captions
from sgob_tasks.captions.tokens import tokenise
from sgob_tasks.cluster_python import cluster_environment, cluster_python
from sgob_tasks.report.assets import asset
from sgob_tasks.sandbox.painter.captioned import painted_things, write_painted_split
from sgob_tasks.steps.evaluate import evaluate
from tests.benchmarks.learning_bench import CACHE, RANKS, arranged, crowded, painted

SETS = {
    "compositions": (painted, CACHE / "generator"),
    "arrangements": (arranged, CACHE / "generator-arranged"),
    "crowds": (crowded, CACHE / "generator-crowded"),
}
"""Name -> where the pictures come from, and where the results go."""
SHOWN = 6
MOVED = 0.05
"""Standard deviation of the edges of moved boxes, as a share of their width or height."""
Found = Mapping[str, Sequence[Mapping[str, Any]]]
"""What was found on each picture, by file name."""
SAME_SIZE = 200
"""Units of the network without attention: it has no fewer weights than ours, whose 192 units have attention besides."""


def found_on(data: Path, detector: Path, folder: Path) -> Found:
    """What the detector finds on all painted pictures, by file name; done once for a detector."""
    out = folder / "found.json"
    marker = folder / "found.of"
    stamp = f"{(detector / 'weights.h5').stat().st_mtime_ns}"
    if not (out.exists() and marker.exists() and marker.read_text() == stamp):
        program = [str(cluster_python()), "-m", "sgob_tasks.detection.detect", f"--weights={detector}"]
        program += [f"--images={data / 'images'}", f"--out={out}", "--batch-size=8", "--fresh"]
        subprocess.run(program, env=cluster_environment(), check=True)
        marker.write_text(stamp)
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in json.loads(out.read_text()):
        found.setdefault(Path(entry["file_name"]).name, []).append(entry)
    return found


def moved_truth(data: Path) -> Found:
    """What a detector would find that misses nothing and mistakes nothing, but whose boxes and scores are not exact."""
    rng, found = np.random.default_rng(0), {}
    for split in ("train", "val"):
        things = painted_things(data / f"{split}.json")
        for image in json.loads((data / f"{split}.json").read_text())["images"]:
            found[image["file_name"]] = [
                thing | {"score": rng.uniform(0.7, 1.0), "bbox": _moved(thing["bbox"], rng)}
                for thing in things[image["id"]]
            ]
    return found


def _moved(box: Sequence[float], rng: np.random.Generator) -> list[float]:
    (x, y, width, height), (left, top, right, bottom) = box, rng.normal(0.0, MOVED, 4)
    return [x + left * width, y + top * height, width * (1 + right - left), height * (1 + bottom - top)]


def how_well(data: Path, found: Found, folder: Path) -> float:
    """Return AP50 of what was found on the held-out pictures; of staffage, neither finding it nor missing it counts."""
    truth = json.loads((data / "val.json").read_text())
    categories = {category["name"]: category["id"] for category in truth["categories"]}
    for thing in truth["annotations"]:
        thing["iscrowd"] = int(thing.get("behind", False))
    results = [
        {"image_id": image["id"], "category_id": categories[entry["class_name"]]}
        | {"bbox": entry["bbox"], "score": entry["score"]}
        for image in truth["images"]
        for entry in found.get(image["file_name"], ())
    ]
    for name, document in (("truth", truth), ("results", results)):
        (folder / f"{name}.json").write_text(json.dumps(document))
    figures = evaluate(folder / "truth.json", folder / "results.json", iou_type="bbox")
    return float(figures["bbox"]["AP50"])


def prepare(data: Path, found: Found, folder: Path) -> dict[str, Any]:
    """Write the generator's training data; return the held-out captions."""
    captions: dict[str, Any] = {}
    for split in ("train", "val"):
        images = json.loads((data / f"{split}.json").read_text())["images"]
        by_id = {image["id"]: found.get(image["file_name"], []) for image in images}
        shutil.rmtree(folder / "data" / split, ignore_errors=True)
        captions = write_painted_split(folder / "data" / split, data / f"{split}.json", data / "images", by_id)
    return captions


def by_picture(captions: Mapping[str, Any]) -> dict[int, list[str]]:
    """Return the captions of each picture."""
    found: dict[int, list[str]] = {}
    for entry in captions["annotations"]:
        found.setdefault(entry["image_id"], []).append(entry["caption"])
    return found


def named(told: Mapping[int, str], images: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """For each picture with a main subject, 1 where the caption names it."""
    asked = [image for image in images if image["main_class"]]
    return np.array([names(tokenise(told[image["id"]]), image["main_class"]) for image in asked], float)


def interval(values: np.ndarray) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(1000, len(values)))].mean(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def ratio(ours: CaptionScores, theirs: CaptionScores) -> str:
    """How many times as good, with its interval from the same resampled pictures."""
    first, second = ours.per_picture["CIDEr-D"], theirs.per_picture["CIDEr-D"]
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(first), size=(1000, len(first)))
    ratios = first[drawn].mean(1) / second[drawn].mean(1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return f"{first.mean() / second.mean():.2f} times [{low:.2f}, {high:.2f}]"


def agreement(references: Mapping[int, Sequence[str]]) -> CaptionScores:
    """Return what one person's captions score against the other four's: what a caption can reach, about."""
    told = {image_id: texts[0] for image_id, texts in references.items()}
    return score_captions({image_id: texts[1:] for image_id, texts in references.items()}, told)


def show(data: Path, folder: Path, images: Sequence[Mapping[str, Any]]) -> Path:
    """Write a page with some held-out pictures, their captions, and where each word came from."""
    regions = folder / "data" / "val" / "regions"
    out = folder / "told.jsonl"
    program = [str(cluster_python()), "-m", "sgob_tasks.captions.generator.describe", f"--in={regions}", f"--out={out}"]
    model = folder / "attention" / "results" / "model"
    subprocess.run([*program, f"--model={model}"], env=cluster_environment(), check=True, stdout=subprocess.DEVNULL)
    asked = {one.sha256: one for path in sorted(regions.glob("*.jsonl")) for one in read_pictures(path)}
    named = {image["sha256"]: image["file_name"] for image in images}
    figures = []
    for number, line in enumerate(map(json.loads, out.read_text("utf-8").splitlines()[:SHOWN])):
        picture = asked[line["sha256"]]
        words = looked_at(attention_json(line, picture))
        url = (data / "images" / named[picture.sha256]).as_uri()
        figure = attention_page(words, picture.width, picture.height, url, name=f"p{number}")
        figures.append(f"<section class=panel>{figure}<small>{html.escape(picture.title)}</small></section>")
    page = folder / "attention.html"
    styles = str(asset("style.css")) + STYLE
    page.write_text(
        f'<!doctype html><meta charset="utf-8"><title>Captions</title><style>{styles}</style>'
        f'<main><h1>Where each word came from</h1><div class="panels">{"".join(figures)}</div></main>',
        "utf-8",
    )
    return page


def report(title: str, told: Mapping[str, Mapping[int, str]], held_out: Mapping[str, Any]) -> None:
    """Print the figures of all captions of the held-out pictures."""
    references = by_picture(held_out)
    scores = {name: score_captions(references, captions) for name, captions in told.items()}
    for name, one in (scores | {"a reference against the others": agreement(references)}).items():
        for figure, value in one.values.items():
            low, high = one.intervals[figure]
            print(f"{title}: {name}: {figure} {value:.3f} [{low:.3f}, {high:.3f}]")
    for name in told:
        right = named(told[name], held_out["images"])
        if len(right):  # in an arrangement nothing is the main subject
            low, high = interval(right)
            print(f"{title}: {name}: main subject named {right.mean():.3f} [{low:.3f}, {high:.3f}] of {len(right)}")
    print(f"{title}: CIDEr-D {ratio(scores['attention'], scores['constant'])} the constant caption's")
    print(f"{title}: CIDEr-D {ratio(scores['attention'], scores['no attention'])} the one's without attention")


def measure(title: str, data: Path, folder: Path, detector: Path | None, how: Mapping[str, Any]) -> None:
    """Train on one set of pictures, and print what comes out; the regions are true where there is no detector."""
    folder.mkdir(parents=True, exist_ok=True)
    found = moved_truth(data) if detector is None else found_on(data, detector, folder)
    print(f"{title}: things found with AP50 {how_well(data, found, folder):.3f}")
    held_out = prepare(data, found, folder)
    references = by_picture(held_out)
    training = json.loads((folder / "data" / "train" / "captions.json").read_text())
    constant, _ = best_constant_caption(
        (entry["caption"] for entry in training["annotations"]), list(references.values())
    )
    told: dict[str, dict[int, str]] = {"constant": dict.fromkeys(references, constant)}
    print(f"{title}: constant caption: {constant}")
    for name, config in (("attention", {}), ("no attention", {"attention": False, "units": SAME_SIZE})):
        out = folder / name.replace(" ", "-")
        shutil.rmtree(out, ignore_errors=True)
        trained = train_here(folder / "data", out, config=config, checkpoint_interval_s=120.0, **how)["training"]
        print(
            f"{title}: {name}: {trained['weights']} weights, {trained['steps']} steps of"
            f" {trained['global_batch_size']} in {trained['seconds']:.0f} s on {trained['ranks']} ranks"
        )
        results = json.loads((out / "results" / "val_captions.json").read_text())
        told[name] = {entry["image_id"]: entry["caption"] for entry in results}
    report(title, told, held_out)
    print(f"{title}: {show(data, folder, held_out['images'])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=SETS, help="one set of pictures")
    parser.add_argument("--budget", type=float, default=900.0, metavar="S", help="seconds of each training")
    parser.add_argument("--steps", type=int, metavar="N", help="updates of each, however long they take")
    parser.add_argument("--ranks", type=int, default=RANKS, metavar="N")
    parser.add_argument(
        "--fine-places", action="store_true", help="both networks know places in finer grain, and order"
    )
    parser.add_argument("--true-boxes", action="store_true", help="regions are the true ones, a little moved")
    options = parser.parse_args()
    detector = None if options.true_boxes else CACHE / "painter" / "results" / "model"
    if detector and not (detector / "weights.h5").exists():
        print("generator: first train a detector: python -m tests.benchmarks painter")
        return
    how: dict[str, Any] = {"steps": options.steps} if options.steps else {"budget_s": options.budget}
    for name in (options.only,) if options.only else SETS:
        pictures, folder = SETS[name]
        measure(name, pictures(), folder, detector, how | {"ranks": options.ranks, "fine_places": options.fine_places})
