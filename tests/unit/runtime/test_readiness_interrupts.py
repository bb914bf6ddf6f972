"""Readiness struck by interrupts: a handler at every bytecode, that posts, enumerates, or raises."""

from pathlib import Path
from typing import Any

import pytest

import ws2spi
from support.interrupts import Strike, Struck, at_every_bytecode, raising_everywhere
from support.readiness import enumerated, fdset, selected
from support.winsock import byref, close, connected, received
from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._executive.threads import current
from ws2spi._runtime import messages
from ws2spi._runtime.sockets import sockets

SOURCE = Path(ws2spi.__file__).parent


def paths(*names: str) -> tuple[str, ...]:
    return tuple(str(SOURCE / name) for name in names)


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("call", ["peek", "get", "post"])
def test_posting_strikes_anywhere_and_loses_nothing(call: str) -> None:
    """upcalls 7.2: WPUPostMessage from a handler that interrupts the very queue it posts to"""

    windows = []

    def make() -> int:
        window = messages.create_window()
        windows.append(window)
        messages.post(window, 1, 0, 0)
        return window

    def strike(window: int) -> None:
        assert messages.post(window, 2, 0, 0)

    def act(window: int) -> Any:
        if call == "post":
            return messages.post(window, 3, 0, 0)
        found = messages.peek(window) if call == "peek" else messages.get(window, timeout=0.5)
        return None if found is None else found.message

    def check(window: int, result: Any) -> None:
        left = []
        while (found := messages.get(window, timeout=0)) is not None:
            left.append(found.message)
        assert messages.destroy_window(window)
        if call == "post":
            assert (result, sorted(left)) == (True, [1, 2, 3])
        else:
            assert (result, left) == (1, [2])

    assert at_every_bytecode(make, act, strike, check, paths("_runtime/messages.py")) > 10
    assert messages.destroy_window(windows[-1])  # of the run that was not struck


@pytest.mark.usefixtures("started")
def test_a_handler_that_raises_in_select_leaves_nothing_behind() -> None:
    client, server = connected()

    def run(strike: Strike) -> None:
        try:
            with strike:
                ws2_32.select(0, byref(fdset([client])), None, None, byref(ws2_32.TIMEVAL(0, 500)))
        except Struck:
            pass
        assert current().blocked is None
        assert not current()._parked
        connection = sockets.lookup(client).state.connection
        connection.tell_observers()
        assert connection._observers == []

    assert raising_everywhere(run, paths("_engine/lookout.py", "_runtime/selecting.py")) > 20
    ws2_32.send(server, b"x", 1, 0)
    assert ws2_32.select(0, byref(fdset([client])), None, None, None) == 1
    close(client, server)


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("act", ["receive", "enumerate"])
def test_a_handler_that_enumerates_takes_no_event_twice_and_loses_none(act: str) -> None:
    """6.2 Enum is one step: what a handler gets the interrupted call does not, and the other way round"""
    client, server = connected()
    got: list[dict[int, int]] = []
    with selected(client, c.FD_READ) as it:

        def make() -> int:
            got.clear()
            ws2_32.send(server, b"xy", 2, 0)
            it.told(c.FD_READ)
            if act == "enumerate":
                received(client, 1, c.MSG_PEEK)  # recorded anew
            return client

        def run(s: int) -> Any:
            if act == "enumerate":
                got.append(enumerated(s, it.event))
                return None
            return received(s, 1)

        def strike(s: int) -> None:
            record = ws2_32.WSANETWORKEVENTS()
            if ws2_32.WSAEnumNetworkEvents(s, it.event, byref(record)) == 0:  # else WSAEINPROGRESS
                got.append({c.FD_READ: 0} if record.lNetworkEvents else {})

        def check(s: int, result: Any) -> None:
            if not any(got):
                got.append(it.told(c.FD_READ))
            assert [one for one in got if one] == [{c.FD_READ: 0}]
            while isinstance(received(s, 9), bytes):
                pass
            it.record()

        watched = paths("providers/network_events.py", "_runtime/serve/events.py")
        assert at_every_bytecode(make, run, strike, check, watched) > 20
    close(client, server)
