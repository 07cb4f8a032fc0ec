from __future__ import annotations

import logging

import pytest

from sgob_tasks.cluster import states
from sgob_tasks.cluster.states import PERMANENT_STATES, STATES, StateClass, canonical, state_class

# man squeue 22.05.8, JOB STATE CODES, in its order.
MANUAL = {
    "BF": "BOOT_FAIL",
    "CA": "CANCELLED",
    "CD": "COMPLETED",
    "CF": "CONFIGURING",
    "CG": "COMPLETING",
    "DL": "DEADLINE",
    "F": "FAILED",
    "NF": "NODE_FAIL",
    "OOM": "OUT_OF_MEMORY",
    "PD": "PENDING",
    "PR": "PREEMPTED",
    "R": "RUNNING",
    "RD": "RESV_DEL_HOLD",
    "RF": "REQUEUE_FED",
    "RH": "REQUEUE_HOLD",
    "RQ": "REQUEUED",
    "RS": "RESIZING",
    "RV": "REVOKED",
    "SI": "SIGNALING",
    "SE": "SPECIAL_EXIT",
    "SO": "STAGE_OUT",
    "ST": "STOPPED",
    "S": "SUSPENDED",
    "TO": "TIMEOUT",
}
LATER = {"EXPEDITING", "LAUNCH_FAILED", "POWER_UP_NODE", "RECONFIG_FAIL"}


def test_the_table_is_the_manuals_and_nothing_twice() -> None:
    assert {state.code: state.word for state in STATES if state.code} == MANUAL
    assert {state.word for state in STATES if not state.code} == LATER
    assert len({state.word for state in STATES}) == len(STATES)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (StateClass.SUCCEEDED, {"COMPLETED"}),
        (StateClass.CANCELLED, {"CANCELLED"}),
        (StateClass.RESUME, {"TIMEOUT"}),
        (StateClass.RETRY, {"BOOT_FAIL", "NODE_FAIL", "PREEMPTED", "LAUNCH_FAILED", "RECONFIG_FAIL"}),
        (StateClass.FAILED, {"FAILED", "DEADLINE", "OUT_OF_MEMORY", "REVOKED"}),
    ],
)
def test_what_ends_a_job(kind: StateClass, words: set[str]) -> None:
    assert {state.word for state in STATES if state.kind is kind} == words


def test_everything_else_is_waited_for() -> None:
    active = {state.word for state in STATES if state.kind.active}
    assert {"PENDING", "COMPLETING", "SUSPENDED", "REQUEUED", "CONFIGURING", "STOPPED"} <= active
    assert not active & PERMANENT_STATES


@pytest.mark.parametrize(
    ("printed", "word"),
    [
        ("CANCELLED by 1001", "CANCELLED"),
        ("CANCELLED+", "CANCELLED"),
        ("COMPLETI+", "COMPLETING"),
        ("OUT_OF_ME+", "OUT_OF_MEMORY"),
        ("pd", "PENDING"),
        ("PREEMPTED", "PREEMPTED"),
        ("COMPL+", "COMPL"),  # COMPLETED or COMPLETING: nobody knows
    ],
)
def test_printed_forms(printed: str, word: str) -> None:
    assert canonical(printed) == word


def test_completing_is_not_completed() -> None:
    assert state_class("COMPLETING") is StateClass.RUNNING


def test_an_unknown_word_is_waited_for_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    states._unknown.clear()
    with caplog.at_level(logging.WARNING):
        assert [state_class("TELEPORTING") for _ in range(3)] == [StateClass.RUNNING] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "Slurm reports the unknown job state 'TELEPORTING': taken for a running job"
    ]
