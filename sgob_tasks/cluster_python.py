"""The Python of the cluster's environment on this machine, for commands that need TensorFlow: ``sgob`` has none."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from sgob_tasks.errors import InputError, PermanentError

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


def run_here(job: Path, ranks: int, module: str, *arguments: str) -> Path:
    """Run a program of the cluster's side on this machine; return its log, ``logs/<program>.log`` in the job folder.

    Args:
        job: a job folder.
        ranks: number of processes, as MPI starts them; the cores are divided among them.
        module: the program.
        arguments: its own.

    Raises:
        InputError: there is no Python with TensorFlow here.
        PermanentError: it ended with another exit code than 0; the message has the end of its log.
    """
    command = [str(cluster_python()), "-m", module, *arguments]
    if ranks > 1:
        options = ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
        options += ["-mca", "btl", "self,tcp", "-mca", "btl_tcp_if_include", "lo"]  # inside one machine
        command = ["mpirun", *options, "-np", str(ranks), *command]
    environment = cluster_environment() | {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // ranks))}
    path = job / "logs" / f"{module.rpartition('.')[2]}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        end = "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise PermanentError(f"{job}: {module} ended with {done.returncode}; the end of {path}:\n{end}")
    return path
