"""What a site's Python environment is made of: the table ``[deployment]`` of a site."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sgob_tasks.cluster.sites.values import unknown_key
from sgob_tasks.errors import InputError

DEPLOYMENT = "deployment"
"""Name of the table."""
CURRENT = "current"
"""A site's ``python`` where jobs use the environment that was deployed last."""

_VERSION = re.compile(r"\d+\.\d+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Deployment:
    """How the environment of a site is built.

    Attributes:
        requirements: file of pinned requirements, all of which have wheels; relative to the project.
        sources: file of pinned requirements that are built on the cluster against its MPI; empty for none.
        python: interpreter on the cluster that makes the environment, as it is called after the site's prelude.
        python_version: its version, ``3.10``.
        glibc: version of the cluster's C library: wheels that need a newer one are not taken.
        build_environment: variables for building the sources, such as ``HOROVOD_NCCL_HOME``; added to the usual ones.
        imports: modules that the self-test imports.
    """

    requirements: str = "requirements-hpc.txt"
    sources: str = "requirements-horovod.txt"
    python: str = "python3.11"
    python_version: str = "3.11"
    glibc: str = "2.28"
    build_environment: Mapping[str, str] = field(default_factory=dict)
    imports: tuple[str, ...] = (
        "tensorflow",
        "pycocotools.mask",
        "sgob_tasks.detection.train",
        "sgob_tasks.detection.infer",
    )


def make_deployment(values: Any, source: str) -> Deployment:
    """Build the table's values.

    Raises:
        InputError: a field is unknown or of the wrong type.
    """
    if not isinstance(values, Mapping):
        raise InputError(source, DEPLOYMENT, values, "has to be a table")
    known = {item.name for item in fields(Deployment)}
    built: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise unknown_key(source, key, value, known)
        built[key] = tuple(value) if isinstance(value, list) else value
        if key == "build_environment":
            fits = isinstance(value, dict) and all(
                _VARIABLE.fullmatch(name) and isinstance(text, str) for name, text in value.items()
            )
            wanted = "a table of texts, by name of the variable"
        elif key == "imports":
            fits, wanted = isinstance(value, list) and all(isinstance(name, str) for name in value), "a list of texts"
        else:
            fits, wanted = isinstance(value, str) and "\n" not in value and (value != "" or key == "sources"), "a text"
            if key in {"python_version", "glibc"}:
                fits, wanted = fits and _VERSION.fullmatch(value) is not None, "a version such as 3.10"
        if not fits:
            raise InputError(source, key, value, f"has to be {wanted}")
    return Deployment(**built)


def wheel_platforms(glibc: str) -> list[str]:
    """Return the platform tags of wheels that a Linux with this C library takes, newest first (PEP 600)."""
    major, minor = (int(part) for part in glibc.split("."))
    legacy = {17: "manylinux2014_x86_64", 12: "manylinux2010_x86_64", 5: "manylinux1_x86_64"}
    tags = []
    for number in range(minor, 4, -1):
        tags.append(f"manylinux_{major}_{number}_x86_64")
        if number in legacy:
            tags.append(legacy[number])
    return [*tags, "linux_x86_64"]
