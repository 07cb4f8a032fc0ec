"""What the cluster's programs read and write around the network: parameters, shards, checkpoints, the schedule."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgob_tasks.detection import infer, train
from sgob_tasks.detection.config import config_from_json, preset_config
from sgob_tasks.detection.parameters import InferenceParameters, TrainingParameters, read_parameters
from sgob_tasks.detection.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from sgob_tasks.detection.training.schedule import learning_rate, progress
from sgob_tasks.errors import InputError


def job(folder: Path, parameters: Any) -> Path:
    (folder / "job.json").write_text(json.dumps({"key": "k", "kind": "train", "parameters": parameters}))
    return folder


def test_parameters_are_read(tmp_path: Path) -> None:
    read = read_parameters(
        job(tmp_path, {"preset": "tiny", "budget_s": 240, "classes": ["horse"], "config": {"head_channels": 64}}),
        TrainingParameters,
    )
    assert (read.preset, read.budget_s, read.classes, read.optimizer_name) == ("tiny", 240, ("horse",), "adam")
    assert read.detector_config(("horse",)).head_channels == 64
    assert read_parameters(job(tmp_path, {"min_score": None}), InferenceParameters).min_score is None


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epoch": 3}, r"job\.json: parameters\.epoch = 3: is unknown; known are augment, augmentation, batch"),
        ({"batch_size": "8"}, r"parameters\.batch_size = '8': must be like 0"),
        ({"batch_size": -1}, r"parameters\.batch_size = -1: must be 0 or more"),
        ({"global_batch_size": -1}, r"parameters\.global_batch_size = -1: must be 0 or more"),
        (
            {"learning_rate_scaling": "cubic"},
            r"learning_rate_scaling = 'cubic': must be one of none",
        ),
        ({"trainable": "2+"}, r"parameters\.trainable = '2\+': must be one of all, 3\+, 4\+, 5\+, heads"),
        ({"precision": "float64"}, r"parameters\.precision = 'float64': must be one of auto, float32"),
        ({"mask_loss": "yes"}, r"parameters\.mask_loss = 'yes': must be one of auto, boxes, off"),
        ({"loss_weights": {"maks": 1}}, r"parameters\.loss_weights = .*: may name rpn_class"),
        ({"evaluations": -2}, r"parameters\.evaluations = -2: must be 0 or more, or -1"),
        ({"divergence_factor": 0.5}, r"parameters\.divergence_factor = 0\.5: must be above 1, or 0"),
        ({"stages": ["heads"]}, r"parameters\.stages = \['heads'\]: must be like \(\)"),
        ({"stages": [{"trainable": "heads"}]}, r"parameters\.stages\[0\] = .*: must be a trainable of all"),
        ({"stages": [{"trainable": "all", "share": 0}]}, r"parameters\.stages\[0\] = .*and a positive share"),
        ({"augment": 1}, r"parameters\.augment = 1: must be like True"),
        ({"classes": "horse"}, r"parameters\.classes = 'horse': must be like \(\)"),
        ({"budget_s": 20}, r"parameters\.reserve_s = 25.0: must be less than budget_s"),
        ({"initial_weights": "../x.h5"}, r"parameters\.initial_weights = '\.\./x\.h5': must be below"),
        ([], r"parameters = \[\]: must be an object"),
    ],
)
def test_a_bad_parameter_is_named(tmp_path: Path, parameters: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_parameters(job(tmp_path, parameters), TrainingParameters)


def test_rates_parts_and_augmentation_follow_the_parameters() -> None:
    linear = TrainingParameters(learning_rate=0.02, learning_rate_scaling="linear")
    assert linear.highest_learning_rate(16) == 0.02
    assert linear.highest_learning_rate(4000) == pytest.approx(5.0)
    assert TrainingParameters(learning_rate=0.02, learning_rate_scaling="sqrt").highest_learning_rate(
        64
    ) == pytest.approx(0.04)
    assert TrainingParameters(learning_rate=0.02).highest_learning_rate(4000) == 0.02
    assert TrainingParameters().warmup(10_000) == 500
    assert TrainingParameters().warmup(40) == 4
    assert TrainingParameters(batch_size=2).global_batch(8) == 16
    assert TrainingParameters(batch_size=2, global_batch_size=4000).global_batch(8) == 4000
    stages = ({"trainable": "heads", "share": 1}, {"trainable": "4+", "share": 1}, {"trainable": "all", "share": 2})
    assert TrainingParameters(stages=stages).parts == (("heads", 0.25), ("4+", 0.5), ("all", 1.0))
    assert TrainingParameters(trainable="heads").parts == (("heads", 1.0),)
    assert TrainingParameters(augment=False).how_to_augment() is None
    aged = TrainingParameters(augmentation={"ageing": 1.0, "zoom": [0.5, 2.0]}).how_to_augment()
    assert aged is not None
    assert (aged.ageing, aged.zoom, aged.mirror) == (1.0, (0.5, 2.0), 0.5)
    with pytest.raises(InputError, match=r"parameters\.augmentation\.flip = 1: must be a number of ageing"):
        TrainingParameters(augmentation={"flip": 1}).how_to_augment()
    with pytest.raises(InputError, match=r"augmentation: mirror = 2: must be 0 to 1"):
        TrainingParameters(augmentation={"mirror": 2}).how_to_augment()


@pytest.mark.parametrize("preset", ["resnet101", "resnet50", "tiny"])
def test_a_configuration_survives_json(preset: str) -> None:
    config = preset_config(preset, ("horse", "dragon"))
    assert config_from_json(json.loads(json.dumps(config.to_json())), "model.json") == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 100}, "image_size = 100: must be 64 or more and a multiple of 32"),
        ({"anchor_sizes": [[8]]}, "one tuple per entry of rpn_levels"),
        ({"colour": 1}, "colour = 1: is no field"),
    ],
)
def test_a_bad_configuration_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        preset_config("tiny", ("horse",), **changes)


def test_bad_presets_and_classes_are_named() -> None:
    with pytest.raises(InputError, match="preset = 'huge': must be one of resnet101, resnet50, tiny"):
        preset_config("huge", ("horse",))
    with pytest.raises(InputError, match="a class is named twice"):
        preset_config("tiny", ("horse", "horse"))


@given(st.integers(0, 1000), st.integers(1, 1000), st.floats(0, 500), st.one_of(st.none(), st.floats(1, 500)))
@settings(deadline=None)
def test_progress_is_between_0_and_1_and_ends_by_steps_or_time(
    step: int, total: int, elapsed: float, budget: float | None
) -> None:
    done = progress(step, total, elapsed, budget)
    assert 0 <= done <= 1
    assert (done == 1) == (step >= total or (budget is not None and elapsed >= budget))


def test_the_learning_rate_warms_up_and_falls() -> None:
    assert learning_rate(0.1, 0, 10, 0.0) == pytest.approx(0.01)
    rates = [learning_rate(0.1, 50, 10, done / 10) for done in range(11)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(0.001)
    assert all(math.isfinite(rate) and later < rate for rate, later in itertools.pairwise(rates))


def test_the_newest_readable_checkpoint_wins(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    for step in (1, 2, 3):
        state = TrainingState(step, 10.0 * step, False, {"seed": 1})
        save_checkpoint(tmp_path, state, [np.full((2, 2), step, np.float32), np.int64(step)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002.npz", "step-00000003.npz"]
    newest = tmp_path / "step-00000003.npz"
    content = newest.read_bytes()
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert found[0] == TrainingState(3, 30.0, False, {"seed": 1})
    np.testing.assert_array_equal(found[1][0], np.full((2, 2), 3))
    for damaged in (b"", content[: len(content) // 2], b"x" * 100):
        newest.write_bytes(damaged)
        found = load_checkpoint(tmp_path)
        assert found is not None
        assert found[0].step == 2
    (tmp_path / "step-00000009.npz.tmp").write_bytes(content)  # one that was never finished
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert found[0].step == 2


def shard(folder: Path, pictures: Any) -> Path:
    (folder / "input" / "shards").mkdir(parents=True, exist_ok=True)
    (folder / "input" / "shards" / "0003.json").write_text(json.dumps({"shard": 3, "pictures": pictures}))
    return folder


def test_a_shard_is_read(tmp_path: Path) -> None:
    read = infer.read_shard(shard(tmp_path, [{"sha256": "ab", "file": "input/pictures/ab", "width": 1}]), 3)
    assert read == [infer.ShardPicture("ab", tmp_path / "input/pictures/ab")]
    with pytest.raises(InputError, match=r"pictures\[0\]\.file = '/etc/passwd': must be below the job folder"):
        infer.read_shard(shard(tmp_path, [{"sha256": "ab", "file": "/etc/passwd"}]), 3)
    with pytest.raises(InputError, match=r"pictures\[0\]\.sha256 = None: must be a text"):
        infer.read_shard(shard(tmp_path, [{"file": "x"}]), 3)
    with pytest.raises(InputError, match=r"0004\.json: file"):
        infer.read_shard(tmp_path, 4)


@pytest.mark.parametrize("program", [infer, train])
def test_help_says_what_the_program_does(program: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        program.main(["--help"])
    assert "JOBDIR" in capsys.readouterr().out
