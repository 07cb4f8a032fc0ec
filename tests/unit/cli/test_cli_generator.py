"""``sgob captions train-generator``, ``generate`` and ``score``: their options, and what they print."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sgob_tasks.captions.generator import local
from sgob_tasks.cli_generator import add_generator
from sgob_tasks.errors import InputError


def parse(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_generator(parser.add_subparsers())
    return parser.parse_args([str(word) for word in words])


def test_scores_are_printed_with_their_intervals(tmp_path: Path) -> None:
    truth, results = tmp_path / "truth.json", tmp_path / "results.json"
    told = [{"image_id": number, "caption": f"a horse number {number}"} for number in range(4)]
    truth.write_text(json.dumps({"images": [], "annotations": told}))
    results.write_text(json.dumps(told))
    parsed = parse("score", "--truth", truth, "--results", results)
    found = parsed.handler(parsed)
    assert found["scores"]["BLEU-1"] == pytest.approx(1)
    lines = parsed.render(found).splitlines()
    assert lines[0] == "4 pictures"
    assert lines[1].startswith("BLEU-1   1.000  [1.000, ")
    assert lines[-1].startswith("CIDEr-D")


def test_generate_starts_the_clusters_program_with_the_same_options(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        started.append(command)
        return subprocess.CompletedProcess(command, 2)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("sgob_tasks.cluster_python.cluster_python", lambda: Path("/python"))
    parsed = parse("generate", "--model", "m", "--in", "r.jsonl", "--out", "o.jsonl", "--beam-width", 5)
    parsed.handler(parsed)
    assert started[0][:3] == ["/python", "-m", "sgob_tasks.captions.generator.describe"]
    assert {"--model=m", "--in=r.jsonl", "--out=o.jsonl", "--beam-width=5"} <= set(started[0])
    assert parsed.exit_code == 2


def test_a_training_is_a_job_folder_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    parsed = parse("train-generator", "--data", data, "--out", out, "--budget", 60, "--ranks", 2)
    with pytest.raises(InputError, match="is not there"):
        parsed.handler(parsed)
    for split in ("train", "val"):
        (data / split).mkdir(parents=True)
        (data / split / "captions.json").write_text("{}")
    summary = {
        "pictures": 1, "scores": {"CIDEr-D": 1.5}, "intervals": {"CIDEr-D": [1, 2]},
        "training": {"captions": 5, "pictures": 1, "steps": 7, "seconds": 60.0},
    }  # fmt: skip

    def run_here(job: Path, ranks: int, module: str, *arguments: str) -> Path:
        assert (job, ranks, module, arguments) == (out, 2, "sgob_tasks.captions.generator.train", (str(out),))
        parameters = json.loads((job / "job.json").read_text())["parameters"]
        assert (parameters["budget_s"], parameters["reserve_s"], parameters["features"]) == (60.0, 6.0, False)
        assert (job / "input" / "data").resolve() == data.resolve()
        (job / "results").mkdir(exist_ok=True)
        (job / "results" / "summary.json").write_text(json.dumps(summary))
        return job

    monkeypatch.setattr(local, "run_here", run_here)
    text = parsed.render(parsed.handler(parsed))
    assert text.startswith("7 steps on 5 captions of 1 pictures in 60 s")
    assert parsed.handler(parsed)["model"] == str(out / "results" / "model")
    other = parse("train-generator", "--data", tmp_path / "other", "--out", out)
    (tmp_path / "other").symlink_to(tmp_path / "copy")
    for split in ("train", "val"):
        (tmp_path / "copy" / split).mkdir(parents=True)
        (tmp_path / "copy" / split / "captions.json").write_text("{}")
    with pytest.raises(InputError, match="this folder's training reads"):
        other.handler(other)
    with pytest.raises(SystemExit):
        parse("train-generator", "--data", data, "--out", out, "--ranks", 0)
