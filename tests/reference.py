"""Where the reference data is, on machines that have it: tests that read it are made for what exists."""

from __future__ import annotations

import os
from pathlib import Path

_FOLDER = Path(os.environ.get("SGOB_REFERENCE", Path(__file__).resolve().parents[2] / "shared"))
REFERENCE: Path | None = _FOLDER if (_FOLDER / "contracts").is_dir() else None


def reference_files(pattern: str) -> list[Path]:
    """Return the reference files that match a glob pattern; an empty list where there are none."""
    return sorted(REFERENCE.glob(pattern)) if REFERENCE else []
