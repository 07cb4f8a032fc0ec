"""What a training job is given to read, whatever the data set came as."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from sgob_tasks.detection.data.prepare import prepare_dataset
from sgob_tasks.detection.data.shards import data_hash, is_sharded, open_split
from sgob_tasks.errors import InputError
from sgob_tasks.steps.train import lay_out
from tests.unit.detection.dataset_files import write_coco, write_voc


def test_a_prepared_data_set_is_linked_as_it_is(tmp_path: Path) -> None:
    source = write_coco(tmp_path / "coco")
    prepare_dataset(source, tmp_path / "shards")
    for folder in (source, tmp_path / "shards"):
        target = tmp_path / "job" / folder.name
        for _ in range(2):  # a task that runs twice
            lay_out(folder, target)
        assert data_hash(target) == data_hash(folder)
        assert (target / "val.json").stat().st_ino == (folder / "val.json").stat().st_ino


def test_any_other_source_is_prepared(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = write_voc(tmp_path / "voc", 20)
    (source / "images" / "3.png").unlink()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            lay_out(source, tmp_path / "job")
    assert is_sharded(tmp_path / "job")
    assert "3.png" in caplog.text
    pictures = {split: len(open_split(tmp_path / "job", split).pictures) for split in ("train", "val")}
    assert sum(pictures.values()) == 19
    with pytest.raises(InputError, match="holds no COCO, VIA or Pascal VOC annotations"):
        lay_out(tmp_path, tmp_path / "other")
