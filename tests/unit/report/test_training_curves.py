"""The pictures of a training and of a batch size study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sgob_tasks.errors import InputError
from sgob_tasks.report.batch_size_study import draw_study
from sgob_tasks.report.training_curves import draw_training_curves, read_lines


def metrics(steps: int) -> str:
    lines = []
    for step in range(10, steps + 1, 10):
        losses = {"rpn_class": 1 / step, "rpn_box": 0.2, "class": 3 / step, "box": 0.1, "mask": 0.0}
        entry = {"step": step, "epoch": step / 20, "elapsed_s": step * 0.5, "learning_rate": 0.01, "losses": losses}
        lines.append(json.dumps(entry | {"loss": sum(losses.values())}))
    return "\n".join(lines) + "\n"


def test_curves_are_drawn_before_during_and_after_evaluations(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(metrics(100) + '{"step": 110, "lo')  # it is being written
    without = draw_training_curves(tmp_path, tmp_path / "a.png").read_bytes()
    scores = {"step": 50, "epoch": 2.5, "elapsed_s": 25, "ap50": 0.5, "ap": 0.3, "ap75": None}
    (tmp_path / "evaluations.jsonl").write_text(json.dumps(scores) + "\n")
    drawn = draw_training_curves(tmp_path, tmp_path / "b.png")
    with Image.open(drawn) as picture:
        assert picture.size == (880, 935)
    assert drawn.read_bytes() != without
    assert draw_training_curves(tmp_path, tmp_path / "c.png").read_bytes() == drawn.read_bytes()


def test_a_training_that_has_not_begun_and_a_damaged_line_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.jsonl = None: holds no entry"):
        draw_training_curves(tmp_path, tmp_path / "a.png")
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n[]\n{"step": 3}\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl: line 2 = '\[\]': is no entry of a training"):
        read_lines(tmp_path / "metrics.jsonl")


def study(trainings: list[dict[str, Any]], gradients: list[dict[str, Any]]) -> dict[str, Any]:
    return {"trainings": trainings, "gradients": gradients, "recommendation": {"text": "Use batches of 64."}}


def test_a_study_is_drawn_also_where_little_is_known(tmp_path: Path) -> None:
    statistics = [{"size": 8 << n, "batches": 64 >> n, "squared_norm": 1.0, "cosine": 0.1 * n} for n in range(5)]
    gradients = [{"step": 10, "noise_scale": 40.0, "statistics": statistics}]
    gradients.append({"step": 90, "noise_scale": None, "statistics": statistics})
    training = {"batch_size": 64, "steps": 90, "noise": [{"epoch": 1.0, "noise_scale": 30.0}]}
    training["accuracy"] = [{"gpu_hours": 0.1, "ap50": 0.4}, {"gpu_hours": 0.2, "ap50": 0.6}]
    full = draw_study(study([training], gradients), tmp_path / "full.png")
    bare = draw_study(study([training | {"noise": [], "accuracy": []}], []), tmp_path / "bare.png")
    assert full.read_bytes() != bare.read_bytes()
    with Image.open(full) as picture:
        assert picture.width > 2 * picture.height
