"""Words of captions, in the manner of the Penn Treebank as COCO's evaluation uses it.

COCO runs Stanford's ``PTBTokenizer`` (Java) with lower case and then drops punctuation. This is the part of it that
captions need, in one regular expression: contractions are split (``don't`` is ``do n't``, ``knight's`` is
``knight 's``), hyphenated words and numbers stay whole, punctuation goes. Letters are those of any script. Differences
on purpose: brackets go like other punctuation (there they stay as ``-lrb-``), a full stop never stays with an
abbreviation (``st george``), ``cannot`` and ``gonna`` stay whole, markup is not kept together. A test compares the two
on recorded sentences.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

PUNCTUATION = frozenset("' '' ` `` . ? ! , : - -- ... ; ( ) [ ] { } \" “ ” ‘ ’ « » „ … – — ¡ ¿ ·".split(" "))  # noqa: SIM905

_TOKEN = re.compile(
    r"""
    \d+(?:[.,:]\d+)+\b                        # 1,200; 3.5; 10:30
    | n[’']t\b                                # what is left of "don't", see _CONTRACTION
    | [’'](?:s|re|ve|ll|d|m)\b                # 's of knight's
    | \w+(?:[-\u2010\u2011/]\w+               # words of any script; bat-like; 1480-85; red/white
      | [’'](?!(?:s|re|ve|ll|d|m)\b)\w+)*     # l'ange
    | \S                                      # the rest, sign by sign
    """,
    re.VERBOSE,
)
_CONTRACTION = re.compile(r"\b(\w+)(n[’']t)\b")


def tokenise(text: str) -> list[str]:
    """Return the lower-case words of a caption without punctuation; an empty list for a text without any."""
    spaced = _CONTRACTION.sub(r"\1 \2", text.lower())
    tokens = (token.replace("’", "'") for token in _TOKEN.findall(spaced))
    return [token for token in tokens if token not in PUNCTUATION]


def to_sentence(tokens: Sequence[str]) -> str:
    """Return words as a sentence people read: joined, with a capital and a full stop; empty for no words."""
    text = " ".join(tokens)
    for part in ("'s", "n't", "'re", "'ve", "'ll", "'d", "'m"):
        text = text.replace(f" {part} ", f"{part} ")
    return f"{text[0].upper()}{text[1:]}." if text else ""
