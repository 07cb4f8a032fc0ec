"""What became of a weights file when a network was given its weights: for people and for machines."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ShapePair = tuple[tuple[int, ...], tuple[int, ...]]
"""Shape in the file, shape in the model."""


@dataclass(frozen=True)
class LoadReport:
    """What a file gave.

    Attributes:
        file: the file.
        loaded: layers whose weights were taken over whole.
        skipped: layers that were left as they were on purpose, such as the heads of other classes.
        missing: layers of the model that the file does not have, where that was allowed.
        unused: layers with weights of the file that the model does not have.
        shapes: of the skipped layers that the file has: shapes in the file and in the model, by layer and weight.
        classes_taken: classes whose rows in the skipped layers were taken over by name.
        note: one sentence on the class layers; empty where there is nothing to say.
    """

    file: str
    loaded: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    shapes: Mapping[str, Mapping[str, ShapePair]] = field(default_factory=dict)
    classes_taken: tuple[str, ...] = ()
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values; the layers that were loaded as a count."""
        shown = dataclasses.asdict(self)
        shown["loaded"] = len(self.loaded)
        shown["shapes"] = {
            layer: {name: {"file": list(pair[0]), "model": list(pair[1])} for name, pair in weights.items()}
            for layer, weights in self.shapes.items()
        }
        return shown

    def text(self) -> str:
        """Return the report in words, a line for each matter."""
        lines = [f"{self.file}: {len(self.loaded)} layers loaded"]
        for what, names in (
            ("skipped on purpose", self.skipped),
            ("missing (allowed)", self.missing),
            ("not used", self.unused),
        ):
            if names:
                lines.append(f"  {what}: {', '.join(names)}")
        for layer, weights in self.shapes.items():
            pairs = ", ".join(f"{name} {list(file)} -> {list(model)}" for name, (file, model) in weights.items())
            lines.append(f"  {layer}: {pairs} (file -> model)")
        if self.classes_taken:
            lines.append(f"  rows taken over for {len(self.classes_taken)} classes: {', '.join(self.classes_taken)}")
        return "\n".join([*lines, *([f"  {self.note}"] if self.note else [])])
