"""Hashes of training data, and the revision of the code."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from sgob_tasks.detection.data.shards import FORMAT, INDEX, VERSION, content_hash
from sgob_tasks.errors import InputError
from sgob_tasks.registry.provenance import code_revision, data_sha256


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    (folder / "images").mkdir(parents=True)
    (folder / "train.json").write_text("{}")
    (folder / "images" / "1.jpg").write_bytes(b"one")
    (folder / "images" / "2.jpg").write_bytes(b"two")
    return folder


def test_the_same_data_has_the_same_hash_wherever_it_lies(dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset, tmp_path / "elsewhere" / "other")
    assert data_sha256(tmp_path / "elsewhere" / "other") == data_sha256(dataset)


def test_any_change_is_another_hash(dataset: Path) -> None:
    found = {data_sha256(dataset)}
    (dataset / "images" / "1.jpg").write_bytes(b"0ne")  # of the same size
    found.add(data_sha256(dataset))
    (dataset / "images" / "1.jpg").rename(dataset / "images" / "3.jpg")
    found.add(data_sha256(dataset))
    (dataset / "train.json").write_text("{} ")
    found.add(data_sha256(dataset))
    (dataset / "images" / "2.jpg").unlink()
    found.add(data_sha256(dataset))
    assert len(found) == 5


def test_nothing_has_no_hash(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no files"):
        data_sha256(tmp_path)


def test_a_sharded_data_set_has_the_hash_in_its_index(dataset: Path) -> None:
    index: dict[str, object] = {"format": FORMAT, "version": VERSION, "splits": {}, "shards": []}
    (dataset / INDEX).write_text(json.dumps(index | {"sha256": content_hash(index)}))
    assert data_sha256(dataset) == content_hash(index)
    (dataset / INDEX).write_text(json.dumps(index | {"sha256": "0"}))
    with pytest.raises(InputError, match="sha256 = '0': is not the hash of the index"):
        data_sha256(dataset)


def git(folder: Path, *words: str) -> str:
    person = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    done = subprocess.run(["git", "-C", str(folder), *person, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package in a repository of its own."""
    folder = tmp_path / "project" / "pkg"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    git(folder.parent, "init", "-q")
    git(folder.parent, "add", ".")
    git(folder.parent, "commit", "-qm", "first")
    return folder


def test_the_revision_is_the_commit(package: Path) -> None:
    head = git(package, "rev-parse", "HEAD")
    assert code_revision(package) == head
    (package.parent / "notes.txt").write_text("not the package's")
    assert code_revision(package) == head
    (package / "new.py").write_text("ran = True")
    assert code_revision(package) == f"{head}-dirty"


def test_without_a_repository_it_says_so(tmp_path: Path) -> None:
    assert code_revision(tmp_path).startswith("unknown: fatal: not a git repository")


def test_a_repository_that_the_package_merely_lies_in_is_not_its_own(package: Path) -> None:
    installed = package.parent / "venv" / "pkg"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert code_revision(installed).startswith(f"unknown: {installed} is not the package of the repository")
    beside = package.parent / "beside"
    beside.mkdir()
    (beside / "__init__.py").write_text("")
    assert code_revision(beside).startswith("unknown: error: pathspec")


def test_without_git_it_says_so(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert code_revision(package) == "unknown: git is not installed"
