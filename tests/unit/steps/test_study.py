"""The batch size that a study recommends, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgob_tasks.errors import InputError
from sgob_tasks.steps.study import batch_size_study, recommend


def test_the_largest_of_those_that_are_as_good_as_the_best_is_recommended() -> None:
    trainings = [{"batch_size": size, "ap50": ap50} for size, ap50 in ((8, 0.71), (64, 0.708), (512, 0.62))]
    gradients = [{"noise_scale": 20.0}, {"noise_scale": None}, {"noise_scale": 90.4}]
    found = recommend(trainings, gradients)
    assert (found["batch_size"], found["noise_scale"]) == (64, 90.4)
    assert "from 20 to 90 pictures" in found["text"]
    assert "8: 0.710, 64: 0.708, 512: 0.620. Use batches of 64." in found["text"]
    nothing = recommend([{"batch_size": 8, "ap50": None}], [])
    assert (nothing["batch_size"], nothing["noise_scale"]) == (8, None)
    assert nothing["text"].startswith("With the same hours")


def test_bad_sizes_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"batch-size-study: sizes = \[0, 8\]"):
        batch_size_study(tmp_path, tmp_path / "out", [0, 8])
    with pytest.raises(InputError, match=r"dataset = .*nowhere': is no folder"):
        batch_size_study(tmp_path / "nowhere", tmp_path / "out", [8])
