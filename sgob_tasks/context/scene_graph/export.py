"""Writes scene graphs to files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sgob_tasks.context.scene_graph.graph import Graph
from sgob_tasks.context.scene_graph.jsonld import CONTEXT, graph_document
from sgob_tasks.context.scene_graph.svg import graph_svg


def write_graphs(graphs: Sequence[Graph], out: Path | None, svg: Path | None = None) -> dict[str, Any]:
    """Write graphs as one JSON-LD document, and draw the first one.

    Args:
        graphs: of one record: one for each picture.
        out: where to; None returns the document.
        svg: file of the drawing; None draws nothing.

    Returns:
        The document where it was not written; else counts and the files.
    """
    documents = [graph_document(graph) for graph in graphs]
    document: dict[str, Any] = (
        documents[0]
        if len(documents) == 1
        else {"@context": CONTEXT, "@graph": [{k: v for k, v in one.items() if k != "@context"} for one in documents]}
    )
    summary: dict[str, Any] = {
        "pictures": len(graphs),
        "things": sum(len(graph.things) for graph in graphs),
        "relations": sum(len(graph.relations) for graph in graphs),
        "subjects": [f"{one.label} ({one.score:.2f})" for graph in graphs for one in graph.subjects],
    }
    if svg is not None and graphs:
        _write(svg, graph_svg(graphs[0]) + "\n")
        summary["svg"] = str(svg)
    if out is None:
        return document
    _write(out, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    return summary | {"file": str(out)}


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
