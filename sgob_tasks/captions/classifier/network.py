"""The network: a linear text classifier of spaCy over hashed words and parts of words.

spaCy's own bag of words (``spacy.TextCatBOW.v3``) hashes whole words and runs of words; this architecture differs in
the features alone (see ``features``), and is registered under a name of its own, so that ``spacy.load`` finds it once
``register`` was called.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from sgob_tasks.captions.classifier.features import Features, sentence_features

ARCHITECTURE = "sgob.TextCatSubwords.v1"
LANGUAGE = "xx"
"""spaCy's name of a pipeline for many languages."""
LENGTH = 2**18
"""Rows of the hash table: two for each feature, so that features that share one row hardly ever share both."""
BATCH = 256
_STAND_IN, _TEXT, _FEATURES = "_", "sentence", "sentence_features"


@functools.cache
def register() -> None:
    """Make the architecture known to spaCy."""
    from spacy.util import registry

    registry.architectures(ARCHITECTURE, func=build)


def build(length: int = LENGTH, nO: int | None = None) -> Any:  # noqa: N803 - spaCy's name
    """Build the network.

    Args:
        length: rows of the hash table.
        nO: number of labels; None until it is initialised.

    Returns:
        ``thinc`` model from documents to the probabilities of the labels, shape (documents, labels).
    """
    from thinc.api import Model, chain, softmax_activation
    from thinc.layers.sparselinear import SparseLinear_v2

    def forward(layer: Any, docs: Sequence[Any], is_train: bool) -> tuple[Any, Callable[[Any], list[Any]]]:
        found = _features(docs)
        return _dropped(found, layer.attrs["dropout_rate"]) if is_train else found, lambda _: []

    features: Any = Model("sentence_features", forward, attrs={"dropout_rate": 0.0})  # spaCy sets the rate
    linear = SparseLinear_v2(nO=nO, length=length)
    model: Any = chain(features, linear, softmax_activation())
    if nO is not None:
        model.set_dim("nO", nO)
    model.set_ref("output_layer", linear)
    model.attrs["multi_label"] = False
    return model


def _dropped(features: Features, rate: float) -> Features:
    """Leave features out at random, so that no single word decides; what is left is scaled up to the same length."""
    if rate <= 0:
        return features
    keys, values, lengths = features
    kept = np.random.random(len(keys)) >= rate  # spaCy's fix_random_seed sets the seed of this generator
    ends = np.cumsum(np.concatenate((np.zeros(1, np.int64), kept)))
    bounds = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
    left = np.diff(ends[bounds]).astype(np.int32)
    return keys[kept], (values[kept] / np.float32(1 - rate) ** 0.5), left


def blank(labels: Iterable[str], length: int = LENGTH) -> Any:
    """Return a pipeline with an untrained classifier of these labels."""
    import spacy

    register()
    nlp = spacy.blank(LANGUAGE)
    classifier: Any = nlp.add_pipe("textcat", config={"model": {"@architectures": ARCHITECTURE, "length": length}})
    for label in labels:
        classifier.add_label(label)
    return nlp


def as_doc(nlp: Any, text: str, features: Features | None = None) -> Any:
    """Return a document that carries a text which is not cut into tokens: the features are made from its letters.

    So the vocabulary does not grow with the texts that it has seen, and a word of 50,000 letters costs little.

    Args:
        nlp: the pipeline.
        text: any text.
        features: of the text, where they are known: a document that is seen many times keeps them.
    """
    from spacy.tokens import Doc

    doc = Doc(nlp.vocab, words=[_STAND_IN])
    doc.user_data[_TEXT] = text
    if features is not None:
        doc.user_data[_FEATURES] = features
    return doc


def _features(docs: Sequence[Any]) -> Features:
    kept = [doc.user_data.get(_FEATURES) for doc in docs]
    if not docs or any(one is None for one in kept):
        return sentence_features([doc.user_data.get(_TEXT, doc.text) for doc in docs])
    keys, values, lengths = zip(*kept, strict=True)
    return np.concatenate(keys), np.concatenate(values), np.concatenate(lengths)


def probabilities(nlp: Any, texts: Iterable[str], label: str) -> Iterator[float]:
    """Yield the probability of a label for each text; reads ahead one batch."""
    waiting = iter(texts)
    while batch := list(islice(waiting, BATCH)):
        for doc in nlp.pipe([as_doc(nlp, text) for text in batch], batch_size=BATCH):
            yield float(doc.cats[label])
