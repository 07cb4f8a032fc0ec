"""Build a data set from the store. The same content gives the same bytes and therefore the same version."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sgob_tasks.errors import InputError
from sgob_tasks.progress import track
from sgob_tasks.sharing import card, jsonld, rows
from sgob_tasks.sharing.categories import Category, known_categories, number
from sgob_tasks.sharing.files import CsvTable, JsonArray, dumps, pixels, score
from sgob_tasks.sharing.masks import mask_area

_VERSION = re.compile(r"[a-z0-9][a-z0-9._+-]{0,99}")
NAME = "saint-george-on-a-bike"
FORMAT = 1
"""Raised when the files change in a way that readers have to know."""

MANIFEST, SUMS = "MANIFEST.json", "SHA256SUMS"

_MEDIA_TYPES = {
    ".csv": "text/csv; charset=utf-8; header=present",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
    ".md": "text/markdown; charset=utf-8",
}

PICTURE_COLUMNS = (
    "europeana_id", "item_uri", "sha256", "width", "height", "image_url", "landing_url", "title", "creator", "date",
    "year_from", "year_to", "data_provider", "rights", "attribution", "objects", "model",
)  # fmt: skip
DETECTION_COLUMNS = (
    "europeana_id", "item_uri", "sha256", "x", "y", "width", "height", "label", "label_score", "detector_label",
    "detector_score", "reason", "wikidata", "iconclass", "model", "annotation_id", "annotation_state",
    "europeana_annotation",
)  # fmt: skip
CAPTION_COLUMNS = ("europeana_id", "item_uri", "text", "language", "source", "score", "classifier", "sha256")


@dataclass(frozen=True)
class DatasetFile:
    """One file: its path within the data set, size in bytes, SHA-256 and media type."""

    path: str
    bytes: int
    sha256: str
    media_type: str


@dataclass(frozen=True)
class DatasetManifest:
    """A data set that has been built.

    Attributes:
        name: of the data set.
        version: of this content.
        licence: URI.
        content_sha256: hash over everything that is said; the same content has the same hash, and the same bytes.
        directory: local folder that holds the files.
        files: all of them except MANIFEST.json, sorted by path.
        counts: rows by kind.
    """

    name: str
    version: str
    licence: str
    content_sha256: str
    directory: Path
    files: tuple[DatasetFile, ...]
    counts: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return what MANIFEST.json says: all but the local folder."""
        shown = {key: value for key, value in asdict(self).items() if key != "directory"}
        return {"format": FORMAT} | shown | {"files": [asdict(file) for file in self.files]}


def item_uri(record_id: str) -> str:
    """Return Europeana's identifier of an item (http on purpose)."""
    return f"http://data.europeana.eu/item{record_id}"


def attribution(picture: rows.Picture) -> str:
    """Return a line to attribute a picture with: title, creator, provider, item and rights."""
    parts = (
        picture.title or "Untitled",
        picture.creator,
        picture.data_provider,
        item_uri(picture.record_id),
        picture.rights,
    )
    return " – ".join(part for part in parts if part)


def _coco_image(image_id: int, picture: rows.Picture, licences: Mapping[str, int]) -> dict[str, Any]:
    image: dict[str, Any] = {
        "id": image_id,
        "width": picture.width,
        "height": picture.height,
        "file_name": picture.sha256,
        "coco_url": picture.url,
        "europeana_id": picture.record_id,
        "europeana_uri": item_uri(picture.record_id),
        "sha256": picture.sha256,
    }
    optional = {
        "year_from": picture.year_from,
        "year_to": picture.year_to,
        "license": licences.get(picture.rights or ""),
    }
    return image | {key: value for key, value in optional.items() if value is not None}


def _coco_annotation(number_: int, image_id: int, category_id: int, found: rows.Detection) -> dict[str, Any]:
    box = pixels(found.box)
    annotation: dict[str, Any] = {
        "id": number_,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": box,
        "area": mask_area(found.mask, found.record_id) if found.mask else round(box[2] * box[3], 2),
        "iscrowd": 0,
        "score": score(found.label_score),
        "detector_label": found.class_name,
        "detector_score": score(found.score),
        "model": found.model_id,
    }
    if found.mask:
        annotation["segmentation"] = {"size": list(found.mask["size"]), "counts": found.mask["counts"]}
    if found.label_reason is not None:
        annotation["label_reason"] = found.label_reason
    return annotation


def _merged(connection: sa.Connection) -> Iterator[tuple[rows.Picture, list[rows.Detection]]]:
    """Walk through pictures and detections side by side: both come sorted by record and hash.

    Detections of pictures that are not shared (the record is gone, the size unknown) are passed over.
    """

    def key(row: rows.Picture | rows.Detection) -> tuple[bytes, str]:
        return row.record_id.encode(), row.sha256

    groups = ((where, list(found)) for where, found in groupby(rows.read_detections(connection), key))
    where, found = next(groups, (None, []))
    for picture in rows.read_pictures(connection):
        while where is not None and where < key(picture):
            where, found = next(groups, (None, []))
        yield picture, found if where == key(picture) else []


def _write_pictures(
    connection: sa.Connection, folder: Path, categories: Mapping[str, tuple[int, Category]]
) -> dict[str, int]:
    """Write coco.json, pictures.csv and detections.csv in one pass over the store."""
    licences = {uri: index for index, uri in enumerate(rows.read_rights(connection), 1)}
    corrected = 0
    with (
        (folder / "coco.json").open("w", encoding="utf-8", newline="\n") as coco,
        tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n") as second,
        CsvTable(folder / "pictures.csv", PICTURE_COLUMNS) as pictures,
        CsvTable(folder / "detections.csv", DETECTION_COLUMNS) as table,
    ):
        coco.write('{"images":[')
        images, annotations = JsonArray(coco), JsonArray(second)
        for picture, found in track(_merged(connection), "Writing pictures and objects"):
            image_id = images.add(_coco_image(images.count + 1, picture, licences))
            uri = item_uri(picture.record_id)
            pictures.add(
                picture.record_id, uri, picture.sha256, picture.width, picture.height, picture.url, picture.landing_url,
                picture.title, picture.creator, picture.date_text, picture.year_from, picture.year_to,
                picture.data_provider, picture.rights, attribution(picture), len(found), picture.model_id,
            )  # fmt: skip
            for one in found:
                category_id, category = categories[one.label]
                annotations.add(_coco_annotation(annotations.count + 1, image_id, category_id, one))
                corrected += one.label != one.class_name
                table.add(
                    one.record_id, uri, one.sha256, *pixels(one.box), one.label, score(one.label_score),
                    one.class_name, score(one.score), one.label_reason, category.wikidata_uri, category.iconclass_uri,
                    one.model_id, jsonld.annotation_id(one.annotation_key) if one.annotation_key else None,
                    one.annotation_state, one.annotation_id,
                )  # fmt: skip
        coco.write('],\n"annotations":[')
        second.seek(0)
        shutil.copyfileobj(second, coco)
        coco.write('],\n"categories":[')
        classes = JsonArray(coco)
        for category_id, category in categories.values():
            entry = {"id": category_id, "name": category.name, "supercategory": category.supercategory}
            links = {"wikidata": category.wikidata_uri, "iconclass": category.iconclass_uri}
            classes.add(entry | {key: link for key, link in links.items() if link})
        coco.write('],\n"licenses":[')
        statements = JsonArray(coco)
        for uri, licence_id in licences.items():
            statements.add({"id": licence_id, "name": uri, "url": uri})
        coco.write(f'],\n"info":{dumps({"description": NAME, "url": "https://saintgeorgeonabike.eu"})}}}\n')
        return {
            "pictures": images.count,
            "detections": annotations.count,
            "corrected": corrected,
            "categories": classes.count,
        }


def _write_captions(connection: sa.Connection, folder: Path) -> int:
    with CsvTable(folder / "captions.csv", CAPTION_COLUMNS) as table:
        for one in rows.read_captions(connection):
            table.add(
                one.record_id, item_uri(one.record_id), one.text, one.language, one.source, score(one.score),
                one.classifier, one.sha256,
            )  # fmt: skip
        return table.rows


def _write_annotations(connection: sa.Connection, folder: Path) -> int:
    (folder / "annotations").mkdir()
    total = rows.count_annotations(connection)
    items = (jsonld.full_annotation(row) for row in rows.read_annotations(connection))
    for index, page in enumerate(jsonld.pages(items, total), 1):
        (folder / "annotations" / jsonld.page_name(index)).write_text(dumps(page) + "\n", encoding="utf-8")
    (folder / jsonld.COLLECTION).write_text(dumps(jsonld.collection(NAME, total)) + "\n", encoding="utf-8")
    return total


def _describe(folder: Path) -> tuple[DatasetFile, ...]:
    files = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        kind = _MEDIA_TYPES.get(path.suffix, "text/plain; charset=utf-8")
        files.append(DatasetFile(path.relative_to(folder).as_posix(), path.stat().st_size, digest, kind))
    return tuple(sorted(files, key=lambda file: file.path))


def _content_hash(files: Sequence[DatasetFile], *texts: str) -> str:
    """Hash paths and hashes of the data files and the texts beside them, as they are without a version."""
    lines = [f"format {FORMAT}", *texts, *(f"{file.sha256}  {file.path}" for file in files)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _sums(files: Sequence[DatasetFile]) -> str:
    return "".join(f"{file.sha256}  {file.path}\n" for file in files)


def build_dataset(
    engine: sa.Engine,
    out_dir: Path,
    *,
    licence: str,
    categories: Sequence[Category] | None = None,
    version: str | None = None,
) -> DatasetManifest:
    """Write the data set of everything that is in the store after context, from one snapshot.

    The store is read row by row, so that its size does not matter. The pictures themselves are not included.

    Args:
        engine: the store.
        out_dir: the files go to ``out_dir/<version>``; a version that is there already is left as it is.
        licence: URI under which our data are shared.
        categories: the known classes with their links, by default those of the class table; labels that are not
            among them are added without links.
        version: name of the version; by default the first 12 digits of the content's hash, so that the same content
            always has the same version.

    Returns:
        What was built.

    Raises:
        InputError: an unusable licence, version, score or mask; or the version exists with other content.
    """
    card.licence_name(licence)
    if version is not None and not _VERSION.fullmatch(version):
        raise InputError("dataset", "version", version, "use lower-case letters, digits, dots, hyphens, underscores")
    out_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".building-", dir=out_dir))
    try:
        with rows.snapshot(engine) as connection:
            known = known_categories() if categories is None else categories
            numbered = number(known, rows.read_labels(connection))
            counts = _write_pictures(connection, folder, numbered)
            counts["captions"] = _write_captions(connection, folder)
            counts["annotations"] = _write_annotations(connection, folder)
            scores = rows.read_model_scores(connection)
        text = card.licence_text(licence)
        content = _content_hash(_describe(folder), text, card.readme(NAME, "", licence, counts, scores))
        version = version or content[:12]
        (folder / "LICENSE").write_text(text, encoding="utf-8")
        (folder / "README.md").write_text(card.readme(NAME, version, licence, counts, scores), encoding="utf-8")
        (folder / SUMS).write_text(_sums(_describe(folder)), encoding="utf-8")
        target = out_dir / version
        manifest = DatasetManifest(NAME, version, licence, content, target, _describe(folder), counts)
        (folder / MANIFEST).write_text(
            json.dumps(manifest.as_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        _put_in_place(folder, target, manifest)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return manifest


def _put_in_place(folder: Path, target: Path, manifest: DatasetManifest) -> None:
    if not target.exists():
        folder.chmod(0o755)
        folder.rename(target)
        return
    there = load_manifest(target)
    if there.content_sha256 != manifest.content_sha256:
        raise InputError(target, "version", manifest.version, "exists with other content; give it another name")


def load_manifest(directory: Path) -> DatasetManifest:
    """Read a data set that was built before.

    Raises:
        InputError: there is no readable MANIFEST.json in the folder.
    """
    path = directory / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return DatasetManifest(
            values["name"], values["version"], values["licence"], values["content_sha256"], directory,
            tuple(DatasetFile(**file) for file in values["files"]), values["counts"],
        )  # fmt: skip
    except FileNotFoundError:
        raise InputError(
            path, "file", directory.name, "there is no manifest: the data set was not built to its end"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(path, "manifest", directory.name, f"cannot be read: {error}") from error
