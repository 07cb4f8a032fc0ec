"""Cutting metadata into sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.captions.sentences import language_of, split_sentences, text_hash


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (None, []),
        ("", []),
        ("Madonna", []),
        ("A horse. A dog barks.", ["A horse.", "A dog barks."]),
        ("Two men sit. They talk!  Do they? 12 birds fly.",
         ["Two men sit.", "They talk!", "Do they?", "12 birds fly."]),
        ("St. George kills the dragon. It bleeds.", ["St. George kills the dragon.", "It bleeds."]),
        ("Painted c. 1480 in Bruges.", ["Painted c. 1480 in Bruges."]),
        ("See fol. 12 recto. The scene is gilded.", ["See fol. 12 recto.", "The scene is gilded."]),
        ("Work by J. M. W. Turner. Sold later.", ["Work by J. M. W. Turner.", "Sold later."]),
        ("Inv. No. 12 hangs here. Cf. Friedländer vol. 6 pl. 3.",
         ["Inv. No. 12 hangs here.", "Cf. Friedländer vol. 6 pl. 3."]),
        ("Die Hl. Barbara mit Turm, z.B. um 1500. Das Bild ist klein.",
         ["Die Hl. Barbara mit Turm, z.B. um 1500.", "Das Bild ist klein."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("Lines break\nsentences too\r\nhere as well", ["Lines break", "sentences too", "here as well"]),
        ("<p>A man &amp; a dog.</p> <i>They walk.</i>", ["A man & a dog.", "They walk."]),
        ("Same thing. Same thing.", ["Same thing."]),
        ("82.5 x 64.3 cm with frame", ["82.5 x 64.3 cm with frame"]),
        ("El sant mata el drac. La princesa resa.", ["El sant mata el drac.", "La princesa resa."]),
        ("x" * 1001 + " y", []),
    ],
)  # fmt: skip
def test_sentences(text: str | None, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@given(st.text(alphabet=st.sampled_from('aB1.!? \n"(<&;é'), max_size=120))
def test_no_word_is_lost_or_invented(text: str) -> None:
    found = split_sentences(text)
    assert len(found) == len(set(found))
    assert all(sentence == sentence.strip() and "\n" not in sentence for sentence in found)


@given(st.text(max_size=300))
def test_splitting_again_changes_nothing(text: str) -> None:
    for sentence in split_sentences(text):
        if "<" not in sentence and "&" not in sentence:
            assert split_sentences(sentence) == [sentence]


@pytest.mark.parametrize(
    ("sentence", "hint", "language"),
    [
        ("The knight rides on a white horse in the forest.", None, "en"),
        ("Der Ritter reitet auf einem weißen Pferd durch den Wald und die Wiese.", "en", "de"),
        ("Le chevalier est dans la forêt avec son cheval.", None, "fr"),
        ("El caballero se encuentra en el bosque con su caballo y una lanza.", None, "es"),
        ("Il cavaliere è nel bosco con il cavallo e una lancia.", None, "it"),
        ("De ridder rijdt op het witte paard door het bos met een lans.", None, "nl"),
        ("El cavaller és al bosc amb el seu cavall i una llança.", None, "ca"),
        ("Saint George", "en", "en"),
        ("Saint George", "mul", None),
        ("Saint George", "de-AT", "de"),
        ("Saint George", None, None),
    ],
)
def test_languages(sentence: str, hint: str | None, language: str | None) -> None:
    assert language_of(sentence, hint) == language


def test_hashes_ignore_case_and_space() -> None:
    assert text_hash("A  Horse.") == text_hash(" a horse.")
    assert text_hash("A horse.") != text_hash("A house.")
