"""The page of an evaluation: what it says, where the boxes are, and that strangers' names stay names."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sgob_tasks.detection.evaluation.groups import group
from sgob_tasks.detection.evaluation.matching import Matching, match
from sgob_tasks.detection.evaluation.metrics import metrics
from sgob_tasks.detection.evaluation.mistakes import find_mistakes
from sgob_tasks.detection.evaluation.operating_point import operating_point
from sgob_tasks.detection.evaluation.results import check_results
from sgob_tasks.detection.evaluation.truth import read_truth
from sgob_tasks.report.evaluation_page import MISTAKES_PER_KIND, mistake_cards, picture_cards
from sgob_tasks.report.pictures import shrink
from sgob_tasks.report.render_evaluation import EvaluationView, evaluation_policy, write_evaluation
from tests.unit.detection.evaluation_data import make_results, make_truth

EVIL = "<script>document.title='owned'</script>\"><img src=x onerror=alert(1)>"


def matched(data: dict[str, Any], results: list[dict[str, Any]]) -> Matching:
    truth = read_truth(data)
    return match(truth, check_results(results, truth))


def view_of(matching: Matching, **options: Any) -> EvaluationView:
    return EvaluationView(
        results=options.pop("results", "results.json"),
        truth="val.json",
        figures={"bbox": metrics(matching, group(matching.truth))},
        mistakes={"bbox": find_mistakes(matching)},
        matching=matching,
        point=operating_point(matching),
        **options,
    )


def one_picture(there: list[list[float]], found: list[tuple[list[float], float]], **image: Any) -> Matching:
    return matched(
        {
            "images": [{"id": 1, "file_name": "1.jpg", "width": 400, "height": 300} | image],
            "categories": [{"id": 1, "name": "horse"}],
            "annotations": [{"image_id": 1, "category_id": 1, "bbox": box} for box in there],
        },
        [{"image_id": 1, "category_id": 1, "bbox": box, "score": score} for box, score in found],
    )


def test_a_card_shows_both_boxes_and_says_what_was_expected() -> None:
    matching = one_picture([[100, 100, 60, 60]], [([130, 100, 60, 60], 0.875)])
    (card,) = mistake_cards(find_mistakes(matching), matching)
    assert card.kind == "localisation"
    assert card.text == "“horse” at score 0.88 overlaps the expected “horse” only by IoU 0.33."
    assert {(box.role, box.label) for box in card.boxes} == {("expected", "horse"), ("wrong", "horse 0.88")}
    assert card.region == (60, 60, 230, 200)
    for box in card.boxes:
        assert card.region[0] <= box.x <= box.x + box.width <= card.region[2]
        assert card.region[1] <= box.label_y <= card.region[3]


@pytest.mark.parametrize(
    "box",
    [[0.0, 0.0, 400.0, 300.0], [399.5, 299.5, 0.2, 0.2], [-50.0, -50.0, 20.0, 20.0], [900.0, 900.0, 5.0, 5.0]],
)
def test_boxes_at_the_edge_and_outside_stay_within_the_picture(box: list[float]) -> None:
    matching = one_picture([], [(box, 0.5)])
    (card,) = mistake_cards(find_mistakes(matching), matching)
    left, top, right, bottom = card.region
    assert 0 <= left < right <= 400
    assert 0 <= top < bottom <= 300
    (drawn,) = card.boxes
    assert left <= drawn.x <= right
    assert top <= drawn.y <= bottom


def test_the_costliest_kind_comes_first_and_each_has_a_dozen_at_most() -> None:
    data = make_truth(1, images=40)
    matching = matched(data, make_results(data, 1, extra=4.0))
    mistakes = find_mistakes(matching)
    cards = mistake_cards(mistakes, matching)
    assert [card.number for card in cards] == list(range(1, len(cards) + 1))
    kinds = list(dict.fromkeys(card.kind for card in cards))
    assert kinds == sorted(kinds, key=lambda kind: -(mistakes.costs[kind] or 0))
    for kind in kinds:
        assert sum(card.kind == kind for card in cards) == min(MISTAKES_PER_KIND, len(mistakes.found[kind]))


def test_best_and_worst_pictures() -> None:
    data = make_truth(1, images=40)
    point = operating_point(matching := matched(data, make_results(data, 1)))
    best, worst = picture_cards(point, matching, 100)
    assert [card.number for card in (*best, *worst)] == list(range(100, 112))
    by_image = {one.image: one.f1 for one in point.pictures}
    assert min(by_image[card.image] for card in best) >= max(by_image[card.image] for card in worst)
    assert not {card.image for card in best} & {card.image for card in worst}
    assert best[0].region == (0, 0, 200, 200)
    perfect = one_picture([[100, 100, 60, 60]], [([100, 100, 60, 60], 0.9)])
    best, worst = picture_cards(operating_point(perfect), perfect, 1)
    assert [card.text for card in best] == ["F1 1.00: 1 right."]
    assert worst == ()


def test_the_page_says_the_figures_and_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    data = make_truth(1, images=6)
    data["images"][0] |= {"year": 1500, "style": "Gothic", "anachronistic": True}
    matching = matched(data, make_results(data, 1))
    comparison = {
        "ap50_first": 0.5, "ap50_second": 0.75, "ap50_difference": 0.25, "ap50_low": 0.125, "ap50_high": 0.375,
        "ap_first": 0.5, "ap_second": 0.5, "ap_difference": 0.0, "ap_low": -0.1, "ap_high": 0.1,
        "images": 6, "resamples": 1000, "confidence": 0.95,
    }  # fmt: skip
    view = view_of(
        matching, charts=[("classes.png", "AP by class")], against="b.json", comparisons={"bbox": comparison},
        notes=["Masks were not evaluated."],
    )  # fmt: skip
    page, hidden = write_evaluation(view, tmp_path, None)
    text = page.read_text()
    assert hidden == 0
    assert list(tmp_path.iterdir()) == [page]
    assert "<h1>Evaluation" in text
    assert f"<b>{view.figures['bbox']['AP50']:.3f}</b> AP50" in text
    for words in (
        "15th century", "Gothic", "Masks were not evaluated.", 'src="classes.png"', "+0.125 to +0.375",
        '<span class="pill better">b.json</span>', '<span class="pill">not known</span>', "1,000 resamples",
    ):  # fmt: skip
        assert words in text, words
    assert f'content="{html.escape(evaluation_policy())}"' in text or evaluation_policy() in html.unescape(text)
    assert not re.search(r"https?://|//[a-z]", re.sub(r"<style>.*?</style>|<script>.*?</script>", "", text, flags=re.S))
    assert text.count('<li class="card') == len(mistake_cards(view.mistakes["bbox"], matching)) + sum(
        map(len, picture_cards(view.point, matching, 1))
    )


def test_names_of_strangers_are_escaped(tmp_path: Path) -> None:
    data = make_truth(1, images=4)
    for image in data["images"]:
        image |= {"file_name": f"{EVIL}{image['id']}", "style": EVIL, "century": EVIL}
    for category in data["categories"]:
        category["name"] = f"{EVIL}{category['id']}"
    view = view_of(matched(data, make_results(data, 1)), results=EVIL, against=EVIL, notes=[EVIL])
    page, _ = write_evaluation(view, tmp_path, None)
    text = page.read_text()
    assert EVIL not in text
    assert "<script>document" not in text
    assert "<img src=x" not in text
    assert text.count("<script>") == 1
    assert html.escape(EVIL)[:30] in text


def test_nothing_to_show_is_a_page_too(tmp_path: Path) -> None:
    matching = matched(make_truth(1) | {"annotations": []}, [])
    page, _ = write_evaluation(view_of(matching), tmp_path, None)
    text = page.read_text()
    assert "There are none." in text
    assert "nan" not in re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.S).lower()


def test_crops_are_cut_out_and_what_cannot_be_shown_is_counted(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    picture = Image.new("RGB", (400, 300), (10, 10, 10))
    picture.paste((250, 0, 0), (100, 100, 160, 160))
    picture.save(images / "1.jpg", quality=95)
    matching = one_picture([[100, 100, 60, 60]], [], file_name="elsewhere/1.jpg")
    page, hidden = write_evaluation(view_of(matching), tmp_path / "out", images)
    assert hidden == 0
    with Image.open(page.parent / "pictures" / "missed-001.jpg") as crop:
        assert crop.size == (140, 140)
        assert crop.getpixel((70, 70))[0] > 200  # type: ignore[index]
        assert crop.getpixel((20, 20))[0] < 60  # type: ignore[index]
    for name in ("../images/1.jpg", str(images / "1.jpg"), "none.jpg", ""):
        away = one_picture([[100, 100, 60, 60]], [], file_name=name)
        page, hidden = write_evaluation(view_of(away), tmp_path / "out2", images)
        assert hidden == 1
        assert "<img" not in page.read_text()
    assert not (tmp_path / "out2" / "pictures").exists()


def test_a_region_follows_a_copy_of_another_size(tmp_path: Path) -> None:
    picture = Image.new("RGB", (200, 150), (10, 10, 10))
    picture.paste((250, 0, 0), (50, 50, 80, 80))
    picture.save(tmp_path / "half.png")
    shrink(tmp_path / "half.png", tmp_path / "cut.jpg", size=(400, 300), region=(100, 100, 160, 160))
    with Image.open(tmp_path / "cut.jpg") as cut:
        assert cut.size == (30, 30)
        assert cut.getpixel((15, 15))[0] > 200  # type: ignore[index]
    shrink(tmp_path / "half.png", tmp_path / "thin.jpg", size=(400, 300), region=(399, 299, 400, 300))
    with Image.open(tmp_path / "thin.jpg") as cut:
        assert cut.size == (1, 1)
