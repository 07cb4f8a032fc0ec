"""``sgob context graph`` and ``sgob context subjects``: scene graphs and the saints and scenes they speak for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_iconography(verbs: Any) -> None:
    """Add ``graph`` and ``subjects`` to the commands below ``sgob context``."""
    graph = verbs.add_parser(
        "graph",
        help="write a picture's scene graph as JSON-LD, and draw it",
        description="Write the scene graph of a stored record, or of a file with boxes, as JSON-LD.",
    )
    source = graph.add_mutually_exclusive_group(required=True)
    source.add_argument("--record", metavar="ID", help="Europeana id of a record in the store")
    source.add_argument(
        "--in",
        dest="input",
        type=Path,
        metavar="FILE",
        help='JSON: {"title", "objects": [{"label", "bbox"}]}',
    )
    graph.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="with --in: weigh relations with what the texts of this language model tell (stored ones are)",
    )
    graph.add_argument("--out", type=Path, metavar="FILE.jsonld", help="write it there; default: print it")
    graph.add_argument("--svg", type=Path, metavar="FILE.svg", help="draw it as well")
    graph.add_argument("--json", action="store_true", help="print the result as JSON")
    graph.set_defaults(handler=_graph)
    subjects = verbs.add_parser(
        "subjects",
        help="find relations, saints and scenes in the pictures of the store",
        description="Find relations between boxes and the saints and scenes that pictures may show, and store both.",
    )
    subjects.add_argument(
        "--record",
        action="append",
        dest="record_ids",
        metavar="ID",
        help="this record, changed or not; may be repeated; default: all records that have changed",
    )
    subjects.add_argument("--json", action="store_true", help="print the result as JSON")
    subjects.set_defaults(handler=_subjects)


def _graph(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.context.scene_graph.export import write_graphs
    from sgob_tasks.context.scene_graph.graph import graph_of_file
    from sgob_tasks.errors import InputError

    if parsed.input is not None:
        from sgob_tasks.context.language.model_files import load_relations

        texts = load_relations(parsed.model)
        graphs = [graph_of_file(parsed.input, None if texts is None else texts.opinion)]
    elif parsed.model is not None:
        raise InputError("context graph", "--model", str(parsed.model), "goes with --in only: a record's are stored")
    else:
        from sgob_tasks.config import load_settings
        from sgob_tasks.context.iconography.stored_graph import graph_of_record
        from sgob_tasks.store.engine import open_store

        graphs = graph_of_record(open_store(load_settings()), parsed.record)
    return write_graphs(graphs, parsed.out, parsed.svg)


def _subjects(parsed: argparse.Namespace) -> Any:
    from dataclasses import asdict

    from sgob_tasks.config import load_settings
    from sgob_tasks.context.iconography.describe import describe_subjects
    from sgob_tasks.context.language.model_files import load_relations
    from sgob_tasks.store.engine import open_store

    settings = load_settings()
    texts = load_relations(settings.context.language_model)
    return asdict(describe_subjects(open_store(settings), parsed.record_ids, texts=texts))
