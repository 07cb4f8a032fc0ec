"""How well saints and scenes are read from titles, and ranked from what a picture shows.

    nice -n 19 .venv/bin/python -m tests.benchmarks.iconography_bench [titles] [synthetic] [tate] [painted]

``titles``      the title reader against 377 titles of the Tate, labelled by reading (``saint_titles.csv``; most of them
                name churches and places), 167 of them held out; the titles of the paintings and museum prose, which
                were read for mistakes; needs the reference data
``synthetic``   pictures made by drawing attributes of each saint, with misses and clutter; the scorer never saw how
``tate``        works of the Tate with a saint among their subject terms, ranked from the other terms, title hidden
``painted``     the painter's scenes, title hidden: four subjects that it knows, and all the others as "none"
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import itertools
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sgob_tasks.context.dates import DateRange
from sgob_tasks.context.iconography.elements import PERSONS, Evidence, attribute_words, background, gather
from sgob_tasks.context.iconography.rank import score_subjects
from sgob_tasks.context.iconography.saints import load_saint_names, load_saints
from sgob_tasks.context.iconography.scenes import load_scenes
from sgob_tasks.context.iconography.titles import read_mentions
from sgob_tasks.context.scene_graph.relate import relate
from sgob_tasks.context.scene_graph.things import Thing
from sgob_tasks.detection.classes import ClassTable
from tests.reference import REFERENCE

GOLD = Path(__file__).with_name("saint_titles.csv")


def who(notation: str) -> str:
    """Return the saint of a saint's scene, else the notation."""
    scene = load_scenes().get(notation)
    return scene.who or notation if scene else notation


def tate() -> list[dict[str, str]]:
    assert REFERENCE is not None, "there is no reference data on this machine"
    with gzip.open(REFERENCE / "data/tate/subjects.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def titles() -> dict[str, Any]:
    assert REFERENCE is not None, "there is no reference data on this machine"
    by_id = {row["id"]: row["title"] for row in tate()}
    result: dict[str, Any] = {name: _titles(name, by_id) for name in ("seen", "held_out")}
    with (REFERENCE / "data/paintings/paintings.csv").open(encoding="utf-8", newline="") as file:
        paintings = [row["title"] for row in csv.DictReader(file)]
    with (REFERENCE / "data/captions/captions_museum_dev.csv").open(encoding="utf-8", newline="") as file:
        prose = [text for row in csv.DictReader(file) for text in (row["title"], row["sentence"])]
    for name, texts in (("paintings", paintings), ("museum", list(dict.fromkeys(prose)))):
        named = {text[:80]: [one.notation for one in read_mentions(text)] for text in texts}
        result[name] = {"texts": len(texts), "named": {text: found for text, found in named.items() if found}}
    return result


def _titles(name: str, by_id: Mapping[str, str]) -> dict[str, Any]:
    right = said = there = false_alarms = empty = 0
    wrong: list[str] = []
    with GOLD.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == name]
    for row in rows:
        truth = {who(n) for n in row["subjects"].split("|") if n}
        found = {who(one.notation) for one in read_mentions(by_id[row["id"]]) if one.weight >= 0.25}
        right, said, there = right + len(truth & found), said + len(found), there + len(truth)
        empty += not truth
        false_alarms += not truth and bool(found)
        if truth != found:
            wrong.append(f"{row['id']}: {sorted(found)} for {sorted(truth)}")
    return {
        "titles": len(rows),
        "precision": round(right / said, 3),
        "recall": round(right / there, 3),
        "subjects_named": there,
        "titles_without": empty,
        "false_alarms": false_alarms,
        "mistakes": wrong,
    }


def _place(ranking: Sequence[str], truth: str) -> float:
    return 1.0 / (ranking.index(truth) + 1) if truth in ranking else 0.0


def _summary(places: Sequence[float]) -> dict[str, float]:
    count = max(len(places), 1)
    return {
        "cases": len(places),
        "top1": round(sum(place == 1.0 for place in places) / count, 3),
        "top3": round(sum(place >= 1 / 3 - 1e-9 for place in places) / count, 3),
        "mrr": round(sum(places) / count, 3),
    }


def saint_ranking(evidence: Evidence) -> list[str]:
    """Return all saints by score; a saint's scene stands for the saint, other subjects are left out."""
    return [who(notation) for notation in score_subjects(evidence) if who(notation) in load_saints()]


def synthetic(draws: int = 250, seed: int = 3) -> dict[str, Any]:
    """Draw saints and clutter as often as the scorer expects them, and each as often as any other.

    Each attribute is shown with probability 0.6 (at least one), missed with 0.2; 0 to 3 other things are there. The
    first draw checks the arithmetic, since the scorer's own estimates are true in it; the second is against all odds.
    """
    weights = {notation: saint.prior for notation, saint in load_saints().items() if saint.attributes}
    return {
        "as_expected": _synthetic(weights, draws, seed, lambda name: background((name,))),
        "uniform": _synthetic(dict.fromkeys(weights, 1.0), draws, seed, lambda _: 1.0),
    }


def _synthetic(weights: Mapping[str, float], draws: int, seed: int, share: Callable[[str], float]) -> dict[str, Any]:
    rng, table = random.Random(seed), ClassTable.load()
    clutter = [name for name in table if table[name].vocabulary != "coco" and name not in {"person", "judith"}]
    saints = load_saints()
    by_prior = sorted(saints, key=lambda notation: -saints[notation].prior)
    places: dict[str, list[float]] = {"ours": [], "frequency": [], "overlap": []}
    for notation in rng.choices(list(weights), list(weights.values()), k=draws):
        attributes = saints[notation].attributes
        shown = [name for name in attributes if rng.random() < 0.6] or [rng.choice(attributes)]
        seen = [name for name in shown if rng.random() < 0.8]
        seen += rng.choices(clutter, [share(name) for name in clutter], k=rng.randint(0, 3))
        elements = {name: rng.uniform(0.5, 1.0) for name in seen} | {"person": rng.uniform(0.7, 1.0)}
        places["ours"].append(_place(saint_ranking(Evidence(elements)), notation))
        places["frequency"].append(_place(by_prior, notation))
        overlap = sorted(saints, key=lambda n: (-len(set(saints[n].attributes) & set(seen)), -saints[n].prior))
        places["overlap"].append(_place(overlap, notation))
    return {name: _summary(values) for name, values in places.items()}


def _saint_terms() -> dict[str, str]:
    """Return the notation of a Tate term such as ``St Mary Magdalene``."""
    found = {}
    for saint in load_saints().values():
        for name in (*load_saint_names().get(saint.key, ()), saint.key.title()):
            plain = name.removeprefix("!").lower()
            known = found.get(plain)
            if known is None or load_saints()[known].prior < saint.prior:
                found[plain] = saint.notation
    return {f"st {name}": notation for name, notation in found.items()}


_TERM = {"man": "person", "woman": "person", "girl": "person", "boy": "person", "figure": "person", "snake": "serpent",
         "baby": "infant", "bull": "cow", "ox": "cow", "crucifix": "crucifixion", "monk": "monk", "armour": "helmet",
         "ship": "boat", "spear": "lance", "jar": "jug", "nude": "nude", "soldier": "knight"}  # fmt: skip


def tate_subjects() -> dict[str, Any]:
    terms, known = _saint_terms(), set(ClassTable.load()) | attribute_words()
    saints = load_saints()
    by_prior = sorted(saints, key=lambda notation: -saints[notation].prior)
    counts: Counter[str] = Counter()
    cases = []
    for row in tate():
        leaves = [path.split("/")[-1].strip().lower() for path in row["subjects"].split("|")]
        truth = {terms[leaf] for leaf in leaves if leaf in terms and "religion and belief/Saints" in row["subjects"]}
        if not truth:
            continue
        counts.update(truth)
        seen: dict[str, float] = {}
        for leaf in leaves:
            plain = leaf.split(",")[0].split(" - ")[0].strip()
            element = _TERM.get(plain, plain)
            if leaf not in terms and element in known:
                seen[element] = 0.9
        if sum(leaf.split(",")[0] in {"man", "woman", "boy", "girl", "group"} for leaf in leaves) > 1:
            seen[PERSONS] = 0.9
        cases.append((truth, seen))
    useful = [(truth, seen) for truth, seen in cases if set(seen) - {"person", PERSONS, "halo"}]
    result: dict[str, Any] = {"works": len(cases), "with_attributes": len(useful)}
    for name, chosen in (("all", cases), ("with_attributes_only", useful)):
        ours = [max(_place(saint_ranking(Evidence(seen)), one) for one in truth) for truth, seen in chosen]
        base = [max(_place(by_prior, one) for one in truth) for truth, _ in chosen]
        result[name] = {"ours": _summary(ours), "frequency": _summary(base)}
    return result


PAINTED = {"george": "11H(GEORGE)", "michael": "11G183", "annunciation": "73A52", "jerome": "11H(JEROME)"}


PAINTING = Path(".cache/learning/painted")
"""Where the detector's data set is painted; without it, the same scenes are painted here."""


def _painted(split: str, count: int) -> Iterator[tuple[list[Thing], str]]:
    file = PAINTING / {"train": "train.json", "held_out": "val.json"}[split]
    if not file.exists():
        from tests.benchmarks.scene_graph_bench import scenes

        yield from ((things, subject) for things, _, subject in scenes(split, count))
        return
    document = json.loads(file.read_text("utf-8"))
    names = {one["id"]: one["name"] for one in document["categories"]}
    by_image: dict[int, list[Thing]] = {}
    for one in document["annotations"]:
        box = tuple(map(float, one["bbox"]))
        thing = Thing(one["id"], names[one["category_id"]], 1.0, box, one["segmentation"])
        by_image.setdefault(one["image_id"], []).append(thing)
    for image in document["images"][:count]:
        yield by_image.get(image["id"], []), image["subject"]


def painted(split: str = "held_out", count: int = 300, seed: int = 1) -> dict[str, Any]:
    """Boxes are the true ones with one in seven missed and scores between 0.5 and 1."""
    rng = random.Random(seed)
    places, none, probabilities = [], [], []
    for things, subject in _painted(split, count):
        labels = {thing.label for thing in things}
        if subject == "mounted" and {"dragon", "horse"} <= labels:
            continue  # a rider over a dragon is a Saint George, whatever the painter calls it
        kept = [
            dataclasses.replace(thing, score=rng.uniform(0.5, 1.0)) for thing in things if rng.random() > 1 / 7
        ]  # fmt: skip
        ranked = score_subjects(gather(kept, relate(kept)), date=DateRange(1400, 1500))
        scores = {who(notation): score for notation, score in ranked.items()}
        best = next(iter(scores), "")
        truth = PAINTED.get(subject)
        if truth is None:
            none.append((scores.get(best, 0.0), best, subject))
        else:
            places.append(_place(list(scores), truth))
        for notation in set(PAINTED.values()):
            probabilities.append((scores.get(notation, 0.0), notation == truth))
    log_loss = -sum(math.log(max(p if hit else 1 - p, 1e-6)) for p, hit in probabilities) / len(probabilities)
    brier = sum((p - hit) ** 2 for p, hit in probabilities) / len(probabilities)
    rate = sum(hit for _, hit in probabilities) / len(probabilities)
    alarms = Counter(f"{subject}: {best}" for score, best, subject in none if score >= 0.5)
    edges = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.01)
    bins = []
    for low, high in itertools.pairwise(edges):
        chosen = [(p, hit) for p, hit in probabilities if low <= p < high]
        if chosen:
            said, true = (sum(values) / len(chosen) for values in zip(*chosen, strict=True))
            bins.append(f"{low}: {len(chosen)} said {said:.2f} true {true:.2f}")
    return {
        "known_subjects": _summary(places),
        "others": len(none),
        "others_with_a_subject_at_0.5": dict(alarms),
        "log_loss": round(log_loss, 4),
        "brier": round(brier, 4),
        "brier_of_base_rate": round(rate * (1 - rate), 4),
        "calibration": bins,
    }


def main(arguments: Sequence[str]) -> int:
    parts: Mapping[str, Callable[[], Any]] = {
        "titles": titles, "synthetic": synthetic, "tate": tate_subjects, "painted": painted,
        "painted_train": lambda: painted("train", 400),
    }  # fmt: skip
    for name in arguments or ["titles", "synthetic", "tate", "painted"]:
        print(name, json.dumps(parts[name](), indent=1, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
