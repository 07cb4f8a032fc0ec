from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.sharing import jsonld
from sgob_tasks.sharing.rows import Annotation

SOURCE = "https://example.org/picture.jpg"
ITEM = "http://data.europeana.eu/item/1/a"


def row(target: Any, **values: Any) -> Annotation:
    document = {"@context": "c", "type": "Annotation", "motivation": "tagging", "body": "http://x.eu", "target": target}
    base = {
        "key": "k", "record_id": "/1/a", "state": "approved", "score": 0.87654321, "document": document,
        "external_id": None, "box": None, "class_name": None, "class_score": None, "label_reason": None,
        "model_id": None,
    }  # fmt: skip
    return Annotation(**(base | values))


@pytest.mark.parametrize(
    ("target", "box", "expected"),
    [
        (ITEM, None, ITEM),
        ({"scope": ITEM, "source": SOURCE}, None, {"scope": ITEM, "source": SOURCE}),
        ({"scope": ITEM, "source": f"{SOURCE}#xywh=1,2,3,4"}, None, "xywh=pixel:1,2,3,4"),
        ({"scope": ITEM, "source": f"{SOURCE}#xywh=1,2,3,4"}, (1.4, 2.6, 3.0, 4.0), "xywh=pixel:1,3,3,4"),
        ({"scope": ITEM, "source": SOURCE}, (1.0, 2.0, 3.0, 4.0), "xywh=pixel:1,2,3,4"),
    ],
)
def test_regions_become_selectors(target: Any, box: tuple[float, float, float, float] | None, expected: Any) -> None:
    full = jsonld.full_annotation(row(target, box=box))
    if isinstance(expected, str) and expected.startswith("xywh"):
        assert full["target"] == {
            "type": "SpecificResource",
            "scope": ITEM,
            "source": SOURCE,
            "selector": {
                "type": "FragmentSelector",
                "conformsTo": "http://www.w3.org/TR/media-frags/",
                "value": expected,
            },
        }
    else:
        assert full["target"] == expected


def test_what_europeana_drops_is_kept() -> None:
    full = jsonld.full_annotation(
        row(ITEM, external_id="http://data.europeana.eu/annotation/1", class_name="bicycle", class_score=0.9,
            label_reason="not before 1817", model_id="detector-1")
    )  # fmt: skip
    assert full["id"] == jsonld.annotation_id("k")
    assert full["id"].startswith("urn:uuid:")
    assert full["canonical"] == "http://data.europeana.eu/annotation/1"
    assert (full["confidence"], full["detectorLabel"], full["detectorConfidence"]) == (0.8765, "bicycle", 0.9)
    assert (full["labelReason"], full["reviewState"]) == ("not before 1817", "approved")
    assert full["generator"] == {"type": "Software", "name": "detector-1"}
    assert "@context" not in full
    terms = jsonld.CONTEXT[1]
    own = set(full) - {"id", "type", "motivation", "body", "target", "canonical", "generator"}
    assert own <= set(terms), "every term of ours is in the context"


@given(st.integers(0, 25), st.integers(1, 7))
def test_pages_hold_everything_once(total: int, size: int) -> None:
    items = [{"id": str(index)} for index in range(total)]
    pages = list(jsonld.pages(iter(items), total, size))
    collection = jsonld.collection("name", total, size)
    assert [item for page in pages for item in page["items"]] == items
    assert all(len(page["items"]) <= size for page in pages)
    assert (collection["first"], collection["last"]) == (pages[0]["id"], pages[-1]["id"])
    assert collection["total"] == total
    for before, after in itertools.pairwise(pages):
        assert (before["next"], after["prev"]) == (after["id"], before["id"])
    assert "next" not in pages[-1]
    assert "prev" not in pages[0]
    starts = [page["startIndex"] for page in pages]
    assert starts == [size * index for index in range(len(pages))]
