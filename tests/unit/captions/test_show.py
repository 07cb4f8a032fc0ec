"""The picture with its caption, word by word, is safe and whole HTML."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.captions.generator.show import STYLE, Looked, attention_page


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    return tags


DRAGON = Looked("dragon", (10.0, 20.0, 30.0, 40.0), 0.7)


def test_a_word_shows_its_regions_and_says_them() -> None:
    tags = read(attention_page([("a", []), ("dragon", [DRAGON, Looked("tree", (0, 0, 5, 5), 0.01)])], 100, 80, "p.jpg"))
    words = [attributes for tag, attributes in tags.seen if tag == "span"]
    assert [word["class"] for word in words] == ["word blind", "word"]
    assert words[1]["aria-label"] == "dragon: dragon 70%"
    assert words[1]["tabindex"] == "0"
    frames = [attributes for tag, attributes in tags.seen if attributes.get("class") == "light"]
    assert [(f["x"], f["y"], f["width"], f["height"]) for f in frames] == [("10.0", "20.0", "30.0", "40.0")]
    image = next(attributes for tag, attributes in tags.seen if tag == "img")
    assert (image["src"], image["alt"]) == ("p.jpg", "a dragon")


def test_labels_stay_in_the_picture() -> None:
    skull = Looked("skull", (80.0, 50.0, 19.0, 20.0), 0.6)
    tags = read(attention_page([("both", [DRAGON, skull])], 100, 80, "p.jpg"))
    labels = [attributes for tag, attributes in tags.seen if tag == "text"]
    assert [(label["x"], label.get("text-anchor")) for label in labels] == [("10.9", None), ("98.1", "end")]


def test_no_script_and_no_inline_style() -> None:
    page = attention_page([("x", [DRAGON])], 10, 10, "p.jpg")
    assert "style=" not in page
    assert "<script" not in page
    assert "url(" not in STYLE


@given(st.lists(st.tuples(st.text(), st.lists(st.builds(Looked, st.text(), st.just((1.0, 2.0, 3.0, 4.0)),
       st.floats(0, 1)), max_size=3)), max_size=4), st.text(), st.text())  # fmt: skip
def test_any_text_stays_text(words: list[tuple[str, list[Looked]]], url: str, alt: str) -> None:
    tags = read(attention_page(words, 100, 80, url, alt=alt))
    assert {tag for tag, _ in tags.seen} <= {"figure", "div", "img", "p", "span", "svg", "mask", "rect", "text"}
    assert len([1 for tag, _ in tags.seen if tag == "span"]) == len(words)


def test_ids_are_unique_and_a_caption_may_be_empty() -> None:
    two = [("a", [DRAGON]), ("b", [DRAGON])]
    page = attention_page(two, 10, 10, "p", name="one") + attention_page(two, 10, 10, "p", name="two")
    ids = [attributes["id"] for _, attributes in read(page).seen if "id" in attributes]
    assert len(ids) == len(set(ids)) == 4
    assert "<figure" in attention_page([], 10, 10, "p")
