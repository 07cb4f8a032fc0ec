"""Our Web Annotations in full: with the region and the scores that Europeana's annotation service drops.

W3C Web Annotation Data Model, https://www.w3.org/TR/annotation-model/ (sections 3.1.1 agents, 4.2.1 fragment
selector, 5 collections); media fragments, https://www.w3.org/TR/media-frags/.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sgob_tasks.sharing.files import score
from sgob_tasks.sharing.rows import Annotation

NAMESPACE = "https://saintgeorgeonabike.eu/ns#"
CONTEXT: list[Any] = [
    "http://www.w3.org/ns/anno.jsonld",
    {
        "sgob": NAMESPACE,
        "xsd": "http://www.w3.org/2001/XMLSchema#",
        "confidence": {"@id": "sgob:confidence", "@type": "xsd:double"},
        "detectorLabel": "sgob:detectorLabel",
        "detectorConfidence": {"@id": "sgob:detectorConfidence", "@type": "xsd:double"},
        "labelReason": "sgob:labelReason",
        "reviewState": "sgob:reviewState",
    },
]
PAGE_SIZE = 1000
COLLECTION = "annotations/collection.jsonld"

_REGION = re.compile(r"#xywh=(?:pixel:)?([0-9.,]+)$")


def annotation_id(key: str) -> str:
    """Return the identifier of an annotation: the same for the same key, forever and everywhere."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://saintgeorgeonabike.eu/annotations/{key}").urn


def _target(target: Any, box: tuple[float, float, float, float] | None) -> Any:
    """Give an annotation's target its region as a selector, as the W3C model has it."""
    if not isinstance(target, Mapping) or not isinstance(target.get("source"), str):
        return target
    source: str = target["source"]
    region = _REGION.search(source)
    if region is None and box is None:
        return dict(target)
    value = ",".join(str(round(side)) for side in box) if box is not None else region[1] if region else ""
    selector = {
        "type": "FragmentSelector",
        "conformsTo": "http://www.w3.org/TR/media-frags/",
        "value": f"xywh=pixel:{value}",
    }
    return {"type": "SpecificResource"} | dict(target) | {"source": _REGION.sub("", source), "selector": selector}


def full_annotation(row: Annotation) -> dict[str, Any]:
    """Return the annotation as it is shared.

    The document that is sent to Europeana is kept as it is, apart from its region; identifier, scores, model and
    Europeana's identifier are added.
    """
    document = {key: value for key, value in row.document.items() if key not in {"@context", "id", "target"}}
    full: dict[str, Any] = {"id": annotation_id(row.key), "type": "Annotation"} | document
    full["target"] = _target(row.document.get("target"), row.box)
    if row.external_id:
        full["canonical"] = row.external_id
    if row.model_id:
        full.setdefault("generator", {"type": "Software", "name": row.model_id})
    full["confidence"] = score(row.score)
    full["reviewState"] = row.state
    if row.class_name is not None:
        full |= {"detectorLabel": row.class_name, "detectorConfidence": score(row.class_score)}
    if row.label_reason is not None:
        full["labelReason"] = row.label_reason
    return full


def page_name(number: int) -> str:
    """Return the file name of a page, beside the collection; pages count from 1."""
    return f"page-{number:05d}.jsonld"


def pages(items: Iterable[Mapping[str, Any]], total: int, size: int = PAGE_SIZE) -> Iterator[dict[str, Any]]:
    """Cut annotations into AnnotationPages; identifiers are relative to where the files lie.

    Args:
        items: the annotations.
        total: how many there are.
        size: annotations of one page.
    """
    count = max(1, -(-total // size))
    held: list[Mapping[str, Any]] = []
    number = 1

    def page() -> dict[str, Any]:
        head: dict[str, Any] = {
            "@context": CONTEXT,
            "id": page_name(number),
            "type": "AnnotationPage",
            "partOf": "collection.jsonld",
            "startIndex": (number - 1) * size,
        }
        if number > 1:
            head["prev"] = page_name(number - 1)
        if number < count:
            head["next"] = page_name(number + 1)
        return head | {"items": held}

    for item in items:
        held.append(item)
        if len(held) == size and number < count:
            yield page()
            held, number = [], number + 1
    yield page()


def collection(name: str, total: int, size: int = PAGE_SIZE) -> dict[str, Any]:
    """Return the AnnotationCollection that the pages belong to."""
    return {
        "@context": CONTEXT,
        "id": "collection.jsonld",
        "type": "AnnotationCollection",
        "label": name,
        "total": total,
        "first": page_name(1),
        "last": page_name(max(1, -(-total // size))),
    }
