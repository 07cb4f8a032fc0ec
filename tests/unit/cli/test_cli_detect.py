"""The commands that need TensorFlow: the same options at both doors, and the right Python behind them."""

from __future__ import annotations

import argparse
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks import cluster_python
from sgob_tasks.cli import build_parser, main
from sgob_tasks.detection.options import COMMANDS, DETECT
from sgob_tasks.errors import InputError

PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(lambda text: Path(text).parts)


@given(PATHS, PATHS, PATHS, st.none() | PATHS, st.none() | st.integers(1, 99), st.booleans())
def test_options_cross_to_the_other_door_unchanged(
    weights: str, images: str, out: str, config: str | None, size: int | None, fresh: bool
) -> None:
    words = ["detect", f"--weights={weights}", f"--images={images}", f"--out={out}"]
    words += [f"--config={config}"] if config is not None else []
    words += [f"--batch-size={size}"] if size is not None else []
    words += ["--fresh"] if fresh else []
    parsed = build_parser().parse_args(words)
    other = argparse.ArgumentParser()
    DETECT.add_to(other)
    again = other.parse_args(DETECT.arguments(parsed))
    assert vars(again).items() <= vars(parsed).items()
    assert (again.weights, again.images, again.out) == (Path(weights), Path(images), Path(out))
    assert (again.batch_size, again.fresh, again.annotated) == (size, fresh, None)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_shows_every_option(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(command, type(DETECT))
    with pytest.raises(SystemExit, match="0"):
        build_parser().parse_args([command.name, "--help"])
    shown = capsys.readouterr().out
    assert all(name in shown or name.upper() in shown for name in command.options)


@pytest.mark.parametrize("words", [["detect"], ["detect", "--weights=a", "--images=b", "--out=c", "--batch-size=0"]])
def test_wrong_use_ends_with_2(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SGOB_HOME", str(tmp_path))
    monkeypatch.delenv("SGOB_HPC_PYTHON", raising=False)
    return tmp_path


def test_the_programs_output_and_exit_code_are_the_commands(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fake = program(home / "python", 'echo "$PYTHONPATH"; printf "%s\\n" "$@"; exit 3')
    monkeypatch.setenv("SGOB_HPC_PYTHON", str(fake))
    monkeypatch.setenv("PYTHONPATH", "/mine")
    assert main(["weights", "a b.h5", "--json"]) == 3
    path, *words = capfd.readouterr().out.splitlines()
    assert path == f"{Path(__file__).parents[3]}:/mine"
    assert words == ["-m", "sgob_tasks.detection.weights", "a b.h5", "--json"]


def test_the_setting_may_be_in_the_file(home: Path) -> None:
    fake = program(home / "python", "exit 0")
    (home / "sgob.toml").write_text(f'hpc_python = "{fake}"\n')
    assert cluster_python.cluster_python() == fake


def test_a_setting_that_names_no_program_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SGOB_HPC_PYTHON", str(home))
    assert main(["weights", "a.h5"]) == 1
    assert "sgob weights: settings: hpc_python (SGOB_HPC_PYTHON)" in capsys.readouterr().err


def test_a_python_with_tensorflow_is_found_or_missed_clearly(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_python, "PROJECT", home)
    monkeypatch.setattr(sys, "prefix", str(home / "elsewhere" / "venv"))
    with pytest.raises(InputError, match=r"hpc_python \(SGOB_HPC_PYTHON\) = None: no Python with TensorFlow is here"):
        cluster_python.cluster_python()
    beside = program(home / "elsewhere" / ".venv-hpc" / "bin" / "python", "exit 0")
    assert cluster_python.cluster_python() == beside
    assert cluster_python.cluster_python() != program(home / "python", "exit 0")
    own = program(home / ".venv-hpc" / "bin" / "python", "exit 0")
    assert cluster_python.cluster_python() == own
    monkeypatch.setattr(cluster_python.importlib.util, "find_spec", lambda name: object())
    assert cluster_python.cluster_python() == Path(sys.executable)
