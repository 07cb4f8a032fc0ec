from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.annotations.model import (
    Detection,
    Sentence,
    body_identity,
    content_key,
    description,
    descriptions,
    iconclass_uri,
    object_tag,
    region,
    tags,
    wikidata_uri,
)
from sgob_tasks.annotations.validation import problems

HORSE = "http://www.wikidata.org/entity/Q726"
DRAGON = "http://www.wikidata.org/entity/Q7559"
numbers = st.floats(-500, 5000, allow_nan=False)
sizes = st.floats(0, 5000, allow_nan=False)
pictures = st.tuples(st.integers(1, 6000), st.integers(1, 6000))


def detection(number: int, concept: str = HORSE, score: float = 0.9, record: str = "/1/a") -> Detection:
    return Detection(number, record, concept, score, "https://museum.example/a.jpg", (1.2, 2.7, 10.0, 20.5), (640, 480))


def test_a_tag_is_written_out() -> None:
    assert object_tag("/90402/SK_A_129", HORSE, "https://museum.example/a.jpg", (1.2, 2.7, 10.0, 20.5)) == {
        "@context": "http://www.w3.org/ns/anno.jsonld",
        "type": "Annotation",
        "motivation": "tagging",
        "body": {"type": "SpecificResource", "source": HORSE},
        "target": {
            "scope": "http://data.europeana.eu/item/90402/SK_A_129",
            "source": "https://museum.example/a.jpg#xywh=1,2,11,22",
        },
    }


def test_a_fragment_of_the_picture_url_gives_way_to_the_region() -> None:
    document = object_tag("/1/a", HORSE, "https://museum.example/a.jpg?x=1#page=2", (0, 0, 5, 5))
    assert document["target"]["source"] == "https://museum.example/a.jpg?x=1#xywh=0,0,5,5"


def test_a_description_is_one_line_with_its_language() -> None:
    document = description("/1/a", " A knight\n kills  the dragon. ", "en", "https://museum.example/a.jpg#p")
    assert document["motivation"] == "describing"
    assert document["body"] == {"type": "TextualBody", "value": "A knight kills the dragon.", "language": "en"}
    assert document["target"]["source"] == "https://museum.example/a.jpg"
    assert description("/1/a", "A knight.", "en")["target"] == "http://data.europeana.eu/item/1/a"


@given(numbers, numbers, sizes, sizes, pictures)
def test_a_region_is_whole_within_the_picture_and_covers_the_box(
    x: float, y: float, width: float, height: float, picture: tuple[int, int]
) -> None:
    left, top, wide, high = region((x, y, width, height), picture)
    assert 0 <= left < left + wide <= picture[0]
    assert 0 <= top < top + high <= picture[1]
    assert left <= max(x, 0) or left == picture[0] - 1
    if x >= 0 and x + width <= picture[0]:
        assert left + wide >= x + width
        assert wide <= width + 2


@given(numbers, numbers, sizes, sizes)
def test_every_tag_of_a_box_is_valid(x: float, y: float, width: float, height: float) -> None:
    document = object_tag("/1/a", HORSE, "https://museum.example/a.jpg", (x, y, width, height))
    assert problems(document) == []
    assert re.search(r"#xywh=\d+,\d+,[1-9]\d*,[1-9]\d*$", document["target"]["source"])


@pytest.mark.parametrize("box", [(0, 0, math.nan, 1), (0, 0, -1, 1), (math.inf, 0, 1, 1)])
def test_what_is_no_box_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="not a box"):
        region(box)


def test_one_tag_for_each_record_and_concept_with_the_best_box() -> None:
    made = tags(
        [
            detection(1, score=0.7),
            detection(2, score=0.9),
            detection(3, score=0.9),
            detection(4, DRAGON),
            detection(5, record="/1/b"),
        ]
    )
    assert [(p.record_id, p.document["body"]["source"], p.detection_id) for p in made] == [
        ("/1/a", HORSE, 2),
        ("/1/a", DRAGON, 4),
        ("/1/b", HORSE, 5),
    ]
    assert len({p.key for p in made}) == 3


@given(st.permutations(list(range(6))))
def test_tags_do_not_depend_on_the_order_of_detections(order: list[int]) -> None:
    found = [detection(n, [HORSE, DRAGON][n % 2], 0.5 + n // 3 / 10) for n in range(6)]
    expected = {p.key: p.detection_id for p in tags(found)}
    assert {p.key: p.detection_id for p in tags(found[n] for n in order)} == expected


def test_the_key_knows_record_motivation_and_body_but_not_region_or_form() -> None:
    key = content_key("/1/a", "tagging", {"type": "SpecificResource", "source": HORSE})
    assert re.fullmatch(r"[0-9a-f]{64}", key)
    assert key == content_key("/1/a", "tagging", HORSE) == content_key("/1/a", "tagging", {"id": HORSE})
    others = [
        content_key("/1/b", "tagging", HORSE),
        content_key("/1/a", "linking", HORSE),
        content_key("/1/a", "tagging", DRAGON),
        content_key("/1/a", "tagging", {"value": HORSE}),
    ]
    assert len({key, *others}) == 5


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_keys_do_not_run_parts_together(a: str, b: str, c: str, d: str) -> None:
    assert (content_key(a, b, "x") == content_key(c, d, "x")) == ((a, b) == (c, d))


def test_the_same_sentence_twice_is_one_description() -> None:
    sentences = [
        Sentence(n, "/1/a", text, "en", n / 10) for n, text in ((1, "A  horse."), (2, "A horse."), (3, "A cow."))
    ]
    made = descriptions(sentences)
    assert [(p.caption_id, p.document["body"]["value"]) for p in made] == [(2, "A horse."), (3, "A cow.")]


def test_body_identity_of_what_is_no_body() -> None:
    assert body_identity(None) == ("none",)
    assert body_identity({}) == ("text", "", "")


def test_concept_uris() -> None:
    assert wikidata_uri("Q726") == HORSE
    assert iconclass_uri("25F23(LION)") == "https://iconclass.org/25F23%28LION%29"
    assert iconclass_uri("73D82(CROWN OF THORNS)") == "https://iconclass.org/73D82%28CROWN%20OF%20THORNS%29"
    for wrong in ("726", "Q0", "q726", ""):
        with pytest.raises(ValueError, match="not a Wikidata"):
            wikidata_uri(wrong)
    with pytest.raises(ValueError, match="not an Iconclass"):
        iconclass_uri("N/A")
