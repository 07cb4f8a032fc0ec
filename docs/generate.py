"""Write docs/dags.md from the DAGs themselves: ``python -m docs.generate [--check]``.

With ``--check`` nothing is written; the exit status is 1 when the committed page is stale.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "dags.md"


def load_dags() -> dict[str, Any]:
    """Return the DAGs by id.

    Raises:
        SystemExit: a DAG file cannot be imported.
    """
    os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="sgob-docs-"))
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(ROOT / "dags")
    if bag.import_errors:
        sys.exit("\n".join(f"{name}:\n{error}" for name, error in bag.import_errors.items()))
    return dict(sorted(bag.dags.items()))


def awaited_by(dag: Any) -> list[str]:
    """Return the names of the assets that start a DAG."""

    def names(condition: Any) -> list[str]:
        inner = getattr(condition, "objects", None)
        return [condition.name] if inner is None else [name for one in inner for name in names(one)]

    condition = getattr(dag.timetable, "asset_condition", None)
    return names(condition) if getattr(condition, "objects", None) else []


def schedule_of(dag: Any) -> str:
    """Say in words when a DAG runs."""
    ways = ["after " + ", ".join(f"*{name}*" for name in awaited_by(dag))] if awaited_by(dag) else []
    # Of a schedule by assets or time, the time is a timetable of its own.
    expression = getattr(getattr(dag.timetable, "timetable", dag.timetable), "expression", None)
    ways += [f"`{expression}` UTC"] if expression else []
    return "; ".join(ways) or "by hand"


def outlets_of(dag: Any) -> list[str]:
    """Return the assets that a DAG's tasks bring up to date."""
    return sorted({outlet.name for task in dag.tasks for outlet in task.outlets})


def render(dags: dict[str, Any]) -> str:
    """Return the page as Markdown."""
    lines = [
        "# DAGs",
        "",
        "Generated from `dags/` by `make docs`; do not edit.",
        "",
        "| DAG | runs | brings up to date |",
        "| --- | --- | --- |",
    ]
    for dag_id, dag in dags.items():
        outlets = ", ".join(f"*{name}*" for name in outlets_of(dag)) or "-"
        lines.append(f"| [{dag_id}](#{dag_id}) | {schedule_of(dag)} | {outlets} |")
    for dag_id, dag in dags.items():
        lines += ["", f"## {dag_id}", "", dag.doc_md.replace("### ", "**", 1).replace("\n", "**\n", 1).strip(), ""]
        lines += ["| task | what it does |", "| --- | --- |"]
        for task in dag.topological_sort():
            doc = (
                task.doc_md or task.doc or (getattr(task, "python_callable", None) or type(task)).__doc__ or ""
            ).strip()
            lines.append(f"| `{task.task_id}` | {doc.splitlines()[0] if doc else ''} |")
        if dag.params:
            lines += ["", "| parameter | default | meaning |", "| --- | --- | --- |"]
            for name in dag.params:
                param = dag.params.get_param(name)
                schema, value = param.schema, "" if param.value is None else f"`{param.value}`"
                text = ". ".join(filter(None, [schema.get("title"), schema.get("description_md")]))
                lines.append(f"| `{name}` | {value} | {text} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check the page."""
    page = render(load_dags())
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text() == page else 1
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
