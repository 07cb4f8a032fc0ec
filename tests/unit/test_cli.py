"""The command line as a person meets it: help for everything, clear errors, exit codes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sgob_tasks.cli import build_parser, main


def commands(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command that has no commands below it."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield words
    for action in below:
        for name, sub in action.choices.items():
            yield from commands(sub, (*words, name))


@pytest.mark.parametrize("words", list(commands(build_parser())), ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*words, "--help"])
    assert end.value.code == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["no-such-verb"], ["fetch", "--limit", "many"], ["sandbox", "sideways"]])
def test_wrong_use_is_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2


def test_without_a_store_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SGOB_HOME", str(tmp_path))
    assert main(["status"]) == 1
    message = capsys.readouterr().err
    assert str(tmp_path) in message
    assert "sgob migrate" in message
    assert not list(tmp_path.iterdir()), "nothing is made by asking"


def test_a_wrong_setting_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SGOB_HOME", str(tmp_path))
    monkeypatch.setenv("SGOB_MEDIA__WORKERS", "0")
    assert main(["status"]) == 1
    assert "media.workers = '0'" in capsys.readouterr().err


def test_a_secret_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SGOB_HOME", str(tmp_path))
    (tmp_path / "sgob.toml").write_text("[europeana]\napi_key = 12345678\n")
    assert main(["status"]) == 1
    assert "12345678" not in capsys.readouterr().err


def test_a_broken_settings_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SGOB_HOME", str(tmp_path))
    (tmp_path / "sgob.toml").write_text("[europeana\n")
    assert main(["status"]) == 1
    assert "sgob.toml" in capsys.readouterr().err


def test_sandbox_that_was_never_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SGOB_HOME", str(tmp_path))
    assert main(["sandbox", "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["running"] is False


@pytest.mark.parametrize("site", ["sandbox", "minotauro"])
def test_a_plan_needs_no_store_and_no_folder_on_the_cluster(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SGOB_HOME", str(tmp_path))
    assert main(["plan", "--images", "4000", "--batch-size", "1000", "--nodes", "1", "--site", site, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["nodes"], made["hours_low"], made["hours_high"]) == (1, 13, 16)
