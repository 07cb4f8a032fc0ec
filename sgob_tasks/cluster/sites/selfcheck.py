"""What this Python and this machine have for the detector: packages, GPUs. Standard library only.

``sgob site check`` sends this file's text to the login node, and with ``--job`` runs it on a node. Each finding is a
line of its own, written at once: a package that takes the interpreter down with it is the one that is missing behind
the last line.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MARK = "@@selfcheck "
MODULES = ("numpy", "PIL", "h5py", "pycocotools.mask", "tensorflow", "horovod.tensorflow")


def _version(name: str) -> tuple[str | None, str]:
    """Return ``(version, error)`` of a module, imported for good: a package that is there need not load."""
    try:
        module = importlib.import_module(name)
        package = sys.modules[name.partition(".")[0]]
        version = getattr(module, "__version__", None) or getattr(package, "__version__", None)
        if version is None:
            from importlib.metadata import version as installed

            version = installed(name.partition(".")[0])
    except BaseException as error:  # noqa: BLE001 - whatever a foreign package raises is the finding
        return None, f"{type(error).__name__}: {str(error)[:300]}"
    return str(version), ""


def gpus() -> list[str]:
    """Return the lines of ``nvidia-smi -L``; empty where there is no such program or no GPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        answer = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]


def look(tell: Callable[[dict[str, Any]], None]) -> None:
    """Report one finding after the other to ``tell``."""
    tell({"item": "python", "version": platform.python_version(), "executable": sys.executable})
    tell({"item": "machine", "host": platform.node(), "cpus": os.cpu_count(), "gpus": gpus()})
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in MODULES:
        version, error = _version(name)
        tell({"item": name, "version": version, "error": error})
    tell({"item": "end"})


def main(arguments: Sequence[str]) -> int:
    """Print the findings; with a job directory, write ``results/check.json`` too."""
    found: list[dict[str, Any]] = []

    def tell(finding: dict[str, Any]) -> None:
        print(MARK + json.dumps(finding))  # noqa: T201 - the answer
        sys.stdout.flush()
        found.append(finding)

    look(tell)
    if arguments:
        path = Path(arguments[0]) / "results" / "check.json"
        new = path.with_name("check.json.new")
        new.write_text(json.dumps(found))
        new.replace(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
