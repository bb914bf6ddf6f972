"""The contract of the SPI as something that can be run: `check_provider` holds any provider against it.

`rules` is the list of clauses, `contract/` has them by family, `client` is the client of the exact faces that tries
them, `neighbours` are the awkward layers around the subject, `subject` installs it, `runner` runs, `report` tells.

Never: anything that a provider needs at run time, and no rule that only the runtime could break.
"""

from ws2spi.testing.conformance.report import ConformanceError, Outcome, Report
from ws2spi.testing.conformance.rules import CLAUSES, Clause
from ws2spi.testing.conformance.runner import check_provider, run_clauses
from ws2spi.testing.conformance.subject import ARRANGEMENTS


def clauses() -> list[Clause]:
    """All clauses, in the order in which they are tried."""
    import ws2spi.testing.conformance.contract  # noqa: F401 - registers them

    return list(CLAUSES.values())


def places() -> list[str]:
    """The arrangements in which a provider is tried, in their order: what `arrangements=` takes."""
    return [place.name for place in ARRANGEMENTS]


__all__ = ["Clause", "ConformanceError", "Outcome", "Report", "check_provider", "clauses", "places", "run_clauses"]
