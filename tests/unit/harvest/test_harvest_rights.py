from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.harvest.rights import judge, judge_all, judge_picture

OPEN = {
    "http://creativecommons.org/publicdomain/mark/1.0/": "PDM",
    "https://creativecommons.org/publicdomain/zero/1.0/": "CC0",
    "http://creativecommons.org/licenses/by/4.0/": "CC BY",
    "http://creativecommons.org/licenses/by/3.0/es/deed.en": "CC BY",
    "https://www.creativecommons.org/licenses/by-sa/2.5": "CC BY-SA",
    " HTTP://CreativeCommons.org/licenses/BY-SA/4.0/ ": "CC BY-SA",
}
CLOSED = {
    "http://creativecommons.org/licenses/by-nc/4.0/": "non-commercial",
    "http://creativecommons.org/licenses/by-nc-sa/3.0/nl/": "non-commercial",
    "http://creativecommons.org/licenses/by-nd/4.0/": "no derivatives",
    "http://creativecommons.org/licenses/by-nc-nd/4.0/": "no derivatives",
    "http://rightsstatements.org/vocab/InC/1.0/": "in copyright",
    "http://rightsstatements.org/vocab/InC-EDU/1.0/": "in copyright",
    "http://rightsstatements.org/vocab/InC-OW-EU/1.0/": "in copyright",
    "http://rightsstatements.org/vocab/NoC-NC/1.0/": "non-commercial",
    "http://rightsstatements.org/vocab/NoC-OKLR/1.0/": "other legal",
    "http://rightsstatements.org/vocab/CNE/1.0/": "not evaluated",
    "http://www.europeana.eu/rights/rr-f/": "reserved",
    "http://www.europeana.eu/rights/out-of-copyright-non-commercial/": "non-commercial",
    "http://creativecommons.org/licenses/sampling/1.0/": "not on our list",
    "http://evil.example/creativecommons.org/licenses/by/4.0/": "not on our list",
    "http://creativecommons.org.evil.example/licenses/by/4.0/": "not on our list",
    "http://creativecommons.org/licenses/by-": "not on our list",
    "": "no statement",
    "  ": "no statement",
    None: "no statement",
}


@pytest.mark.parametrize(("uri", "statement"), OPEN.items())
def test_statements_that_permit_derivatives(uri: str, statement: str) -> None:
    verdict = judge(uri)
    assert (verdict.allowed, verdict.statement, verdict.reason) == (True, statement, None)


@pytest.mark.parametrize(("uri", "reason"), CLOSED.items())
def test_statements_that_do_not(uri: str | None, reason: str) -> None:
    verdict = judge(uri)
    assert not verdict.allowed
    assert verdict.reason is not None
    assert reason in verdict.reason


@given(
    st.sampled_from(["http://", "https://", "//", "http://www."]),
    st.sampled_from([*OPEN, *(uri for uri in CLOSED if uri and uri.strip())]),
    st.sampled_from(["1.0/", "4.0", "", "3.0/es/", "1.0/?lang=de", "9.9/#deed"]),
)
def test_scheme_and_version_do_not_matter(scheme: str, uri: str, version: str) -> None:
    bare = uri.strip().split("//", 1)[1].removeprefix("www.")
    name = "/".join(bare.split("/")[:3])
    assert judge(f"{scheme}{name}/{version}") == judge(uri)


@given(st.text())
def test_anything_unknown_is_refused_without_a_crash(text: str) -> None:
    verdict = judge(text)
    assert verdict.allowed == (verdict.reason is None)


def test_several_statements_must_all_allow_it() -> None:
    free, closed = next(iter(OPEN)), next(iter(CLOSED))
    assert judge_all([free, free]).allowed
    assert judge_all([free, closed]).reason == judge(closed).reason
    assert not judge_all([]).allowed


def test_the_web_resource_overrides_the_record() -> None:
    free, closed = next(iter(OPEN)), next(iter(CLOSED))
    assert judge_picture(free, None).allowed
    assert not judge_picture(free, closed).allowed
    assert judge_picture(closed, free).allowed
