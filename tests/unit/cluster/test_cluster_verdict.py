from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.cluster.slurm import AccountingRow, QueueRow, parse_accounting, parse_queue
from sgob_tasks.cluster.states import STATES, StateClass
from sgob_tasks.cluster.verdict import Marker, Observation, Outcome, Patience, TaskVerdict, judge_job, judge_task

PATIENCE = Patience(marker_s=60, lost_s=600)
SOON, LATE, VERY_LATE = 1.0, 100.0, 1000.0


def queued(state: str, index: int | None = None, reason: str = "None", job_id: str = "7") -> QueueRow:
    return QueueRow(job_id, None if index is None else (index,), state, reason, "k.1")


def booked(state: str, exit_code: tuple[int, int] = (0, 0), derived: tuple[int, int] = (0, 0)) -> AccountingRow:
    return AccountingRow("7", None, state, exit_code, derived, "k.1")


def marker(code: int, index: int = 0, job_id: str = "7") -> Marker:
    return Marker(index, code, job_id, "n1")


def seen(
    queue: tuple[QueueRow, ...] | None = (),
    accounting: tuple[AccountingRow, ...] | None = (),
    markers: tuple[Marker, ...] = (),
    **more: Any,
) -> Observation:
    return Observation(queue, accounting, {one.index: one for one in markers}, **more)


def judge(observation: Observation, quiet_s: float = SOON, **more: Any) -> TaskVerdict:
    return judge_task(0, "7", observation, quiet_s, PATIENCE, **more)


BY_CLASS = {
    StateClass.WAITING: Outcome.WAITING,
    StateClass.RUNNING: Outcome.RUNNING,
    StateClass.FAILED: Outcome.FAILED,
    StateClass.RETRY: Outcome.RETRY,
    StateClass.RESUME: Outcome.RESUME,
    StateClass.CANCELLED: Outcome.CANCELLED,
    StateClass.SUCCEEDED: Outcome.LOST,  # a state alone is no success
}


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.word)
def test_every_state_without_a_marker_after_long_silence(state: Any) -> None:
    assert judge(seen((queued(state.word),)), VERY_LATE).outcome is BY_CLASS[state.kind]
    if not state.kind.active:
        assert judge(seen((), (booked(state.word),)), VERY_LATE).outcome is BY_CLASS[state.kind]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.word)
@given(codes=st.tuples(st.integers(0, 255), st.integers(0, 64)), quiet_s=st.floats(0, 1e6))
def test_nothing_succeeds_without_a_marker(state: Any, codes: tuple[int, int], quiet_s: float) -> None:
    for observation in (seen((queued(state.word),)), seen(None, (booked(state.word, codes),)), seen(None, None)):
        assert judge(observation, quiet_s).outcome is not Outcome.SUCCEEDED


def test_success_needs_marker_and_silence_of_the_queue() -> None:
    assert judge(seen((queued("RUNNING"),), (), (marker(0),))).outcome is Outcome.RUNNING
    assert judge(seen((queued("COMPLETING"),), (), (marker(0),))).outcome is Outcome.SUCCEEDED
    assert judge(seen((queued("COMPLETED"),), (), (marker(0),))).outcome is Outcome.SUCCEEDED
    assert judge(seen((), None, (marker(0),))).outcome is Outcome.SUCCEEDED, "slurmdbd is dead"


def test_a_step_that_died_inside_a_script_that_went_on_is_a_failure() -> None:
    verdict = judge(seen((), (booked("COMPLETED", derived=(0, 9)),), (marker(0),)))
    assert verdict.outcome is Outcome.FAILED
    assert "0:9" in verdict.reason
    assert verdict.exit_code == 137


def test_a_missing_output_takes_success_back() -> None:
    observation = seen((queued("COMPLETED"),), (), (marker(0),), outputs=frozenset({"results/0001.jsonl"}))
    assert judge(observation, outputs=["results/0001.jsonl"]).outcome is Outcome.SUCCEEDED
    lost = judge(observation, outputs=["results/0001.jsonl", "results/0000.jsonl"])
    assert lost.outcome is Outcome.LOST
    assert "results/0000.jsonl" in lost.reason


def test_the_marker_may_be_late_on_a_shared_file_system() -> None:
    ended = seen((), (booked("COMPLETED"),))
    assert judge(ended, SOON).outcome is Outcome.RUNNING
    assert judge(ended, LATE).outcome is Outcome.LOST


def test_absence_is_neither_success_nor_loss_until_it_has_lasted() -> None:
    assert judge(seen(), LATE).outcome is Outcome.WAITING
    assert judge(seen(), VERY_LATE).outcome is Outcome.LOST
    assert judge(seen(None, ()), VERY_LATE).outcome is Outcome.WAITING, "squeue did not answer"


def test_sacct_behind_squeue_is_waited_for_and_then_not() -> None:
    assert judge(seen((), (booked("RUNNING"),)), LATE).outcome is Outcome.RUNNING
    assert judge(seen((), (booked("RUNNING"),)), VERY_LATE).outcome is Outcome.LOST


@pytest.mark.parametrize(
    ("code", "state", "outcome", "permanent"),
    [
        (1, "FAILED", Outcome.FAILED, False),
        (2, "FAILED", Outcome.FAILED, True),
        (65, "FAILED", Outcome.FAILED, True),
        (85, "FAILED", Outcome.RESUME, False),
        (85, "TIMEOUT", Outcome.RESUME, False),
        (143, "CANCELLED", Outcome.CANCELLED, False),
        (143, "TIMEOUT", Outcome.RESUME, False),
        (143, "PREEMPTED", Outcome.RETRY, False),
        (143, "NODE_FAIL", Outcome.RETRY, False),
        (137, "OUT_OF_MEMORY", Outcome.FAILED, True),
        (137, "FAILED", Outcome.FAILED, False),
    ],
)
def test_exit_code_and_state_together(code: int, state: str, outcome: Outcome, permanent: bool) -> None:
    verdict = judge(seen((queued(state),), (), (marker(code),)))
    assert (verdict.outcome, verdict.permanent, verdict.exit_code) == (outcome, permanent, code)


def test_a_killed_program_waits_for_slurms_word() -> None:
    assert judge(seen((), (), (marker(143),)), SOON).outcome is Outcome.RUNNING
    assert judge(seen((), (), (marker(143),)), LATE).outcome is Outcome.FAILED
    assert judge(seen((), (), (marker(1),)), SOON).outcome is Outcome.FAILED


def test_the_failure_of_an_earlier_submission_says_nothing() -> None:
    old = marker(1, job_id="3")
    assert judge(seen((queued("PENDING"),), (), (old,))).outcome is Outcome.WAITING
    assert judge(seen((), (), (old,)), LATE).outcome is Outcome.WAITING
    assert judge(seen((), (), (replace(old, exit_code=0),)), LATE).outcome is Outcome.SUCCEEDED, "but success stays"


def test_rows_of_another_job_with_the_same_name_are_not_looked_at() -> None:
    assert judge(seen((queued("RUNNING", job_id="6"),), (booked("COMPLETED"),), (marker(0),))).outcome is (
        Outcome.SUCCEEDED
    )


def job(observation: Observation, tasks: int, quiet_s: float = VERY_LATE) -> Any:
    return judge_job(range(tasks), "20", observation, quiet_s, PATIENCE)


def test_an_array_is_counted_against_what_was_asked_for() -> None:
    rows = tuple(queued("COMPLETED", index, job_id="20") for index in range(3))
    verdict = job(seen(rows, (), tuple(marker(0, index, "20") for index in range(3))), 4)
    assert verdict.outcome is Outcome.LOST
    assert verdict.rerun == (3,)
    assert verdict.counts == {"succeeded": 3, "lost": 1}


def test_a_dead_task_is_run_again_alone_when_the_others_are_done() -> None:
    markers = (marker(0, 0, "20"), marker(137, 1, "20"), marker(0, 2, "20"))
    ended = [queued("COMPLETED", 0, job_id="20"), queued("FAILED", 1, job_id="20")]
    running = seen((*ended, queued("RUNNING", 2, job_id="20")), (), markers)
    assert job(running, 3).outcome is Outcome.RUNNING
    verdict = job(seen((*ended, queued("COMPLETED", 2, job_id="20")), (), markers), 3)
    assert (verdict.outcome, verdict.rerun) == (Outcome.FAILED, (1,))
    assert verdict.reason == "1 of 3 (1): FAILED: ended with exit code 137 on n1"


def test_a_cancelled_array_as_slurm_really_shows_it() -> None:
    queue = parse_queue(
        "20|CANCELLED|cap.arr|JobArrayTaskLimit\n20_0|COMPLETED|cap.arr|None\n20_2|CANCELLED|cap.arr|None"
    )
    accounting = parse_accounting(
        "20_0|COMPLETED|0:0|0:0|cap.arr\n20_2|CANCELLED by 1002|0:0|0:0|cap.arr\n"
        "20_[0-11%3]|CANCELLED by 1002|0:0|0:0|cap.arr"
    )
    for observation in (seen(queue, None), seen((), accounting)):
        verdict = job(replace(observation, markers={0: marker(0, 0, "20")}), 12, SOON)
        assert verdict.outcome is Outcome.CANCELLED
        assert verdict.counts == {"succeeded": 1, "cancelled": 11}
        assert verdict.rerun == ()


def test_one_task_that_cannot_be_mended_fails_the_job() -> None:
    rows = (queued("OUT_OF_MEMORY", 0, job_id="20"), queued("NODE_FAIL", 1, job_id="20"))
    verdict = job(seen(rows), 2)
    assert (verdict.outcome, verdict.rerun) == (Outcome.FAILED, ())
    assert "needs more memory, not more tries" in verdict.reason


def test_what_waiting_does_not_cure_is_reported() -> None:
    verdict = job(seen((queued("PENDING", 0, "PartitionTimeLimit", "20"), queued("SPECIAL_EXIT", 1, "None", "20"))), 2)
    assert verdict.outcome is Outcome.WAITING
    assert [("PartitionTimeLimit" in text, "SPECIAL_EXIT" in text) for text in verdict.warnings] == [
        (True, False),
        (False, True),
    ]


@given(
    st.lists(st.sampled_from([state.word for state in STATES]), min_size=1, max_size=8),
    st.sets(st.integers(0, 7)),
    st.floats(0, 5000),
)
def test_rerun_never_holds_what_succeeded_or_still_lives(words: list[str], done: set[int], quiet_s: float) -> None:
    rows = tuple(queued(word, index, job_id="20") for index, word in enumerate(words))
    verdict = job(seen(rows, (), tuple(marker(0, index, "20") for index in done)), len(words), quiet_s)
    for index in verdict.rerun:
        assert not verdict.tasks[index].outcome.active
        assert verdict.tasks[index].outcome is not Outcome.SUCCEEDED
    assert sum(verdict.counts.values()) == len(words)
    if verdict.outcome is Outcome.SUCCEEDED:
        assert done >= set(range(len(words)))


def test_a_task_that_vanished_from_its_array_was_cancelled_before_it_began() -> None:
    siblings = tuple(AccountingRow("7", (index,), "COMPLETED", (0, 0), (0, 0), "k.1") for index in (1, 2))
    assert judge(seen((), siblings)).outcome is Outcome.WAITING, "sacct may be late"
    assert judge(seen((), siblings), LATE).outcome is Outcome.CANCELLED
    assert judge(seen(None, siblings), LATE).outcome is Outcome.WAITING, "squeue has to answer"
    others = tuple(replace(row, job_id="6") for row in siblings)
    assert judge(seen((), others), LATE).outcome is Outcome.WAITING, "of an earlier submission"
    assert judge(seen((), others), VERY_LATE).outcome is Outcome.LOST


def test_how_the_steps_ended_is_asked_of_squeue_and_else_awaited_from_sacct() -> None:
    ended = marker(0)
    killed = judge(seen((queued("COMPLETED"),), (), (ended,), steps={("7", 0): (0, 9)}))
    assert (killed.outcome, killed.exit_code) == (Outcome.FAILED, 137)
    assert "0:9" in killed.reason
    assert judge(seen((queued("COMPLETED"),), (), (ended,), steps={("7", 0): (0, 0)})).outcome is Outcome.SUCCEEDED
    for late in ((), (booked("RUNNING"),)):
        assert judge(seen((), late, (ended,), steps={})).outcome is Outcome.RUNNING, "sacct is behind"
        assert judge(seen((), late, (ended,), steps={}), LATE).outcome is Outcome.SUCCEEDED
    assert judge(seen((), (booked("COMPLETED", derived=(0, 9)),), (ended,), steps={})).outcome is Outcome.FAILED
    assert judge(seen((), None, (ended,), steps={})).outcome is Outcome.SUCCEEDED, "no accounts: nothing to wait for"
    earlier = seen((), (), (marker(0, job_id="6"),), steps={})
    assert judge(earlier).outcome is Outcome.SUCCEEDED, "an earlier submission was judged when it ended"
