"""Cases, rankings and the command line: every bad line is named, and nothing is half written."""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.cli import main
from sgob_tasks.context.language.cases import parse_case, read_cases
from sgob_tasks.context.language.encoder import Context
from sgob_tasks.context.language.model import LanguageModel
from sgob_tasks.context.language.model_files import save_model
from sgob_tasks.context.language.ranking import Plugin, rank_file
from sgob_tasks.context.language.scorer import Combined, load_scorer
from sgob_tasks.errors import InputError
from tests.unit.context.language.language_records import make_records, write_table

CASE = {
    "id": "A1",
    "title": "The Stag Hunt",
    "year_from": 1620,
    "year_to": "1630",
    "labels": ["dog"],
    "candidates": ["apple", "horse", "Horse ", "unheard of"],
}


@pytest.fixture(scope="module")
def model_dir(language_model: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("language") / "model"
    save_model(language_model, folder)
    return folder


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return path


def test_a_case_is_read() -> None:
    case = parse_case(json.dumps(CASE), "cases", 1)
    assert case.context == Context("The Stag Hunt", labels=("dog",), year=1625)
    assert case.candidates == ("apple", "horse", "Horse ", "unheard of")


@pytest.mark.parametrize(
    ("first", "last", "year"),
    [(None, None, None), ("no date", "no date", None), ("", " ", None), (1500, None, 1500), (None, 1500, 1500),
     ("c.1480", "c.1490", 1485), (1500.0, 1510, 1505), ("sometime in 12345678", None, None), ("-50", -40, -45)],
)  # fmt: skip
def test_years_are_read_or_unknown(first: object, last: object, year: int | None) -> None:
    case = parse_case(json.dumps(CASE | {"year_from": first, "year_to": last}), "cases", 1)
    assert case.context.year == year


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, "line 7, id = None: is missing"),
        ({"id": 1.5}, "line 7, id = 1.5"),
        ({"candidates": None}, "line 7, candidates = None: is missing"),
        ({"candidates": "horse"}, "line 7, candidates = 'horse': must be a list"),
        ({"candidates": ["horse", 3]}, r"line 7, candidates\[1\] = 3: must be a text"),
        ({"labels": {"a": 1}}, "line 7, labels = "),
        ({"title": ["a"]}, r"line 7, title = \['a'\]: must be a text"),
        ({"year_from": float("nan")}, "line 7, year_from = nan: is no year"),
        ({"year_to": float("inf")}, "line 7, year_to = inf: is no year"),
        ({"year_to": 10**400}, "line 7, year_to"),
        ({"year_to": [1500]}, "line 7, year_to"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_case(json.dumps(CASE | change), "cases", 7)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(st.text() | st.dictionaries(st.sampled_from([*CASE, "subjects", "description"]), JSON).map(json.dumps))
def test_any_line_is_a_case_or_a_named_error(line: str) -> None:
    with contextlib.suppress(InputError):
        parse_case(line, "cases.jsonl", 3)


def test_a_line_of_brackets_is_refused() -> None:
    with pytest.raises(InputError, match="is not JSON"):
        parse_case("[" * 200_000, "cases", 1)


def test_rankings_are_sorted_probabilities_in_the_order_of_the_cases(model_dir: Path, tmp_path: Path) -> None:
    rows = [CASE | {"id": number} for number in range(600)] + [CASE | {"id": "none", "candidates": []}]
    rows += [{"id": "bare", "candidates": ["horse"]}, CASE | {"id": "huge", "title": "horse " * 9000, "labels": []}]
    cases = write(tmp_path / "cases.jsonl", *rows[:5], "", *rows[5:])
    out = tmp_path / "new" / "ranks.jsonl"
    result = rank_file(model_dir, cases, out)
    assert result["cases"] == len(rows)
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    for row, case in zip(found, rows, strict=True):
        assert set(row) == {"id", "ranking"}
        values = [entry["log_prob"] for entry in row["ranking"]]
        assert sorted(entry["label"] for entry in row["ranking"]) == sorted(case["candidates"])  # type: ignore[type-var]
        assert values == sorted(values, reverse=True)
        assert not values or sum(map(math.exp, values)) == pytest.approx(1.0)
    assert {entry["label"] for entry in found[0]["ranking"][:2]} == {"horse", "Horse "}
    assert out.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_after_a_bad_line_nothing_is_written(model_dir: Path, tmp_path: Path) -> None:
    cases = write(tmp_path / "cases.jsonl", *[CASE] * 600, CASE | {"labels": 4})
    out = tmp_path / "ranks.jsonl"
    out.write_text("what was there")
    with pytest.raises(InputError, match=r"cases.jsonl: line 601, labels = 4"):
        rank_file(model_dir, cases, out)
    assert out.read_text() == "what was there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.jsonl", "ranks.jsonl"]


def test_files_that_cannot_be_read_or_written(model_dir: Path, tmp_path: Path) -> None:
    cases = write(tmp_path / "cases.jsonl", CASE)
    with pytest.raises(InputError, match=r"missing.jsonl: file"):
        rank_file(model_dir, tmp_path / "missing.jsonl", tmp_path / "out")
    with pytest.raises(InputError, match="cannot be written"):
        rank_file(model_dir, cases, cases / "out")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "\xe9"}')
    with pytest.raises(InputError, match="UTF-8"):
        list(read_cases(tmp_path / "latin.jsonl"))
    with pytest.raises(InputError, match="train-lm"):
        rank_file(tmp_path, cases, tmp_path / "out")


class LongestWins:
    """A small model of another kind: the longer a label, the better."""

    def score(self, context: Context, candidates: list[str]) -> list[float]:
        return [5.0 * len(name) for name in candidates]


def longest_wins(folder: Path | None) -> object:
    if folder is not None and not (folder / "weights").exists():
        raise FileNotFoundError(f"no weights in {folder}")
    return LongestWins()


ENTRY = f"{__name__}:longest_wins"


def test_another_model_can_be_plugged_in(model_dir: Path, language_model: LanguageModel, tmp_path: Path) -> None:
    cases, out = write(tmp_path / "cases.jsonl", CASE, CASE | {"candidates": []}), tmp_path / "out.jsonl"
    rank_file(model_dir, cases, out, Plugin(ENTRY, weight=2.0))
    first, second = (json.loads(line)["ranking"] for line in out.read_text().splitlines())
    assert first[0]["label"] == "unheard of"
    assert sum(math.exp(entry["log_prob"]) for entry in first) == pytest.approx(1.0)
    assert second == []
    names = ["horse", "apple"]
    alone = language_model.log_probs([Context("Hunt")], [names])[0]
    joined = Combined(language_model, LongestWins(), 0.0).log_probs([Context("Hunt")], [names])[0]
    assert joined.tolist() == pytest.approx(alone.tolist())


@pytest.mark.parametrize(
    ("entry", "message"),
    [("longest", "must look like"), (":x", "must look like"), ("no_such_module_here:make", "cannot be imported"),
     (f"{__name__}:nothing", "cannot be imported"), ("builtins:str", "no method score")],
)  # fmt: skip
def test_a_wrong_plug_in_is_named(entry: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_scorer(entry)


def test_a_plug_in_without_its_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; the files are not downloaded"):
        load_scorer(ENTRY, tmp_path / "missing")
    with pytest.raises(InputError, match=r"cannot be made from .*: no weights"):
        load_scorer(ENTRY, tmp_path)
    (tmp_path / "weights").touch()
    assert load_scorer(ENTRY, tmp_path).score(Context(), ["a"]) == [5.0]


@pytest.mark.parametrize("scores", [[1.0], [1.0, math.nan], [[1.0, 2.0]]])
def test_a_plug_in_that_answers_wrongly_is_named(language_model: LanguageModel, scores: list[float]) -> None:
    class Wrong:
        def score(self, context: Context, candidates: object) -> list[float]:
            return scores

    with pytest.raises(InputError, match="must be 2 finite numbers"):
        Combined(language_model, Wrong(), 1.0).log_probs([Context()], [["a", "b"]])
    with pytest.raises(InputError, match="weight = -1"):
        Combined(language_model, Wrong(), -1.0)


def test_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sgob_tasks.context.language.training.EMBEDDINGS", 1)
    data, model, cases = write_table(tmp_path / "a.csv", make_records(400)), tmp_path / "m", tmp_path / "cases.jsonl"
    assert main(["context", "train-lm", "--data", str(data), "--out", str(model)]) == 0
    assert "top-1" in capsys.readouterr().out
    write(cases, CASE)
    words = [
        "context",
        "rank",
        "--model",
        str(model),
        "--in",
        str(cases),
        "--out",
        str(tmp_path / "out.jsonl"),
        "--json",
    ]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["cases"] == 1
    assert json.loads((tmp_path / "out.jsonl").read_text())["ranking"][0]["label"] in {"horse", "Horse "}
    write(cases, CASE, "nonsense")
    assert main(words) == 1
    assert f"sgob context: {cases}: line 2 = 'nonsense': is not JSON" in capsys.readouterr().err
    assert main(["context", "train-lm", "--data", str(cases), "--out", str(model)]) == 1


TRAIN = ["context", "train-lm", "--data", "a", "--out", "b"]


@pytest.mark.parametrize("words", [["context", "rank"], [*TRAIN, "--seed", "x"], [*TRAIN, "--what"]])
def test_wrong_use_is_2(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
