from __future__ import annotations

import re
from datetime import datetime, timezone
from html.parser import HTMLParser

import pytest

from sgob_tasks.report.render import Links, content_security_policy, render_run
from sgob_tasks.report.static import run_folder
from sgob_tasks.store.summary import ModelView, Run
from sgob_tasks.store.views import (
    AnnotationView,
    CaptionView,
    DetectionView,
    Failure,
    JobView,
    PictureView,
    RecordView,
    RunCounts,
    RunView,
)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)
EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}"
URL = "javascript:alert(3)//http://"


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def evil_view() -> RunView:
    """A run in which every text that comes from outside tries to get out of its place."""
    record = RecordView("/1/" + EVIL, EVIL, EVIL, EVIL, 1430, 1440, URL, EVIL, URL, URL)
    found = (
        DetectionView(1, (5.0, 5.0, 50.0, 50.0), EVIL, 0.9, "horse", 0.8, EVIL),
        DetectionView(2, (5.0, 5.0, 50.0, 50.0), "train", 0.9, None, None, EVIL),
    )
    notes = (
        AnnotationView("k", EVIL, "published", EVIL, 0.5, {"body": URL}, 1, URL),
        AnnotationView(
            "l", "describing", "proposed", None, 0.5, {"body": {"value": EVIL, "language": EVIL}}, None, None
        ),
    )
    pictures = (
        PictureView(record, "a" * 64, 200, 100, "loaded", None, found, (CaptionView(EVIL, EVIL, EVIL, 0.9),), notes),
        PictureView(record, "b" * 64, 0, 0, "failed", EVIL),
        PictureView(record, "c" * 64, 200, 100, "planned", None),
    )
    run = Run(EVIL, EVIL, NOON, None)
    return RunView(
        run=run,
        counts=RunCounts(pictures=5, failed=1, detections=2, corrected=2, corrected_pictures=1),
        pictures=pictures,
        jobs=(JobView(EVIL, EVIL, EVIL, "failed", EVIL, 1, EVIL, NOON, NOON, NOON),),
        failures=(Failure("Detecting", "failed", EVIL, 3, True),),
        model=ModelView(EVIL, EVIL, 1, "champion", {"before": {EVIL: 0.5}, "by_class": {EVIL: 0.5}}, {}, NOON),
        runs=(run,),
    )


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_run(evil_view(), Links(picture=lambda sha256: f"pictures/{sha256}.jpg", run=lambda _: "runs/x")))


def test_strangers_texts_stay_texts(page: Page) -> None:
    assert len(page.of("script")) == 1
    assert {image["src"] for image in page.of("img")} == {f"pictures/{c * 64}.jpg" for c in "abc"}
    assert page.text.count("<script>alert(1)</script>") > 10
    assert "{{ 7*7 }}" in page.text
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag


def test_strangers_addresses_are_dropped(page: Page) -> None:
    addresses = [element["href"] for element in page.of("a")]
    assert addresses
    assert not [address for address in addresses if address and "javascript:" in address.lower().split("/")[0]]
    assert {(address or "").split(":")[0] for address in addresses} == {"#pictures", "runs/x", "http"}


def test_links_out_do_not_hand_over_the_page(page: Page) -> None:
    outside = [element for element in page.of("a") if (element["href"] or "").startswith("http")]
    assert outside
    assert all(element["rel"] == "noopener noreferrer" and element["target"] == "_blank" for element in outside)


def test_correction_shows_both_labels_and_why(page: Page) -> None:
    assert len(page.of("del")) == 2
    assert len(page.of("ins")) == 1
    assert "taken away" in page.text
    assert [box["viewbox"] for box in page.of("svg") if box.get("role") == "group"] == ["0 0 200 100"]


def test_page_needs_nothing_from_elsewhere() -> None:
    html = render_run(evil_view(), Links())
    elements = Page(html).elements
    assert not [tag for tag, _ in elements if tag in {"link", "iframe", "object", "embed", "base", "form"}]
    assert not [attributes for tag, attributes in elements if tag in {"script", "img"} and "src" in attributes]
    assert not re.search(r"url\(|@import", html)
    policy = content_security_policy()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_headings_and_names_for_assistive_technology(page: Page) -> None:
    assert page.of("html")[0]["lang"] == "en"
    assert len(page.of("h1")) == 1
    assert all(image["alt"] for image in page.of("img"))
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    referred = {attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes}
    assert referred <= set(identifiers)


def test_store_without_runs_and_unknown_run() -> None:
    nothing = RunView(None, RunCounts(), (), (), (), None, ())
    assert "No run yet" in Page(render_run(nothing, Links())).text
    html = render_run(nothing, Links(), wanted=EVIL)
    assert "not in the store" in Page(html).text
    assert len(Page(html).of("script")) == 1


def test_run_folders_are_safe_and_differ() -> None:
    airflow = "scheduled__2026-11-22T02:00:00+00:00"
    assert run_folder(airflow) == airflow
    odd = ["../../etc", "..", ".", "a/b", "a_b", "a b", "", "x" * 400, "x" * 401, "ä", "\x00"]
    names = [run_folder(one) for one in odd]
    assert len(set(names)) == len(odd)
    for name in names:
        assert name
        assert "/" not in name
        assert not name.startswith(".")
        assert len(name) < 255
