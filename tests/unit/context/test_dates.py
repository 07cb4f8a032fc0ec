"""Dates as museums write them. Expected years follow the rules in the description of ``context.dates``."""

from __future__ import annotations

import csv
import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.context.date_tokens import roman, slice_of
from sgob_tasks.context.dates import MAX_CHARACTERS, DateRange, parse_date, parse_title_date
from sgob_tasks.sandbox.painter.dating import date_in
from tests.reference import reference_files

NOW = 2026

YEARS = [
    ("1492", 1492, 1492),
    ("1492.", 1492, 1492),
    ("<b>1492</b>", 1492, 1492),
    ("1480-1485", 1480, 1485),
    ("1480-85", 1480, 1485),
    ("1480–85", 1480, 1485),
    ("1480/90", 1480, 1490),
    ("1498-502", 1498, 1502),
    ("1888-89", 1888, 1889),
    ("1649–50", 1649, 1650),
    ("1510-1501", 1501, 1510),
    ("between 1631 and 1635", 1631, 1635),
    ("from 1631 to 1635", 1631, 1635),
    ("zwischen 1631 und 1635", 1631, 1635),
    ("1480 bis 1485", 1480, 1485),
    ("entre 1500 y 1510", 1500, 1510),
    ("entre 1500 i 1510", 1500, 1510),
    ("entre 1500 et 1510", 1500, 1510),
    ("tra il 1500 e il 1510", 1500, 1510),
    ("tussen 1500 en 1510", 1500, 1510),
    ("de 1500 à 1510", 1500, 1510),
    ("1480 or 1490", 1480, 1490),
    ("1545, 1546", 1545, 1546),
    ("MDCXLII", 1642, 1642),
    ("1656 (signed and dated)", 1656, 1656),
    ("signed and dated lower right: 1656", 1656, 1656),
    ("Painted in Bruges in 1480", 1480, 1480),
    ("0079", 79, 79),
    ("950", 950, 950),
]

DAYS = [
    ("1888-05-02", 1888, 1888),
    ("1888-05", 1888, 1888),
    ("02.05.1888", 1888, 1888),
    ("2. 5. 1888", 1888, 1888),
    ("1/1/1888", 1888, 1888),
    ("05/1888", 1888, 1888),
    ("18880502", 1888, 1888),
    ("May 2, 1888", 1888, 1888),
    ("12. Mai 1642", 1642, 1642),
    ("2 de mayo de 1808", 1808, 1808),
    ("14 juillet 1789", 1789, 1789),
    ("1642-01-01T00:00:00Z", 1642, 1642),
    ("Wed Dec 31 01:00:00 CET 1800", 1800, 1800),  # edm:end in records of Europeana
]

CENTURIES = [
    ("15th century", 1401, 1500),
    ("15th c.", 1401, 1500),
    ("15th c", 1401, 1500),
    ("15 century", 1401, 1500),
    ("fifteenth century", 1401, 1500),
    ("XV century", 1401, 1500),
    ("s. XV", 1401, 1500),
    ("S.XV", 1401, 1500),
    ("siglo XV", 1401, 1500),
    ("segle XV", 1401, 1500),
    ("sec. XV", 1401, 1500),
    ("XV sec.", 1401, 1500),
    ("XV secolo", 1401, 1500),
    ("XVe siècle", 1401, 1500),
    ("XVème siècle", 1401, 1500),
    ("15. Jahrhundert", 1401, 1500),
    ("15. Jh.", 1401, 1500),
    ("15de eeuw", 1401, 1500),
    ("17e eeuw", 1601, 1700),
    ("século XV", 1401, 1500),
    ("saec. XV", 1401, 1500),
    ("Quattrocento", 1401, 1500),
    ("XVI", 1501, 1600),
    ("18th", 1701, 1800),
    ("18-th", 1701, 1800),
    ("18e", 1701, 1800),
    ("XV-XVI", 1401, 1600),
    ("ss. XV-XVI", 1401, 1600),
    ("secc. XV-XVI", 1401, 1600),
    ("15./16. Jh.", 1401, 1600),
    ("15th-16th century", 1401, 1600),
    ("16th and 17th centuries", 1501, 1700),
    ("2nd-9th century", 101, 900),
    ("1st century", 1, 100),
    ("1500-talet", 1500, 1599),
    ("http://data.europeana.eu/timespan/15", 1401, 1500),
    ("http://semium.org/time/17xx", 1701, 1800),
    ("http://semium.org/time/17xx_2_half", 1751, 1800),
    ("http://semium.org/time/1788", 1788, 1788),
]

PARTS = [
    ("1st half of the 17th century", 1601, 1650),
    ("first half of the 17th century", 1601, 1650),
    ("second half of the fifteenth century", 1451, 1500),
    ("second quarter of 20th century", 1926, 1950),
    ("1. Hälfte 16. Jh.", 1501, 1550),
    ("1.H.16.Jh.", 1501, 1550),
    ("2. Viertel 17. Jahrhundert", 1626, 1650),
    ("letztes Drittel 15. Jh.", 1467, 1500),
    ("S. XVI (primera mitad)", 1501, 1550),
    ("segunda mitad del siglo XVI", 1551, 1600),
    ("siglo XVI, último tercio", 1567, 1600),
    ("segona meitat del s. XIV", 1351, 1400),
    ("prima metà del XVI sec.", 1501, 1550),
    ("sec. XVI seconda metà", 1551, 1600),
    ("2e moitié du XVIIIe siècle", 1751, 1800),
    ("1e helft 17e eeuw", 1601, 1650),
    ("early 16th c.", 1501, 1533),
    ("Mitte des 16. Jahrhunderts", 1534, 1566),
    ("mid-16th century", 1534, 1566),
    ("late 1400s", 1466, 1499),
    ("Ende 15. Jh.", 1467, 1500),
    ("fin du XVe siècle", 1467, 1500),
    ("finales del siglo XV", 1467, 1500),
    ("principis del segle XVI", 1501, 1533),
    ("eind 16de eeuw", 1567, 1600),
    ("early to mid 16th century", 1501, 1566),
    ("late 12th-early 13th century", 1167, 1233),
    ("late 19th-early 20th century", 1867, 1933),
    ("Second half of the 16th century - first quarter of the 17th century", 1551, 1625),
    ("18e (fin)", 1767, 1800),
    ("1520s", 1520, 1529),
    ("1520's", 1520, 1529),
    ("1500s", 1500, 1599),
    ("mid-1520s", 1523, 1525),
    ("1520er Jahre", 1520, 1529),
    ("années 1880", 1880, 1889),
    ("década de 1920", 1920, 1929),
]

EDTF = [
    ("1500/1510", 1500, 1510),
    ("1642-01-01/1642-12-31", 1642, 1642),
    ("152X", 1520, 1529),
    ("152u", 1520, 1529),
    ("15uu", 1500, 1599),
    ("15XX", 1500, 1599),
    ("[15--]", 1500, 1599),
    ("18..", 1800, 1899),
    ("18??", 1800, 1899),
    ("177?", 1770, 1779),
    ("1520-XX-XX", 1520, 1520),
    ("../1600", None, 1600),
    ("/1600", None, 1600),
    ("1600/..", 1600, None),
    ("1600/", 1600, None),
    ("-0500", -500, -500),
]

OPEN = [
    ("before 1600", None, 1600),
    ("vor 1600", None, 1600),
    ("avant 1600", None, 1600),
    ("antes de 1600", None, 1600),
    ("abans de 1600", None, 1600),
    ("prima del 1600", None, 1600),
    ("voor 1600", None, 1600),
    ("bis 1600", None, 1600),
    ("not after 1600", None, 1600),
    ("by 1600", None, 1600),
    ("before May 1888", None, 1888),
    ("after 1631", 1631, None),
    ("nach 1550", 1550, None),
    ("après 1550", 1550, None),
    ("después de 1550", 1550, None),
    ("dopo il 1550", 1550, None),
    ("na 1550", 1550, None),
    ("ab 1550", 1550, None),
    ("1550 or later", 1550, None),
    ("1550-", 1550, None),
    ("after 1550, before 1600", 1550, 1600),
]

ERAS = [
    ("500 BC", -500, -500),
    ("500 B.C.E.", -500, -500),
    ("400-300 BC", -400, -300),
    ("50 BC - 50 AD", -50, 50),
    ("8th century BCE", -800, -701),
    ("5. Jh. v. Chr.", -500, -401),
    ("Ve siècle av. J.-C.", -500, -401),
    ("s. I a.C.", -100, -1),
    ("IV secolo a.C.", -400, -301),
    ("480 a.C.", -480, -480),
    ("AD 79", 79, 79),
    ("79 n. Chr.", 79, 79),
]

SEVERAL = [
    ("16th century; 1545", 1545, 1545),
    ("http://semium.org/time/1788; http://semium.org/time/17xx", 1788, 1788),
    ("16. Jahrhundert (1530-1540)", 1530, 1540),
    ("1492; digitised 2015", 1492, 1492),
    ("1492\n2015", 1492, 1492),
    ("1492, acquired 1907", 1492, 1492),
    ("born 1471; painted 1504", 1504, 1504),
    ("1936; 1874", 1874, 1936),
    ("1948; 2001", 1948, 2001),
]


@pytest.mark.parametrize(("text", "first", "last"), YEARS + DAYS + CENTURIES + PARTS + EDTF + OPEN + ERAS + SEVERAL)
def test_exact(text: str, first: int | None, last: int | None) -> None:
    assert parse_date(text, NOW) == DateRange(first, last, circa=False)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("ca. 1480-85", 1480, 1485),
        ("c.1500–1510", 1500, 1510),
        ("c1500", 1500, 1500),
        ("circa 1500", 1500, 1500),
        ("1500 ca.", 1500, 1500),
        ("um 1520", 1520, 1520),
        ("um 800", 800, 800),
        ("um 1500/1510", 1500, 1510),
        ("vers 1490", 1490, 1490),
        ("hacia 1490", 1490, 1490),
        ("h. 1490", 1490, 1490),
        ("cap a 1490", 1490, 1490),
        ("omstreeks 1490", 1490, 1490),
        ("1490 circa", 1490, 1490),
        ("probably 1490", 1490, 1490),
        ("[1470?]", 1470, 1470),
        ("1475 (?)", 1475, 1475),
        ("950?", 950, 950),
        ("1433?-1494", 1433, 1494),
        ("1984~", 1984, 1984),
        ("ca. 1480–ca. 1490", 1480, 1490),
        ("17th century?", 1601, 1700),
        ("before 1600?", None, 1600),
        ("c. 976–886 BCE", -976, -886),
        ("after Raphael, c. 1650", 1650, 1650),
        ("16. Jahrhundert (um 1530)", 1530, 1530),
    ],
)
def test_doubtful(text: str, first: int | None, last: int | None) -> None:
    assert parse_date(text, NOW) == DateRange(first, last, circa=True)


@pytest.mark.parametrize(
    "text",
    [
        None, "", " ", "undated", "n.d.", "o. J.", "s.d.", "unknown", "abc", "Louis XV", "Henry VIII", "5 x 7 cm", "12",
        "9999", "2030", "1492-9999", "1999999", "inv. 1492", "digitised 2015", "acquired in 1907", "0", "0000", "-",
        "?", "/", "12.345", "Renaissance", "+++", "I", "X", "mix", "BC", "century", "first half",
    ],
)  # fmt: skip
def test_no_date(text: str | None) -> None:
    assert parse_date(text, NOW) is None


def test_a_period_that_is_not_over_ends_now() -> None:
    assert parse_date("21st century", NOW) == DateRange(2001, NOW)
    assert parse_date("2020s", NOW) == DateRange(2020, NOW)
    assert parse_date("2027", NOW) == DateRange(2027, 2027)


_PIECES = st.sampled_from(
    ["1492", "85", "XV", "s.", "sec.", "century", "th", "16.", "Jh.", "BC", "AD", "ca.", "?", "-", "/", "..", ";",
     "\n", "before", "after", "between", "and", "early", "2nd half", "digitised", "X", "u", "1520s", "0", "31",
     "[", ")", "data.europeana.eu/timespan/3"]
)  # fmt: skip


_DATES = st.lists(_PIECES, max_size=12)


@given(st.one_of(st.text(max_size=200), _DATES.map(" ".join), _DATES.map("".join)))
def test_any_text_gives_a_believable_range_or_none(text: str) -> None:
    found = parse_date(text, NOW)
    if found is not None:
        years = [year for year in (found.year_from, found.year_to) if year is not None]
        assert years == sorted(years)
        assert all(-9999 <= year <= NOW + 1 and year != 0 for year in years)


@given(st.one_of(_DATES.map(" ".join), st.text(min_size=1, max_size=20)), st.integers(1, 3))
def test_only_the_beginning_of_a_long_text_is_read(piece: str, times: int) -> None:
    """The work is bounded by a number of characters, whatever comes after them."""
    text = (piece or "x") * (MAX_CHARACTERS * times)
    assert parse_date(text, NOW) == parse_date(text[:MAX_CHARACTERS], NOW)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 50_000, "(" * 50_000, "x" * 50_000, "🎨" * 50_000, "<p>" * 20_000, "&amp;" * 10_000, "1492 - " * 8_000,
        "i" * 50_000, "XV " * 20_000, "ca. " * 15_000, "רישום משנת " * 5_000, "絵画 " * 20_000,
        "\u202e\x00\ud800", "%" * 500,
    ],
    ids=lambda text: ascii(text[:8]),
)  # fmt: skip
def test_hostile_texts_have_a_defined_result(text: str) -> None:
    found = parse_date(text, NOW)
    assert found is None or isinstance(found, DateRange)
    assert parse_title_date(text, NOW) is None or isinstance(parse_title_date(text, NOW), DateRange)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("1503", "ca. 1503"),
        ("ca. 1503", "1503?"),
        ("1503", "150X"),
        ("150X", "15XX"),
        ("150X", "150X?"),
        ("1st quarter of the 16th century", "1st half of the 16th century"),
        ("1st half of the 16th century", "16th century"),
        ("16th century", "16th century?"),
        ("16th century", "before 1600"),
    ],
)
def test_certainty_is_ordered(better: str, worse: str) -> None:
    first, second = parse_date(better, NOW), parse_date(worse, NOW)
    assert first is not None
    assert second is not None
    assert 0.0 < second.certainty < first.certainty <= 1.0


def test_margins() -> None:
    texts = ("1503", "15XX", "ca. 1503", "1503?", "ca. 15XX", "ca. 1480-85")
    dates = [parse_date(text, NOW) for text in texts]
    assert [date.margin_years for date in dates if date] == [0, 0, 10, 20, 25, 10]


@given(st.integers(1000, NOW), st.integers(0, 300))
def test_written_ranges_are_read_back(first: int, length: int) -> None:
    last = min(first + length, NOW)
    for text in (f"{first}-{last}", f"{first} – {last}", f"{first}/{last}", f"between {first} and {last}"):
        assert parse_date(text, NOW) == DateRange(first, last)


@given(st.integers(0, 10_000), st.integers(1250, 1950), st.integers(0, 300))
def test_dates_of_the_sandbox_are_read_as_they_are_meant(seed: int, first: int, length: int) -> None:
    dating = date_in(random.Random(seed), first, min(first + length, 2010))
    found = parse_date(dating.text, NOW)
    assert found is not None
    assert (found.year_from, found.year_to) == (dating.year_from, dating.year_to)


@given(st.integers(1, 21), st.integers(2, 4))
def test_parts_of_a_century_cover_it_without_overlap(century: int, parts: int) -> None:
    first, last = 100 * century - 99, 100 * century
    slices = [slice_of(first, last, part, parts) for part in range(1, parts + 1)]
    assert slices[0][0] == first
    assert slices[-1][1] == last
    assert all(before[1] + 1 == after[0] for before, after in itertools.pairwise(slices))


def test_roman_numerals() -> None:
    assert [roman(numeral) for numeral in ("i", "iv", "ix", "xiv", "xix", "mcmxcix", "mdccclxxxviii")] == [
        1, 4, 9, 14, 19, 1999, 1888,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "years"),
    [
        ("View of Delft, 1661", (1661, 1661)),
        ("Head (c. 1480)", (1480, 1480)),
        ("Head [1480-85]", (1480, 1485)),
        ("Altarpiece c. 1480", (1480, 1480)),
        ("The Battle of Trafalgar 1805", None),
        ("10 Downing Street, 1735 plans", None),
        ("Saint George", None),
        ("Lot 1492", None),
        (None, None),
    ],
)
def test_titles(title: str | None, years: tuple[int, int] | None) -> None:
    assert parse_title_date(title, NOW) == (DateRange(*years, circa=True) if years else None)


@pytest.mark.parametrize(
    ("date", "words"),
    [
        (DateRange(1480, 1485), "1480-1485"),
        (DateRange(1480, 1480, circa=True), "about 1480"),
        (DateRange(None, 1600), "before 1600"),
        (DateRange(1550, None), "after 1550"),
        (DateRange(-500, -401), "500 BC-401 BC"),
    ],
)
def test_in_words(date: DateRange, words: str) -> None:
    assert str(date) == words


def test_a_range_has_an_end_and_runs_forward() -> None:
    with pytest.raises(ValueError, match="at least one year"):
        DateRange(None, None)
    with pytest.raises(ValueError, match="year_from 1500 is after year_to 1400"):
        DateRange(1500, 1400)


@pytest.mark.parametrize("path", reference_files("data/captions/captions_museum_dev.csv"), ids=lambda path: path.name)
def test_every_date_of_a_real_museum_is_read(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        dated = {row["dated"] for row in csv.DictReader(file)}
    assert len(dated) > 40
    assert [text for text in sorted(dated) if parse_date(text, NOW) is None] == []
