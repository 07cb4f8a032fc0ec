"""The Python of the cluster's environment on this machine, for commands that need TensorFlow: ``sgob`` has none."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from sgob_tasks.errors import InputError

VARIABLE = "SGOB_HPC_PYTHON"
PROJECT = Path(__file__).resolve().parents[1]


def cluster_python() -> Path:
    """Return an interpreter that has TensorFlow: this one, that of ``SGOB_HPC_PYTHON``, or ``.venv-hpc/bin/python``.

    Raises:
        InputError: there is none here.
    """
    if importlib.util.find_spec("tensorflow"):
        return Path(sys.executable)
    named = os.environ.get(VARIABLE)
    if named:
        if not os.access(named, os.X_OK):
            raise InputError("environment", VARIABLE, named, "is no program")
        return Path(named)
    for folder in (PROJECT, Path(sys.prefix).parent):
        found = folder / ".venv-hpc" / "bin" / "python"
        if os.access(found, os.X_OK):
            return found
    raise InputError("environment", VARIABLE, None, "names no Python with TensorFlow, and there is no .venv-hpc")


def cluster_environment() -> dict[str, str]:
    """Return the environment for it: this one, with this code on its path."""
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2")}
