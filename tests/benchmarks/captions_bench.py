"""The caption classifier: F1 on data that it was not trained on, speed and training time: ``captions``.

Needs the reference data: ``captions_train.csv`` (a fifth is held out) and ``captions_museum_dev.csv`` (museum prose).
The peer is a bag of words and word pairs with TF-IDF and logistic regression, in NumPy, trained on the same sentences;
spaCy's sentencizer is the peer of the splitter. A process uses one core if ``OMP_NUM_THREADS=1`` is set.
"""

from __future__ import annotations

import csv
import itertools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import spacy

from sgob_tasks.captions.classifier import CaptionClassifier, normalise, score, train_classifier
from sgob_tasks.captions.classifier.measures import calibration_error
from sgob_tasks.captions.sentences import split_sentences
from sgob_tasks.captions.training_data import CAPTION, OTHER, SEED_CSV, Labelled, assign_folds, read_labelled
from tests.reference import reference_files

OWN = Path(__file__).parents[1] / "unit/captions/museum_sentences.csv"
TIMED = 20_000

# Hand-marked: | is where a sentence ends.
SPLIT = """
St. George kills the dragon.|It bleeds.
Painted c. 1480 in Bruges by J. van Eyck.|Signed on the frame, cf. fig. 3.
The bowl measures 12.5 x 30 cm.|The rim is chipped (see no. 4).
Work by J. M. W. Turner.|Sold in 1856.|Bought by Mr. Jones.
He said "Stop."|Then he left.|Who knows why?
The dog sleeps.The cat watches.
Die Tafel stammt aus dem 15. Jh. und zeigt die hl. Barbara.|Vgl. Abb. 3.
Am 23. April 1521 starb er.|Sein Sohn, z.B. auf Bild Nr. 5, trauert.
Né av. 1480, il fut l'élève de M. Dupont.|À droite, un chien dort.
Retrato del s. XV.|La dama, véase núm. 12, lleva un collar.
Olio su tela, sec. XVI.|Un cane dorme ai piedi di S. Rocco.
El sant mata el drac.|La princesa resa.
Zie afb. 3 en blz. 12.|Een vrouw leest.
Óleo do séc. XVII.|Uma mulher lê.
Святой Георгий убивает змея.|Икона XV в. из Новгорода.
圣乔治杀死了龙。|公主在祈祷！
""".strip().replace("sleeps.The", "sleeps.|The").splitlines()  # fmt: skip


def main() -> None:
    """Print the figures."""
    _splitting()
    train, dev = reference_files("data/captions/captions_train.csv"), reference_files("data/captions/*_dev.csv")
    if not train or not dev:
        print("no reference data on this machine: no figures of the classifier")
        return
    rows = read_labelled(train[0])
    folds = assign_folds(rows, 5)
    kept = [row for row, fold in zip(rows, folds, strict=True) if fold]
    with dev[0].open(encoding="utf-8", newline="") as file:
        museum = [Labelled(row["sentence"], row["label"]) for row in csv.DictReader(file)]
    own = read_labelled(OWN)
    tests = {
        "held-out fifth of the training file": [row for row, fold in zip(rows, folds, strict=True) if not fold],
        "prose of another museum (dev)": museum,
        "own sentences, in the manner of museums": [row for row in own if row.language == "en"],
        "own sentences, seven other languages": [row for row in own if row.language != "en"],
    }
    with tempfile.TemporaryDirectory() as folder:
        data, model = Path(folder) / "train.csv", Path(folder) / "model"
        with data.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *((row.text, row.label) for row in kept)])
        started, used = time.monotonic(), time.process_time()
        info = train_classifier(data, model)
        print(
            f"training: {info.rows} sentences, {time.monotonic() - started:.0f} s, "
            f"{time.process_time() - used:.0f} s of processor time"
        )
        for name, scores in info.scores_by_source.items():
            print(f"cross-validation, {name:<28} macro F1 {scores.macro_f1:.3f}  ({scores.sentences} sentences)")
        print(f"cross-validation, calibration error {info.calibration_error:.3f}")
        classifier = CaptionClassifier(model)
        peers = {"file alone": _Peer(kept), "file and seed": _Peer([*kept, *read_labelled(SEED_CSV)])}
        print(f"{'':<42}{'sentences':>10}{'macro F1':>10}{'ECE':>8}" + "".join(f"  peer, {one}" for one in peers))
        for name, test in tests.items():
            probabilities = classifier.probabilities([row.text for row in test])
            labels = [classifier.label(one) for one in probabilities]
            error = calibration_error(probabilities, [row.label == CAPTION for row in test])
            others = "".join(f"{_f1(test, peer.labels(test)):>{8 + len(name)}.3f}" for name, peer in peers.items())
            print(f"{name:<42}{len(test):>10}{_f1(test, labels):>10.3f}{error:>8.3f}{others}")
        texts = [row.text for row in rows] * (TIMED // len(rows) + 1)
        started = time.process_time()
        for _ in classifier.judge(texts):
            pass
        print(f"classify: {len(texts) / (time.process_time() - started):,.0f} sentences per second of processor time")


def _f1(rows: Sequence[Labelled], labels: Sequence[str]) -> float:
    return score([(row.label, label) for row, label in zip(rows, labels, strict=True)]).macro_f1


class _Peer:
    """TF-IDF of words and pairs of words, logistic regression with L2 penalty, by Nesterov's gradient descent."""

    def __init__(self, rows: Sequence[Labelled], penalty: float = 1e-4, steps: int = 300) -> None:
        found: dict[str, int] = {}
        for row in rows:
            for word in set(self._words(row.text)):
                found[word] = found.get(word, 0) + 1
        names = [word for word, count in found.items() if count > 1]
        self._place = {word: place for place, word in enumerate(names)}
        self._idf = np.array([np.log((1 + len(rows)) / (1 + found[word])) + 1 for word in names])
        owner, place, value = self._features(rows)
        truth = np.array([row.label == CAPTION for row in rows], float)
        weights = momentum = np.zeros(len(names) + 1)
        for step in range(steps):
            ahead = weights + step / (step + 3) * (weights - momentum)
            momentum = weights
            error = 1 / (1 + np.exp(-self._scores(ahead, owner, place, value, len(rows)))) - truth
            gradient = np.bincount(place, error[owner] * value, len(weights)) / len(rows)
            gradient[-1] = error.mean()
            weights = ahead - 4.0 * (gradient + penalty * ahead)
        self._weights = weights

    @staticmethod
    def _words(text: str) -> list[str]:
        words = normalise(text).split()
        return words + [" ".join(pair) for pair in itertools.pairwise(words)]

    def _features(self, rows: Sequence[Labelled]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        owner, place = [], []
        for number, row in enumerate(rows):
            known = [self._place[word] for word in self._words(row.text) if word in self._place]
            owner += [number] * len(known)
            place += known
        owners, places = np.array(owner, int), np.array(place, int)
        value = self._idf[places]
        norm = np.sqrt(np.bincount(owners, value**2, len(rows)))
        return owners, places, value / np.maximum(norm[owners], 1e-9)

    @staticmethod
    def _scores(weights: np.ndarray, owner: np.ndarray, place: np.ndarray, value: np.ndarray, rows: int) -> np.ndarray:
        return np.bincount(owner, weights[place] * value, rows) + weights[-1]

    def labels(self, rows: Sequence[Labelled]) -> list[str]:
        """Judge sentences."""
        owner, place, value = self._features(rows)
        return [CAPTION if one >= 0 else OTHER for one in self._scores(self._weights, owner, place, value, len(rows))]


def _splitting() -> None:
    """Compare the splitter with spaCy's rule-based sentencizer on hand-marked texts."""
    sentencizer = spacy.blank("xx")
    sentencizer.add_pipe("sentencizer")
    ours, theirs = [], []
    for line in SPLIT:
        parts = line.split("|")
        joined = "".join(parts) if parts[0].endswith("。") or line.startswith("The dog sleeps") else " ".join(parts)
        truth = _ends(parts)
        ours.append((truth, _ends(split_sentences(joined))))
        theirs.append((truth, _ends([sentence.text for sentence in sentencizer(joined).sents])))
    for name, found in (("ours", ours), ("spaCy's sentencizer", theirs)):
        hits = sum(len(truth & ends) for truth, ends in found)
        precision = hits / sum(len(ends) for _, ends in found)
        recall = hits / sum(len(truth) for truth, _ in found)
        print(f"sentence ends, {name:<20} precision {precision:.2f}  recall {recall:.2f}  ({len(SPLIT)} texts)")


def _ends(sentences: Sequence[str]) -> set[int]:
    """Return where sentences end, in letters without white space."""
    ends: set[int] = set()
    length = 0
    for sentence in sentences:
        length += len("".join(sentence.split()))
        ends.add(length)
    return ends


if __name__ == "__main__":
    main()
