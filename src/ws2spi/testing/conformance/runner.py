"""Running clauses: which are tried in which arrangements, and the report of them."""

from collections.abc import Callable, Collection, Iterable

from ws2spi._abi import constants as c
from ws2spi.testing.conformance.client import NotTriedError
from ws2spi.testing.conformance.client import patience as watch
from ws2spi.testing.conformance.report import Outcome, Report
from ws2spi.testing.conformance.rules import CLAUSES, Clause
from ws2spi.testing.conformance.subject import ARRANGEMENTS, Arrangement, Make, Subject
from ws2spi.testing.conformance.trial import StuckError, problem_of


def _same(data: bytes) -> bytes:
    return data


def check_provider(
    make: Make,
    *,
    through: Callable[[bytes], bytes] = _same,
    kinds: Collection[str] = ("stream", "datagram"),
    only: Collection[str] | None = None,
    known: Collection[str] = (),
    arrangements: Collection[str] | None = None,
    families: Iterable[int] = (c.AF_INET,),
    patience: float = 10.0,
    stop_after: int | None = None,
    progress: Callable[[Outcome], None] | None = None,
) -> Report:
    """Hold a provider against the contract of the SPI: alone, twice, above and below awkward neighbours.

    Every clause runs in this process, on sockets of the loopback, through the exact faces `ws2_32` and `kernel32`; both
    ends of each connection go through the provider. The process must not have been started (WSAStartup) by anybody
    else at that time.

    Parameters:
        make: called anew for each use; returns a `Layer`, layers (top first), a `Stack`, a `WSPStartup` function or an
            object with one (with `ifs = True` if its handles are the lower provider's; its method `installed(entries)`
            is told the catalog entries), or None for the base provider as it is.
        through: what the peer receives when `data` is sent; for layers whose change is not undone at the other end,
            as `bytes.upper`. It must keep the length.
        kinds: "stream", "datagram" or both: what the provider is made for.
        only: names of clauses; all unless given.
        known: names of clauses that the provider is known not to keep; they are reported as skipped.
        arrangements: names out of "alone", "twice", "over <neighbour>", "under <neighbour>"; all unless given.
        families: AF_INET, AF_INET6 or both, Windows' numbers.
        patience: seconds that a call may take before it counts as one that never comes back.
        stop_after: after so many broken outcomes the rest is skipped; a provider that hangs takes its time for each.
        progress: called with each outcome as it is found.
    Returns: the report of all outcomes.
    Errors:
        ConformanceError: a clause was broken; it has the report. ValueError: an unknown name was given.
    """
    report = run_clauses(
        make,
        through=through,
        kinds=kinds,
        only=only,
        known=known,
        arrangements=arrangements,
        families=families,
        patience=patience,
        stop_after=stop_after,
        progress=progress,
    )
    report.raise_if_broken()
    return report


def run_clauses(
    make: Make,
    *,
    through: Callable[[bytes], bytes] = _same,
    kinds: Collection[str] = ("stream", "datagram"),
    only: Collection[str] | None = None,
    known: Collection[str] = (),
    arrangements: Collection[str] | None = None,
    families: Iterable[int] = (c.AF_INET,),
    patience: float = 10.0,
    stop_after: int | None = None,
    progress: Callable[[Outcome], None] | None = None,
) -> Report:
    """As `check_provider`, but return the report whatever is in it."""
    chosen = _chosen(only, known)
    places = [place for place in ARRANGEMENTS if arrangements is None or place.name in arrangements]
    unknown = set(arrangements or ()) - {place.name for place in ARRANGEMENTS}
    if unknown:
        raise ValueError(f"no arrangement {', '.join(sorted(unknown))}; there are {_names(ARRANGEMENTS)}")
    watch.seconds = patience
    subject = make()
    report = Report(_title(subject))
    if subject is None:  # nothing to put twice, or anywhere
        places = [place for place in places if place.name == "alone"]
    ended = ""
    for family in families:
        for place in places:
            suffix = "" if family == c.AF_INET else " IPv6"
            for one in chosen:
                problem, reason = "", _reason(one, kinds, known) or ended
                if not reason:
                    try:
                        problem = problem_of(one, make, place, family, through)
                    except NotTriedError as not_tried:
                        reason = str(not_tried)
                    except StuckError as stuck:
                        problem, ended = str(stuck), "the process is stuck"
                report.outcomes.append(Outcome(one.name, one.source, place.name + suffix, problem, reason))
                if progress is not None:
                    progress(report.outcomes[-1])
                if stop_after is not None and len(report.broken) >= stop_after:
                    ended = ended or f"stopped after {stop_after} broken"
    return report


def _title(subject: Subject) -> str:
    if subject is None:
        return "base provider"
    if isinstance(subject, list | tuple):
        return " over ".join(map(_title, subject))
    return str(getattr(subject, "name", "") or getattr(subject, "__name__", "") or type(subject).__name__)


def _chosen(only: Collection[str] | None, known: Collection[str]) -> list[Clause]:
    import ws2spi.testing.conformance.contract  # noqa: F401 - registers them

    unknown = ({*only} if only else set()) | {*known}
    unknown -= set(CLAUSES)
    if unknown:
        raise ValueError(f"no clause {', '.join(sorted(unknown))}; `clauses()` lists them")
    return [one for one in CLAUSES.values() if only is None or one.name in only]


def _names(places: Iterable[Arrangement]) -> str:
    return ", ".join(place.name for place in places)


def _reason(one: Clause, kinds: Collection[str], known: Collection[str]) -> str:
    if one.name in known:
        return "known not to be kept"
    if one.kind != "any" and one.kind not in kinds:
        return f"not made for {one.kind} sockets"
    return ""
