from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from sgob_tasks.cli_iconography import add_iconography


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_iconography(parser.add_subparsers())
    return parser.parse_args(arguments)


def test_a_graph_is_written_from_a_file(tmp_path: Path) -> None:
    picture, out = tmp_path / "picture.json", tmp_path / "graph.jsonld"
    picture.write_text(json.dumps({"title": "Saint Jerome", "objects": [{"label": "lion", "bbox": [0, 0, 9, 9]}]}))
    parsed = parse("graph", "--in", str(picture), "--out", str(out), "--svg", str(tmp_path / "graph.svg"))
    summary = parsed.handler(parsed)
    assert summary["things"] == 1
    assert summary["subjects"][0].startswith("Saint Jerome")
    assert json.loads(out.read_text("utf-8"))["title"] == "Saint Jerome"
    assert (tmp_path / "graph.svg").exists()


def test_a_graph_needs_one_source(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("graph")
    with pytest.raises(SystemExit):
        parse("graph", "--in", "a", "--record", "b")
    assert "--record" in capsys.readouterr().err


def test_subjects_may_be_of_one_run() -> None:
    assert parse("subjects", "--record", "/1/a", "--record", "/1/b").record_ids == ["/1/a", "/1/b"]
    assert parse("subjects").record_ids is None
