"""The model learns what there is to learn, is a probability, is deterministic, and survives every text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sgob_tasks.context.language.encoder import EVIDENCE, PRIOR, Context
from sgob_tasks.context.language.evaluate import evaluation_rows, render_rows
from sgob_tasks.context.language.model import LanguageModel
from sgob_tasks.context.language.model_files import (
    ARRAYS,
    INFO,
    RELATIONS,
    VOCABULARY,
    load_model,
    load_relations,
    save_model,
)
from sgob_tasks.context.language.records import Record
from sgob_tasks.context.language.training import fit_language_model
from sgob_tasks.errors import InputError
from tests.unit.context.language.conftest import SMALL
from tests.unit.context.language.language_records import LABELS, make_records

HOSTILE = (
    "", " ", "x" * 50_000, "horse " * 9_000, "<b>Horse</b><script>", "&#0;&#xD800;", "聖ゲオルギウスと竜",
    "Святой Георгий",
    "🐎🐉", "\0\n\t", "ﷺ" * 5_000, "\ud800",
)  # fmt: skip


def best(model: LanguageModel, context: Context, candidates: list[str]) -> str:
    return candidates[int(np.argmax(model.log_probs([context], [candidates])[0]))]


def test_each_kind_of_evidence_is_learnt(language_model: LanguageModel) -> None:
    some = ["horse", "apple", "angel", "bus"]
    assert best(language_model, Context(title="The Stag Hunt"), some) == "horse"
    assert best(language_model, Context(labels=("halo", "lily")), some) == "angel"
    assert best(language_model, Context(year=1950), some) == "bus"
    assert best(language_model, Context(title="Apples, a Study"), some) == "apple"
    assert best(language_model, Context(description="The stag hunt"), some) == "horse"
    assert best(language_model, Context(subjects=("Shipping", "Coast")), ["horse", "anchor"]) == "anchor"


def test_it_beats_its_baselines_and_says_what_evidence_adds(language_model: LanguageModel) -> None:
    rows = evaluation_rows(language_model, make_records(300, seed=99), seed=2)
    top = {row.method: row.scores.top1 for row in rows}
    assert top["language model"] > top["frequency"] + 0.3
    assert top["language model"] > top["naive Bayes, both and date"] - 0.05
    for name in ("title", "other labels", "date"):
        assert top["frequency"] < top[f"language model, {name} only"] <= top["language model"] + 0.02
        assert top[f"language model, without {name}"] <= top["language model"] + 0.02
    table = render_rows(rows)
    assert all(row.method in table for row in rows)
    assert all(row.scores.top1_low <= row.scores.top1 <= row.scores.top1_high for row in rows)


@pytest.mark.parametrize("text", HOSTILE)
def test_every_text_gives_probabilities(language_model: LanguageModel, text: str) -> None:
    candidates = ["horse", "a label that nobody has seen", text, "", "horse"]
    for context in (
        Context(title=text, labels=(text, "horse"), subjects=(text,)),
        Context(description=text, labels=("never seen",), year=-3000),
    ):
        (found,) = language_model.log_probs([context], [candidates])
        assert np.exp(found).sum() == pytest.approx(1.0)
        assert np.isfinite(found).all()
        assert found[0] == found[4]
        for one in language_model.evidence(context, candidates):
            assert np.isfinite(one.log_ratio)


def test_an_unseen_label_does_not_win_for_being_unseen(language_model: LanguageModel) -> None:
    (found,) = language_model.log_probs([Context()], [[*LABELS, "unheard of"]])
    assert found[-1] == pytest.approx(found.min())
    assert best(language_model, Context("The Stag Hunt"), ["horse", "unheard of"]) == "horse"


def test_no_candidates_and_many(language_model: LanguageModel) -> None:
    many = [f"unseen {number}" for number in range(3000)] + LABELS
    none, all_, one = language_model.log_probs([Context("a"), Context("Stag Hunt"), Context()], [[], many, ["horse"]])
    assert len(none) == 0
    assert np.exp(all_).sum() == pytest.approx(1.0)
    assert one.tolist() == [0.0]
    assert language_model.log_probs([], []) == []


def test_the_answer_does_not_depend_on_what_else_is_asked(language_model: LanguageModel) -> None:
    contexts = [
        Context(record.title, labels=record.labels[1:], year=record.year) for record in make_records(40, seed=5)
    ]
    together = language_model.log_probs(contexts, [LABELS] * len(contexts))
    for context, row in zip(contexts, together, strict=True):
        np.testing.assert_allclose(language_model.log_probs([context], [LABELS])[0], row, atol=1e-4)


def test_evidence_is_told_by_kind(language_model: LanguageModel) -> None:
    context = Context("The Stag Hunt", labels=("deer",))
    horse, apple, unknown = language_model.evidence(context, ["horse", "apple", "photocopier"])
    assert horse.log_ratio > 0 > apple.log_ratio
    assert set(horse.by_kind) == set(EVIDENCE)
    assert horse.by_kind["date"] == horse.by_kind["description"] == 0.0
    assert horse.by_kind["title"] > 0
    assert horse.by_kind["labels"] > 0
    assert sum(horse.by_kind.values()) == pytest.approx(horse.log_ratio)
    assert (unknown.known, unknown.log_ratio) == (False, 0.0)
    assert "hunt" in " ".join(language_model.words_for(context, "horse", "title"))
    assert language_model.words_for(context, "horse", "labels") == ["deer"]
    assert language_model.words_for(context, "photocopier", "title") == []
    assert language_model.words_for(context, "horse", "date") == []


def test_a_label_says_nothing_of_itself(language_model: LanguageModel) -> None:
    twice, never = (
        language_model.log_probs([Context(labels=labels)], [["horse", "apple"]])[0]
        for labels in (("horse", "dog"), ("dog",))
    )
    assert twice[0] == pytest.approx(never[0], abs=0.7)
    (alone,) = language_model.log_probs([Context(labels=("horse",))], [["horse"]])
    assert alone.tolist() == [0.0]


def test_nothing_known_says_nothing(language_model: LanguageModel) -> None:
    for context in (Context(), Context(title="聖ゲオルギウス"), Context(labels=("photocopier",))):
        assert [one.log_ratio for one in language_model.evidence(context, LABELS)] == [0.0] * len(LABELS)


def test_kinds_can_be_left_out(language_model: LanguageModel) -> None:
    context = Context("The Stag Hunt", year=1620)
    (uniform,) = language_model.log_probs([context], [LABELS], ())
    np.testing.assert_allclose(uniform, -np.log(len(LABELS)))
    (prior,), (empty,) = (
        language_model.log_probs([one], [LABELS], kinds) for one, kinds in ((context, (PRIOR,)), (Context(), (PRIOR,)))
    )
    np.testing.assert_allclose(prior, empty)


def test_the_same_records_and_seed_give_the_same_model(language_model: LanguageModel) -> None:
    again = fit_language_model(make_records(600), seed=3, recipe=SMALL)
    assert again.info == language_model.info
    assert fit_language_model(make_records(600), seed=4, recipe=SMALL).info.version != again.info.version


def test_a_model_is_a_folder(language_model: LanguageModel, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "model"
    save_model(language_model, folder)
    save_model(language_model, folder)
    assert sorted(path.name for path in folder.iterdir()) == [ARRAYS, INFO, RELATIONS, VOCABULARY]
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    loaded = load_model(folder)
    assert loaded.info == language_model.info
    context = Context("The Stag Hunt", labels=("deer", "dog"), year=1600)
    np.testing.assert_array_equal(
        loaded.log_probs([context], [[*LABELS, "new"]])[0], language_model.log_probs([context], [[*LABELS, "new"]])[0]
    )
    info = json.loads((folder / INFO).read_text())
    assert info["data"]["records"] == 600
    assert 0.3 < info["scores"]["top1"] <= 1.0


def test_a_folder_of_something_else_is_left_alone(language_model: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is not replaced"):
        save_model(language_model, tmp_path)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (INFO, b"{"), (INFO, b"[]"), (INFO, b'{"recipe": 1}'), (VOCABULARY, b"[]"), (VOCABULARY, b'{"words": 1}'),
        (ARRAYS, b""), (ARRAYS, b"PK"), (ARRAYS, b"\x80\x04."), (ARRAYS, None), (INFO, None),
        (RELATIONS, b"{"), (RELATIONS, b"[]"),
    ],
)  # fmt: skip
def test_a_broken_model_is_named(
    language_model: LanguageModel, tmp_path: Path, file: str, content: bytes | None
) -> None:
    save_model(language_model, tmp_path / "model")
    path = tmp_path / "model" / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match="model"):
        load_model(tmp_path / "model")


def test_a_model_that_was_changed_or_is_of_another_recipe_is_refused(
    language_model: LanguageModel, tmp_path: Path
) -> None:
    save_model(language_model, tmp_path / "model")
    path = tmp_path / "model" / INFO
    info = json.loads(path.read_text())
    path.write_text(json.dumps(info | {"version": "another"}))
    with pytest.raises(InputError, match=r"version = 'another': does not fit the files"):
        load_model(tmp_path / "model")
    path.write_text(json.dumps(info | {"recipe": 0}))
    with pytest.raises(InputError, match=r"recipe = 0: this version reads"):
        load_model(tmp_path / "model")


def test_a_model_knows_what_its_texts_tell_of_relations(language_model: LanguageModel, tmp_path: Path) -> None:
    told = [Record(f"T{n}", "A man on horseback", "", None, (), ("A girl with a dog.",)) for n in range(30)]
    model = fit_language_model([*make_records(600), *told], seed=3, recipe=SMALL)
    assert model.info.version == language_model.info.version, "labels are judged as before"
    before = language_model.relations
    assert before is not None
    assert model.info.data["relations"] == before.told + 60
    assert model.info.data["sha256"] != language_model.info.data["sha256"]
    save_model(model, tmp_path / "model")
    relations = load_relations(tmp_path / "model")
    loaded = load_model(tmp_path / "model").relations
    assert relations is not None
    assert loaded is not None
    assert relations.version == loaded.version
    assert (relations.count("person", "rides", "horse"), relations.count("dog", "next_to", "person")) == (30, 30)
    save_model(language_model, tmp_path / "model")
    again = load_relations(tmp_path / "model")
    assert again is not None
    assert again.version == before.version, "a model that is replaced takes what it was told with it"


def test_a_model_from_before_relations_were_read_says_nothing_of_them(
    language_model: LanguageModel, tmp_path: Path
) -> None:
    save_model(language_model, tmp_path / "model")
    (tmp_path / "model" / RELATIONS).unlink()
    assert load_relations(tmp_path / "model") is None
    assert load_model(tmp_path / "model").relations is None
    assert load_relations(None) is None
    with pytest.raises(InputError, match="is no language model"):
        load_relations(tmp_path)


def test_pickles_are_not_read(language_model: LanguageModel, tmp_path: Path) -> None:
    save_model(language_model, tmp_path / "model")
    with (tmp_path / "model" / ARRAYS).open("wb") as file:
        np.savez(file, rarity=np.array([object()], dtype=object))
    with pytest.raises(InputError, match="pickle"):
        load_model(tmp_path / "model")


def test_too_little_to_learn_from_is_refused() -> None:
    records = [Record(str(n), "Horse", "", None, ("horse",)) for n in range(100)]
    with pytest.raises(InputError, match="too few questions"):
        fit_language_model(records, source="mine.csv", recipe=SMALL)
