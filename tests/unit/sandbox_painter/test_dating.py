from __future__ import annotations

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.sandbox.painter.dating import date_in


@given(st.randoms(use_true_random=False), st.integers(1250, 2015), st.integers(0, 400))
def test_a_dating_lies_within_what_was_asked(rng: random.Random, first: int, length: int) -> None:
    last = min(2015, first + length)
    dating = date_in(rng, first, last)
    assert first <= dating.year_from <= dating.year_to <= last


@given(st.randoms(use_true_random=False))
def test_the_text_says_the_years(rng: random.Random) -> None:
    dating = date_in(rng, 1250, 1816)
    numbers = [int(n) for n in re.findall(r"\d{4}", dating.text)]
    if numbers:
        assert numbers[0] == dating.year_from
        assert numbers[-1] in {dating.year_from, dating.year_to}
    else:
        assert re.search(r"century|Jahrhundert|s\. [IVX]+|siglo [IVX]+", dating.text)
        assert dating.year_to - dating.year_from in {49, 99}


def test_many_styles_occur() -> None:
    rng = random.Random(1)
    shapes = {re.sub(r"\d+", "9", re.sub(r"[XVI]{2,}", "R", date_in(rng, 1250, 1816).text)) for _ in range(400)}
    assert {"9", "ca. 9", "ca. 9-9", "um 9", "[9?]", "s. R", "9th century", "9-9"} <= shapes
