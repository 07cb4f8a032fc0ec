"""What relations and subjects are found with: the versions of the rules, and a hash of the tables that they read."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from sgob_tasks.context.iconography.rank import VERSION as RANK_VERSION
from sgob_tasks.context.scene_graph.relate import VERSION as RELATE_VERSION
from sgob_tasks.context.scene_graph.relation_model import RelationModel
from sgob_tasks.detection.classes import ClassTable

_HERE = Path(__file__).parent
_FOLDERS, _TABLES = (_HERE, _HERE.parent / "scene_graph"), (".csv", ".toml")


def relating_version(relations: RelationModel | None = None) -> str:
    """Return what relations are found with: the rules, and the texts that weigh them where there are any."""
    return RELATE_VERSION if relations is None else f"{RELATE_VERSION}; texts {relations.version}"


def describing_version(table: ClassTable, relations: RelationModel | None = None) -> str:
    """Return what a picture was described with; with another one, the nightly run describes all pictures anew.

    A change to the tables of the two packages, to the class table or to the texts shows by itself. A change to the code
    by which the same picture would come out otherwise needs a new ``VERSION`` in ``scene_graph.relate`` or
    ``iconography.rank``.
    """
    digest = hashlib.sha256(_tables())
    digest.update(repr(list(table.values())).encode())
    return f"{relating_version(relations)}; {RANK_VERSION}; tables {digest.hexdigest()[:8]}"


@functools.cache
def _tables() -> bytes:
    """Return a hash of all tables that come with the packages of iconography and scene graphs."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in _FOLDERS for path in folder.iterdir() if path.suffix in _TABLES):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)} ".encode() + content)
    return digest.digest()
