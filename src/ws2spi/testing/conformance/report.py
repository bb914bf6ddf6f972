"""What a check found: one outcome per clause and arrangement, and the report they make together."""

import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TextIO


class Outcome(NamedTuple):
    """How a provider did on one clause in one arrangement.

    Attributes:
        clause: the clause's name, as in the table of the documents.
        source: the page or section that asks for it.
        arrangement: where the provider stood: "alone", "twice", "over ahead", "under ahead", …
        problem: one line on what was wrong, or "".
        skipped: why the clause was not tried, or "".
    """

    clause: str
    source: str
    arrangement: str
    problem: str
    skipped: str

    def __str__(self) -> str:
        state = f"FAILED  {self.problem}" if self.problem else f"skipped ({self.skipped})" if self.skipped else "kept"
        return f"{self.clause} [{self.arrangement}] ({self.source}): {state}"


class ConformanceError(AssertionError):
    """A provider broke clauses of the contract; `report` has all outcomes, the text the broken ones."""

    def __init__(self, report: "Report") -> None:
        lines = [str(outcome) for outcome in report.broken]
        super().__init__(f"{report.title}: {len(lines)} of {report.tried} clauses broken\n  " + "\n  ".join(lines))
        self.report = report


class Report:
    """All outcomes of one check, in the order in which they were found.

    Attributes:
        title: what was checked.
        outcomes: one per clause and arrangement.
    """

    def __init__(self, title: str, outcomes: Iterable[Outcome] = ()) -> None:
        self.title = title
        self.outcomes = list(outcomes)

    @property
    def broken(self) -> list[Outcome]:
        """The outcomes with a problem."""
        return [outcome for outcome in self.outcomes if outcome.problem]

    @property
    def tried(self) -> int:
        """How many clauses were tried, each arrangement counted."""
        return sum(not outcome.skipped for outcome in self.outcomes)

    def broken_clauses(self) -> set[str]:
        """The names of the clauses that were broken in any arrangement."""
        return {outcome.clause for outcome in self.broken}

    def raise_if_broken(self) -> None:
        """Raise `ConformanceError` if any clause was broken, or if none could be tried."""
        if self.broken or not self.tried:
            raise ConformanceError(self)

    def print(self, file: TextIO | None = None, *, every: bool = False) -> None:
        """Print a line for each broken clause (`every`: for each outcome), then the sum."""
        out = file or sys.stdout
        for outcome in self.outcomes if every else self.broken:
            print(outcome, file=out)
        print(self.summary(), file=out)

    def summary(self) -> str:
        """One line: what was checked, how many clauses were tried, broken and skipped."""
        skipped = len(self.outcomes) - self.tried
        tail = f", {skipped} skipped" if skipped else ""
        return f"{self.title}: {self.tried} tried, {len(self.broken)} broken{tail}"

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    def __repr__(self) -> str:
        return f"<Report {self.title!r}: {self.tried} tried, {len(self.broken)} broken>"
