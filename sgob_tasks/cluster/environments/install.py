"""Install an environment on the cluster, without internet.

``python -m sgob_tasks.cluster.environments.install JOB_DIR``

Standard library and Python 3.10 only: it runs with the bare interpreter that the environment is made from. An
installation that was cut short begins again; what was built from source by then is kept.

Exit codes: 0 done; 65 the same again would fail the same (wrong interpreter, missing wheel, failed build).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

EXIT_BAD_INPUT = 65

# Horovod for TensorFlow over MPI alone, built in a minute; a site with GPUs adds HOROVOD_GPU_OPERATIONS and its paths.
BUILD_ENVIRONMENT = {
    "HOROVOD_WITH_TENSORFLOW": "1",
    "HOROVOD_WITHOUT_PYTORCH": "1",
    "HOROVOD_WITHOUT_MXNET": "1",
    "HOROVOD_WITHOUT_GLOO": "1",
    "HOROVOD_WITH_MPI": "1",
    "HOROVOD_CPU_OPERATIONS": "MPI",
}


class InstallError(Exception):
    """What makes an installation fail for good."""


def check_interpreter(python_version: str, glibc: str) -> None:
    """Compare this interpreter with what the wheels were chosen for.

    Raises:
        InstallError: they would not run here.
    """
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if here != python_version:
        raise InstallError(f"{sys.executable} is Python {here}; the site's python_version says {python_version}")
    name, version = platform.libc_ver()
    if name == "glibc" and _numbers(version) < _numbers(glibc):
        raise InstallError(f"the C library of {platform.node()} is glibc {version}; the site's glibc says {glibc}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for pip: no settings of this machine's, and none of the code that jobs use."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PIP_") and name not in {"PYTHONPATH", "PYTHONHOME"}
    }
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **(extra or {})}


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    print("+", " ".join(command[:8]), "..." if len(command) > 8 else "", flush=True)  # noqa: T201 - the job's log
    code = subprocess.run(command, env=environment, check=False).returncode
    if code != 0:
        raise InstallError(f"{' '.join(command[:4])} ended with {code}; see the lines above")


def build(parameters: Mapping[str, Any], pip: Sequence[str], binaries: str) -> Path | None:
    """Build wheels of the sources against this machine's MPI, unless that was done before.

    Args:
        parameters: of the job.
        pip: command of the new environment's pip.
        binaries: folder of the new environment's programs; holds cmake.

    Returns:
        folder with the wheels; None where there are no sources.
    """
    if not parameters["sources"]:
        return None
    target = Path(parameters["built"])
    if target.is_dir():
        return target
    part = target.with_name(f"{target.name}.{os.environ.get('SLURM_JOB_ID', os.getpid())}.part")
    shutil.rmtree(part, ignore_errors=True)
    jobs = os.environ.get("SLURM_CPUS_PER_TASK") or str(os.cpu_count() or 1)
    environment = clean_environment(
        {
            **BUILD_ENVIRONMENT,
            "MAKEFLAGS": f"-j{jobs}",
            **parameters["build_environment"],
            "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }
    )
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir"]
    find = [f"--find-links={parameters['wheels']}", f"--wheel-dir={part}"]
    _run([*pip, "wheel", *options, *find, *parameters["sources"]], environment)
    try:
        part.rename(target)
    except OSError:
        # Somebody else was faster; theirs was built from the same.
        if not target.is_dir():
            raise
        shutil.rmtree(part, ignore_errors=True)
    return target


def install(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Make the environment; return what is in it.

    Args:
        parameters: ``folder`` of the environment, folder of the ``wheels``, ``requirements``, ``sources``, folder
            ``built`` for wheels of the sources, ``build_environment``, name of the ``project``'s wheel,
            ``python_version``, ``glibc``.

    Raises:
        InstallError: it cannot be made.
    """
    folder = Path(parameters["folder"])
    done = folder / "installed.json"
    if done.is_file():
        result: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return result
    check_interpreter(parameters["python_version"], parameters["glibc"])
    started = time.monotonic()
    (folder / "tested.json").unlink(missing_ok=True)
    venv, wheels = folder / "venv", Path(parameters["wheels"])
    shutil.rmtree(venv, ignore_errors=True)
    environment = clean_environment()
    _run([sys.executable, "-m", "venv", str(venv)], environment)
    binaries = venv / "bin"
    pip = [str(binaries / "python"), "-m", "pip"]
    offline = ["install", "--no-index", "--no-deps", "--no-cache-dir", "--quiet"]
    _run([*pip, *offline, f"--find-links={wheels}", *parameters["requirements"]], environment)
    built = build(parameters, pip, str(binaries))
    if built is not None:
        _run([*pip, *offline, f"--find-links={built}", *parameters["sources"]], environment)
    _run([*pip, *offline, str(wheels / parameters["project"])], environment)
    _run([*pip, "check"], environment)
    frozen = subprocess.run([*pip, "freeze"], env=environment, check=True, capture_output=True, text=True).stdout
    summary = {
        "packages": len(frozen.split("\n")) - 1,
        "host": platform.node(),
        "python": platform.python_version(),
        "seconds": round(time.monotonic() - started, 1),
        "installed_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    write_json(done, summary)
    return summary


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON document in one line, under a temporary name first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(values, sort_keys=True) + "\n", encoding="utf-8")
    new.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the installation that a job directory describes; return the exit code."""
    run_dir = Path((sys.argv[1:] if arguments is None else list(arguments))[0])
    parameters = json.loads((run_dir / "job.json").read_text(encoding="utf-8"))["parameters"]
    try:
        summary = install(parameters)
    except (InstallError, OSError) as error:
        print(f"installation failed: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the job's log
        return EXIT_BAD_INPUT if isinstance(error, InstallError) else 1
    write_json(run_dir / "results" / "installed.json", summary)
    print(json.dumps(summary), flush=True)  # noqa: T201 - the job's log
    return 0


if __name__ == "__main__":
    sys.exit(main())
