"""Which local file an annotation means: names below a folder, and the file that was fetched from a URL."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from sgob_tasks.errors import InputError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp")
"""Endings of picture files, in any case."""

_EMBEDDED_URL = ("uri", "url")
"""Parameters in which a thumbnail service is told the picture's own URL (Europeana: ``uri``)."""


def is_url(name: str) -> bool:
    """Return whether a file name is a URL."""
    return name.startswith(("http://", "https://"))


def local_names(url: str) -> list[str]:
    """Return the names, likeliest first, under which a picture from a URL may lie in a folder.

    1. the SHA-256 of the URL (hex), which no other picture has, with any ending;
    2. the last segment of the URL's path, ``%`` sequences decoded, as browsers and wget name it;
    3. the same of the URL inside it, where it is a thumbnail service's (parameter ``uri`` or ``url``).

    A name without an ending stands for that name with any of ``EXTENSIONS``.
    """
    names = [hashlib.sha256(url.encode()).hexdigest()]
    try:
        parts = urlsplit(url)
    except ValueError:  # such as a bracket that is not closed
        return names
    embedded = [value for name in _EMBEDDED_URL for value in parse_qs(parts.query).get(name, [])]
    for path in (parts.path, *(_path_of(value) for value in embedded)):
        name = Path(unquote(path)).name
        if name and name not in names and "\0" not in name:
            names.append(name)
    return names


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


class PictureFinder:
    """Finds pictures below one folder; its subfolders are listed once, when first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(self.folder.rglob("*")):
            if path.suffix.lower() in EXTENSIONS:
                found[path.name].append(path)
                found[path.stem].append(path)
        return found

    def find(self, name: str, *, or_stem: str | None = None) -> Path | None:
        """Return the file of a name: right in the folder, else the only one of that name in its subfolders.

        Args:
            name: with or without the picture's ending.
            or_stem: a name without ending that is tried next.

        Raises:
            InputError: several files have the name.
        """
        direct = self.folder / name
        try:
            if direct.is_file():
                return direct
        except (OSError, ValueError):  # a name too long for a file, or with a null byte
            return None
        for wanted in (name, or_stem):
            found = self._by_name.get(wanted, []) if wanted else []
            if len(found) > 1:
                raise InputError(self.folder, "file", name, f"{len(found)} pictures have this name: {found[1]}")
            if found:
                return found[0]
        return None

    def find_url(self, url: str) -> Path | None:
        """Return the file of a URL by the names of :func:`local_names`; None where there is none."""
        return next((path for name in local_names(url) if (path := self.find(name)) is not None), None)
