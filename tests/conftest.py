"""Fixtures of the whole suite, and the watch over what tests leave behind."""

import gc
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import http_server as servers
from support import leaks, machines, provoked
from support.tools import need as find_tool

# What may appear for good, once in a process and not once in a test: the shared engine with its epoll set, and the
# eventfd on which a thread parks. So a test may add this many, and the whole session hardly more.
_SHARED = {"anon_inode:[eventfd]": 2, "anon_inode:[eventpoll]": 2}
_SESSION_SLACK = 8
_SHARED_THREADS = leaks.SHARED_THREADS


_RECORD = pytest.StashKey[provoked.Record]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is there now stays to the end: collections, of which some tests make many, need not go through it again."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--provoked-report",
        action="store_true",
        help="fail when a documented error code was neither provoked nor has a reason in tests/provoked.toml",
    )
    # `make property STEPS=n SEED=n`
    parser.addoption("--property-steps", type=int, default=machines.SHORT, help="steps of each state machine")
    parser.addoption("--property-seed", type=int, default=None, help="where the state machines begin")


def pytest_sessionstart(session: pytest.Session) -> None:
    if session.config.getoption("--provoked-report"):
        session.config.stash[_RECORD] = record = provoked.Record()
        record.start()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    record = session.config.stash.get(_RECORD, None)
    if record is not None and exitstatus in (0, 1) and provoked.print_report(record):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True, scope="session")
def own_catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test, and no program that one starts, sees the catalog of who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("catalog") / "catalog.sqlite"
        patch.setenv("WS2SPI_CATALOG", str(path))
        yield path


@pytest.fixture(autouse=True)
def no_catalog_is_left(own_catalog: Path) -> Iterator[None]:
    """Every test begins without a catalog file."""
    yield
    own_catalog.unlink(missing_ok=True)


@pytest.fixture
def need() -> Callable[[str], str]:
    """`need("curl")`: the path of a program; skips the test where it is missing, fails it when CI is set."""
    return find_tool


@pytest.fixture(scope="session")
def http_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.HttpServer]:
    """A real HTTP server on a free IPv4 loopback port; `.big` is a file of 8 MiB, `.url` the address."""
    server = servers.start(tmp_path_factory.mktemp("www"))
    yield server
    servers.stop(server)


@pytest.fixture(scope="session")
def http_server6(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.HttpServer]:
    """The same on ::1."""
    server = servers.start(tmp_path_factory.mktemp("www6"), "::1")
    yield server
    servers.stop(server)


def _descriptors() -> dict[int, str]:
    """{descriptor: what it is}; the one that lists the folder is not among them."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass
    return found


def _new(before: dict[int, str]) -> Counter[str]:
    """What is open now and was not before, by what it is, without the shared things."""
    now = Counter(
        _kind(link) for number, link in _descriptors().items() if before.get(number) != link and not _is_momentary(link)
    )
    for kind, spare in _SHARED.items():
        now[kind] = max(0, now[kind] - spare)
    return +now


def _is_momentary(link: str) -> bool:
    """What the engine's thread opens for a moment, while a step of a layer is measured."""
    return link.endswith("/schedstat")


def _kind(link: str) -> str:
    return link.split(":[")[0] if link.startswith(("socket:", "pipe:")) else link


def _new_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    return [
        thread
        for thread in threading.enumerate()
        if thread not in before and not thread.name.startswith(_SHARED_THREADS)
    ]


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test leaves no descriptor, no thread, and nothing in a table of the runtime (`support.leaks`) behind.

    `@pytest.mark.leaks` says why one does.
    """
    if request.node.get_closest_marker("leaks"):
        yield
        return
    descriptors, threads, tables = _descriptors(), set(threading.enumerate()), leaks.snapshot()
    yield
    for thread in _new_threads(threads):
        thread.join(2)
    if _new(descriptors):
        gc.collect()  # a cycle is no leak
    left = [f"{count} x {kind}" for kind, count in _new(descriptors).items()]
    left += [f"thread {thread.name}" for thread in _new_threads(threads)]
    if leaks.added(tables):
        gc.collect()
        left += [f"{count} x {what}" for what, count in leaks.settle(tables).items()]
    assert not left, f"left behind: {', '.join(left)}"


@pytest.fixture(autouse=True, scope="session")
def no_slow_leak() -> Iterator[None]:
    """What one test may add, hundreds may not."""
    before = _descriptors()
    yield
    gc.collect()
    kinds = Counter(link for link in _descriptors().values() if link in _SHARED)
    kinds.subtract(link for link in before.values() if link in _SHARED)
    grown = {kind: count for kind, count in kinds.items() if count > _SESSION_SLACK}
    assert not grown, f"the suite left behind: {grown}"
