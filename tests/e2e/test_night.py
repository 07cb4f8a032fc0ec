"""A real night through Airflow on the real parts; then a second one, which must change nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from sgob_tasks.sandbox.night import NIGHT, TRAININGS, NightDriver
from sgob_tasks.sandbox.platform import Platform
from sgob_tasks.store import tables as t

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

KEPT = {
    "detections", "relations", "subjects", "captions", "annotations", "publications", "models", "slurm_jobs",
}  # fmt: skip
"""Tables that a night without news leaves as they are."""


def rows(engine: sa.Engine, table: sa.Table) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key)).mappings()]


def test_first_night_publishes_and_reads_back(first_night: dict[str, str], engine: sa.Engine) -> None:
    assert set(first_night) == {*TRAININGS, *NIGHT}
    models = rows(engine, t.models)
    assert [(model["name"], model["state"]) for model in models] == [
        ("detector", "champion"),
        ("generator", "champion"),
    ]
    assert models[0]["scores"]["held_out"]["all"]["images"] > 0
    assert rows(engine, t.detections), "the detector found something"
    published = [row for row in rows(engine, t.publications) if row["destination"] == "europeana"]
    assert published
    assert all(row["state"] == "published" and row["verified"] and row["external_id"] for row in published)
    assert {job["state"] for job in rows(engine, t.slurm_jobs)} == {"succeeded"}
    assert [row["state"] for row in rows(engine, t.publications) if row["destination"] == "s3"]


def test_pictures_are_described(first_night: dict[str, str], engine: sa.Engine) -> None:
    looked_at = {row["sha256"] for row in rows(engine, t.batch_items) if row["state"] == "loaded"}
    written = [row for row in rows(engine, t.captions) if row["sha256"] is not None]
    assert {row["sha256"] for row in written} == looked_at
    assert {row["classifier"] for row in written} == {"generator-1"}
    assert all(row["text"] and row["attention"]["words"] for row in written)
    assert all(row["context_version"] for row in rows(engine, t.detections))
    assert rows(engine, t.relations)
    assert all(row["reason"] for row in [*rows(engine, t.relations), *rows(engine, t.subjects)])


def test_bad_pictures_are_counted_with_a_reason(first_night: dict[str, str], engine: sa.Engine) -> None:
    bad = [row for row in rows(engine, t.media) if row["state"] in {"failed", "refused"}]
    assert bad
    assert all(row["reason"] for row in bad)


def test_second_night_changes_nothing(
    first_night: dict[str, str], driver: NightDriver, engine: sa.Engine, platform: Platform
) -> None:
    def stable() -> dict[str, Any]:
        keep: dict[str, Any] = {name: rows(engine, table) for name, table in t.metadata.tables.items() if name in KEPT}
        keep["records"] = [(row["id"], row["state"], row["content_hash"]) for row in rows(engine, t.records)]
        return keep

    before, stored = stable(), stored_annotations(platform)
    driver.run(train=(), conf={})
    after = stable()
    for name in before:
        assert after[name] == before[name], name
    assert stored_annotations(platform) == stored


def stored_annotations(platform: Platform) -> dict[str, int]:
    """Return how many annotations the stand-in for Europeana holds."""
    state = platform.state()
    url = f"http://127.0.0.1:{state['ports']['europeana']}/_control/stats"
    counts: dict[str, int] = requests.get(url, timeout=10).json()["annotations"]
    assert any(counts.values())
    return counts


def test_no_secret_is_in_logs_or_store(first_night: dict[str, str], platform: Platform, engine: sa.Engine) -> None:
    state = platform.state()
    secrets = [state["api_key"], state["client_secret"], state["password"]]
    for path in [*(platform.home / "airflow" / "logs").rglob("*.log"), *(platform.home / "runs").rglob("*.html")]:
        text = path.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], path
    dump = json.dumps({table.name: rows(engine, table) for table in t.metadata.sorted_tables}, default=str)
    assert not [secret for secret in secrets if secret in dump]
