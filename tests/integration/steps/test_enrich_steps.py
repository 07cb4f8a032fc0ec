"""An enrichment around the cluster: what is planned, what a lost shard leaves, what a second night does."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image
from pydantic import SecretStr

from sgob_tasks.config import Settings
from sgob_tasks.context.scene_graph.relation_model import RelationModel
from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.harvest.media import media_path
from sgob_tasks.steps import enrich, report
from sgob_tasks.store import batches
from sgob_tasks.store.run_view import run_view
from sgob_tasks.store.tables import batch_items, media, models, records

pytestmark = pytest.mark.integration

HORSE = {"class_name": "horse", "score": 0.9, "bbox": [12, 10, 30, 30], "mask": None, "candidates": {"horse": 0.9}}


@pytest.fixture
def settings(store: sa.Engine, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, database_url=SecretStr(store.url.render_as_string(hide_password=False)))


@pytest.fixture
def pictures(store: sa.Engine, settings: Settings) -> list[str]:
    """Six fetched pictures of active records; return their hashes."""
    found = []
    for number in range(6):
        name = settings.home / f"{number}.png"
        Image.fromarray(np.full((48, 64, 3), 40 * number, np.uint8)).save(name)
        sha256 = hashlib.sha256(name.read_bytes()).hexdigest()
        target = media_path(settings.media_dir, sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        name.rename(target)
        url = f"https://example.org/{number}.png"
        record = {"id": f"/1/{number}", "title": "A rider", "image_url": url, "content_hash": str(number), "raw": {}}
        with store.begin() as connection:
            connection.execute(sa.insert(records).values(record | {"year_from": 1500, "year_to": 1500}))
            connection.execute(
                sa.insert(media).values(
                    record_id=record["id"], url=url, state="fetched", sha256=sha256, width=64, height=48
                )
            )
        found.append(sha256)
    return sorted(found)


@pytest.fixture
def champion(store: sa.Engine, settings: Settings) -> None:
    folder = settings.models_dir / "detector-1"
    folder.mkdir(parents=True)
    (folder / "weights.h5").write_bytes(b"weights")
    with store.begin() as connection:
        connection.execute(
            sa.insert(models).values(
                id="detector-1", name="detector", version=1, state="champion", path="detector-1", sha256="0",
                config={"classes": ["horse"]}, scores={}, training={},
            )
        )  # fmt: skip


def write_results(job_dir: Path, shard: int) -> None:
    """Write what the cluster would have found in a shard."""
    described = json.loads((job_dir / "input" / "shards" / f"{shard:04d}.json").read_text())
    results = job_dir / "results"
    results.mkdir(exist_ok=True)
    lines = [
        json.dumps({"sha256": one["sha256"], "width": 64, "height": 48, "detections": [HORSE]})
        for one in described["pictures"]
    ]
    (results / f"{shard:04d}.jsonl").write_text("\n".join(lines) + "\n")


def items(store: sa.Engine) -> dict[str, tuple[Any, ...]]:
    with store.connect() as connection:
        rows = connection.execute(
            sa.select(batch_items.c.sha256, batch_items.c.shard, batch_items.c.state, batch_items.c.reason)
        )
        return {row.sha256: tuple(row)[1:] for row in rows}


def test_without_a_champion_it_says_what_to_run(settings: Settings, pictures: list[str]) -> None:
    with pytest.raises(PermanentError, match="train_detector"):
        enrich.plan_batch(settings, run_id="night")


def test_the_same_run_plans_the_same_batch(settings: Settings, pictures: list[str], champion: None) -> None:
    first = enrich.plan_batch(settings, run_id="night", shard_size=4)
    assert (first["pictures"], first["tasks"], first["kind"]) == (6, 2, "infer")
    folder = Path(first["job_dir"])
    assert (folder / "input" / "model" / "weights.h5").read_bytes() == b"weights"
    shards = [json.loads(path.read_text()) for path in sorted((folder / "input" / "shards").iterdir())]
    assert [[one["sha256"] for one in shard["pictures"]] for shard in shards] == [pictures[:4], pictures[4:]]
    assert all((folder / one["file"]).is_file() for shard in shards for one in shard["pictures"])
    assert enrich.plan_batch(settings, run_id="night", shard_size=1) == first


def test_a_lost_shard_is_shown_and_taken_up_by_the_next_night(
    store: sa.Engine, settings: Settings, pictures: list[str], champion: None
) -> None:
    batch = enrich.plan_batch(settings, run_id="night 1", shard_size=4)
    write_results(Path(batch["job_dir"]), 0)
    counts = enrich.load(settings, batch | {"failed": {"1": "NODE_FAIL three times"}}, run_id="night 1")
    assert (counts["loaded"], counts["missing"], counts["shards_lost"]) == (4, 2, 1)
    found = items(store)
    assert all(found[sha256] == (0, "loaded", None) for sha256 in pictures[:4])
    assert all(found[sha256] == (1, "planned", "NODE_FAIL three times") for sha256 in pictures[4:])
    enrich.context(settings, run_id="night 1")
    enrich.annotate(settings, run_id="night 1")
    page = Path(report.write_report(settings, run_id="night 1", ends=True)["page"])
    assert "NODE_FAIL three times" in page.read_text()
    shown = [(failure.reason, failure.count) for failure in run_view(store, "night 1").failures]
    assert ("NODE_FAIL three times", 2) in shown

    assert [picture.sha256 for picture in batches.unseen_pictures(store)] == pictures[4:]
    second = enrich.plan_batch(settings, run_id="night 2", shard_size=4)
    assert second["pictures"] == 2
    write_results(Path(second["job_dir"]), 0)
    assert enrich.load(settings, second, run_id="night 2")["missing"] == 0
    assert batches.unseen_pictures(store) == []


def test_a_night_without_news_changes_no_annotation(
    store: sa.Engine, settings: Settings, pictures: list[str], champion: None
) -> None:
    batch = enrich.plan_batch(settings, run_id="night 1")
    write_results(Path(batch["job_dir"]), 0)
    enrich.load(settings, batch, run_id="night 1")
    assert enrich.context(settings, run_id="night 1")["records"] == 6
    assert enrich.describe_scenes(settings, run_id="night 1")["records"] == 6
    first = enrich.annotate(settings, run_id="night 1")
    assert first["new"] == 6
    report.write_report(settings, run_id="night 1", ends=True)

    assert enrich.plan_batch(settings, run_id="night 2")["pictures"] == 0
    assert enrich.context(settings, run_id="night 2")["records"] == 0
    assert enrich.describe_scenes(settings, run_id="night 2")["records"] == 0
    second = enrich.annotate(settings, run_id="night 2")
    assert (second["new"], second["changed"], second["same"]) == (0, 0, 6)
    report.write_report(settings, run_id="night 2", ends=True)
    latest = (settings.runs_dir / "latest" / "index.html").read_text()
    assert "night 1" in latest, "a night without news has nothing to show"


def test_scenes_are_described_with_the_texts_of_the_language_model_that_the_settings_name(
    settings: Settings, pictures: list[str], champion: None
) -> None:
    batch = enrich.plan_batch(settings, run_id="night 1")
    write_results(Path(batch["job_dir"]), 0)
    enrich.load(settings, batch, run_id="night 1")
    enrich.context(settings, run_id="night 1")
    assert enrich.describe_scenes(settings)["records"] == 6
    folder = settings.home / "language-model"
    folder.mkdir()
    (folder / "model.json").write_text("{}")
    named = settings.model_copy(update={"context": settings.context.model_copy(update={"language_model": folder})})
    assert enrich.describe_scenes(named)["records"] == 0, "a model from before relations were read says nothing"
    RelationModel({("person", "rides", "horse"): 3}).save(folder / "relations.json")
    assert enrich.describe_scenes(named)["records"] == 6
    assert enrich.describe_scenes(named)["records"] == 0
    RelationModel({("person", "rides", "horse"): 4}).save(folder / "relations.json")
    assert enrich.describe_scenes(named)["records"] == 6, "another model"
    (folder / "relations.json").write_text("{}")
    with pytest.raises(InputError, match=r"relations\.json"):
        enrich.describe_scenes(named)
