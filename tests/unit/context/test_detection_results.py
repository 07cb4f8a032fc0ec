"""Lines of an inference job's results, good and bad."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.errors import InputError
from sgob_tasks.store.detection_results import ResultLine, read_results

SHA = "ab" * 32
HORSE: dict[str, Any] = {
    "class_name": "horse",
    "score": 0.9,
    "bbox": [1, 2, 30, 40],
    "mask": None,
    "candidates": {"horse": 0.9},
}


def _picture(**changes: Any) -> dict[str, Any]:
    return {"sha256": SHA, "width": 100, "height": 100, "detections": [HORSE]} | changes


def _read(tmp_path: Path, *lines: str) -> list[ResultLine]:
    path = tmp_path / "0003.jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return list(read_results(path))


def test_detections_come_best_first(tmp_path: Path) -> None:
    (line,) = _read(tmp_path, json.dumps(_picture(detections=[HORSE | {"score": 0.2}, HORSE, HORSE | {"score": 0.5}])))
    assert [found.score for found in line.detections] == [0.9, 0.5, 0.2]
    assert (line.sha256, line.error, line.malformed) == (SHA, None, False)
    assert line.detections[0].box == (1.0, 2.0, 30.0, 40.0)


def test_an_empty_picture_is_a_result(tmp_path: Path) -> None:
    (line,) = _read(tmp_path, json.dumps(_picture(detections=[])))
    assert (line.error, line.detections) == (None, ())


def test_a_picture_that_failed_says_why(tmp_path: Path) -> None:
    (line,) = _read(tmp_path, json.dumps({"sha256": SHA, "error": "truncated JPEG"}))
    assert (line.error, line.malformed) == ("truncated JPEG", False)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (_picture(width=0), r"0003\.jsonl, line 2: width = 0"),
        (_picture(height=None), "line 2: height = None"),
        (_picture(detections={}), "line 2: detections = {}: must be a list"),
        (_picture(detections=[1]), r"detections\[0\] = 1: must be an object"),
        (_picture(detections=[HORSE | {"class_name": ""}]), r"detections\[0\].class_name = ''"),
        (_picture(detections=[HORSE, HORSE | {"score": 1.2}]), r"detections\[1\].score = 1.2"),
        (_picture(detections=[HORSE | {"score": True}]), r"detections\[0\].score = True"),
        (_picture(detections=[HORSE | {"bbox": [1, 2, 3]}]), r"bbox = \[1, 2, 3\]: must be"),
        (_picture(detections=[HORSE | {"bbox": [1, 2, 0, 3]}]), r"has no area"),
        (_picture(detections=[HORSE | {"bbox": [90, 2, 30, 3]}]), "lies 20.0 pixels outside the picture"),
        (_picture(detections=[HORSE | {"bbox": [1, 2, float("nan"), 3]}]), "must be "),
        (_picture(detections=[HORSE | {"candidates": {"horse": 2}}]), "candidates = {'horse': 2}"),
        (_picture(detections=[HORSE | {"mask": {"size": [1, 1]}}]), "mask = .* must be null or"),
    ],
)
def test_bad_values_are_named_by_file_line_and_field(tmp_path: Path, value: dict[str, Any], message: str) -> None:
    first, second = _read(tmp_path, json.dumps(_picture()), json.dumps(value))
    assert first.error is None
    assert second.malformed
    assert second.sha256 == SHA
    assert re.search(message, second.error or "")


def test_a_torn_line_still_names_its_picture(tmp_path: Path) -> None:
    (line,) = _read(tmp_path, json.dumps(_picture())[:-20])
    assert (line.sha256, line.malformed) == (SHA, True)
    (line,) = _read(tmp_path, '{"sha256": "abab')
    assert (line.sha256, line.malformed) == (None, True)


def test_the_background_is_no_candidate_for_a_label(tmp_path: Path) -> None:
    """What the programs write beside the candidates stays out of them, and so out of reach of the time context."""
    found = HORSE | {"candidates": {"horse": 0.4, "donkey": 0.05}, "background": 0.55}
    (line,) = _read(tmp_path, json.dumps(_picture(detections=[found])))
    assert line.detections[0].candidates == {"horse": 0.4, "donkey": 0.05}


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        list(read_results(tmp_path / "0000.jsonl"))


@given(st.binary(max_size=300))
def test_any_bytes_give_lines_with_an_error(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "0000.jsonl"
        path.write_bytes(raw)
        assert all(line.malformed and line.error for line in read_results(path))
