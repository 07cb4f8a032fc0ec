"""A language model as a folder: ``model.json``, ``vocabulary.json``, ``arrays.npz`` and ``relations.json``.

Loading unpickles nothing. A folder without ``relations.json`` is a model from before relations were read in texts.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sgob_tasks.context.language.bags import Vocabulary
from sgob_tasks.context.language.bayes import Counts
from sgob_tasks.context.language.blend import FITTED, Blend
from sgob_tasks.context.language.components import COLUMNS, Components
from sgob_tasks.context.language.embedding import TABLES, Embedding, LabelFeatures
from sgob_tasks.context.language.encoder import Encoder
from sgob_tasks.context.language.model import LanguageModel, ModelInfo
from sgob_tasks.context.scene_graph.relation_model import RelationModel
from sgob_tasks.errors import InputError

RECIPE = 1
"""Counts up when features or method change: a model of another recipe has to be trained again."""

INFO, VOCABULARY, ARRAYS, RELATIONS = "model.json", "vocabulary.json", "arrays.npz", "relations.json"
BAYES = ("words", "labels", "quarters")
Array = npt.NDArray[Any]


def rounded(parts: Components) -> Components:
    """Return the parts with vectors as they will be read from the file, in half precision."""

    def half(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return values.astype(np.float16).astype(np.float32)

    embeddings = [
        Embedding({name: half(one.tables[name]) for name in TABLES}, half(one.label_features), half(one.bias))
        for one in parts.embeddings
    ]
    return dataclasses.replace(parts, embeddings=embeddings)


def version_of(parts: Components, blend: Blend) -> str:
    """Return a hash of all that decides what a model says."""
    digest = hashlib.sha256(json.dumps([RECIPE, _vocabulary(parts)]).encode())
    for name, array in sorted(_arrays(parts, blend).items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def save_model(model: LanguageModel, out_dir: Path) -> None:
    """Write a model; a folder that is there is replaced when all is written.

    Raises:
        InputError: the folder cannot be written, or holds something else than a model.
    """
    if out_dir.exists() and not (out_dir.is_dir() and ((out_dir / INFO).is_file() or not any(out_dir.iterdir()))):
        raise InputError(out_dir, "folder", out_dir.name, "is there and no language model; it is not replaced")
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out_dir.parent, prefix=f".{out_dir.name}-") as folder:
            new, old = Path(folder) / "new", Path(folder) / "old"
            new.mkdir()
            _write_json(new / VOCABULARY, _vocabulary(model.components))
            with (new / ARRAYS).open("wb") as file:
                np.savez_compressed(file, **_arrays(model.components, model.blend))
            if model.relations is not None:
                model.relations.save(new / RELATIONS)
            _write_json(new / INFO, dataclasses.asdict(model.info))
            if out_dir.exists():
                os.replace(out_dir, old)  # noqa: PTH105 - Path.rename does not say that it replaces
            shutil.move(new, out_dir)
    except OSError as error:
        raise InputError(out_dir, "folder", out_dir.name, f"cannot be written: {error}") from error


def load_model(folder: Path) -> LanguageModel:
    """Read a model.

    Raises:
        InputError: the folder holds none, one that is broken, or one of another recipe.
    """
    try:
        info = ModelInfo(**json.loads((folder / INFO).read_text("utf-8")))
        if info.recipe != RECIPE:
            raise InputError(
                folder / INFO, "recipe", info.recipe, f"this version reads {RECIPE}; train the model again"
            )
        vocabulary = json.loads((folder / VOCABULARY).read_text("utf-8"))
        with np.load(folder / ARRAYS, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        components, blend = _components(vocabulary, arrays), _blend(arrays)
        found = version_of(components, blend)
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        zipfile.BadZipFile,
    ) as error:
        reason = f"is no language model ({type(error).__name__}: {error}); `sgob context train-lm` makes one"
        raise InputError(folder, "folder", folder.name, reason) from error
    if found != info.version:
        raise InputError(folder / INFO, "version", info.version, f"does not fit the files, which are {found}")
    return LanguageModel(components, blend, info, load_relations(folder))


def load_relations(folder: Path | None) -> RelationModel | None:
    """Read what a model's texts tell of relations, and nothing else of it.

    Args:
        folder: of a model; None where there is none.

    Returns:
        None where there is no model, or one from before relations were read.

    Raises:
        InputError: the folder holds no model, or its relations cannot be read.
    """
    if folder is None:
        return None
    if not (folder / INFO).is_file():
        raise InputError(folder, "folder", folder.name, "is no language model; `sgob context train-lm` makes one")
    path = folder / RELATIONS
    return RelationModel.load(path) if path.exists() else None


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _vocabulary(parts: Components) -> dict[str, list[str]]:
    return {name: getattr(parts.encoder, name).names for name in TABLES}


def _arrays(parts: Components, blend: Blend) -> dict[str, Array]:
    arrays: dict[str, Array] = {"rarity": np.array([blend.centre, blend.low, blend.high])}
    arrays |= {f"blend.{kind}": blend.weights[kind] for kind in FITTED}
    for name in BAYES:
        arrays |= {f"bayes.{name}.{field}": value for field, value in parts.bayes[name].arrays().items()}
    for number, one in enumerate(parts.embeddings):
        arrays |= {f"embedding.{number}.{name}": one.tables[name].astype(np.float16) for name in TABLES}
        arrays[f"embedding.{number}.label_features"] = one.label_features.astype(np.float16)
        arrays[f"embedding.{number}.bias"] = one.bias.astype(np.float16)
    return arrays


def _components(vocabulary: dict[str, list[str]], arrays: dict[str, Array]) -> Components:
    encoder = Encoder(**{name: Vocabulary(vocabulary[name]) for name in TABLES})
    bayes = {
        name: Counts.from_arrays(
            {key.rsplit(".", 1)[1]: value for key, value in arrays.items() if key.startswith(f"bayes.{name}.")}
        )
        for name in BAYES
    }
    embeddings: list[Embedding] = []
    while f"embedding.{len(embeddings)}.bias" in arrays:
        prefix = f"embedding.{len(embeddings)}."
        tables = {name: arrays[prefix + name].astype(np.float32) for name in TABLES}
        out, bias = (arrays[prefix + name].astype(np.float32) for name in ("label_features", "bias"))
        embeddings.append(Embedding(tables, out, bias))
    return Components(encoder, LabelFeatures.fit(encoder.labels), embeddings, bayes)


def _blend(arrays: dict[str, Array]) -> Blend:
    weights = {kind: arrays[f"blend.{kind}"] for kind in FITTED}
    for kind, value in weights.items():
        if value.shape != (2, len(COLUMNS[kind])):
            raise ValueError(f"weights of {kind} have the shape {value.shape}")
    centre, low, high = arrays["rarity"].tolist()
    return Blend(weights, centre, low, high)
