"""Reads texts and keywords from an operator's copy of the Iconclass data, github.com/iconclass/data (CC0).

Layout: ``notations.txt`` (chunks ended by ``$``; ``N`` is the notation, ``K`` its list of keys), ``keys.txt``, and for
each language ``txt/<language>/*.txt`` and ``kw/<language>/*.txt`` with lines ``notation|text``. Nothing of it is part
of this package. A notation with a key, ``25F23(LION)(+46)``, has the text of the base and of the key; one with any
name, ``11H(MARINUS)``, the text of ``11H(...)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sgob_tasks.errors import InputError

_KEY = re.compile(r"\(\+([0-9A-Z]+)\)$")
_NAME = re.compile(r"\((?!\+|\.\.\.)[^()]*\)")
LANGUAGE_CODES = {"cz": "cs", "jp": "ja"}
"""Folder names of the data that are no ISO 639-1 codes."""


class IconclassData:
    """Texts of notations in many languages, read from a folder when they are asked for.

    Files are read line by line; only what was asked for is kept.

    Raises:
        InputError: the folder is no copy of the Iconclass data.
    """

    def __init__(self, folder: Path) -> None:
        for part in ("notations.txt", "txt"):
            if not (folder / part).exists():
                raise InputError(folder, part, str(folder / part), "is missing: this is no copy of the Iconclass data")
        self._folder = folder
        self.languages = tuple(
            sorted(LANGUAGE_CODES.get(path.name, path.name) for path in (folder / "txt").iterdir() if path.is_dir())
        )
        if not self.languages:
            raise InputError(
                folder, "txt", str(folder / "txt"), "has no language: this is no copy of the Iconclass data"
            )

    def texts(self, notations: set[str], languages: set[str] | None = None) -> dict[str, dict[str, str]]:
        """Return the texts of notations, by notation and language code.

        Args:
            notations: such as ``11H(GEORGE)41`` or ``25F23(LION)(+46)``.
            languages: only these; None for all.

        Raises:
            InputError: a file is not UTF-8.
        """
        return self._read("txt", notations, languages, " ~ ")

    def keywords(self, notations: set[str], languages: set[str] | None = None) -> dict[str, dict[str, str]]:
        """Return the keywords of notations, by notation and language code; several are joined by ``; ``."""
        return self._read("kw", notations, languages, "; ")

    def _read(self, kind: str, notations: set[str], languages: set[str] | None, glue: str) -> dict[str, dict[str, str]]:
        wanted = {notation: self._parts(notation) for notation in notations}
        lines = {part for parts in wanted.values() for choice in parts for part in choice}
        found: dict[str, dict[str, str]] = {notation: {} for notation in notations}
        root = self._folder / kind
        for path in sorted(root.iterdir()) if root.is_dir() else ():
            language = LANGUAGE_CODES.get(path.name, path.name)
            if not path.is_dir() or (languages is not None and language not in languages):
                continue
            texts: dict[str, list[str]] = {}
            for file in sorted(path.glob("*.txt")):
                for notation, text in _lines(file):
                    if notation in lines and text not in texts.setdefault(notation, []):
                        texts[notation].append(text)
            for notation, parts in wanted.items():
                told = [next((one for one in choice if one in texts), None) for choice in parts]
                if told[0] is not None:
                    found[notation][language] = glue.join(
                        "; ".join(texts[one]) if kind == "kw" else texts[one][0] for one in told if one is not None
                    )
        return found

    def _parts(self, notation: str) -> list[tuple[str, ...]]:
        """Return what a notation's text is made of: for each part the lines that may hold it, the exact one first."""
        key = _KEY.search(notation)
        base = notation[: key.start()] if key else notation
        parts: list[tuple[str, ...]] = [tuple(dict.fromkeys((base, _NAME.sub("(...)", base))))]
        if key:
            name = self._key_list(parts[0])
            parts += [(f"{name}{key[1]}",)] if name else []
        return parts

    def _key_list(self, bases: tuple[str, ...]) -> str | None:
        """Return the name of a notation's list of keys, such as ``25Fk``."""
        name = None
        inside = False
        for line in _text_lines(self._folder / "notations.txt"):
            if line.startswith("N "):
                inside = line[2:] in bases
            elif inside and line.startswith("K "):
                name = line[2:]
            elif line == "$" and inside and name:
                return name
        return None


def _text_lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield line.rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "file", str(error), "cannot be read as UTF-8") from error


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for line in _text_lines(path):
        notation, bar, text = line.partition("|")
        if bar and not line.startswith("#"):
            yield notation.strip(), text.strip()
