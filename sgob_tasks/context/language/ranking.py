"""Ranks the cases of a file: ``sgob context rank``."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from sgob_tasks.context.language.blend import Doubles
from sgob_tasks.context.language.cases import Case, read_cases
from sgob_tasks.context.language.encoder import Context
from sgob_tasks.context.language.model import CONTEXTS_AT_ONCE
from sgob_tasks.context.language.model_files import load_model
from sgob_tasks.context.language.scorer import Combined, load_scorer
from sgob_tasks.errors import InputError
from sgob_tasks.progress import track


class Ranker(Protocol):
    """What can rank: a ``LanguageModel``, alone or ``Combined`` with a plug-in."""

    def log_probs(self, contexts: Sequence[Context], candidates: Sequence[Sequence[str]]) -> list[Doubles]:
        """Return normalised log-probabilities of each context's candidates."""


@dataclass(frozen=True)
class Plugin:
    """A plug-in as an operator names it; see ``scorer``."""

    entry: str
    folder: Path | None = None
    weight: float = 0.5


def rank_file(model_dir: Path, cases: Path, out: Path, plugin: Plugin | None = None) -> dict[str, object]:
    """Rank the candidates of every case and write them, best first; the file appears when all is written.

    Args:
        model_dir: a trained model.
        cases: JSON Lines; see ``cases``.
        out: a line ``{"id", "ranking": [{"label", "log_prob"}]}`` for each case, in their order. Log-probabilities are
            natural and their powers sum to 1; labels with one log-probability stand in the order of the case.
        plugin: another model to combine with.

    Returns:
        Number of cases and candidates, the file, and the model's version.

    Raises:
        InputError: model, plug-in, a case or a path does not fit; nothing is written then.
    """
    model = load_model(model_dir)
    ranker: Ranker = model
    if plugin is not None:
        ranker = Combined(model, load_scorer(plugin.entry, plugin.folder), plugin.weight)
    count = candidates = 0
    temporary: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=out.parent, prefix=f".{out.name}-", delete=False
        ) as file:
            temporary = Path(file.name)
            for case, line in track(_ranked(ranker, read_cases(cases)), "Ranking"):
                file.write(line)
                count, candidates = count + 1, candidates + len(case.candidates)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(out)
        temporary = None
    except OSError as error:
        raise InputError(out, "file", out.name, f"cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return {"cases": count, "candidates": candidates, "out": str(out), "model": model.info.version}


def _ranked(ranker: Ranker, cases: Iterator[Case]) -> Iterator[tuple[Case, str]]:
    while chunk := list(islice(cases, CONTEXTS_AT_ONCE)):
        found = ranker.log_probs([case.context for case in chunk], [case.candidates for case in chunk])
        for case, row in zip(chunk, found, strict=True):
            order = sorted(range(len(row)), key=lambda place: -row[place])
            ranking = [{"label": case.candidates[place], "log_prob": float(row[place])} for place in order]
            yield case, json.dumps({"id": case.id, "ranking": ranking}) + "\n"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
