"""Labelled sentences: the package's own, and files of operators."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.captions.training_data import SEED_CSV, Labelled, assign_folds, fingerprint, read_labelled
from sgob_tasks.errors import InputError


def test_the_package_has_sentences_of_both_kinds_in_all_languages() -> None:
    rows = read_labelled(SEED_CSV)
    assert len(rows) > 2000
    counts = Counter((row.language, row.label) for row in rows)
    assert set(counts) == {
        (one, label) for one in ["ca", "de", "en", "es", "fr", "it", "nl", "pt"] for label in ("caption", "other")
    }
    for (language, label), count in counts.items():
        assert count >= 15
        assert 0.35 < count / sum(n for (one, _), n in counts.items() if one == language) < 0.65, (language, label)
    assert all(row.group for row in rows)


def test_languages_groups_and_sources_are_read_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "sentence,label,language,group,source,more\nEin Hund,caption,de,g, s ,x\nA dog,other,,,,\n", "utf-8"
    )
    assert read_labelled(path, text_column="sentence", minimum=1) == [
        Labelled("Ein Hund", "caption", "de", "g", "s"),
        Labelled("A dog", "other", "en", "", ""),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"text,kind\na b,caption\n", r"header = .*has no column label"),
        (b"", r"header = None: has no column text"),
        ("text,label\nMädchen,caption\n".encode("latin-1"), "cannot be read as CSV in UTF-8"),
        (b"text,label,language\na b,caption,English\n", "line 2, language = 'English': must be two small letters"),
        (b"text,label\na b,caption\n", "label = 'caption': needs 20 sentences at least, has 1"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_labelled(path)
    with pytest.raises(InputError, match="cannot be read as CSV in UTF-8"):
        read_labelled(tmp_path / "missing.csv")


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=20), st.sampled_from(["", "a", "b", "c", "d"])), max_size=60,
             unique_by=lambda one: one[0].casefold()),
    st.integers(2, 5),
)  # fmt: skip
def test_folds_keep_groups_together_and_do_not_depend_on_order(texts: list[tuple[str, str]], folds: int) -> None:
    rows = [Labelled(text, "caption" if n % 2 else "other", group=group) for n, (text, group) in enumerate(texts)]
    found = assign_folds(rows, folds)
    assert all(0 <= fold < folds for fold in found)
    assert assign_folds(rows[::-1], folds) == found[::-1]
    for group in "abcd":
        assert len({fold for row, fold in zip(rows, found, strict=True) if row.group == group}) <= 1
    single = Counter((fold, row.label) for row, fold in zip(rows, found, strict=True) if not row.group)
    for label in ("caption", "other"):
        sizes = [single[fold, label] for fold in range(folds)]
        assert max(sizes) - min(sizes) <= 1
    assert fingerprint(rows) == fingerprint(rows[::-1])
