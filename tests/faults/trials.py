"""What a trial is, the list of faults, and the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.ledger import JobRecord

if TYPE_CHECKING:
    from tests.faults.world import World


@dataclass(eq=False)
class Trial:
    """One piece of work that met a fault.

    Attributes:
        job: what was to be done.
        expect: the state that is true in the end.
        generations: how many submissions are right; 0 for any number.
        work: how often each index has to be done; by default once.
        record: what our ledger shows in the end.
        remarks: what was not as it should be.
    """

    job: Job
    expect: str = "succeeded"
    generations: int = 1
    work: int = 1
    record: JobRecord | None = None
    remarks: list[str] = field(default_factory=list)

    def check(self, good: bool, remark: str) -> None:
        """Note ``remark`` unless things are ``good``."""
        if not good:
            self.remarks.append(remark)


@dataclass
class Tally:
    """What became of all trials of one fault."""

    fault: str
    trials: int = 0
    duplicates: int = 0
    losses: int = 0
    orphans: int = 0
    wrong: int = 0
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether every piece of work was done once, and everything shown was true."""
        return not (self.duplicates or self.losses or self.orphans or self.wrong) and self.trials > 0


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: for the command line.
        title: for the table.
        run: does ``trials`` trials.
        trials: how many by default.
        quick: how many in the quick subset.
        alone: whether other trials would feel it too.
    """

    name: str
    title: str
    run: Callable[[World, int], list[Trial]]
    trials: int
    quick: int
    alone: bool


FAULTS: dict[str, Fault] = {}


def fault(
    name: str, title: str, trials: int = 4, quick: int = 1, alone: bool = True
) -> Callable[[Callable[[World, int], list[Trial]]], Callable[[World, int], list[Trial]]]:
    """Register a function that does the trials of a fault."""

    def register(run: Callable[[World, int], list[Trial]]) -> Callable[[World, int], list[Trial]]:
        FAULTS[name] = Fault(name, title, run, trials, quick, alone)
        return run

    return register


HEADER = ("fault", "trials", "duplicates", "losses", "orphans", "wrong states", "seconds")


def row(tally: Tally) -> tuple[str, ...]:
    """Return a line of the table."""
    counts = (tally.trials, tally.duplicates, tally.losses, tally.orphans, tally.wrong)
    return tally.fault, *(str(count) for count in counts), f"{tally.seconds:.0f}"


def markdown(rows: Iterable[tuple[str, ...]]) -> str:
    """Return the table in Markdown, from lines as ``row`` makes them."""
    lines = [HEADER, ("---",) + ("---:",) * 6, *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
