"""Records from a collection: a folder of pictures with a CSV."""

from __future__ import annotations

from pathlib import Path

from sgob_tasks.sandbox.collection import Collection, CollectionItem
from sgob_tasks.sandbox.europeana.items import FIELDS, Item, ListSource

EDM_TYPES = frozenset({"IMAGE", "TEXT", "VIDEO", "SOUND", "3D"})


def read_folder(directory: Path) -> ListSource:
    """Return the records of a collection folder.

    Raises:
        InputError: the folder holds no readable collection.
    """
    return ListSource(map(_item, Collection.read(directory)))


def _fits(name: str, value: str) -> bool:
    """Say whether a column of this name is meant the way Europeana means it (``type`` may be anything in a CSV)."""
    return name != "type" or value in EDM_TYPES


def _item(given: CollectionItem) -> Item:
    return Item(
        record_id=given.record_id,
        title=given.title,
        creator=given.creator,
        date_text=given.date_text,
        description=given.description,
        language=given.language,
        rights=given.rights,
        updated=given.updated_at,
        path=given.path,
        has_media=given.has_image,
        fault=given.media_fault or None,
        extra={name: value for name, value in given.extra.items() if name in FIELDS and value and _fits(name, value)},
    )
