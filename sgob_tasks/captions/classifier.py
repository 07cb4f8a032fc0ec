"""Tells sentences that say what is depicted from all others: a spaCy text classifier.

A linear model over words and pairs of words (``spacy.TextCatBOW.v3``): on museum prose that it was not trained on it
beat the ensemble with a convolutional network, which learns the habits of the museum it is trained on.

What would be a shortcut is taken out of the text first (``normalise``): case, punctuation and digits. In labelled
museum data years occur almost only in ``other``, and full stops give away the source.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sgob_tasks.captions.sentences import language_of, split_sentences, text_hash
from sgob_tasks.captions.training_data import CAPTION, LABELS, SEED_CSV, Labelled, fingerprint, read_labelled, split
from sgob_tasks.errors import InputError
from sgob_tasks.progress import track
from sgob_tasks.store import captions as queries
from sgob_tasks.store.detections import RECORDS_AT_ONCE, among, count_records, record_pages
from sgob_tasks.store.tables import records

LANGUAGE = "en"
RECIPE = 1
"""Counts up when normalisation or architecture change: part of the classifier's name."""

VALIDATION_SHARE = 0.15
SEED_WEIGHT = 0.4
"""Sentences of the package, by repetition, for each one of an operator's file: they keep a large file of another kind
of text from deciding everything."""

BATCH_SIZE = 32
DROPOUT = 0.2
SENTENCES_SEEN, MIN_EPOCHS, MAX_EPOCHS = 9000, 3, 15
_INFO, _PIPELINE = "caption_model.json", "pipeline"
_ARCHITECTURE = {
    "@architectures": "spacy.TextCatBOW.v3",
    "exclusive_classes": True,
    "ngram_size": 2,
    "length": 262144,
    "no_output_layer": False,
}


@dataclass(frozen=True)
class Scores:
    """How well labels were found: precision, recall and F1 of ``caption``, F1 of ``other``, and the mean of both F1."""

    sentences: int
    precision: float
    recall: float
    f1_caption: float
    f1_other: float
    macro_f1: float


@dataclass(frozen=True)
class CaptionModelInfo:
    """A trained classifier.

    Attributes:
        name: made from the sentences and the recipe; the same training has the same name.
        rows: sentences that it was trained on, without repetitions.
        scores: on the sentences held out, from the same sources: an upper bound for other museums' prose.
        scores_by_source: the same by file name.
        language: of the sentences it can judge.
        recipe: version of normalisation and architecture.
    """

    name: str
    rows: int
    scores: Scores
    scores_by_source: dict[str, Scores]
    language: str = LANGUAGE
    recipe: int = RECIPE


@dataclass(frozen=True)
class CaptionCounts:
    """What classifying did.

    Attributes:
        records: records looked at.
        sentences: sentences found in them.
        captions: sentences that say what is depicted.
        other_language: sentences left out, because the classifier does not know their language.
        judged: sentences that were classified by this call; the others were known already.
        removed: rows of sentences that their record no longer has.
    """

    records: int
    sentences: int
    captions: int
    other_language: int
    judged: int
    removed: int


_TAG = re.compile(r"<[^<>]{0,200}>")
_WITH_DIGIT = re.compile(r"\w*\d\w*")
_PUNCTUATION = re.compile(r"[^\w\s']")


def normalise(text: str) -> str:
    """Return the words that the classifier sees: lower case, no markup or punctuation, numbers as ``0``."""
    words = _PUNCTUATION.sub(" ", _WITH_DIGIT.sub("0", _TAG.sub(" ", text).lower()))
    return " ".join(words.split())


def train_classifier(
    csv: Path | None, out_dir: Path, *, with_seed: bool = True, random_seed: int = 7
) -> CaptionModelInfo:
    """Train a classifier and write it to ``out_dir`` (replaced whole, when all is done).

    Args:
        csv: labelled sentences (``text,label``) of an operator; None: the package's own alone.
        out_dir: folder of the model.
        with_seed: train on the package's own sentences besides ``csv``.
        random_seed: the same seed and sentences give the same model.

    Raises:
        InputError: the CSV does not fit; names file, line, column and value.
    """
    sources = [read_labelled(csv)] if csv else []
    names = [csv.name] if csv else []
    if with_seed or not csv:
        sources.append(read_labelled(SEED_CSV))
        names.append(SEED_CSV.name)
    splits = [split(rows, VALIDATION_SHARE) for rows in sources]
    held_out = {row.text.casefold() for _, validation in splits for row in validation}
    training = [[row for row in rows if row.text.casefold() not in held_out] for rows, _ in splits]
    weighted = list(training[0])
    if len(training) > 1:
        weighted += training[1] * max(1, round(SEED_WEIGHT * len(training[0]) / len(training[1])))
    nlp = _fit(weighted, random_seed)
    predicted = {name: _judge(nlp, validation) for name, (_, validation) in zip(names, splits, strict=True)}
    rows = {row for part in training for row in part}
    digest = hashlib.sha256(f"{RECIPE} {random_seed} {fingerprint(rows)}".encode()).hexdigest()
    info = CaptionModelInfo(
        name=f"textcat-{digest[:12]}",
        rows=len(rows),
        scores=score([pair for pairs in predicted.values() for pair in pairs]),
        scores_by_source={name: score(pairs) for name, pairs in predicted.items()},
    )
    _save(nlp, info, out_dir)
    return info


def _fit(rows: Sequence[Labelled], random_seed: int) -> Any:
    import spacy
    from spacy.training import Example

    util: Any = spacy.util  # partly typed
    util.fix_random_seed(random_seed)
    order = random.Random(random_seed)  # noqa: S311 - shuffling, not cryptography
    nlp = spacy.blank(LANGUAGE)
    classifier: Any = nlp.add_pipe("textcat", config={"model": _ARCHITECTURE})
    for label in LABELS:
        classifier.add_label(label)
    examples = [
        Example.from_dict(
            nlp.make_doc(normalise(row.text)), {"cats": {label: float(row.label == label) for label in LABELS}}
        )
        for row in rows
    ]
    optimizer = nlp.initialize(lambda: examples)
    epochs = min(MAX_EPOCHS, max(MIN_EPOCHS, math.ceil(SENTENCES_SEEN / len(examples))))
    for _ in track(range(epochs), "Training the caption classifier"):
        order.shuffle(examples)
        for batch in util.minibatch(examples, BATCH_SIZE):
            nlp.update(batch, sgd=optimizer, drop=DROPOUT)
    return nlp


def _judge(nlp: Any, rows: Sequence[Labelled]) -> list[tuple[str, str]]:
    """Return true and predicted label of each row."""
    probabilities = _probabilities(nlp, [row.text for row in rows])
    labels = (CAPTION if probability >= 0.5 else LABELS[1] for probability in probabilities)
    return list(zip((row.label for row in rows), labels, strict=True))


def _probabilities(nlp: Any, sentences: Sequence[str]) -> Iterator[float]:
    for doc in nlp.pipe((normalise(sentence) for sentence in sentences), batch_size=256):
        yield float(doc.cats[CAPTION])


def score(pairs: Sequence[tuple[str, str]]) -> Scores:
    """Measure pairs of true and predicted label; a figure without anything to measure it on is 0."""
    counts = Counter(pairs)

    def share(part: float, whole: float) -> float:
        return part / whole if whole else 0.0

    def f1(label: str) -> float:
        hits = counts[label, label]
        misses = sum(count for (true, found), count in counts.items() if (true == label) != (found == label))
        return share(2 * hits, 2 * hits + misses)

    hits = counts[CAPTION, CAPTION]
    found = sum(count for (_, label), count in counts.items() if label == CAPTION)
    true = sum(count for (label, _), count in counts.items() if label == CAPTION)
    f1_caption, f1_other = (f1(label) for label in LABELS)
    return Scores(len(pairs), share(hits, found), share(hits, true), f1_caption, f1_other, (f1_caption + f1_other) / 2)


def _save(nlp: Any, info: CaptionModelInfo, out_dir: Path) -> None:
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir.parent, prefix=f".{out_dir.name}-") as folder:
        new, old = Path(folder) / "new", Path(folder) / "old"
        new.mkdir()
        nlp.to_disk(new / _PIPELINE)
        (new / _INFO).write_text(json.dumps(asdict(info), indent=2) + "\n", "utf-8")
        if out_dir.exists():
            os.replace(out_dir, old)  # noqa: PTH105 - Path.rename does not say that it replaces
        shutil.move(new, out_dir)


def model_info(model_dir: Path) -> CaptionModelInfo:
    """Read what is known of a trained classifier.

    Raises:
        InputError: the folder holds none, or one of another recipe.
    """
    path = model_dir / _INFO
    try:
        values = json.loads(path.read_text("utf-8"))
        values["scores"] = Scores(**values["scores"])
        values["scores_by_source"] = {name: Scores(**entry) for name, entry in values["scores_by_source"].items()}
        info = CaptionModelInfo(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(path, "file", str(error), "is no caption model; train one first") from error
    if info.recipe != RECIPE:
        raise InputError(path, "recipe", info.recipe, f"this version reads recipe {RECIPE}; train the model again")
    return info


class CaptionClassifier:
    """A trained classifier, loaded."""

    def __init__(self, model_dir: Path) -> None:
        """Load a model.

        Raises:
            InputError: the folder holds no model that can be loaded.
        """
        import spacy

        self.info = model_info(model_dir)
        try:
            self._nlp = spacy.load(model_dir / _PIPELINE)
        except (OSError, ValueError) as error:
            raise InputError(model_dir / _PIPELINE, "folder", str(error), "cannot be loaded by spaCy") from error

    def probabilities(self, sentences: Sequence[str]) -> list[float]:
        """Return for each sentence the probability that it says what is depicted."""
        return list(_probabilities(self._nlp, sentences))


def classify_records(engine: sa.Engine, model_dir: Path, record_ids: Collection[str] | None = None) -> CaptionCounts:
    """Judge the sentences of records' descriptions and write them to the store.

    A sentence that the same classifier has judged is not judged again; one that another classifier has judged is judged
    anew in its row; sentences that a record no longer has are removed. Records go page by page, each in a transaction.

    Args:
        engine: the store.
        model_dir: folder of a model made by ``train_classifier``.
        record_ids: records to look at; None for all active ones.

    Raises:
        InputError: there is no usable model.
    """
    classifier = CaptionClassifier(model_dir)
    scope = records.c.state == "active"
    if record_ids is not None:
        scope = sa.and_(scope, among(records.c.id, record_ids))
    columns = (records.c.id, records.c.description, records.c.language)
    total = CaptionCounts(0, 0, 0, 0, 0, 0)
    pages = math.ceil(count_records(engine, scope) / RECORDS_AT_ONCE)
    for page in track(record_pages(engine, columns, scope), "Classifying sentences", pages):
        with engine.begin() as connection:
            counts = _classify(connection, page, classifier)
        total = CaptionCounts(*(a + b for a, b in zip(astuple(total), astuple(counts), strict=True)))
    return total


def _classify(connection: sa.Connection, page: Sequence[sa.Row[Any]], classifier: CaptionClassifier) -> CaptionCounts:
    rows, foreign, sentences = [], 0, 0
    for record in page:
        for ordinal, sentence in enumerate(split_sentences(record.description)):
            sentences += 1
            language = language_of(sentence, record.language)
            if language not in {None, LANGUAGE}:
                foreign += 1
                continue
            rows.append(
                {
                    "record_id": record.id,
                    "source": queries.SOURCE,
                    "ordinal": ordinal,
                    "text": sentence,
                    "text_hash": text_hash(sentence),
                    "language": language,
                }
            )
    rows = list({(row["record_id"], row["text_hash"]): row for row in reversed(rows)}.values())[::-1]
    name = classifier.info.name
    known = queries.judged(connection, [record.id for record in page])
    waiting = [row for row in rows if known.get((row["record_id"], row["text_hash"]), (0, "", False))[1] != name]
    for row, probability in zip(waiting, classifier.probabilities([row["text"] for row in waiting]), strict=True):
        row |= {"is_caption": probability >= 0.5, "score": probability, "classifier": name}
    keep = {(row["record_id"], row["text_hash"]) for row in rows}
    removed = queries.remove(connection, [entry[0] for key, entry in known.items() if key not in keep])
    queries.save(connection, waiting, {key: entry[0] for key, entry in known.items()})
    new = {(row["record_id"], row["text_hash"]): row["is_caption"] for row in waiting}
    captions = sum(bool(new.get(key, known.get(key, (0, "", False))[2])) for key in keep)
    return CaptionCounts(len(page), sentences, captions, foreign, len(waiting), removed)
