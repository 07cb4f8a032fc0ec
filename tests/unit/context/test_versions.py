"""Another recipe has another version: what the nightly run knows by that everything is to be done anew."""

from __future__ import annotations

import dataclasses

import pytest

from sgob_tasks.context import picture_context
from sgob_tasks.context.fusion import FusionWeights
from sgob_tasks.context.iconography import version
from sgob_tasks.context.picture_context import ContextModels
from sgob_tasks.context.scene_graph.relation_model import RelationModel
from sgob_tasks.context.time_priors import TimePriors
from sgob_tasks.detection.classes import ClassTable

TABLE = ClassTable.load()
PRIORS = TimePriors({}, 1, "one", "")


def other_table(**changes: object) -> ClassTable:
    entry = dataclasses.replace(TABLE["horse"], **changes)  # type: ignore[arg-type]  # fields of the class
    return ClassTable(dict(TABLE) | {"horse": entry})


def test_each_part_of_the_context_is_in_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = [
        ContextModels(TABLE).version,
        ContextModels(other_table(first_appearance_year=1000, filter="hard")).version,
        ContextModels(TABLE, PRIORS).version,
        ContextModels(TABLE, dataclasses.replace(PRIORS, version="two")).version,
        ContextModels(TABLE, PRIORS, weights=FusionWeights(version="mine")).version,
        ContextModels(TABLE, PRIORS, weights=FusionWeights(version="mine", prior=0.7)).version,
        ContextModels(TABLE, PRIORS, weights=FusionWeights(version="mine", language=0.7)).version,
    ]
    monkeypatch.setattr(picture_context, "RULES", picture_context.RULES + 1)
    versions.append(ContextModels(TABLE).version)
    assert len(set(versions)) == len(versions)
    assert ContextModels(TABLE).version == ContextModels(other_table(iconclass="1")).version  # it reads no notation


def test_rules_and_tables_are_in_the_version_of_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = [version.describing_version(TABLE), version.describing_version(other_table(iconclass="1"))]
    versions += [version.describing_version(TABLE, RelationModel({("person", "rides", "horse"): n})) for n in (1, 2)]
    for name in ("RANK_VERSION", "RELATE_VERSION"):
        with monkeypatch.context() as patched:
            patched.setattr(version, name, "another")
            versions.append(version.describing_version(TABLE))
    monkeypatch.setattr(version, "_tables", lambda: b"a table of saints has changed")
    versions.append(version.describing_version(TABLE))
    assert len(set(versions)) == len(versions)
