"""What the loopback tests share."""

from collections.abc import Iterator

import pytest

import ws2spi
from support import stacks, winsock
from support.ends import Ahead, Ends
from ws2spi import ws2_32
from ws2spi._abi.constants import AF_INET, AF_INET6, SOCK_DGRAM
from ws2spi._executive import threads


@pytest.fixture
def started() -> Iterator[None]:
    """WSAStartup before the test, WSACleanup after it."""
    threads.current().pending.clear()  # what an earlier test left for this thread
    winsock.start()
    yield
    winsock.stop()


_BY_HAND = {
    "test_async_select",
    "test_message_flags",
    "test_readiness_layered",
    "test_select",
    "test_urgent",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The tests of flags, urgent data and readiness run over a hand-written provider, too."""
    own = any("kind" in str(mark.args[0]) for mark in metafunc.definition.iter_markers("parametrize"))
    if "kind" in metafunc.fixturenames and not own:
        by_hand = metafunc.module.__name__.rpartition(".")[2] in _BY_HAND
        metafunc.parametrize("kind", stacks.BY_HAND if by_hand else stacks.KINDS, indirect=True)


@pytest.fixture
def kind(request: pytest.FixtureRequest, started: None) -> Iterator[str]:
    """Every kind of provider in turn; see `support.stacks`."""
    with stacks.installed(request.param):
        yield request.param


@pytest.fixture(params=[AF_INET, AF_INET6], ids=["v4", "v6"])
def family(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def pair(family: int) -> Iterator[tuple[int, int]]:
    ends = winsock.connected(family)
    yield ends
    for s in ends:
        ws2_32.closesocket(s)


@pytest.fixture
def stream() -> Iterator[int]:
    """An unconnected TCP socket over IPv4."""
    s = winsock.made()
    yield s
    ws2_32.closesocket(s)


@pytest.fixture
def datagrams(family: int) -> Iterator[tuple[int, int]]:
    ends = winsock.datagram_pair(family)
    yield ends
    for s in ends:
        ws2_32.closesocket(s)


@pytest.fixture(params=["bytes", "two", "ahead"])
def stack(request: pytest.FixtureRequest, started: None) -> Iterator[None]:
    """Every kind of stack that touches bytes."""
    if request.param != "ahead":
        with stacks.installed(request.param):
            yield
        return
    with ws2spi.install(ws2spi.Stack([stacks.Bytes(), Ahead()])):
        yield


@pytest.fixture
def ends(stack: None) -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.close()


@pytest.fixture
def datagram_ends(stack: None) -> Iterator[Ends]:
    ends = Ends(SOCK_DGRAM)
    yield ends
    ends.close()
