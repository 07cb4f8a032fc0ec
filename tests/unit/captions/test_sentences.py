"""Cutting metadata into sentences."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sgob_tasks.captions.sentences import MAX_CHARACTERS, language_of, split_sentences, text_hash


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
        ("Cf. Smith et al. 1990, fig. 3. Dr. A. B. Jones left it to us.",
         ["Cf. Smith et al. 1990, fig. 3.", "Dr. A. B. Jones left it to us."]),
        ("It measures 12.5 x 30 cm. The frame is new.", ["It measures 12.5 x 30 cm.", "The frame is new."]),
        ("82.5 x 64.3 cm with frame", ["82.5 x 64.3 cm with frame"]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ('"Who goes there?" asks the guard. Nobody answers.', ['"Who goes there?" asks the guard.', "Nobody answers."]),
        ("A knight (cf. no. 3) kneels. (He prays.) A squire waits.",
         ["A knight (cf. no. 3) kneels.", "(He prays.)", "A squire waits."]),
        ("He waits... and then leaves. So it ends… They are gone.",
         ["He waits... and then leaves.", "So it ends…", "They are gone."]),
        ("The dog sleeps.The cat watches.It purrs.", ["The dog sleeps.", "The cat watches.", "It purrs."]),
        ("See www.museum.org or a.Bc for more.", ["See www.museum.org or a.Bc for more."]),
        ("It was stolen.[12] It came back.[3]", ["It was stolen.[12]", "It came back.[3]"]),
        ("A jug; brown glaze; no handle. A lid is missing.", ["A jug; brown glaze; no handle.", "A lid is missing."]),
        ("Lines break\nsentences too\r\nhere as well", ["Lines break", "sentences too", "here as well"]),
        ("• a red cloak\n• a horse\n– two dogs\n1) three cats", ["a red cloak", "a horse", "two dogs", "three cats"]),
        ("In the room: • a chair • a table", ["In the room:", "a chair", "a table"]),
        ("<p>A man &amp; a dog.</p> <i>They walk.</i>", ["A man & a dog.", "They walk."]),
        ("<ul><li>red cloak</li><li>white horse</li></ul>Line one<br/>line two",
         ["red cloak", "white horse", "Line one", "line two"]),
        ("Same thing. Same thing.", ["Same thing."]),
        ("x" * 1001 + " y", []),
        ("🐉 A dragon. 🐴 A horse!", ["🐉 A dragon. 🐴 A horse!"]),
    ],
)  # fmt: skip
def test_sentences(text: str | None, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        # German
        ("Die Hl. Barbara mit Turm, z.B. um 1500. Das Bild ist klein.",
         ["Die Hl. Barbara mit Turm, z.B. um 1500.", "Das Bild ist klein."]),
        ("Die Tafel stammt aus dem 15. Jh. und ist gut erhalten. Vgl. Abb. 3.",
         ["Die Tafel stammt aus dem 15. Jh. und ist gut erhalten.", "Vgl. Abb. 3."]),
        ("Am 23. April 1521 starb er. Inv. Nr. 12 zeigt Karl V. Öl auf Holz.",
         ["Am 23. April 1521 starb er.", "Inv. Nr. 12 zeigt Karl V. Öl auf Holz."]),
        ("„Halt!“ ruft er. Ärger droht.", ["„Halt!“ ruft er.", "Ärger droht."]),
        # French
        ("Né av. 1480, il fut l'élève de M. Dupont. À droite, un chien dort.",
         ["Né av. 1480, il fut l'élève de M. Dupont.", "À droite, un chien dort."]),
        ("« Où vas-tu ? » dit-elle. Éloi se tait.", ["« Où vas-tu ? » dit-elle.", "Éloi se tait."]),
        ("Huile sur toile, s. d. Voir cat. n° 4.", ["Huile sur toile, s. d. Voir cat. n° 4."]),
        # Spanish
        ("¿Quién es? ¡Es San Jorge! Véase núm. 12, pág. 4.",
         ["¿Quién es?", "¡Es San Jorge!", "Véase núm. 12, pág. 4."]),
        ("Retrato del s. XV. La dama lleva un collar.", ["Retrato del s. XV.", "La dama lleva un collar."]),
        # Catalan
        ("El sant mata el drac. La princesa resa.", ["El sant mata el drac.", "La princesa resa."]),
        # Italian
        ("Olio su tela, sec. XVI. È firmato; v. tav. 3.", ["Olio su tela, sec. XVI.", "È firmato; v. tav. 3."]),
        # Dutch
        ("Zie afb. 3 en blz. 12. Een vrouw leest bij het licht. IJs ligt op het water.",
         ["Zie afb. 3 en blz. 12.", "Een vrouw leest bij het licht.", "IJs ligt op het water."]),
        ("They said no. The horse (no. 7) ran away.", ["They said no.", "The horse (no. 7) ran away."]),
        # Portuguese
        ("Óleo do séc. XVII. Uma mulher lê.", ["Óleo do séc. XVII.", "Uma mulher lê."]),
        # Polish
        ("Święty zabija smoka. Śpiący pies leży obok.", ["Święty zabija smoka.", "Śpiący pies leży obok."]),
        # Russian
        ("Георгий на коне. Он убивает змея! Икона XV в. Новгород.",
         ["Георгий на коне.", "Он убивает змея!", "Икона XV в. Новгород."]),
        # Greek
        ("Ο άγιος σκοτώνει τον δράκο. Η βασίλισσα προσεύχεται.",
         ["Ο άγιος σκοτώνει τον δράκο.", "Η βασίλισσα προσεύχεται."]),
        # Chinese, Japanese
        ("圣乔治杀死了龙。公主在祈祷！她是谁？", ["圣乔治杀死了龙。", "公主在祈祷！", "她是谁？"]),
        ("騎士が竜を倒す。「逃げろ。」姫が祈る。", ["騎士が竜を倒す。", "「逃げろ。」", "姫が祈る。"]),
        # Hindi, Arabic, Urdu
        ("राजा घोड़े पर बैठा है। रानी खड़ी है।", ["राजा घोड़े पर बैठा है।", "रानी खड़ी है।"]),
        ("الفارس يقتل التنين. الأميرة تصلي؟ لا أحد يعرف.", ["الفارس يقتل التنين.", "الأميرة تصلي؟", "لا أحد يعرف."]),
        ("گھوڑا دوڑتا ہے۔ سوار گرتا ہے۔", ["گھوڑا دوڑتا ہے۔", "سوار گرتا ہے۔"]),
    ],
)  # fmt: skip
def test_languages_of_europe_and_beyond(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def _letters(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


@given(
    st.lists(
        st.sampled_from(["Ab", "cd.", "E.", "St.", "15.", "Jh.", "x!", "(Y", "z)", "…", "「", "犬。", "1.5"]),
        max_size=30,
    )
)
def test_no_text_is_lost_but_short_fragments(words: list[str]) -> None:
    text = " ".join(words)
    kept = _letters(" ".join(split_sentences(text)))
    pool = _letters(text)
    for word in kept:  # in their order, each once
        assert word in pool
        pool = pool[pool.index(word) + 1 :]


@given(st.text(alphabet=st.sampled_from('aB1.!? \n"(<&;é•。'), max_size=200))
@example("A. " * 50)
def test_sentences_are_clean_and_unique(text: str) -> None:
    found = split_sentences(text)
    assert len(found) == len(set(found))
    assert all(sentence == sentence.strip() and "\n" not in sentence for sentence in found)
    assert all(len(sentence) <= MAX_CHARACTERS for sentence in found)


@given(st.text(max_size=300))
@example("• - a b")
@example("A b. 1) Cd ef")
def test_splitting_again_changes_nothing(text: str) -> None:
    for sentence in split_sentences(text):
        if "<" not in sentence and "&" not in sentence:
            assert split_sentences(sentence) == [sentence]


@pytest.mark.parametrize(
    "unit",
    [
        "A dog barks. ",
        "a. ",
        ".",
        "A.",
        "<",
        "<a ",
        "&amp;",
        "…",
        "(",
        "“",
        "' ",
        "犬。",
        "• ",
        "- ",
        "x",
        "[1]",
        ".[1]",
        "a b",
    ],
)
def test_long_texts_of_all_kinds_pass(unit: str) -> None:
    text = unit * (50_000 // len(unit))
    found = split_sentences(text)
    assert all(len(sentence) <= MAX_CHARACTERS for sentence in found)


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
        ("O cavaleiro está no bosque com o seu cavalo e uma lança.", None, "pt"),
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
