"""``python -m sgob_tasks.detection.weights FILE``: say what a weights file holds."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from sgob_tasks.detection.options import WEIGHTS
from sgob_tasks.detection.program import run_program


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    shown: list[str] = []

    def work(parsed: argparse.Namespace) -> tuple[Any, int]:
        from sgob_tasks.detection.weights.describe import describe_weights

        path = parsed.file / "weights.h5" if parsed.file.is_dir() else parsed.file
        described = describe_weights(path)
        shown.append(described.text())
        return described.to_json(), 0

    return run_program(WEIGHTS, work, lambda _: shown[0], arguments)


if __name__ == "__main__":
    sys.exit(main())
