"""The charts are pictures that can be opened, for few classes and many, and for hostile names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from sgob_tasks.detection.evaluation import figures
from sgob_tasks.detection.evaluation.groups import group
from sgob_tasks.detection.evaluation.matching import match
from sgob_tasks.detection.evaluation.metrics import metrics
from sgob_tasks.detection.evaluation.operating_point import operating_point
from sgob_tasks.detection.evaluation.results import check_results
from sgob_tasks.detection.evaluation.truth import read_truth
from tests.unit.detection.evaluation_data import make_results, make_truth

HOSTILE = r"$\frac{1}{0}$ <b> ^_%$ and a name that is much too long for a chart"


@pytest.mark.parametrize("classes", [1, 69])
def test_charts_can_be_opened_and_grow_with_the_classes(tmp_path: Path, classes: int) -> None:
    data = make_truth(1, images=10, classes=classes)
    data["categories"][0]["name"] = HOSTILE
    for number, image in enumerate(data["images"]):
        image["year"] = 1400 + 100 * (number % 3)
    truth = read_truth(data)
    matching = match(truth, check_results(make_results(data), truth))
    found = metrics(matching, group(truth))
    paths = [
        figures.precision_recall(matching, tmp_path / "new" / "curves.png"),
        figures.confusion_matrix(operating_point(matching), tmp_path / "confusion.png"),
        figures.class_bars(found["by_class"], tmp_path / "classes.png"),
        figures.century_bars(found["by_century"], tmp_path / "centuries.png"),
    ]
    for path in paths:
        assert path is not None
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert min(picture.size) > 150
    with Image.open(tmp_path / "classes.png") as picture:
        assert (picture.height > 600) == (classes == 69)
    assert not list(tmp_path.rglob("*.part"))
    assert "matplotlib.pyplot" not in sys.modules, "figures that nobody closes would stay in memory"


def test_nothing_to_draw_draws_nothing(tmp_path: Path) -> None:
    truth = read_truth(make_truth() | {"annotations": []})
    matching = match(truth, [])
    found = metrics(matching, group(truth))
    assert figures.precision_recall(matching, tmp_path / "a.png") is None
    assert figures.confusion_matrix(operating_point(matching), tmp_path / "a.png") is None
    assert figures.class_bars(found["by_class"], tmp_path / "a.png") is None
    assert figures.century_bars(found["by_century"], tmp_path / "a.png") is None
    assert list(tmp_path.iterdir()) == []
