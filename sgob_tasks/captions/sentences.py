"""Cuts metadata texts into sentences and tells their language. Pure functions, no model."""

from __future__ import annotations

import hashlib
import html
import re
from collections import Counter

MIN_WORDS = 2
MAX_CHARACTERS = 1000

_TAG = re.compile(r"<[^<>]{0,200}>")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\W\d_]+")
_END = re.compile(r"""(?P<mark>[.!?…]+)(?P<closing>["'»”’)\]]*)\s+(?=["'«“„‘(\[]*[^\W_a-zà-öø-ÿ])""")

# Words whose full stop does not end a sentence, in lower case: titles, and what cataloguers abbreviate.
_ABBREVIATIONS = frozenset(
    """
    st ste sta sto ss mr mrs ms dr prof rev hon sr jr messrs mme mlle mgr hl sra sres dª fr fra don
    c ca cca circa fol f ff r v vol vols no nos nr nrn inv cat exh ed eds trans repr pl pls fig figs p pp ill n b d m
    approx attr ibid cf e.g i.e viz vs etc al op cit resp ht h w cm mm in ft
    jan feb mar apr jun jul aug sep sept oct nov dec
    bzw ca ggf jh jhd usw vgl z.b u.a o.j bd abb lt
    s sig av env apr siècle p.ex núm num pág sec secc nac b.c a.d a.c d.c v.chr n.chr v.c
    """.split()  # noqa: SIM905 - a list of sixty strings is harder to read
)
_LAST_WORD = re.compile(r"""(?:^|[\s("'«“„‘\[])([^\s("'«“„‘\[]+)$""")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")

_STOP_WORDS = {
    "en": "the of and in is with to his her was by on at from which an who that as are it its this were for he she",
    "de": "der die das und ist mit im von den dem ein eine einer des zu auf sich nicht wird auch als er sie",
    "fr": "le la les des et est une dans du au aux avec sur qui que par pour il elle son sa ses ce cette",
    "es": "el la los las de del y en un una con por que se su sus al es como para lo fue",
    "ca": "el la els les de del dels i en un una amb per que es seu seva al és com va ser",
    "it": "il la lo gli le di del della dei e in un una con per che si al è sono come da nel alla",
    "nl": "de het een en van in is op met die zijn door aan te voor als bij naar wordt werd",
}
_LANGUAGES = {language: frozenset(words.split()) for language, words in _STOP_WORDS.items()}


def split_sentences(text: str | None) -> list[str]:
    """Cut a text into sentences, in their order, each once.

    A line break ends a sentence; so does a full stop, question or exclamation mark before a capital letter or number,
    unless it belongs to an abbreviation ("St. George", "c. 1480", "fol. 12", "J. M. W. Turner"). White space is
    collapsed and markup removed. Fragments of fewer than two words are left out, and so are texts of more than 1,000
    characters without a sentence end.
    """
    if not text:
        return []
    found: dict[str, None] = {}
    for line in re.split(r"[\r\n]+", _TAG.sub(" ", html.unescape(text))):
        plain = _SPACE.sub(" ", line).strip()
        start = 0
        for match in _END.finditer(plain):
            if match["mark"] == "." and not match["closing"] and _is_abbreviation(plain[start : match.start()]):
                continue
            found.setdefault(plain[start : match.end()].strip())
            start = match.end()
        found.setdefault(plain[start:].strip())
    return [sentence for sentence in found if _is_sentence(sentence)]


def _is_sentence(text: str) -> bool:
    return len(text) <= MAX_CHARACTERS and len(_WORD.findall(text)) >= MIN_WORDS


def _is_abbreviation(before: str) -> bool:
    """Tell whether the full stop after ``before`` belongs to its last word."""
    match = _LAST_WORD.search(before)
    if match is None:
        return False
    word = match[1].lower()
    return word in _ABBREVIATIONS or _INITIALS.fullmatch(word) is not None


def language_of(sentence: str, hint: str | None = None) -> str | None:
    """Return the language of a sentence as an ISO 639-1 code, by its function words.

    Args:
        sentence: any text.
        hint: what the record says of its language; it decides where the words do not.

    Returns:
        The language with the most function words, if there are at least two more than of any other; else the hint's
        two letters, or None.
    """
    words = Counter(word.lower() for word in _WORD.findall(sentence))
    counts = sorted(
        ((sum(words[word] for word in stop), language) for language, stop in _LANGUAGES.items()), reverse=True
    )
    (best, language), (second, _) = counts[:2]
    if best - second >= 2:
        return language
    return hint[:2].lower() if hint and re.match(r"[A-Za-z]{2}(?:$|[-_])", hint) else None


def text_hash(sentence: str) -> str:
    """Return the SHA-256 of a sentence, without regard to case and white space: the same sentence has the same hash."""
    return hashlib.sha256(_SPACE.sub(" ", sentence).strip().casefold().encode()).hexdigest()
