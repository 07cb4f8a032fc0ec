"""Web Annotations as Europeana takes them: pure builders and the key that makes two of them the same.

Detected objects become semantic tags (motivation ``tagging``, a concept's URI as the body), sentences become
descriptions (``describing``; never ``captioning``, which at Europeana means subtitles of films). Europeana drops
selectors without a word, so the region goes into the URL of the picture, ``https://museum/a.jpg#xywh=x,y,width,height``
in whole pixels. Its check for duplicates looks at record and concept only, hence one tag for each of these, with the
box that scores best. Score, label and the other boxes have no place in its model: they belong to the published data
set.

See https://www.w3.org/TR/annotation-model/ and https://www.w3.org/TR/media-frags/#naming-space.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urldefrag

CONTEXT = "http://www.w3.org/ns/anno.jsonld"
ITEM = "http://data.europeana.eu/item"  # http on purpose: it is a name, not an address
WIKIDATA = "http://www.wikidata.org/entity/"
ICONCLASS = "https://iconclass.org/"
TAGGING = "tagging"
DESCRIBING = "describing"

Document = dict[str, Any]


@dataclass(frozen=True)
class Detection:
    """A detected object, after context.

    Attributes:
        id: of the row in ``detections``.
        record_id: ``/dataset/local``.
        concept: URI of what is depicted.
        score: of the label.
        image_url: the picture that the box refers to.
        box: x, y, width, height in pixels of that picture.
        image_size: width and height of that picture in pixels, where known.
    """

    id: int
    record_id: str
    concept: str
    score: float
    image_url: str
    box: tuple[float, float, float, float]
    image_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Sentence:
    """A sentence that says what a picture shows.

    Attributes:
        id: of the row in ``captions``.
        record_id: ``/dataset/local``.
        text: the sentence.
        language: ISO 639-1 code; empty where it is not known.
        score: probability that the sentence is a caption.
        image_url: the picture, where the record has one that was fetched.
    """

    id: int
    record_id: str
    text: str
    language: str
    score: float
    image_url: str | None = None


@dataclass(frozen=True)
class Proposal:
    """An annotation that may be published.

    Attributes:
        key: content key (see ``content_key``).
        record_id: ``/dataset/local``.
        motivation: ``tagging`` or ``describing``.
        document: the Web Annotation as it is sent.
        score: of the detection or the sentence; stays with us.
        detection_id: row it was made from, or None.
        caption_id: row it was made from, or None.
    """

    key: str
    record_id: str
    motivation: str
    document: Document
    score: float
    detection_id: int | None = None
    caption_id: int | None = None


def wikidata_uri(qid: str) -> str:
    """Return the URI of a Wikidata item, ``Q726`` -> ``http://www.wikidata.org/entity/Q726``.

    Raises:
        ValueError: ``qid`` is no item id.
    """
    if not re.fullmatch(r"Q[1-9]\d*", qid):
        raise ValueError(f"not a Wikidata item id: {qid!r}")
    return WIKIDATA + qid


def iconclass_uri(notation: str) -> str:
    """Return the URI of an Iconclass notation, ``25F23(LION)`` -> ``https://iconclass.org/25F23%28LION%29``.

    Raises:
        ValueError: ``notation`` does not begin with one of Iconclass's ten divisions.
    """
    if not re.fullmatch(r"\d\S*( \S+)*", notation):
        raise ValueError(f"not an Iconclass notation: {notation!r}")
    return ICONCLASS + quote(notation, safe="+")


def item_uri(record_id: str) -> str:
    """Return the URI of a record, ``/90402/SK_A_129`` -> ``http://data.europeana.eu/item/90402/SK_A_129``."""
    return ITEM + record_id


def region(
    box: tuple[float, float, float, float], image_size: tuple[int, int] | None = None
) -> tuple[int, int, int, int]:
    """Return the smallest box of whole pixels that covers ``box`` and lies within the picture.

    Args:
        box: x, y, width, height in pixels.
        image_size: width and height of the picture in pixels, where known.

    Returns:
        x, y, width, height with x, y >= 0 and width, height >= 1.

    Raises:
        ValueError: a number of the box is not finite or its size is negative.
    """
    if not all(map(math.isfinite, box)) or box[2] < 0 or box[3] < 0:
        raise ValueError(f"not a box: {box}")
    edges: list[tuple[int, int]] = []
    for axis in (0, 1):
        low, high = math.floor(box[axis]), math.ceil(box[axis] + box[axis + 2])
        limit = image_size[axis] if image_size else None
        low = max(0, low if limit is None else min(low, limit - 1))
        high = max(low + 1, high if limit is None else min(high, limit))
        edges.append((low, high - low))
    return edges[0][0], edges[1][0], edges[0][1], edges[1][1]


def region_url(image_url: str, box: tuple[int, int, int, int]) -> str:
    """Return the URL of a region of a picture; a fragment that the URL had is replaced."""
    return f"{urldefrag(image_url).url}#xywh={','.join(map(str, box))}"


def object_tag(
    record_id: str,
    concept: str,
    image_url: str,
    box: tuple[float, float, float, float],
    image_size: tuple[int, int] | None = None,
) -> Document:
    """Return a semantic tag: this region of this picture shows ``concept``.

    Args:
        record_id: ``/dataset/local``.
        concept: URI at Wikidata or Iconclass.
        image_url: the very file that the box refers to.
        box: x, y, width, height in its pixels.
        image_size: its width and height, where known.

    Raises:
        ValueError: the box is none.
    """
    return {
        "@context": CONTEXT,
        "type": "Annotation",
        "motivation": TAGGING,
        "body": {"type": "SpecificResource", "source": concept},
        "target": {"scope": item_uri(record_id), "source": region_url(image_url, region(box, image_size))},
    }


def description(record_id: str, text: str, language: str, image_url: str | None = None) -> Document:
    """Return a description of a record's picture, or of the record where there is no picture.

    Args:
        record_id: ``/dataset/local``.
        text: the sentence; line breaks and repeated spaces become one space.
        language: ISO 639-1 code.
        image_url: the picture.
    """
    target: Any = item_uri(record_id)
    if image_url is not None:
        target = {"scope": item_uri(record_id), "source": urldefrag(image_url).url}
    return {
        "@context": CONTEXT,
        "type": "Annotation",
        "motivation": DESCRIBING,
        "body": {"type": "TextualBody", "value": " ".join(text.split()), "language": language},
        "target": target,
    }


def body_identity(body: object) -> tuple[str, ...]:
    """Return what a body says, whichever of its forms it is written in.

    A concept is ``("uri", uri)``, whether the body is the URI itself or an object with ``source`` or ``id``; a text is
    ``("text", value, language)``. The server rewrites bodies, so documents as such cannot be compared.
    """
    if isinstance(body, str):
        return ("uri", body)
    if isinstance(body, Mapping):
        uri = body.get("source", body.get("id"))
        if uri is not None:
            return ("uri", str(uri))
        return ("text", str(body.get("value", "")).strip(), str(body.get("language", "")))
    return ("none",)


def content_key(record_id: str, motivation: str, body: object) -> str:
    """Return the SHA-256 (hexadecimal) of record, motivation and body: the natural key of an annotation.

    The region is left out on purpose: Europeana takes one tag of a concept for a record, wherever it is.
    """
    content = [record_id, motivation, *body_identity(body)]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def tags(detections: Iterable[Detection]) -> list[Proposal]:
    """Return one tag for each record and concept, made from the detection that scores best (then the older one)."""
    best: dict[tuple[str, str], Detection] = {}
    for found in detections:
        kept = best.get((found.record_id, found.concept))
        if kept is None or (-found.score, found.id) < (-kept.score, kept.id):
            best[found.record_id, found.concept] = found
    proposals = []
    for found in best.values():
        document = object_tag(found.record_id, found.concept, found.image_url, found.box, found.image_size)
        key = content_key(found.record_id, TAGGING, document["body"])
        proposals.append(Proposal(key, found.record_id, TAGGING, document, found.score, detection_id=found.id))
    return proposals


def descriptions(sentences: Iterable[Sentence]) -> list[Proposal]:
    """Return one description for each record and text."""
    proposals: dict[str, Proposal] = {}
    for sentence in sentences:
        document = description(sentence.record_id, sentence.text, sentence.language, sentence.image_url)
        key = content_key(sentence.record_id, DESCRIBING, document["body"])
        made = Proposal(key, sentence.record_id, DESCRIBING, document, sentence.score, caption_id=sentence.id)
        if key not in proposals or made.score > proposals[key].score:
            proposals[key] = made
    return list(proposals.values())
