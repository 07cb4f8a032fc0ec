"""Try a new environment, on the cluster, on every rank: ``python -m sgob_tasks.cluster.environments.selftest JOB_DIR``.

Imports what jobs will need, computes on the GPU where one was asked for, and exchanges a sum between the ranks.
Standard library and Python 3.10 only; what it tries it imports by name.

Exit codes: 0 passed; 65 failed: the environment is not fit for use.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

EXIT_BAD_INPUT = 65
_RANK = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")


class SelfTestError(Exception):
    """Something in the environment does not work."""


def own_rank(environment: Mapping[str, str]) -> int:
    """Return this process's rank as the launcher told it; 0 where nobody did."""
    return next((int(environment[name]) for name in _RANK if environment.get(name, "").isdigit()), 0)


def import_modules(names: Sequence[str]) -> dict[str, str]:
    """Import modules; return their versions.

    Raises:
        SelfTestError: one cannot be imported, or the project's come from elsewhere than this environment.
    """
    versions = {}
    for name in names:
        try:
            module = importlib.import_module(name)
        except Exception as error:
            raise SelfTestError(f"import {name}: {type(error).__name__}: {error}") from error
        package = name.partition(".")[0]
        place = str(getattr(module, "__file__", "") or "")
        if package == "sgob_tasks" and not place.startswith(sys.prefix + os.sep):
            raise SelfTestError(f"{name} comes from {place}, not from {sys.prefix}")
        versions[name] = str(getattr(sys.modules[package], "__version__", ""))
    return versions


def compute(gpus_wanted: bool) -> dict[str, Any]:
    """Convolve a picture with TensorFlow, on a GPU where one is wanted: that needs driver, CUDA and cuDNN.

    Raises:
        SelfTestError: there is no GPU, or the result is wrong.
    """
    tf = importlib.import_module("tensorflow")
    gpus = [gpu.name for gpu in tf.config.list_physical_devices("GPU")]
    if gpus_wanted and not gpus:
        raise SelfTestError("the job asked Slurm for a GPU, but TensorFlow sees none")
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    with tf.device("/GPU:0" if gpus else "/CPU:0"):
        result = tf.nn.conv2d(tf.ones([1, 8, 8, 3]), tf.ones([3, 3, 3, 2]), 1, "VALID")
    if float(tf.reduce_max(tf.abs(result - 27.0))) > 1e-3:
        raise SelfTestError("a convolution of ones with a 3 x 3 x 3 kernel of ones is not 27")
    return {"gpus": gpus, "device": result.device}


def all_reduce(ranks: int) -> dict[str, Any]:
    """Add the ranks' numbers up with Horovod.

    Raises:
        SelfTestError: there are not as many ranks as were started, or the sum is wrong.
    """
    tf, hvd = importlib.import_module("tensorflow"), importlib.import_module("horovod.tensorflow")
    hvd.init()
    if hvd.size() != ranks:
        raise SelfTestError(f"Horovod sees {hvd.size()} ranks instead of {ranks}: launcher and MPI do not fit together")
    total = float(hvd.allreduce(tf.constant([float(hvd.rank() + 1)]), op=hvd.Sum, name="selftest")[0])
    if total != ranks * (ranks + 1) / 2:
        raise SelfTestError(f"the sum over {ranks} ranks is {total}")
    versions = {"horovod": str(importlib.import_module("horovod").__version__), "nccl": bool(hvd.nccl_built())}
    hvd.shutdown()
    return {"ranks": ranks, "sum": total, **versions}


def run(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Run all checks; return what they found.

    Args:
        parameters: modules to import (``imports``), whether to use ``horovod``, number of ``ranks``, whether each node
            has ``gpus``.

    Raises:
        SelfTestError: a check failed.
    """
    started = time.monotonic()
    found: dict[str, Any] = {"host": platform.node(), "python": platform.python_version(), "prefix": sys.prefix}
    checks: list[tuple[str, Callable[[], Any]]] = [("modules", lambda: import_modules(parameters["imports"]))]
    if "tensorflow" in parameters["imports"]:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES") == "-1"
        checks.append(("tensorflow", lambda: compute(bool(parameters["gpus"]) and not hidden)))
    if parameters["horovod"]:
        checks.append(("horovod", lambda: all_reduce(int(parameters["ranks"]))))
    for name, check in checks:
        found[name] = check()
    return {**found, "seconds": round(time.monotonic() - started, 1)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the self-test that a job directory describes on this rank; return the exit code."""
    run_dir = Path((sys.argv[1:] if arguments is None else list(arguments))[0])
    parameters = json.loads((run_dir / "job.json").read_text(encoding="utf-8"))["parameters"]
    rank = own_rank(os.environ)
    try:
        found = {"rank": rank, **run(parameters)}
    except SelfTestError as error:
        print(f"self-test failed on rank {rank}: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the job's log
        return EXIT_BAD_INPUT
    path = run_dir / "results" / f"rank-{rank}.json"
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(found, sort_keys=True) + "\n", encoding="utf-8")
    new.replace(path)
    print(f"rank {rank}: {json.dumps(found, sort_keys=True)}", flush=True)  # noqa: T201 - the job's log
    return 0


if __name__ == "__main__":
    sys.exit(main())
