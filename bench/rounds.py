"""Measurements that may be compared: every case of a line takes its turn in every round, and medians are shown.

A machine drifts: it warms up, another job starts. Cases measured one after the other would be compared across that
drift; interleaved they share it.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

Measure = Callable[[], float]


class Unavailable(Exception):  # noqa: N818 - a reason to leave a line out, not a mistake
    """Something that a line needs is not here; the text says what."""


@dataclass
class Limit:
    """A budget: `ours` may be at most `factor` times `of`, a peer (None: at most `factor` in the line's unit).

    With `least` it must be at least that.
    """

    factor: float
    of: str | None = None
    least: bool = False

    def met(self, medians: dict[str, float], ours: str) -> bool | None:
        """None when the peer was not measured."""
        if self.of is not None and self.of not in medians:
            return None
        limit = self.factor * (1 if self.of is None else medians[self.of])
        return medians[ours] >= limit if self.least else medians[ours] <= limit

    def text(self, unit: str) -> str:
        sign = "≥" if self.least else "≤"
        return f"{sign} {self.factor:g} {unit}" if self.of is None else f"{sign} {self.factor:g} × {self.of}"


@dataclass
class Line:
    """One line of the budgets: `cases` {who: measure}, of which `ours` is judged by `limits`.

    `quoted` are figures that others have measured.
    """

    work: str
    unit: str
    cases: dict[str, Measure]
    ours: str
    limits: Sequence[Limit] = ()
    quoted: dict[str, float] = field(default_factory=dict)
    rounds: int = 7
    note: str = ""


# A group sets up what its lines need (servers, files) for as long as they are measured.
Group = Callable[[ExitStack, bool], Iterator[Line]]


def measure(line: Line, quick: bool) -> dict[str, list[float]]:
    """{who: what each round measured}. The first round warms up and is not counted."""
    found: dict[str, list[float]] = {who: [] for who in line.cases}
    for number in range(1 + (max(1, line.rounds // 2) if quick else line.rounds)):
        for who, case in line.cases.items():
            value = case()
            if number or line.rounds == 1:
                found[who].append(value)
        if line.rounds == 1:
            break
    return found


def show(line: Line, found: dict[str, list[float]]) -> bool:
    """Print a line's rows; returns whether every budget that could be judged is met."""
    medians = {who: statistics.median(values) for who, values in found.items()} | line.quoted
    base = medians[line.ours]
    print(f"\n{line.work}{f' ({line.note})' if line.note else ''}")
    for who, median in medians.items():
        values = found.get(who)
        spread = "quoted" if values is None else f"{min(values):.4g} to {max(values):.4g}"
        ratio = "" if who == line.ours else f"ours is {base / median:.2f} × this" if median else ""
        print(f"  {who:34} {median:>10.4g} {line.unit:8} {spread:>22}  {ratio}")
    well = True
    for limit in line.limits:
        met = limit.met(medians, line.ours)
        word = {True: "met", False: "MISSED", None: "not judged: the peer is missing"}[met]
        print(f"  {'budget for ' + line.ours:34} {limit.text(line.unit):>19}  {word}")
        well = well and met is not False
    sys.stdout.flush()
    return well


def run(groups: dict[str, Group], quick: bool) -> int:
    """Measure and print every group; returns how many lines miss a budget."""
    missed = []
    began = time.monotonic()
    for name, group in groups.items():
        with ExitStack() as stack:
            try:
                for line in group(stack, quick):
                    if not show(line, measure(line, quick)):
                        missed.append(line.work)
            except Unavailable as reason:
                print(f"\n{name}: left out: {reason}")
    verdict = f"missed: {len(missed)}" if missed else "every budget that was judged is met"
    print(f"\n{time.monotonic() - began:.0f} s; {verdict}")
    for work in missed:
        print(f"  missed: {work}")
    return len(missed)


def per_call(times: int, call: Callable[[], object]) -> Measure:
    """Microseconds for each of `times` calls."""

    def case() -> float:
        clock = time.perf_counter
        began = clock()
        for _ in range(times):
            call()
        return (clock() - began) / times * 1e6

    return case
