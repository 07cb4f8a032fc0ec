"""Cuts metadata texts into sentences and tells their language. Pure functions, no model, in linear time."""

from __future__ import annotations

import hashlib
import html
import re
from collections import Counter

MIN_WORDS = 2
MAX_CHARACTERS = 1000

_TAG = re.compile(r"<[^<>]{0,200}>")
_BREAK = re.compile(
    r"<(?:br|/?p|/?div|/?li|/?ul|/?ol|/?h[1-6]|/?tr|/?td|/?blockquote|hr)(?:\s[^<>]{0,200})?/?>", re.IGNORECASE
)
"""Markup that ends a line on a page."""
_LINE = re.compile(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+")
_BULLET = re.compile(r"(?:(?:[•‣⁃◦▪●○■□►▶*·–—-]|\(?[0-9a-z]{1,2}\))\s+(?=\S))+")
_INNER_BULLET = re.compile(r"\s[•‣◦▪●►▶]\s")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\W\d_]+")

_OPEN = "\"'«»“„‘‚([¿¡"
_END = re.compile(
    r"""
    (?P<mark>[.!?…]+)(?P<closing>["'»“”’)\]]*)(?:\[\d{1,3}\])*(?P<gap>\s*)   # [12] is a footnote's number
    |(?P<wide>[。！？｡؟۔।॥։]+["'»”’)\]」』）】〉》]*)\s*                        # these need no space
    """,
    re.VERBOSE,
)

# Words whose full stop does not end a sentence, in lower case: titles, and what cataloguers abbreviate.
_ABBREVIATIONS = frozenset(
    """
    st ste sta sto ss mr mrs ms dr prof rev hon sr jr messrs mme mlle mgr hl sra sres dª fr fra don dott
    al gen col lt capt sgt gov sen rep pres geo wm chas thos jas jos
    c ca cca circa fol ff r v vol vols nos nr nrn inv cat exh ed eds trans repr pl pls fig figs p pp ill n b d m
    approx attr ibid cf e.g i.e viz vs op cit resp ht h w diam
    jan feb mar apr jun jul aug sep sept oct nov dec
    bzw ca ggf jh jhd jhdt usw vgl z.b u.a o.j o.d d.h s.o s.u bd bde abb taf lt kat ausst ausst.-kat geb gest gegr sog
    urspr kath hll u str hrsg s
    sig av env apr siècle p.ex núm num núms pág págs sec secc nac b.c a.d a.c d.c v.chr n.chr v.c
    éd coll dép chap tabl aprox dña d.ª excmo ilmo colec lám láms ej p.ej
    ecc ved tav tavv coll.ne
    afb blz nl bijv d.w.z o.a m.n resp.l dhr mevr mw
    séc exmo
    ул г гг в вв им св см т рис стр
    αι εικ σελ βλ αγ
    """.split()  # noqa: SIM905 - a list of sixty strings is harder to read
)
_LAST_WORD = re.compile(rf"(?:^|[\s{re.escape(_OPEN)}])([^\s{re.escape(_OPEN)}]+)$")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_ORDINAL = re.compile(r"\d{1,2}")
_AFTER_ORDINAL = re.compile(
    r"(?:jh|jahrhundert|jahrh|jan|feb|mär|apr|mai|jun|jul|aug|sep|okt|nov|dez|hälfte|drittel|viertel|dynastie|auflage)",
    re.IGNORECASE,
)
_LOOK = 40
"""Characters around a mark that are looked at: no abbreviation is longer."""

_STOP_WORDS = {
    "en": "the of and in is with to his her was by on at from which an who that as are it its this were for he she",
    "de": "der die das und ist mit im von den dem ein eine einer des zu auf sich nicht wird auch als er sie",
    "fr": "le la les des et est une dans du au aux avec sur qui que par pour il elle son sa ses ce cette",
    "es": "el la los las de del y en un una con por que se su sus al es como para lo fue",
    "ca": "el la els les de del dels i en un una amb per que es seu seva al és com va ser",
    "it": "il la lo gli le di del della dei e in un una con per che si al è sono come da nel alla",
    "nl": "de het een en van in is op met die zijn door aan te voor als bij naar wordt werd",
    "pt": "o os as de do da dos das e em no na um uma com por que se seu sua ao é como para foi não",
}
_LANGUAGES = {language: frozenset(words.split()) for language, words in _STOP_WORDS.items()}


def split_sentences(text: str | None) -> list[str]:
    """Cut a text into sentences, in their order, each once.

    A line break ends a sentence, and so do markup that breaks a line, and a bullet. So does a full stop, question or
    exclamation mark before a capital letter or number, unless it belongs to an abbreviation ("St. George", "c. 1480",
    "fol. 12", "J. M. W. Turner") or an ordinal ("15. Jh."); the marks of Chinese, Japanese, Arabic, Urdu, Hindi and
    Armenian need nothing after them. A space that was forgotten is seen between a small letter and a capitalised word.
    White space is collapsed and markup removed. Fragments of fewer than two words are left out, and so are texts of
    more than 1,000 characters without a sentence end.
    """
    if not text:
        return []
    found: dict[str, None] = {}
    for line in _LINE.split(_TAG.sub(" ", _BREAK.sub("\n", html.unescape(text)))):
        for part in _INNER_BULLET.split(line):
            for sentence in _cut(_SPACE.sub(" ", part).strip()):
                found.setdefault(_without_bullet(sentence))
    return [sentence for sentence in found if _is_sentence(sentence)]


def _without_bullet(sentence: str) -> str:
    match = _BULLET.match(sentence)
    return sentence[match.end() :] if match else sentence


def _cut(plain: str) -> list[str]:
    """Cut a line at its sentence ends; nothing of it is lost but white space between sentences."""
    start, found = 0, []
    for match in _END.finditer(plain):
        if match["wide"] is None and not (_begins(plain, match) and _ends(plain, start, match)):
            continue
        found.append(plain[start : match.end()].strip())
        start = match.end()
    return [*found, plain[start:].strip()]


def _begins(plain: str, match: re.Match[str]) -> bool:
    """Tell whether what stands behind an end can begin a sentence."""
    behind = plain[match.end() : match.end() + _LOOK].lstrip(_OPEN)
    if match["gap"]:
        return behind[:1].isalnum() and not behind[0].islower()
    before = plain[max(match.start() - 2, 0) : match.start()]
    small = len(before) == 2 and before.isalpha() and before.islower()
    return small and not match["closing"] and behind[:1].isupper() and behind[1:2].islower()


def _ends(plain: str, start: int, match: re.Match[str]) -> bool:
    """Tell whether the mark ends a sentence: it is no abbreviation's, no initial's and no ordinal's full stop."""
    if match["mark"] != "." or match["closing"]:
        return True
    last = _LAST_WORD.search(plain[max(start, match.start() - _LOOK) : match.start()])
    if last is None:
        return True
    word = last[1].lower()
    if word in _ABBREVIATIONS or _INITIALS.fullmatch(word) is not None:
        return False
    if word == "no":  # a number, or a denial
        return not plain[match.end() : match.end() + 1].isdigit()
    return _ORDINAL.fullmatch(word) is None or _AFTER_ORDINAL.match(plain, match.end()) is None


def _is_sentence(text: str) -> bool:
    return len(text) <= MAX_CHARACTERS and _words(text) >= MIN_WORDS


def _words(text: str) -> int:
    """Count words; of scripts without spaces each two characters are one."""
    return sum(1 + (len(word) - 1) // 2 if word[0] >= "\u3040" else 1 for word in _WORD.findall(text))


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
