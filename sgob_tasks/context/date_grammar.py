"""The grammar of museum dates: what a token looks like, in the order in which the kinds are tried."""

from __future__ import annotations

import re

from sgob_tasks.context import date_words as words

_ROMAN = "(?=[mdclxvi])m{0,3}(?:cm|cd|d?c{0,4})(?:xc|xl|l?x{0,4})(?:ix|iv|v?i{0,4})"
_ENGLISH_CENTURY_AHEAD = "(?=(?:[ -]+(?:to|and|or|early|mid|late|[a-z]+th))*[ -]+(?:centur|millen))"
_DECADE_ENDINGS = "|".join(
    (
        r"'?s|-?er(?:ne?|n|e|s)?|'erne|-?tall?(?:ets?)?|-?arene?",  # 1520s, 1520er, 1520-tallet, 1520-årene
        r"[- ]?lu[kv]u\w*|-(?:nd)?ad\w*|\.?[ ]aasta\w+",  # 1520-luvulla, 1520-ndad, 1520. aastatel
        r"-as|-es|-tih|-ih|\.?[ ]gadi\w*|-[ыи]?[ех]",  # 1520-as évek, 1520-ih, 1520. gadi, 1520-е
    )
)
_LONGEST_FIRST = sorted(words.ORDINALS, key=len, reverse=True)

# In order: the first that matches at a place wins. Every pattern starts at the start of a word or number.
GRAMMAR: tuple[tuple[str, str], ...] = (
    ("europeana", r"(?:https?://)?data\.europeana\.eu/timespan/(?P<europeana_number>\d{1,4})\b"),
    (
        "semium",
        r"(?:https?://)?semium\.org/time/(?P<semium_year>\d\d(?:\d\d|xx))"
        r"(?:_(?P<semium_part>\d)_(?P<semium_unit>half|third|quarter))?\b",
    ),
    ("bc", words.pattern(words.BC)),
    ("ad", words.pattern(words.AD)),
    (
        "month",
        r"(?:(?P<month_year>\d{4})-\d\d[~?%]?(?=/\d{4}-\d\d(?!\d))|(?<=/)(?P<last_month_year>\d{4})-\d\d(?![\w-]))",
    ),
    ("season", r"(?P<season_year>\d{4})-2[1-4](?![\w-])"),
    ("iso", r"(?P<iso_year>\d{4})(?P<iso_mark>[-./])(?:\d\d?|[xu]{2})(?P=iso_mark)(?:\d\d?|[xu]{2})(?![\w-])"),
    ("compact", r"(?P<compact_year>1\d{3}|20\d\d)(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\w)"),
    ("dmy", r"\d{1,2}(?P<dmy_mark>[./-]) ?\d{1,2}(?P=dmy_mark) ?(?P<dmy_year>\d{4})(?!\w)"),
    ("my", r"(?:0?[1-9]|1[0-2])[/.](?P<my_year>1\d{3}|20\d\d)(?![\w/])"),
    ("masked", r"(?P<masked_year>[012](?:\d(?:[xu?-]{2}|\.\.)|\d\d[xu?-]|[xu]{3}))(?![\w.-])"),
    ("decade", rf"(?P<decade_year>\d{{3}}0)(?:{_DECADE_ENDINGS})(?!\w)\.?"),
    ("named_decade", rf"(?:{words.pattern(words.DECADE)}) (?P<named_decade_year>\d{{3}}0)(?!\w|[-/ ]\d)"),
    ("negative", r"(?:(?<![^\n])|(?<=/))-(?P<negative_year>\d{3,5})(?!\w)"),
    ("year", r"(?P<year_digits>\d{4})(?!\w|[.,]\d)"),
    ("ordinal_word", f"(?:{'|'.join(_LONGEST_FIRST)}){_ENGLISH_CENTURY_AHEAD}"),
    ("century_ordinal", rf"(?P<century_ordinal_word>{'|'.join(words.CENTURY_ORDINALS)})[nrs]?{words.END}"),
    (
        "part",
        f"(?:{words.numbered('position', words.POSITIONS)})[.]?[ -]?"
        rf"(?:{words.numbered('unit', words.UNITS)}){words.END}\.?",
    ),
    (
        "tenth",  # the 1480s by their place in the century: lata 80. XV w., 80er Jahre, anni '80, 9th decade of the
        r"(?:(?:lata|leta|annees|anni|anos) '?(?P<tenth_after>[1-9])0(?!\d)\.?"
        r"|(?P<tenth_before>[1-9])0(?:er|\.|-[ыи]?[ех])? (?:jahre?n?|lat[ay]?|leta|год\w*|гг)(?![^\W\d_])\.?"
        r"|(?P<tenth_place>[1-9]|10)(?:st|nd|rd|th) decade of(?: the)?(?![^\W\d_]))",
    ),
    ("fraction", r"(?P<fraction_part>[1-4])/(?P<fraction_parts>[2-4])(?![\w/])"),
    ("half", f"(?:{words.numbered('half', words.HALVES)}){words.END}"),
    ("stage", rf"(?:{words.numbered('stage', words.STAGES)}){words.END}\.?"),
    ("hundreds", r"'(?P<hundreds_digit>[2-9])00(?!\w)"),
    ("century", words.pattern(words.CENTURY)),
    ("millennium", words.pattern(words.MILLENNIUM)),
    ("roman_ordinal", r"(?P<roman_ordinal_digits>[ivx]+) ?-?(?:eme|ieme|er|e|o|lea|esimo)(?!\w)"),
    (
        "ordinal",
        r"(?P<ordinal_digits>1\d|2[01]|[1-9])(?:[-:]?(?:st|nd|rd|th|eme|ere?|er|e|de|ste|o|a|lea|οσ|ου|ο|[ыио]?[йиея]|"
        r"го|ти|ви|ми|ри)(?!\w)|\.)(?=[ .,/-]|[^\W\d_]|$)",
    ),
    ("roman", rf"(?P<roman_digits>{_ROMAN})(?!\w)\.?"),
    ("named", rf"(?:{'|'.join(words.NAMED_CENTURIES)})\b"),
    ("later", words.pattern(words.LATER)),
    ("earlier", words.pattern(words.EARLIER)),
    ("before", f"{words.pattern(words.BEFORE)}|<"),
    ("after", f"{words.pattern(words.AFTER)}|>"),
    ("circa", rf"{words.pattern(words.CIRCA)}|[~≈±]"),
    ("uncertain", rf"{words.pattern(words.UNCERTAIN)}|[?%]"),
    ("other", f"{words.pattern(words.OTHER)}|©"),
    ("made", words.pattern(words.MADE)),
    ("open", r"\.\.(?!\.)"),
    ("join", f"{words.pattern(words.JOIN)}|[-/&]"),
    ("filler", words.pattern(words.FILLER)),
    ("number", r"(?P<number_digits>\d{1,3})(?!\w|[.,]\d)"),
    ("break", r"[;|\n+]"),
    ("noise", r"[^\W\d_]+|[\d_][\w.,]*"),
)
NAMES = tuple(name for name, _ in GRAMMAR)
SCANNER = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in GRAMMAR))
