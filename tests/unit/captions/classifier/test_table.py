"""Judging the sentences of a CSV file."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sgob_tasks.captions.classifier import CaptionClassifier, CaptionModelInfo, classify_table
from sgob_tasks.errors import InputError, PermanentError

Trained = tuple[Path, CaptionModelInfo]


def _read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_all_columns_are_kept_and_two_are_added(trained: Trained, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "new" / "out.csv"
    source.write_text(
        '\ufeffid,text,note\n1,A knight on a white horse fights a dragon.,"a, ""b""\nc"\n'
        "2,Gift of the family.,\n3,,é\n\n",
        "utf-8",
    )
    counts = classify_table(trained[0], source, out)
    assert (counts.rows, counts.captions, counts.renamed) == (3, 1, {})
    header, *rows = _read(out)
    assert header == ["id", "text", "note", "label", "score"]
    assert [row[:3] for row in rows] == _read(source)[1:4]
    assert [row[3] for row in rows] == ["caption", "other", "other"]
    assert rows[2][4] == "0.000000"
    classifier = CaptionClassifier(trained[0])
    assert float(rows[0][4]) == pytest.approx(classifier.probabilities([rows[0][1]])[0], abs=1e-6)
    assert [entry.name for entry in out.parent.iterdir()] == ["out.csv"]


def test_columns_of_the_same_name_are_renamed_not_lost(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("label,sentence,score\ncaption,A dog.,7\n", "utf-8")
    counts = classify_table(trained[0], path, path, text_column="sentence")  # in place
    assert counts.renamed == {"label": "label_given", "score": "score_given"}
    header, row = _read(path)
    assert header == ["label_given", "sentence", "score_given", "label", "score"]
    assert row[:3] == ["caption", "A dog.", "7"]
    with pytest.raises(InputError, match="header = 'label_given': is the name that"):
        classify_table(trained[0], path, tmp_path / "out.csv", text_column="sentence")


def test_many_rows_stay_in_order(trained: Trained, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("text\n" + "".join(f"A man holds {n} cups.\nSold in {n}.\n" for n in range(700)), "utf-8")
    assert classify_table(trained[0], source, out).rows == 1400
    rows = _read(out)[1:]
    assert [row[0] for row in rows] == [row[0] for row in _read(source)[1:]]
    assert {row[1] for row in rows[::2]} == {"caption"}
    assert {row[1] for row in rows[1::2]} == {"other"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"header = \[\]: needs one column text"),
        (b"a,b\n1,2\n", r"header = \['a', 'b'\]: needs one column text"),
        (b"text,text\n1,2\n", "needs one column text"),
        (b"text,b\nA dog,1\nA cat\n", r"in\.csv: line 3 = 'A cat': has 1 columns, the header 2"),
        (b'text\nA dog\n"A cat\n', "line 3 = .*cannot be read as CSV in UTF-8"),
        ("text\nMädchen\n".encode("latin-1"), "cannot be read as CSV in UTF-8"),
    ],
)
def test_bad_files_are_refused_and_nothing_is_written(
    trained: Trained, tmp_path: Path, content: bytes, message: str
) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(content)
    out.write_text("before", "utf-8")
    with pytest.raises(InputError, match=message):
        classify_table(trained[0], source, out)
    assert out.read_text("utf-8") == "before"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_files_that_are_not_there(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: file = .*cannot be read"):
        classify_table(trained[0], tmp_path / "none.csv", tmp_path / "out.csv")
    source = tmp_path / "in.csv"
    source.write_text("text\nA dog\n", "utf-8")
    with pytest.raises(PermanentError, match="cannot be written"):
        classify_table(trained[0], source, source / "below.csv")
