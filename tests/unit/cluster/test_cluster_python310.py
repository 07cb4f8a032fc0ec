"""What runs on the cluster is valid for its oldest Python, 3.10: syntax, standard library, packages.

The same code runs on a real Python 3.10 with TensorFlow 2.11 by ``make test-k80``.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sgob_tasks.cluster.environments.wheelhouse import PROJECT, read_requirements

ENTRY_POINTS = (
    "sgob_tasks.detection.train",
    "sgob_tasks.detection.infer",
    "sgob_tasks.detection.detect",
    "sgob_tasks.detection.export_model",
    "sgob_tasks.detection.weights.__main__",
    "sgob_tasks.captions.generator.train",
    "sgob_tasks.captions.generator.generate",
    "sgob_tasks.captions.generator.describe",
    "sgob_tasks.captions.generator.pool",
    "sgob_tasks.cluster.environments.install",
    "sgob_tasks.cluster.environments.selftest",
)
# Import names that differ from the names of their packages.
IMPORT_NAMES = {"pillow": "PIL"}


def file_of(module: str) -> Path | None:
    base = PROJECT / module.replace(".", "/")
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def closure() -> dict[str, Path]:
    """All of our modules that a program on the cluster can import, packages on the way included."""
    found: dict[str, Path] = {}
    waiting = set(ENTRY_POINTS)
    while waiting:
        module = waiting.pop()
        path = file_of(module)
        if path is None or module in found:
            continue
        found[module] = path
        wanted = imports(ast.parse(path.read_text()))
        parents = {module.rsplit(".", count)[0] for count in range(1, module.count(".") + 1)}
        waiting |= {name for name in wanted | parents if name.split(".")[0] == "sgob_tasks"}
    return found


MODULES = closure()


def test_the_programs_are_found() -> None:
    assert set(ENTRY_POINTS) <= set(MODULES)
    assert {"sgob_tasks", "sgob_tasks.detection.network.model", "sgob_tasks.errors"} <= set(MODULES)
    assert not {name for name in MODULES if name.startswith(("sgob_tasks.store", "sgob_tasks.steps"))}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_the_grammar_is_that_of_3_10(module: str) -> None:
    ast.parse(MODULES[module].read_text(), feature_version=(3, 10))


def test_all_imported_packages_are_in_the_clusters_requirements() -> None:
    for requirements in ("requirements-hpc.txt", "requirements-hpc-k80.txt"):
        names = [re.split("==", line)[0].lower() for line in read_requirements(PROJECT / requirements)]
        installed = {IMPORT_NAMES.get(name, name.replace("-", "_").removesuffix("_cpu")) for name in names}
        allowed = installed | {"horovod", "sgob_tasks"} | (sys.stdlib_module_names - {"tomllib"})
        for module, path in MODULES.items():
            foreign = {name.split(".")[0] for name in imports(ast.parse(path.read_text()))} - allowed
            assert not foreign, f"{module} imports {foreign}, which {requirements} does not have"


def test_the_standard_library_is_that_of_3_10() -> None:
    """The type checker knows since when each name exists; its cache makes all runs but the first one fast."""
    files = [str(path) for path in MODULES.values()]
    command = [sys.executable, "-m", "mypy", "--python-version=3.10", "--follow-imports=silent", "--strict"]
    command += ["--config-file", str(PROJECT / "pyproject.toml"), *files]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_traced_code_calls_no_strict_zip() -> None:
    """The autograph of TensorFlow 2.11 refuses ``zip(strict=...)`` inside a ``tf.function``."""
    traced = {
        "detection.network.model": {"pyramid", "score_anchors", "losses", "regions", "masks"},
        "detection.training.update": {"_add_part", "_apply_sums", "_update", "_shrink_scale"},
        "detection.training.step": {"found_losses"},
        "detection.inference.detector": {"_regions"},
        "detection.inference.graph_selection": {"select_in_graph", "padded", "_suppress"},
        "detection.inference.pooling": {"_pool"},
        "detection.export_model": {"_detect"},
        "captions.generator.network": {"memory", "attend", "advance", "gates", "unroll", "body", "losses", "_lstm"},
        "captions.generator.training_step": {"found_losses"},
    }
    for module, names in traced.items():
        tree = ast.parse(MODULES[f"sgob_tasks.{module}"].read_text())
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in names]
        assert {function.name for function in functions} == names
        for function in functions:
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            assert "strict" not in {keyword.arg for call in calls for keyword in call.keywords}, function.name
