"""A site's values from several layers (shipped file, installation's file, environment), each with its origin. Pure.

A layer may say which of its values nobody has verified on the cluster: ``unverified = ["qos", "train.nodes"]``. A value
that a later layer replaces has been verified by whoever wrote it there.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomllib

from sgob_tasks.errors import InputError

ENVIRONMENT_PREFIX = "SGOB_SITE__"
UNVERIFIED = "unverified"


@dataclass(frozen=True)
class Layer:
    """Values of one origin.

    Attributes:
        kind: ``file``, ``overlay`` or ``environment``.
        source: path of the file, or ``environment``.
        values: as TOML gives them; tables are mappings.
    """

    kind: str
    source: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Origin:
    """Where a value comes from: ``kind`` (default, file, overlay or environment) and ``source`` (path or variable)."""

    kind: str
    source: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.source}".strip()


@dataclass(frozen=True)
class Merged:
    """Layers laid over each other.

    Attributes:
        values: nested, as in a file; without ``unverified``.
        origins: by dotted name, such as ``train.nodes``; fields that no layer holds are missing.
        unverified: dotted names whose value comes from the layer that calls them unverified, sorted.
    """

    values: dict[str, Any]
    origins: dict[str, Origin]
    unverified: tuple[str, ...]


def dotted(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by dotted name; tables are taken apart, lists are values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{name}": entry for name, entry in dotted(value).items()}
        else:
            flat[key] = value
    return flat


def merge(layers: Sequence[Layer]) -> Merged:
    """Lay layers over each other, the last one on top: tables are merged, other values replaced."""
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    doubtful: set[str] = set()
    for layer in layers:
        own = {key: value for key, value in layer.values.items() if key != UNVERIFIED}
        values = _merge(values, own)
        listed = set(layer.values.get(UNVERIFIED, ()))
        for name in dotted(own):
            variable = ENVIRONMENT_PREFIX + "__".join(_variable_parts(name))
            origins[name] = Origin(layer.kind, variable if layer.kind == "environment" else layer.source)
        # A name stands for a field, or for a whole table.
        touched = {name.rsplit(".", depth)[0] for name in dotted(own) for depth in range(name.count(".") + 1)}
        doubtful = (doubtful - touched) | listed
    return Merged(values, origins, tuple(sorted(doubtful)))


def _variable_parts(name: str) -> list[str]:
    table, entry = [*name.split(".")[:2], ""][:2]
    # Names of variables in the table `environment` keep their case, field names do not need it.
    return [table.upper()] + ([entry if table == "environment" else entry.upper()] if entry else [])


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def unknown_key(source: object, key: str, value: object, known: Iterable[str]) -> InputError:
    """Return the error for a key that nobody knows; it names the nearest one that there is."""
    names = sorted(known)
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    return InputError(source, key, value, f"unknown field; {hint}")


def environment_layer(
    variables: Mapping[str, str], texts: Iterable[str], tables: Mapping[str, Iterable[str]], known: Iterable[str]
) -> Layer:
    """Read ``SGOB_SITE__FIELD`` and ``SGOB_SITE__TABLE__FIELD``.

    Args:
        variables: environment variables with that prefix; others are left alone.
        texts: fields (``field`` or ``table.field``) whose value is the text as it stands; those of other fields are
            TOML, such as ``30`` or ``["srun"]``.
        tables: names of fields by table; of a table without names every name is taken, and its values are texts.
        known: names of all fields.

    Raises:
        InputError: no such field, or the value is no TOML.
    """
    texts, known = frozenset(texts), sorted(known)
    values: dict[str, Any] = {}
    for variable, text in sorted(variables.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        first, _, second = variable.removeprefix(ENVIRONMENT_PREFIX).partition("__")
        field = first.lower()
        if field not in known or (second and field not in tables):
            upper = [ENVIRONMENT_PREFIX + name.upper() for name in known]
            raise unknown_key("environment", variable, text, upper)
        if not second:
            values[field] = text if field in texts else _toml_value(variable, text)
            continue
        names = sorted(tables[field])
        table = values.setdefault(field, {})
        if names and second.lower() not in names:
            upper = [f"{ENVIRONMENT_PREFIX}{first.upper()}__{name.upper()}" for name in names]
            raise unknown_key("environment", variable, text, upper)
        entry = second.lower() if names else second
        as_it_stands = not names or f"{field}.{entry}" in texts
        table[entry] = text if as_it_stands else _toml_value(variable, text)
    return Layer("environment", "environment", values)


def _toml_value(variable: str, text: str) -> Any:
    try:
        found = tomllib.loads(f"value = {text}\n")
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            "environment", variable, text, f"is no TOML value (number, [list], {{table}}): {error}"
        ) from error
    if set(found) != {"value"}:
        raise InputError("environment", variable, text, "is more than one value")
    return found["value"]
