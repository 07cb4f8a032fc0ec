from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyld import jsonld

from sgob_tasks.cli import main
from sgob_tasks.context.iconography.rank import Subject
from sgob_tasks.context.scene_graph.export import write_graphs
from sgob_tasks.context.scene_graph.graph import Graph, graph_of_file
from sgob_tasks.context.scene_graph.jsonld import NAMESPACE, PREDICATE_URIS, graph_document
from sgob_tasks.context.scene_graph.relation_model import RelationModel
from sgob_tasks.context.scene_graph.svg import MOST_THINGS, WIDTH, graph_svg
from sgob_tasks.context.scene_graph.things import PREDICATES, Relation, Thing
from sgob_tasks.errors import InputError

ITEM = "http://data.europeana.eu/item/1/a"
GEORGE = {
    "id": ITEM,
    "image": "https://example.org/a b.jpg",
    "title": "Sant Jordi & <i>el drac</i>",
    "date_text": "1450",
    "width": 800,
    "height": 600,
    "objects": [
        {"label": "person", "score": 0.93, "bbox": [330, 120, 150, 240]},
        {"label": "horse", "score": 0.97, "bbox": [220, 220, 360, 300]},
        {"class_name": "lance", "score": 0.71, "bbox": [380, 180, 240, 260], "id": 30},
        {"label": "dragon", "score": 0.88, "bbox": [560, 400, 200, 150]},
        {"label": "<script>", "bbox": [0, 0, 5, 5]},
    ],
}


def graph(tmp_path: Path, document: Any = GEORGE) -> Graph:
    file = tmp_path / "picture.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return graph_of_file(file)


def offline(url: str, options: Any = None) -> Any:
    raise AssertionError(f"a document that needs the network: {url}")


def quads(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    dataset = jsonld.to_rdf(document, {"documentLoader": offline})
    return {tuple(one[part]["value"] for part in ("subject", "predicate", "object")) for one in dataset["@default"]}  # type: ignore[misc]


def test_a_graph_expands_offline_to_what_it_says(tmp_path: Path) -> None:
    found = quads(graph_document(graph(tmp_path)))
    person, horse, lance = (f"{ITEM}#thing-{number}" for number in (1, 2, 30))
    assert (person, f"{NAMESPACE}rides", horse) in found
    assert (person, f"{NAMESPACE}holds", lance) in found
    assert (horse, "http://purl.org/dc/terms/type", "http://www.wikidata.org/entity/Q726") in found
    assert (horse, "http://purl.org/dc/terms/type", "https://iconclass.org/46C13141") in found
    assert (horse, "http://www.w3.org/2004/02/skos/core#prefLabel", "Pferd") in found
    assert (f"{ITEM}#annotation-2", "http://www.w3.org/ns/oa#hasBody", "http://www.wikidata.org/entity/Q726") in found
    assert (f"{ITEM}#annotation-2", "http://www.w3.org/ns/oa#motivatedBy", "http://www.w3.org/ns/oa#tagging") in found
    assert (f"{ITEM}#subject-1", "http://www.w3.org/ns/oa#hasBody", "https://iconclass.org/11H%28GEORGE%2941") in found
    values = {value for _, predicate, value in found if predicate.endswith("#value")}
    assert "xywh=pixel:220,220,360,300" in values
    predicates = {value for _, predicate, value in found if predicate.endswith("ns#predicate")}
    assert f"{NAMESPACE}rides" in predicates


def test_nothing_of_a_document_is_lost_in_expansion(tmp_path: Path) -> None:
    document = graph_document(graph(tmp_path))
    (expanded,) = jsonld.expand(document, {"documentLoader": offline})
    back = jsonld.compact(expanded, document["@context"], {"documentLoader": offline})
    assert set(back) == set(document)
    assert len(back["things"]) == len(document["things"])
    assert back["things"][1]["names"]["de"] == "Pferd"


def test_every_predicate_has_an_address_of_its_own() -> None:
    assert set(PREDICATE_URIS) == set(PREDICATES)
    assert len(set(PREDICATE_URIS.values())) == len(PREDICATES)


def test_several_pictures_make_one_document(tmp_path: Path) -> None:
    one = graph(tmp_path)
    summary = write_graphs([one, one], tmp_path / "out.jsonld", tmp_path / "out.svg")
    assert (summary["pictures"], summary["things"]) == (2, 10)
    written = json.loads((tmp_path / "out.jsonld").read_text("utf-8"))
    assert len(written["@graph"]) == 2
    assert quads(written)
    assert ET.parse(tmp_path / "out.svg").getroot().tag.endswith("svg")
    assert write_graphs([one], None)["type"] == "SceneGraph"
    assert write_graphs([], None) == {"@context": write_graphs([one], None)["@context"], "@graph": []}


def test_a_picture_without_boxes_has_a_graph(tmp_path: Path) -> None:
    empty = graph(tmp_path, {"objects": []})
    assert (empty.things, empty.relations, empty.subjects) == ((), (), ())
    assert quads(graph_document(empty))
    assert "no boxes" in graph_svg(empty)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "objects"),
        ({"objects": {}}, "objects"),
        ({"objects": [], "title": 3}, "title"),
        ({"objects": ["horse"]}, r"objects\[0\]"),
        ({"objects": [{"bbox": [0, 0, 1, 1]}]}, r"objects\[0\].label"),
        ({"objects": [{"label": "horse", "bbox": [0, 0, 1]}]}, r"objects\[0\].bbox"),
        ({"objects": [{"label": "horse", "bbox": "0011"}]}, r"objects\[0\].bbox"),
        ({"objects": [{"label": "horse", "bbox": [0, 0, 1, 1], "score": 2}]}, r"objects\[0\].score"),
        ({"objects": [{"label": "horse", "bbox": [0, 0, 1, 1], "id": "a"}]}, r"objects\[0\].id"),
        ({"objects": [{"label": "horse", "bbox": [0, 0, 1, 1], "mask": "abc"}]}, r"objects\[0\].mask"),
        ({"objects": [{"label": "horse", "bbox": [0, 0, 1, 1], "id": 1}] * 2}, r"objects\.id"),
    ],
)
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, document: Any, field: str) -> None:
    with pytest.raises(InputError, match=field):
        graph(tmp_path, document)


def test_a_model_weighs_the_relations_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.json").write_text("{}")
    RelationModel({("person", "rides", "horse"): 41, ("dog", "next_to", "cat"): 99}).save(model / "relations.json")
    file = tmp_path / "picture.json"
    file.write_text(json.dumps(GEORGE), encoding="utf-8")
    words = ["context", "graph", "--in", str(file), "--json"]
    assert main([*words, "--model", str(model)]) == 0
    weighed = capsys.readouterr().out
    assert "texts: person rides horse 41 times, horse rides person never" in weighed
    assert main(words) == 0
    plain = capsys.readouterr().out
    assert "texts:" not in plain
    (model / "relations.json").unlink()
    assert main([*words, "--model", str(model)]) == 0
    assert capsys.readouterr().out == plain, "a model from before relations were read says nothing"
    assert main([*words, "--model", str(tmp_path)]) == 1
    assert "is no language model" in capsys.readouterr().err
    assert main(["context", "graph", "--record", "/1/a", "--model", str(model)]) == 1
    assert "goes with --in only" in capsys.readouterr().err


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="JSON"):
        graph_of_file(tmp_path / "missing.json")


def test_the_drawing_is_well_formed_and_escaped(tmp_path: Path) -> None:
    drawn = graph_svg(graph(tmp_path), name="g7")
    root = ET.fromstring(drawn)
    texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "<script>" in texts
    assert any(text.endswith("rides") for text in texts)
    assert "<script>" not in drawn
    assert "prefers-color-scheme:dark" in drawn
    assert 'id="g7-a"' in drawn
    assert "url(#g7-a)" in drawn
    assert "<style>" not in graph_svg(graph(tmp_path), styled=False)


@given(
    st.lists(st.tuples(st.floats(0, 900), st.floats(0, 700), st.floats(1, 400), st.floats(1, 400)), max_size=30),
    st.text(max_size=12),
)
def test_any_graph_is_drawn_inside_its_frame(boxes: list[tuple[float, float, float, float]], label: str) -> None:
    clean = "".join(letter for letter in label if letter.isprintable())
    things = tuple(Thing(i, clean, 0.5, box) for i, box in enumerate(boxes))
    edges = tuple(Relation(i, PREDICATES[i % len(PREDICATES)], i + 1, 0.5, clean) for i in range(len(boxes) - 1))
    subject = Subject("11H(GEORGE)", None, clean, 0.5, clean, {})
    root = ET.fromstring(graph_svg(Graph("x", "y", things, edges, (subject,))))
    height = float(root.attrib["height"])
    nodes = [box for box in root.iter("{http://www.w3.org/2000/svg}rect") if box.attrib.get("class") == "box"]
    assert len(nodes) == min(len(boxes), MOST_THINGS)
    for node in nodes:
        x, y, wide, tall = (float(node.attrib[side]) for side in ("x", "y", "width", "height"))
        assert -1 <= x <= WIDTH - wide + 1
        assert -1 <= y <= height - tall + 1
