"""The clauses of the contract as a list of functions, each with its name, its source and the kind of socket it needs.

Many rules of the SPI are the runtime's; listed here are those that a provider can break.
"""

from collections.abc import Callable
from typing import NamedTuple

from ws2spi.testing.conformance.client import Net

Check = Callable[[Net], None]


class Clause(NamedTuple):
    """One rule that a provider has to keep.

    Attributes:
        name: how reports and `only=` call it.
        source: where it is written: a page of Microsoft's or a row of what was observed.
        text: the rule in one sentence.
        kind: "stream", "datagram" or "any": what the subject must be made for.
        check: tries it; raises `BrokenClauseError`.
    """

    name: str
    source: str
    text: str
    kind: str
    check: Check

    def __str__(self) -> str:
        return self.name  # as pytest's ids=str has it


CLAUSES: dict[str, Clause] = {}


def clause(source: str, kind: str = "stream") -> Callable[[Check], Check]:
    """Register a check; its name is the function's, its text the first paragraph of the docstring."""

    def register(check: Check) -> Check:
        name = check.__name__
        if name in CLAUSES:
            raise ValueError(f"two clauses are called {name}")
        text = " ".join((check.__doc__ or "").split("\n\n")[0].split())
        CLAUSES[name] = Clause(name, source, text, kind, check)
        return check

    return register
