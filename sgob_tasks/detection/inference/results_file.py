"""COCO results, collected line by line beside the file they become, so that an interrupted run goes on.

``results.json.part`` begins with a line that says how the run was made; then a line for each picture. When all are
there they become ``results.json``, whole or not at all, and the part file goes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sgob_tasks.detection.files import write_durably
from sgob_tasks.detection.inference.numbering import Picture
from sgob_tasks.errors import InputError

FORMAT = "sgob-detect/1"


class PartFile:
    """The lines of a run that is under way.

    Args:
        path: the part file.
        run: how the run is made: what decides about its results. A part file of another run is refused.
        fresh: throw away what an earlier run left.

    Attributes:
        done: file names that have a line.

    Raises:
        InputError: the file is of another run or damaged.
    """

    def __init__(self, path: Path, run: Mapping[str, Any], *, fresh: bool = False) -> None:
        self.path = path
        self.done: set[str] = set()
        self._places: dict[str, int] = {}
        self._run = {"format": FORMAT, **run}
        path.parent.mkdir(parents=True, exist_ok=True)
        if fresh or not self._read():
            path.write_text(_line(self._run), "utf-8")

    def _read(self) -> bool:
        """Read what is there, cut off a torn last line, and return whether there is anything to go on from."""
        if not self.path.exists():
            return False
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if not whole:
            return False
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))
        place = 0
        for number, line in enumerate(whole.splitlines(keepends=True), 1):
            try:
                entry = json.loads(line)
                if number == 1:
                    self._check(entry)
                else:
                    self._note(entry["file_name"], place)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise InputError(self.path, f"line {number}", line[:80], "is damaged: --fresh starts anew") from error
            place += len(line)
        return True

    def _check(self, begun: Mapping[str, Any]) -> None:
        # As JSON gives it back: tuples have become lists.
        wanted = json.loads(json.dumps(self._run))
        for name in sorted(wanted.keys() | begun.keys()):
            if begun.get(name) != wanted.get(name):
                reason = f"the interrupted run had another {name}: run that again, or start anew with --fresh"
                raise InputError(self.path, name, begun.get(name), reason)

    def _note(self, name: str, place: int) -> None:
        self.done.add(name)
        self._places[name] = place

    def append(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Write the lines of a batch and bring them to the disk; each has ``file_name``."""
        with self.path.open("ab") as file:
            for entry in entries:
                self._note(entry["file_name"], file.tell())
                file.write(_line(entry).encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())

    def entries(self, names: Iterable[str]) -> Iterable[dict[str, Any]]:
        """Yield the lines of pictures, in the order of the names."""
        with self.path.open("rb") as file:
            for name in names:
                file.seek(self._places[name])
                entry: dict[str, Any] = json.loads(file.readline())
                yield entry

    def remove(self) -> None:
        """Throw the file away: the results are written."""
        self.path.unlink()


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def coco_results(entry: Mapping[str, Any], picture: Picture, categories: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the COCO results of one picture.

    Args:
        entry: its line: ``detections`` as ``Detection.to_json`` gives them.
        picture: its id and name.
        categories: ids by class name.
    """
    return [
        {
            "image_id": picture.image_id,
            "category_id": categories[found["class_name"]],
            "bbox": found["bbox"],
            "score": found["score"],
            **({} if found["mask"] is None else {"segmentation": found["mask"]}),
            "file_name": picture.file_name,
            "class_name": found["class_name"],
            "candidates": found["candidates"],
            "background": found["background"],
        }
        for found in entry.get("detections", ())
    ]


def write_results(path: Path, part: PartFile, pictures: Sequence[Picture], categories: Mapping[str, int]) -> int:
    """Write the results of all pictures as one JSON list, whole or not at all; return how many there are.

    One result a line: a large file can be looked at, and needs no memory to be written.
    """
    count = 0

    def write(file: Any) -> None:
        nonlocal count
        file.write(b"[")
        for picture, entry in zip(pictures, part.entries(p.file_name for p in pictures), strict=True):
            for result in coco_results(entry, picture, categories):
                file.write(b",\n" if count else b"\n")
                file.write(json.dumps(result, ensure_ascii=False).encode("utf-8"))
                count += 1
        file.write(b"\n]\n")

    write_durably(path, write)
    return count
