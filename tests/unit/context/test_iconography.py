from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.context.dates import DateRange
from sgob_tasks.context.iconography.elements import Evidence, background, backgrounds, gather
from sgob_tasks.context.iconography.iconclass_data import IconclassData
from sgob_tasks.context.iconography.links import concept_uris, iconclass_uri, wikidata_uri
from sgob_tasks.context.iconography.names import LANGUAGES, load_names, names
from sgob_tasks.context.iconography.rank import Subject, rank_evidence, rank_subjects
from sgob_tasks.context.iconography.saints import load_saint_names, load_saints
from sgob_tasks.context.iconography.scenes import FIGURES, load_scenes
from sgob_tasks.context.iconography.weigh import MOST, ratio
from sgob_tasks.context.scene_graph.relate import relate
from sgob_tasks.context.scene_graph.things import Relation, Thing
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError
from tests.reference import reference_files

OLD = DateRange(1450, 1480)
TABLE = ClassTable.load()


def boxes(*labels: str) -> list[Thing]:
    return [Thing(i, label, 0.9, (10.0 + 60 * i, 10.0, 50.0, 120.0)) for i, label in enumerate(labels)]


def best(labels: tuple[str, ...], title: str = "", date: DateRange | None = OLD) -> Subject | None:
    ranked = rank_subjects(boxes(*labels), [], title, None, date)
    return ranked[0] if ranked else None


HORSEMAN = [
    Thing(1, "person", 0.93, (330, 120, 150, 240)),
    Thing(2, "horse", 0.97, (220, 220, 360, 300)),
    Thing(3, "lance", 0.71, (380, 180, 240, 260)),
    Thing(4, "dragon", 0.88, (560, 400, 200, 150)),
]


def test_a_horseman_with_lance_and_dragon_is_saint_george() -> None:
    ranked = rank_subjects(HORSEMAN, relate(HORSEMAN), None, None, OLD)
    assert (ranked[0].notation, ranked[0].label) == ("11H(GEORGE)41", "Saint George fighting the dragon")
    assert ranked[0].score > 0.6
    assert "a person rides a horse" in ranked[0].reason
    assert "a dragon" in ranked[0].reason
    assert ranked[0].reason.endswith("Saint George fighting the dragon (11H(GEORGE)41)")


def test_the_title_that_names_him_is_weighed_in_and_told() -> None:
    plain = rank_subjects(HORSEMAN, relate(HORSEMAN), "", None, OLD)[0]
    named = rank_subjects(HORSEMAN, relate(HORSEMAN), "Sant Jordi", None, OLD)[0]
    other = rank_subjects(HORSEMAN, relate(HORSEMAN), "Perseus and Andromeda", None, OLD)
    assert named.score > plain.score
    assert "the title names it (“Sant Jordi”)" in named.reason
    assert named.evidence["named"] is True
    assert other[0].notation == "94P211"


@pytest.mark.parametrize(
    ("labels", "notation"),
    [
        (("person", "lion", "skull", "book"), "11H(JEROME)"),
        (("angel", "person", "lily", "book"), "73A52"),
        (("crucifixion", "person", "person"), "73D6"),
        (("person", "person", "nude", "serpent", "apple"), "71A42"),
        (("nude", "arrow", "tree"), "11H(SEBASTIAN)"),
        (("angel", "sword", "devil", "shield"), "11G183"),
        (("person", "donkey", "person"), "73B641"),
        (("judith", "head", "sword"), "71U4"),
        (("nude", "swan"), "92B1222"),
        (("person", "key of heaven", "rooster"), "11H(PETER)"),
    ],
)
def test_what_is_seen_speaks_for_a_subject(labels: tuple[str, ...], notation: str) -> None:
    ranked = rank_evidence(gather(boxes(*labels), None), date=OLD, min_score=0.0, limit=3)
    assert notation in [one.notation.removesuffix("62").removesuffix("12").removesuffix("36") for one in ranked]


@pytest.mark.parametrize("labels", [("tree",), ("person",), ("person", "dog", "horse"), ("boat", "bird", "tree")])
def test_everyday_things_speak_for_nobody(labels: tuple[str, ...]) -> None:
    assert best(labels) is None or best(labels).score < 0.3  # type: ignore[union-attr]


def test_an_attribute_that_many_saints_share_says_little() -> None:
    book = rank_evidence(Evidence({"person": 0.9, "book": 0.9}), date=OLD, min_score=0.0, limit=500)
    key = rank_evidence(Evidence({"person": 0.9, "key of heaven": 0.9}), date=OLD, min_score=0.0, limit=500)
    assert max(one.score for one in book) < 0.5 * max(one.score for one in key)


def test_doubted_boxes_say_less() -> None:
    scores = [
        rank_evidence(Evidence({"person": 0.9, "lion": p, "skull": p}), date=OLD, min_score=0.0)[0].score
        for p in (0.3, 0.6, 0.95)
    ]
    assert scores == sorted(scores)


def test_a_detector_that_does_not_know_a_class_says_nothing_by_not_finding_it() -> None:
    evidence = Evidence({"person": 0.9, "horse": 0.9})
    knows = rank_evidence(evidence, date=OLD, min_score=0.0, limit=500, known=set(TABLE))
    blind = rank_evidence(evidence, date=OLD, min_score=0.0, limit=500, known={"person", "horse"})
    scores = [{one.notation[:10]: one.score for one in ranked} for ranked in (knows, blind)]
    assert scores[1]["11H(GEORGE"] > scores[0]["11H(GEORGE"]


def test_old_pictures_show_saints_more_often() -> None:
    labels = ("person", "lion", "skull")
    assert best(labels).score > best(labels, date=DateRange(1900, 1910)).score  # type: ignore[union-attr]


def test_two_saints_in_a_title_are_both_named() -> None:
    ranked = rank_subjects(boxes("person", "person", "book", "sword"), [], "Saints Peter and Paul", None, OLD)
    assert {one.notation for one in ranked[:2]} == {"11H(PETER)", "11H(PAUL)"}
    assert min(one.score for one in ranked[:2]) > 0.6


def test_a_description_speaks_more_softly_than_a_title() -> None:
    titled = rank_subjects(boxes("person"), [], "Saint Agatha", None, OLD)[0]
    told = rank_subjects(boxes("person"), [], "Panel", "At the left, Saint Agatha.", OLD)
    assert titled.notation == told[0].notation == "11HH(AGATHA)"
    assert titled.score > told[0].score


@pytest.mark.parametrize("text", ["", None, "聖ゲオルギウス", "<p>&amp;</p>", "🐉" * 50, "x" * 50_000, "St " * 20_000])
def test_any_text_and_no_boxes_have_a_defined_result(text: str | None) -> None:
    assert rank_subjects([], None, text, text, None) == []
    assert isinstance(rank_subjects(boxes("person", "book"), [], text, text, OLD), list)


def test_relations_between_other_boxes_are_refused() -> None:
    with pytest.raises(InputError, match="no box of these"):
        rank_subjects(boxes("person"), [Relation(0, "holds", 99, 0.9, "")], "")


@given(st.lists(st.tuples(st.sampled_from([*TABLE, "unheard of"]), st.floats(0, 1)), max_size=8), st.text(max_size=40))
def test_scores_are_probabilities_in_order(seen: list[tuple[str, float]], title: str) -> None:
    things = [Thing(i, label, score, (0.0, 0.0, 9.0, 9.0)) for i, (label, score) in enumerate(seen)]
    ranked = rank_subjects(things, [], title, title, OLD, min_score=0.0)
    scores = [one.score for one in ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in scores)
    assert all(one.notation in one.reason and one.evidence["clues"] is not None for one in ranked)


@given(st.floats(0, 1), st.floats(0.001, 0.999), st.floats(0.001, 0.999), st.floats(0, 1))
def test_evidence_weighs_as_much_as_it_is_sure(p: float, theta: float, base: float, recall: float) -> None:
    assert 0.0 < ratio(p, theta, base, recall) <= MOST + 1e-9
    assert ratio(p, base, base, recall) == pytest.approx(1.0)


def test_the_tables_fit_each_other() -> None:
    saints, scenes = load_saints(), load_scenes()
    assert len(saints) == 227
    assert len(scenes) >= 25
    assert set(load_saint_names()) <= {saint.key for saint in saints.values()}
    for saint in saints.values():
        assert set(saint.attributes) | set(saint.implied) <= set(TABLE), saint.key
    words = {"persons"} | {word for saint in saints.values() for word in saint.words}
    for scene in scenes.values():
        assert not scene.who or scene.who in saints
        choices = [*scene.required, *scene.typical, *scene.excluded]
        choices += [side for relation in scene.relations for side in (relation.subject, relation.object)]
        assert {element for choice in choices for element in choice} <= set(TABLE) | words, scene.notation
        iconclass_uri(scene.notation)
        assert not scene.wikidata or wikidata_uri(scene.wikidata)
    assert set(backgrounds()) <= set(TABLE) | words
    assert background(FIGURES) < 1.0


def test_every_class_has_a_name_in_every_language() -> None:
    table = load_names()
    assert len(LANGUAGES) >= 12
    assert set(table) <= set(TABLE)
    assert {name for name, entry in TABLE.items() if entry.vocabulary != "coco"} <= set(table)
    assert names("horse")["de"] == "Pferd"
    assert names("no such class") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class,en\n", "header"),
        ("class,{}\nhorse,{}\n".format(",".join(LANGUAGES), ",".join(["x"] * 14)), "line 2, ro"),
        ("class,{0}\nhorse,{1}\nhorse,{1}\n".format(",".join(LANGUAGES), ",".join(["x"] * 15)), "line 3, class"),
    ],
)
def test_a_table_of_names_that_does_not_fit_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "names.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        load_names(file)


SCENE = '[[scene]]\nnotation = "1"\nlabel = "A"\nprior = 1\nrequired = ["person"]\ntitles = ["A"]\n'


@pytest.mark.parametrize(
    ("reader", "text", "words"),
    [
        (load_saints, "key\n", "header"),
        (load_saints, "notation,key,wikidata,prior,attributes,implied,words\n11H(A),A,,none,,,\n", "prior"),
        (load_saints, "notation,key,wikidata,prior,attributes,implied,words\n,A,,1,,,\n", "notation"),
        (load_saints, "notation,key,wikidata,prior,attributes,implied,words\n11H(A),A\n", "line 2"),
        (load_scenes, "scene = 1 1", "TOML"),
        (load_scenes, "", "scene"),
        (load_scenes, SCENE + SCENE, "notation"),
        (load_scenes, SCENE.replace("prior = 1", "prior = 0"), "prior"),
        (load_scenes, SCENE.replace('["person"]', "[1]"), "required"),
        (load_scenes, SCENE.replace('label = "A"\n', ""), "label"),
        (load_scenes, SCENE + 'relations = ["person horse"]\n', "relations"),
    ],
)
def test_tables_that_do_not_fit_are_named(
    tmp_path: Path, reader: Callable[[Path], object], text: str, words: str
) -> None:
    file = tmp_path / "table"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        reader(file)
    with pytest.raises(InputError, match="file"):
        reader(tmp_path / "missing")


def test_concepts_have_addresses() -> None:
    assert iconclass_uri("11H(GEORGE)41") == "https://iconclass.org/11H%28GEORGE%2941"
    assert iconclass_uri("25F23(LION)(+46)") == "https://iconclass.org/25F23%28LION%29%28%2B46%29"
    assert concept_uris("horse") == ["http://www.wikidata.org/entity/Q726", "https://iconclass.org/46C13141"]
    assert concept_uris("saturno") == concept_uris("no such class") == []
    for bad in ("", "George", " 11H"):
        with pytest.raises(ValueError, match="notation"):
            iconclass_uri(bad)
    with pytest.raises(ValueError, match="item id"):
        wikidata_uri("P31")


def iconclass_copy(folder: Path) -> Path:
    files = {
        "notations.txt": "N 11H(...)\nK 11k\n$\nN 25F23(LION)\nK 25Fk\nC 25F23(LION)1\n$\nN 31\n$\n",
        "txt/en/txt_en_0_1.txt": "11H(...)|a saint\n# comment|no\n11H(GEORGE)|George\n",
        "txt/en/txt_en_2_3.txt": "25F23(LION)|lion\nbroken line\n",
        "txt/en/txt_en_keys.txt": "25Fk46|fighting\n",
        "txt/cz/text_cz_2_3.txt": "25F23(LION)|lev\n",
        "kw/en/kw_en_2_3.txt": "25F23(LION)|beast\n25F23(LION)|cat\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_iconclass_texts_are_read_from_a_copy(tmp_path: Path) -> None:
    data = IconclassData(iconclass_copy(tmp_path))
    assert data.languages == ("cs", "en")
    wanted = {"11H(GEORGE)", "11H(MARINUS)", "25F23(LION)(+46)", "99X"}
    texts = data.texts(wanted)
    assert texts["11H(GEORGE)"] == {"en": "George"}
    assert texts["11H(MARINUS)"] == {"en": "a saint"}
    assert texts["25F23(LION)(+46)"] == {"en": "lion ~ fighting", "cs": "lev"}
    assert texts["99X"] == {}
    assert data.texts({"25F23(LION)"}, {"cs"}) == {"25F23(LION)": {"cs": "lev"}}
    assert data.keywords({"25F23(LION)"}) == {"25F23(LION)": {"en": "beast; cat"}}


def test_a_folder_that_is_no_copy_of_iconclass_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"notations\.txt"):
        IconclassData(tmp_path)
    iconclass_copy(tmp_path)
    (tmp_path / "txt/en/txt_en_0_1.txt").write_bytes(b"11H|\xff\xfe\n")
    with pytest.raises(InputError, match="UTF-8"):
        IconclassData(tmp_path).texts({"11H"})


@pytest.mark.parametrize("file", reference_files("reference/deart_classes.csv"))
def test_classes_have_the_identifiers_of_the_reference(file: Path) -> None:
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            entry = TABLE[row["class_name"]]
            assert (entry.wikidata_qid, entry.iconclass) == (row["wikidata_qid"], row["iconclass"])


@pytest.mark.parametrize("file", reference_files("reference/iconclass_saint_attributes.csv"))
def test_saints_have_the_attributes_of_the_reference(file: Path) -> None:
    with file.open(encoding="utf-8", newline="") as lines:
        rows = {row["iconclass"]: row for row in csv.DictReader(lines)}
    assert rows.keys() == load_saints().keys()
    # words that only look like a class ("in hand", "hunting horn"), the cardinal's hat
    ours = {"saturno"}
    words_only = {"hands", "horn", "head"}
    for notation, saint in load_saints().items():
        listed = set(filter(None, rows[notation]["deart_classes"].split(";")))
        assert set(saint.attributes) - listed <= ours, notation
        assert listed - set(saint.attributes) <= words_only, notation


@pytest.mark.parametrize("file", reference_files("reference/deart_iconclass_labels.csv"))
def test_names_are_plausible_beside_iconclass(file: Path) -> None:
    """Names begin like a word of the Iconclass text: plurals and whole sentences, the Czech half in English."""
    columns = {"en": "en", "de": "de", "fr": "fr", "it": "it", "pt": "pt", "cs": "cz", "fi": "fi"}
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["class_name"] != "tiara"]
    for language, column in columns.items():
        pairs = [(names(row["class_name"])[language].lower(), row[column].lower()) for row in rows if row[column]]
        alike = sum(any(word[:4] in text for word in name.split() if len(word) > 2) for name, text in pairs)
        assert alike >= (0.2 if language == "cs" else 0.5) * len(pairs), (language, alike, len(pairs))
