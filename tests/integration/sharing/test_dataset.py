from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.errors import InputError
from sgob_tasks.sharing.dataset import build_dataset, load_manifest
from sgob_tasks.store import tables as t
from tests.integration.report.seed import BROKEN, EVIL, GENERATED, SAINT, seed

pytestmark = pytest.mark.integration

CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_coco_holds_what_the_store_holds(store: sa.Engine, tmp_path: Path) -> None:
    hashes = seed(store, tmp_path / "media")
    built = build_dataset(store, tmp_path / "out", licence=CC0)
    coco = json.loads((built.directory / "coco.json").read_text())
    assert [image["europeana_id"] for image in coco["images"]] == [EVIL, SAINT]
    saint = next(image for image in coco["images"] if image["europeana_id"] == SAINT)
    assert (saint["sha256"], saint["width"], saint["height"]) == (hashes[SAINT], 900, 700)
    assert saint["europeana_uri"] == f"http://data.europeana.eu/item{SAINT}"
    categories = {category["id"]: category for category in coco["categories"]}
    objects = [one for one in coco["annotations"] if one["image_id"] == saint["id"]]
    horse, person = objects
    assert categories[horse["category_id"]]["name"] == "horse"
    assert categories[horse["category_id"]]["wikidata"] == "http://www.wikidata.org/entity/Q726"
    assert (horse["bbox"], horse["area"], horse["score"]) == ([300.0, 200.0, 340.0, 320.0], 108800.0, 0.83)
    assert (horse["detector_label"], horse["detector_score"]) == ("bicycle", 0.91)
    assert "1817" in horse["label_reason"]
    assert "segmentation" not in horse
    assert (person["segmentation"]["size"], person["area"]) == ([700, 900], 400)
    licences = {licence["id"]: licence["url"] for licence in coco["licenses"]}
    assert licences[saint["license"]] == "http://creativecommons.org/publicdomain/mark/1.0/"
    assert built.counts == {
        "pictures": 2, "detections": 3, "corrected": 1, "categories": len(categories), "captions": 2, "annotations": 1,
    }  # fmt: skip


def test_tables_and_annotations(store: sa.Engine, tmp_path: Path) -> None:
    seed(store, tmp_path / "media")
    folder = build_dataset(store, tmp_path / "out", licence=CC0).directory
    rows = {(row["europeana_id"], row["label"]): row for row in read_csv(folder / "detections.csv")}
    horse = rows[SAINT, "horse"]
    assert (horse["x"], horse["detector_label"], horse["annotation_state"]) == ("300.0", "bicycle", "published")
    assert horse["europeana_annotation"] == "http://data.europeana.eu/annotation/12345"
    assert rows[SAINT, "person"]["annotation_state"] == "rejected"
    pictures = {row["europeana_id"]: row for row in read_csv(folder / "pictures.csv")}
    assert pictures[EVIL]["date"] == "'=1+1"
    assert pictures[SAINT]["attribution"].startswith(
        "Saint George and the Dragon – Bernat Martorell – Museum of Examples"
    )
    assert BROKEN not in pictures
    captions = {row["source"]: row for row in read_csv(folder / "captions.csv")}
    assert captions["description"]["text"] == "Saint George on a white horse kills a dragon with his lance."
    assert (captions["generator"]["text"], captions["generator"]["classifier"]) == (GENERATED, "captions-1")
    assert (captions["description"]["sha256"], captions["generator"]["sha256"]) == ("", pictures[SAINT]["sha256"])
    page = json.loads((folder / "annotations" / "page-00001.jsonld").read_text())
    assert [one["reviewState"] for one in page["items"]] == ["published"]
    assert page["items"][0]["target"]["selector"]["value"] == "xywh=pixel:300,200,340,320"
    assert page["items"][0]["id"] == horse["annotation_id"]


def test_checksums_fit_and_no_picture_is_included(store: sa.Engine, tmp_path: Path) -> None:
    hashes = seed(store, tmp_path / "media")
    built = build_dataset(store, tmp_path / "out", licence=CC0)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=built.directory, check=True)
    found = tree(built.directory)
    assert {file.path: file.sha256 for file in built.files} == {k: v for k, v in found.items() if k != "MANIFEST.json"}
    assert not set(found.values()) & set(hashes.values())
    assert load_manifest(built.directory) == built
    assert built.version == built.content_sha256[:12]
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_same_content_gives_the_same_bytes_in_another_order_of_writing(store: sa.Engine, tmp_path: Path) -> None:
    seed(store, tmp_path / "media")
    first = build_dataset(store, tmp_path / "a", licence=CC0)
    with store.begin() as connection:  # every row moves to another place on disk, in another order
        for table, column in ((t.detections, "x"), (t.media, "url"), (t.captions, "text")):
            for key in connection.scalars(sa.select(table.c.id).order_by(table.c.id.desc())).all():
                connection.execute(sa.update(table).where(table.c.id == key).values({column: table.c[column]}))
    second = build_dataset(store, tmp_path / "b", licence=CC0)
    again = build_dataset(store, tmp_path / "a", licence=CC0)
    assert first.version == second.version == again.version
    assert tree(first.directory) == tree(second.directory)


@pytest.mark.parametrize("change", ["label", "licence", "scores", "gone"])
def test_other_content_gives_another_version(store: sa.Engine, tmp_path: Path, change: str) -> None:
    seed(store, tmp_path / "media")
    first = build_dataset(store, tmp_path / "out", licence=CC0)
    licence = "http://creativecommons.org/licenses/by/4.0/" if change == "licence" else CC0
    queries: dict[str, Any] = {
        "label": sa.update(t.detections).where(t.detections.c.label == "horse").values(label_score=0.5),
        "scores": sa.update(t.models).values(scores={"AP50": 0.9}),
        "gone": sa.update(t.records).where(t.records.c.id == SAINT).values(state="gone"),
    }
    if change in queries:
        with store.begin() as connection:
            connection.execute(queries[change])
    second = build_dataset(store, tmp_path / "out", licence=licence)
    assert second.version != first.version
    assert second.counts["pictures"] == (1 if change == "gone" else 2)


def test_champion_is_preferred_to_other_models(store: sa.Engine, tmp_path: Path) -> None:
    hashes = seed(store, tmp_path / "media")
    with store.begin() as connection:
        connection.execute(
            sa.insert(t.models).values(
                id="detector-2",
                name="detector",
                version=2,
                path="x",
                sha256="1" * 64,
                config={},
                scores={},
                training={},
            )
        )
        for record in (SAINT, BROKEN):
            connection.execute(
                sa.insert(t.detections).values(
                    record_id=record, sha256=hashes[record], model_id="detector-2", ordinal=0, class_name="angel",
                    score=0.9, x=1, y=1, width=5, height=5, label="angel", label_score=0.9,
                )
            )  # fmt: skip
    folder = build_dataset(store, tmp_path / "out", licence=CC0).directory
    models = {row["europeana_id"]: row["model"] for row in read_csv(folder / "pictures.csv")}
    assert models == {BROKEN: "detector-2", EVIL: "detector-1", SAINT: "detector-1"}
    with store.begin() as connection:  # the champion looks at the third picture, too, and finds nothing
        connection.execute(sa.insert(t.batches).values(id="b", run_id="r", model_id="detector-1", shards=1, pictures=1))
        connection.execute(
            sa.insert(t.batch_items).values(batch_id="b", sha256=hashes[BROKEN], shard=0, state="loaded")
        )
    after = build_dataset(store, tmp_path / "out", licence=CC0).directory
    assert BROKEN not in {row["europeana_id"] for row in read_csv(after / "detections.csv")}
    assert {row["label"] for row in read_csv(folder / "detections.csv") if row["europeana_id"] == SAINT} == {
        "horse",
        "person",
    }


def test_empty_store_gives_a_valid_data_set(store: sa.Engine, tmp_path: Path) -> None:
    built = build_dataset(store, tmp_path / "out", licence=CC0)
    coco = json.loads((built.directory / "coco.json").read_text())
    assert (coco["images"], coco["annotations"]) == ([], [])
    assert (built.counts["pictures"], built.counts["annotations"]) == (0, 0)


def test_names_of_versions(store: sa.Engine, tmp_path: Path) -> None:
    seed(store, tmp_path / "media")
    assert (
        build_dataset(store, tmp_path / "out", licence=CC0, version="2026.11").directory == tmp_path / "out" / "2026.11"
    )
    for name in ("../x", "", ".hidden", "A B", "x/y"):
        with pytest.raises(InputError, match="use lower-case"):
            build_dataset(store, tmp_path / "out", licence=CC0, version=name)
    with store.begin() as connection:
        connection.execute(sa.delete(t.captions))
    with pytest.raises(InputError, match=r"2026\.11.*exists with other content"):
        build_dataset(store, tmp_path / "out", licence=CC0, version="2026.11")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["2026.11"]


def test_broken_mask_names_its_record(store: sa.Engine, tmp_path: Path) -> None:
    seed(store, tmp_path / "media")
    with store.begin() as connection:
        connection.execute(sa.update(t.detections).values(mask={"size": [1, 1], "counts": [7]}))
    with pytest.raises(InputError, match=r"^/90402/EVIL_2: mask\.counts"):
        build_dataset(store, tmp_path / "out", licence=CC0)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"name": 1}'])
def test_unreadable_manifest_is_named(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match="not built to its end"):
        load_manifest(tmp_path)
    (tmp_path / "MANIFEST.json").write_text(content)
    with pytest.raises(InputError, match="cannot be read"):
        load_manifest(tmp_path)
    shutil.rmtree(tmp_path)
