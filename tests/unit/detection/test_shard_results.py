"""The results of a shard: lines as they come, a restart, room that is asked for, the summary."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sgob_tasks.detection import shard_results
from sgob_tasks.detection.shard_results import ShardResults, finished_pictures
from sgob_tasks.errors import InputError


def line(name: str) -> str:
    return json.dumps({"sha256": name, "caption": "Müßig"}, ensure_ascii=False) + "\n"


def test_a_torn_last_line_is_dropped_and_whole_lines_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "0003.jsonl"
    assert finished_pictures(path) == set()
    lines = [json.dumps({"sha256": name, "detections": []}) + "\n" for name in ("aa", "bb", "cc")]
    whole = "".join(lines).encode()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        done = finished_pictures(path)
        assert done == {"aa", "bb", "cc"} if cut == len(whole) else len(done) == whole[:cut].count(b"\n")
        assert path.read_bytes() == whole[: whole[:cut].rfind(b"\n") + 1]
    path.write_bytes(b"{}\n" + whole)
    with pytest.raises(InputError, match=r"line 1 = .*is no result"):
        finished_pictures(path)


def test_a_batch_is_on_the_disk_before_the_next_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shard_results, "LOG_INTERVAL_S", 0.0)
    results = ShardResults(tmp_path, 3, time.monotonic())
    assert results.path == tmp_path / "results" / "0003.jsonl"
    written: list[int] = []

    def batches() -> Iterator[list[str]]:
        for batch in (["a", "b"], ["c"]):
            yield [line(name) for name in batch]
            written.append(len(results.lines()))

    results.append(batches(), lambda: f"{len(written)} batches before")
    assert written == [2, 3]
    assert "0 batches before" in (said := capsys.readouterr().out)
    assert "1 batches before" in said
    assert results.lines()[2] == {"sha256": "c", "caption": "Müßig"}


def test_making_room_and_going_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {"a", "b", "c"}
    first = ShardResults(tmp_path, 0, time.monotonic())
    assert first.lines() == []
    first.append([[line("a"), line("stranger")], ['{"sha256": "torn']], str)
    assert first.interrupted(wanted) is False
    assert "shard 0: asked to make room; 1 of 3 pictures are done" in capsys.readouterr().out
    assert not (tmp_path / "results" / "0000.summary.json").exists()

    second = ShardResults(tmp_path, 0, time.monotonic() - 5.0)
    assert second.before == {"a", "stranger"}
    second.append([[line("b"), line("c")]], str)
    assert second.finish(wanted, {"described": 2}) is True
    summary = json.loads((tmp_path / "results" / "0000.summary.json").read_text())
    assert summary.pop("seconds") >= 5.0
    assert summary == {"shard": 0, "count": 3, "done_before": 1, "described": 2}
    assert "'described': 2" in capsys.readouterr().out


def test_a_damaged_line_ends_the_program_before_it_writes(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "0000.jsonl").write_text("[]\n" + line("a"))
    with pytest.raises(InputError, match=r"0000\.jsonl: line 1"):
        ShardResults(tmp_path, 0, time.monotonic())
