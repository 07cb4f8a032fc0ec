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
    """Return an interpreter that has TensorFlow: this one, the setting ``hpc_python``, or ``.venv-hpc/bin/python``.

    Raises:
        InputError: there is none here.
    """
    if importlib.util.find_spec("tensorflow"):
        return Path(sys.executable)
    from sgob_tasks.config import load_settings

    named = load_settings().hpc_python
    if named is not None:
        if not named.is_file() or not os.access(named, os.X_OK):
            raise InputError("settings", f"hpc_python ({VARIABLE})", str(named), "is no program")
        return named
    for folder in (PROJECT, Path(sys.prefix).parent):
        found = folder / ".venv-hpc" / "bin" / "python"
        if os.access(found, os.X_OK):
            return found
    reason = "no Python with TensorFlow is here: run `make setup`, or name one"
    raise InputError("settings", f"hpc_python ({VARIABLE})", None, reason)


def cluster_environment() -> dict[str, str]:
    """Return the environment for it: this one, with this code on its path."""
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2")}
