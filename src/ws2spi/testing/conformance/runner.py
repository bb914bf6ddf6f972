"""Running clauses: each on its own thread, under a watch, in an arrangement made for it; nothing may stay behind."""

import gc
import os
import threading
from collections.abc import Callable, Collection, Iterable

from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._engine import reports
from ws2spi._executive import threads
from ws2spi._runtime.process import runtime
from ws2spi.testing.conformance.client import BrokenClauseError, Net
from ws2spi.testing.conformance.client import patience as watch
from ws2spi.testing.conformance.report import Outcome, Report
from ws2spi.testing.conformance.rules import CLAUSES, Clause
from ws2spi.testing.conformance.subject import ARRANGEMENTS, Arrangement, Make, arranged

# The first use of a process makes the engine (an epoll set and an eventfd) and the eventfds on which threads park.
_SHARED = ("anon_inode:[eventfd]", "anon_inode:[eventpoll]")


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
    report = Report(getattr(subject, "name", None) or ("base provider" if subject is None else repr(subject)))
    if subject is None:  # nothing to put twice, or anywhere
        places = [place for place in places if place.name == "alone"]
    for family in families:
        for place in places:
            suffix = "" if family == c.AF_INET else " IPv6"
            for one in chosen:
                reason = _reason(one, kinds, known)
                problem = "" if reason else _problem(one, make, place, family, through)
                report.outcomes.append(Outcome(one.name, one.source, place.name + suffix, problem, reason))
                if progress is not None:
                    progress(report.outcomes[-1])
    return report


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


def _problem(one: Clause, make: Make, place: Arrangement, family: int, through: Callable[[bytes], bytes]) -> str:
    """Try one clause in one arrangement: what was wrong, or ""."""
    blamed: list[str] = []
    outcome: list[str] = []
    net = Net(family, through)

    def run() -> None:
        try:
            one.check(net)
            outcome.append("")
        except BrokenClauseError as broken:
            outcome.append(str(broken))
        except BaseException as error:
            outcome.append(f"{type(error).__name__} came out of an exact face: {error}")
        finally:
            net.end()
            pending = len(threads.current().pending)
            if pending and outcome == [""]:
                outcome[:] = [f"left {pending} APCs to the calling thread"]

    if runtime.starts:
        raise RuntimeError("check_provider needs the process for itself: somebody has called WSAStartup")
    before = _descriptors()
    ws2_32.WSAStartup(0x0202, ws2_32.WSADATA())
    reports.set_sink(blamed.append)
    try:
        with arranged(make, place):
            # The watch: a provider that never answers must not hang who checks it.
            thread = threading.Thread(target=run, name=f"clause {one.name}", daemon=True)
            thread.start()
            thread.join(2 * watch.seconds)
            if thread.is_alive():
                net.end()
                thread.join(watch.seconds)
                return "a call never came back"
            left = _left_sockets()
    finally:
        reports.set_sink(None)
        while runtime.starts:
            ws2_32.WSACleanup()
    for beside in net.threads:
        beside.join(watch.seconds)
        if beside.is_alive():
            return outcome[0] or "a call on another thread never came back"
    if blamed and not outcome[0]:
        return f"reported: {blamed[0]}"
    return outcome[0] or left or _leaked(before)


def _left_sockets() -> str:
    """Handles that are still registered after all have been closed; ends that are on their way get their time."""
    pause = threading.Event()
    for _ in range(watch.milliseconds):
        if not runtime.sockets.entries:
            return ""
        pause.wait(0.001)
    return f"left {len(runtime.sockets.entries)} handles behind"


def _descriptors() -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            pass
    return found


def _leaked(before: list[str]) -> str:
    pause = threading.Event()
    new: list[str] = []
    for attempt in range(200):
        new = _descriptors()
        for link in before:
            if link in new:
                new.remove(link)
        new = [link for link in new if link not in _SHARED and not link.startswith("/proc")]
        if not new:
            return ""
        if attempt in (1, 100):
            gc.collect()  # a cycle is no leak
        pause.wait(0.005)
    return f"left {len(new)} descriptors behind: {', '.join(sorted(set(new)))}"
