"""What a value of a site may look like. Many of them end up in a batch script or in a command on the login node.

Values that stand in a ``#SBATCH`` line are names of a few characters: how sbatch takes quotes apart differs from how a
shell does, so nothing that needs a quote is let through. Paths are plain for the same reason, and because Slurm
replaces ``%`` in them.
"""

from __future__ import annotations

import re
from typing import Any

from sgob_tasks.cluster.environments.deployment import CURRENT
from sgob_tasks.errors import InputError

TEXTS = frozenset(
    {
        "name", "root", "python", "partition", "qos", "account", "constraint", "gpu_type", "transfer_host",
        "transfer_host_key",
    }
)  # fmt: skip
LISTS = frozenset({"directives", "prelude", "launcher", "unverified"})
FLAGS = frozenset({"plan"})
COUNTS = frozenset({"max_array_size", "max_failures", "max_resubmissions", "nodes_total", "transfer_port"})

_PATTERNS = {
    "name": (r"[a-z0-9][a-z0-9_-]*", "lower-case letters, digits, '-' and '_' only"),
    "partition": (r"(?:[A-Za-z0-9][A-Za-z0-9._,-]*)?", "letters, digits, '.', '_', '-' and ',' only"),
    "qos": (r"(?:[A-Za-z0-9][A-Za-z0-9._-]*)?", "letters, digits, '.', '_' and '-' only"),
    "account": (r"(?:[A-Za-z0-9][A-Za-z0-9._@-]*)?", "letters, digits, '.', '_', '@' and '-' only"),
    "constraint": (r"(?:[A-Za-z0-9(\[][A-Za-z0-9._&|,*()\[\]-]*)?", "features, joined by '&', '|' or ','"),
    "gpu_type": (r"(?:[A-Za-z0-9][A-Za-z0-9._-]*)?", "letters, digits, '.', '_' and '-' only"),
    "transfer_host": (r"(?:[A-Za-z0-9][A-Za-z0-9.:-]*)?", "has to be a host name or address"),
    "transfer_host_key": (
        r"(?:[a-z0-9@.-]+ [A-Za-z0-9+/=]+(?: [ -~]*)?)?",
        "has to be 'type base64', as in known_hosts",
    ),
}
_PATH = re.compile(r"/[A-Za-z0-9._@+=,/-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DIRECTIVE = re.compile(r"--?([A-Za-z][A-Za-z0-9-]*)(?:[ =].*)?")
_OURS = frozenset(
    {"J", "job-name", "o", "output", "a", "array", "requeue", "no-requeue", "comment", "parsable", "wrap"}
)
_MOST = {"transfer_port": 65535}


def check_value(source: str, key: str, value: Any) -> None:
    """Check a field's value, tables of resources excepted.

    Raises:
        InputError: type or characters are wrong.
    """
    if key in TEXTS:
        _check_text(source, key, value)
    elif key in LISTS:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InputError(source, key, value, "has to be a list of texts")
        for item in value:
            _check_line(source, key, item)
            if key == "directives":
                _check_directive(source, item)
    elif key in FLAGS:
        if not isinstance(value, bool):
            raise InputError(source, key, value, "has to be true or false")
    elif key == "environment":
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise InputError(source, key, value, "has to be a table of texts")
        for name, text in value.items():
            if not _VARIABLE.fullmatch(name):
                raise InputError(source, key, name, "is no name for a variable")
            _check_line(source, f"{key}.{name}", text)
    else:
        _check_number(source, key, value)


def _check_text(source: str, key: str, value: Any) -> None:
    if not isinstance(value, str) or "\n" in value:
        raise InputError(source, key, value, "has to be a line of text")
    if key == "python" and value in {"", CURRENT}:
        return
    if key in {"root", "python"}:
        if not _PATH.fullmatch(value) or {".", ".."} & set(value.split("/")) or "//" in value:
            raise InputError(
                source, key, value, "has to be an absolute path of letters, digits and . _ @ + = , - without '..'"
            )
        if key == "root" and value.rstrip("/").count("/") < 2:
            raise InputError(source, key, value, "has to be two levels deep or more")
        return
    pattern, rule = _PATTERNS[key]
    if not re.fullmatch(pattern, value):
        raise InputError(source, key, value, rule)


def _check_line(source: str, key: str, text: str) -> None:
    # A line break would end a comment line of options and begin a command.
    if any(
        (ord(character) < 32 and character != "\t") or ord(character) in {127, 0x85, 0x2028, 0x2029}
        for character in text
    ):
        raise InputError(source, key, text, "has to be one line without control characters")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise InputError(source, key, text, "is no valid Unicode")


def _check_directive(source: str, text: str) -> None:
    match = _DIRECTIVE.fullmatch(text)
    if match is None:
        raise InputError(source, "directives", text, "has to be an option of sbatch, such as '--exclusive'")
    if match[1] in _OURS:
        raise InputError(source, "directives", text, "is set by the platform")


def _check_number(source: str, key: str, value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
        raise InputError(source, key, value, "has to be a number, 0 or more")
    if key in COUNTS and not float(value).is_integer():
        raise InputError(source, key, value, "has to be a whole number")
    if value > _MOST.get(key, value):
        raise InputError(source, key, value, f"has to be {_MOST[key]} or less")
