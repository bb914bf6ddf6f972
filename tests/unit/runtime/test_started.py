"""Loading and cleaning up providers: foreign code that no lock surrounds (started.py, rules 1 to 5)."""

import contextlib
import ctypes
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

from support.memory_provider import memory_entry
from support.threads import LONG, Running, until
from ws2spi import ws2_32
from ws2spi._abi.constants import INVALID_SOCKET
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import DWORD, INT, WSPPROC_NAMES
from ws2spi._engine import reports
from ws2spi._runtime.catalog import BASE_IPV4
from ws2spi._runtime.loading import install_provider, load_startup
from ws2spi._runtime.process import runtime
from ws2spi._runtime.started import StartedProviders

pytestmark = pytest.mark.usefixtures("started")
byref = ctypes.byref
PROTOCOL = 4711  # of entries that nobody else offers


class Written:
    """A hand-written provider: `inside` runs within its WSPStartup, `ending` within its WSPCleanup."""

    def __init__(self, protocol: int = PROTOCOL) -> None:
        self.calls: list[str] = []
        self.inside: Callable[[], object] = lambda: None
        self.ending: Callable[[], object] = lambda: None
        self.code = 0
        self.protocol = protocol
        self.entry = install_provider(self.startup, [memory_entry(protocol=protocol)])[0]

    def startup(self, version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        self.calls.append("WSPStartup")
        self.inside()
        data.contents.wVersion = data.contents.wHighVersion = 0x0202
        for name in WSPPROC_NAMES:
            setattr(table, f"lp{name}", self._refuse)
        table.lpWSPSocket = lambda *arguments: self._refuse(*arguments) and INVALID_SOCKET
        table.lpWSPCleanup = self._cleanup
        return self.code

    def _refuse(self, *arguments: Any) -> int:
        arguments[-1].contents.value = WSAError.WSAEMFILE
        return -1

    def _cleanup(self, lpErrno: Any) -> int:
        self.calls.append("WSPCleanup")
        self.ending()
        return 0

    def socket(self) -> int:
        """WSASocket; the code. WSAEMFILE comes from the provider itself: it is started."""
        assert ws2_32.socket(2, 1, self.protocol) == INVALID_SOCKET
        return int(ws2_32.WSAGetLastError())


class Gate:
    """A place in foreign code that a test holds a thread at."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.open.wait(LONG)


# -- rule 1: callbacks -------------------------------------------------------------------------------------------------


def test_rule_1_a_loader_may_call_the_runtime() -> None:
    """WSASocket for a lower provider, WSCEnumProtocols, WSAStartup and WSACleanup, the lower WSPStartup."""
    answers: list[Any] = []

    def inside() -> None:
        s = ws2_32.socket(2, 1, 6)
        answers.append(s != INVALID_SOCKET)
        answers.append(ws2_32.closesocket(s))
        answers.append(ws2_32.WSCEnumProtocols(None, None, byref(DWORD(0)), byref(INT())))
        answers.append(ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())))
        answers.append(ws2_32.WSACleanup())
        answers.append(bool(load_startup(f"ws2spi:{BASE_IPV4}")))

    provider = Written()
    provider.inside = inside
    assert provider.socket() == WSAError.WSAEMFILE
    assert answers == [True, 0, -1, 0, 0, True]


def test_rule_1_a_load_holds_up_nobody_else() -> None:
    """Neither start-up, nor sockets of others, nor the load of another provider."""
    slow, other = Written(), Written(PROTOCOL + 1)
    slow.inside = gate = Gate()  # type: ignore[assignment]
    loading = Running(slow.socket)
    assert gate.reached.wait(LONG)
    assert Running(lambda: ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA()))).result() == 0
    assert Running(ws2_32.WSACleanup).result() == 0
    s = Running(lambda: ws2_32.socket(2, 1, 6)).result()
    assert s != INVALID_SOCKET
    ws2_32.closesocket(s)
    assert Running(other.socket).result() == WSAError.WSAEMFILE
    gate.open.set()
    assert loading.result() == WSAError.WSAEMFILE


def test_rule_1_a_clean_up_may_call_the_runtime() -> None:
    """Socket calls fail there, and so does a new start: the process is on its way down."""
    provider, answers = Written(), []
    provider.ending = lambda: answers.extend(
        [
            ws2_32.socket(2, 1, 6) == INVALID_SOCKET and ws2_32.WSAGetLastError(),
            ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())),
            ws2_32.WSACleanup() and ws2_32.WSAGetLastError(),
        ]
    )
    provider.socket()
    assert ws2_32.WSACleanup() == 0
    assert answers == [WSAError.WSANOTINITIALISED, WSAError.WSASYSNOTREADY, WSAError.WSANOTINITIALISED]
    assert not runtime.initialised


def test_rule_1_a_start_on_another_thread_comes_after_the_clean_up() -> None:
    provider = Written()
    provider.ending = gate = Gate()  # type: ignore[assignment]
    provider.socket()
    cleaning = Running(ws2_32.WSACleanup)
    assert gate.reached.wait(LONG)
    starting = Running(lambda: ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())))
    until(lambda: runtime._cleaning is not None and runtime._cleaning._waiting)
    assert starting.alive()
    gate.open.set()
    assert (cleaning.result(), starting.result()) == (0, 0)
    assert runtime.initialised
    assert runtime.starts == 1
    assert provider.socket() == WSAError.WSAEMFILE
    assert provider.calls == ["WSPStartup", "WSPCleanup", "WSPStartup"], "a restart is possible"


# -- rule 2: one load for all ------------------------------------------------------------------------------------------


def test_rule_2_others_wait_for_the_one_load() -> None:
    provider = Written()
    provider.inside = gate = Gate()  # type: ignore[assignment]
    first = Running(provider.socket)
    assert gate.reached.wait(LONG)
    others = [Running(provider.socket) for _ in range(4)]
    load = runtime.providers._loads[provider.entry.provider_id]
    until(lambda: len(load._waiting) == 4)
    gate.open.set()
    assert [one.result() for one in (first, *others)] == [WSAError.WSAEMFILE] * 5
    assert provider.calls == ["WSPStartup"]


def test_rule_2_a_failed_load_is_shared_and_may_be_tried_again() -> None:
    provider = Written()
    provider.inside = gate = Gate()  # type: ignore[assignment]
    provider.code = WSAError.WSASYSNOTREADY
    first = Running(provider.socket)
    assert gate.reached.wait(LONG)
    other = Running(provider.socket)
    until(lambda: len(runtime.providers._loads[provider.entry.provider_id]._waiting) == 1)
    gate.open.set()
    assert first.result() == other.result() == WSAError.WSAEPROVIDERFAILEDINIT
    assert provider.calls == ["WSPStartup"], "who waited does not start it over"
    provider.code = 0
    assert provider.socket() == WSAError.WSAEMFILE
    assert provider.calls == ["WSPStartup"] * 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_rule_2_an_exception_that_leaves_a_loader_leaves_no_load_behind(error: type[BaseException]) -> None:
    provider = Written()
    provider.inside = lambda: (_ for _ in ()).throw(error)
    with contextlib.suppress(error):
        assert provider.socket() == WSAError.WSAEPROVIDERFAILEDINIT
    assert not runtime.providers._loads
    provider.inside = lambda: None
    assert provider.socket() == WSAError.WSAEMFILE


# -- rule 3: circles ---------------------------------------------------------------------------------------------------


def test_rule_3_a_provider_that_needs_itself_is_told_so() -> None:
    provider, seen = Written(), []
    provider.inside = lambda: seen.append(provider.socket())
    assert provider.socket() == WSAError.WSAEMFILE, "its own start goes on"
    assert seen == [WSAError.WSAEPROVIDERFAILEDINIT]
    with pytest.raises(WinsockError, match="its own WSPStartup"):
        _load_within_itself()


def _load_within_itself() -> None:
    entry = memory_entry(protocol=PROTOCOL + 7)
    table: list[StartedProviders] = []
    table.append(StartedProviders(lambda _: table[0].provider(entry)))
    table[0].provider(entry)


def test_rule_3_two_that_need_each_other_do_not_wait_for_ever() -> None:
    one, other = Written(), Written(PROTOCOL + 1)
    both = threading.Barrier(2, timeout=LONG)
    seen: list[int] = []

    def needs(another: Written) -> Callable[[], None]:
        def inside() -> None:
            both.wait()
            seen.append(another.socket())

        return inside

    one.inside, other.inside = needs(other), needs(one)
    loads = [Running(one.socket), Running(other.socket)]
    assert [load.result() for load in loads] == [WSAError.WSAEMFILE] * 2
    assert WSAError.WSAEPROVIDERFAILEDINIT in seen
    assert not runtime.providers._waits


# -- rule 4: a clean-up during a load ----------------------------------------------------------------------------------


def test_rule_4_the_last_cleanup_waits_for_no_load_and_what_it_overtakes_is_cleaned_up() -> None:
    provider = Written()
    provider.inside = gate = Gate()  # type: ignore[assignment]
    loading = Running(provider.socket)
    assert gate.reached.wait(LONG)
    assert Running(ws2_32.WSACleanup).result() == 0
    assert not runtime.initialised
    gate.open.set()
    assert loading.result() == WSAError.WSANOTINITIALISED
    assert provider.calls == ["WSPStartup", "WSPCleanup"]
    assert not len(runtime.providers)


def test_rule_4_a_new_start_loads_anew_after_the_load_that_was_overtaken() -> None:
    provider = Written()
    provider.inside = gate = Gate()  # type: ignore[assignment]
    loading = Running(provider.socket)
    assert gate.reached.wait(LONG)
    assert ws2_32.WSACleanup() == 0
    assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0
    gate.open.set()
    assert loading.result() == WSAError.WSANOTINITIALISED
    assert provider.socket() == WSAError.WSAEMFILE
    assert provider.calls == ["WSPStartup", "WSPCleanup", "WSPStartup"]


def test_rule_4_a_cleanup_from_within_a_loader_overtakes_it() -> None:
    provider = Written()
    provider.inside = lambda: ws2_32.WSACleanup()
    assert provider.socket() == WSAError.WSANOTINITIALISED
    assert provider.calls == ["WSPStartup", "WSPCleanup"]


# -- the end -----------------------------------------------------------------------------------------------------------


def test_a_clean_up_that_fails_keeps_no_other_from_it() -> None:
    lines: list[str] = []
    before = reports.set_sink(lines.append)
    try:
        one, other = Written(), Written(PROTOCOL + 1)
        one.ending = other.ending = lambda: [][1]
        one.socket(), other.socket()
        assert ws2_32.WSACleanup() == 0
    finally:
        reports.set_sink(before)
    assert [one.calls[-1], other.calls[-1]] == ["WSPCleanup"] * 2
    assert len([line for line in lines if "WSPCleanup raised IndexError" in line]) == 2
    gc.collect()


def test_layers_are_cleaned_up_before_what_is_below_them() -> None:
    order: list[str] = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def cleanup(self) -> None:
            order.append(self.name)

    table = StartedProviders(lambda entry: Named(entry.name))  # type: ignore[arg-type, return-value]
    table.provider(memory_entry(name="base"))
    table.provider(memory_entry(name="upper", base=False, chain=(3, 2, 1)))
    table.provider(memory_entry(name="lower", base=False, chain=(2, 1)))
    table.clean_up()
    assert order == ["upper", "lower", "base"]
