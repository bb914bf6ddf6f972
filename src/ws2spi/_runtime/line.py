"""Receives that wait behind one that was made for foreign readers and cannot be taken back.

No WSP function withdraws a receive. So while a hand-written provider's WSPRecv for foreign readers is pending, the
next bytes are its; they go into the pair, and whoever asked meanwhile is served from there, in the order in which they
asked. What the pair cannot serve goes on to the provider, with an OVERLAPPED of ours. And what a receive with
MSG_WAITALL still lacks behind moved bytes comes from the provider, too.
"""

import ctypes
from _thread import get_ident
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from ws2spi._abi.constants import MSG_PEEK
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import fill
from ws2spi._abi.types import DWORD, INT, WSABUF
from ws2spi._executive import threads
from ws2spi._executive.overlapped import Overlapped
from ws2spi._executive.threads import Thread
from ws2spi._runtime.completion import Completion
from ws2spi._runtime.sockets import SocketEntry

_CLOSED = (WSAError.WSA_OPERATION_ABORTED, WSAError.WSAEINTR, WSAError.WSAENOTSOCK)


class Claim(NamedTuple):
    """An overlapped receive in line."""

    completion: Completion
    views: Sequence[memoryview]
    flags: int


class Line:
    """The line of one handle. Methods may be called from any thread; nothing is locked while a provider runs."""

    def __init__(self, entry: SocketEntry) -> None:
        self._entry = entry
        self._pulling = False
        self._claims: deque[Claim] = deque()
        self._server: dict[int, int] = {}  # who serves the claims, as `Mailbox.occupant`
        self._waiting: deque[Thread] = deque()

    def is_busy(self) -> bool:
        """Whether a receive that starts now has others before it."""
        return self._pulling or bool(self._claims) or bool(self._server)

    def begin(self) -> bool:
        """A receive for foreign readers is to start; False: not now, somebody in line comes before it.

        Else it might get to the provider before a receive that has just left the line, and take that one's bytes.
        """
        self._pulling = True
        if self._server or self._claims:
            self._pulling = False
            self._serve()  # who served may have seen the mark and stopped
            return False
        return True

    def advance(self, error: WinsockError | None) -> None:
        """It has ended, and what it brought is in the pair."""
        self._pulling = False
        if error is not None and error.code in _CLOSED:
            self._end()
        self._serve()

    def join(self, completion: Completion, views: Sequence[memoryview], flags: int) -> None:
        """Put an overlapped receive in line; it is pending."""
        self._claims.append(Claim(completion, views, flags))
        self._serve()

    def wait(self) -> None:
        """Block until nobody is in line. Alertable, as a blocked receive is."""
        thread = threads.current()
        self._waiting.append(thread)
        was = thread.begin_park()
        try:
            while self.is_busy():
                if thread.pending:
                    thread.run_apcs()
                else:
                    thread.park()
        finally:
            thread.end_park(was)
            self._waiting.remove(thread)

    def cancel(self, thread: Thread | None, overlapped: Overlapped | None) -> int:
        """Take receives out of the line, as `Provider.cancel`; those that a provider has are out of reach."""
        asked = 0
        for claim in tuple(self._claims):
            completion = claim.completion
            mine = thread is None or completion.issuer is thread
            if mine and (overlapped is None or completion.overlapped is overlapped):
                try:
                    self._claims.remove(claim)
                except ValueError:  # served just now
                    continue
                completion.complete(WSAError.WSA_OPERATION_ABORTED, 0)
                asked += 1
        return asked

    def abandon(self) -> None:
        """The process cleans up: those in line end without being told."""
        while self._claims:
            try:
                self._claims.popleft().completion.abandon()
            except IndexError:
                break

    def _end(self) -> None:
        while self._claims:
            try:
                self._claims.popleft().completion.complete(WSAError.WSA_OPERATION_ABORTED, 0)
            except IndexError:
                break

    def _serve(self) -> None:
        me = get_ident()
        while self._claims and not self._pulling:
            try:
                if self._server.setdefault(0, me) is not me:
                    return  # whoever is there looks again after leaving
                while self._claims and not self._pulling:
                    try:
                        claim = self._claims.popleft()
                    except IndexError:
                        break
                    if self._pulling:  # begun since; it gives way if it has seen us, and calls us again
                        self._claims.appendleft(claim)
                        break
                    self._answer(claim)
            finally:
                try:  # without a call, see Mailbox
                    if self._server[0] is me:
                        del self._server[0]
                except KeyError:
                    pass
        for thread in tuple(self._waiting):
            thread.wake()

    def _answer(self, claim: Claim) -> None:
        """Give a claim what is in the pair, or send it on to the provider."""
        completion, views, flags = claim
        entry = self._entry
        pair = entry.pair
        room = sum(map(len, views))
        found: tuple[bytes, Any] | None = pair.take(room, bool(flags & MSG_PEEK)) if pair.holds() else None
        if found is not None:
            data, origin = found
            count = fill(views, data)
            if origin is not None:
                completion.set_address(origin)
            completion.complete(WSAError.WSAEMSGSIZE if count < len(data) else 0, count)
            return
        receive: Any = entry.provider.recv if completion.address_out is None else entry.provider.recv_from
        try:
            result = receive(entry, views, flags, completion)
        except WinsockError as error:
            if not completion.told:
                completion.complete(error.code, 0)
            return
        if result is not None and not completion.told:
            if len(result) == 3 and result[2] is not None:
                completion.set_address(result[2])
            completion.complete(0, result[0], result[1])


def rest_of(entry: SocketEntry, views: list[memoryview], taken: int, flags: int, identity: Any) -> int:
    """The bytes that a receive with MSG_WAITALL still lacks, from the provider; an error is left to the next call."""
    places = []
    for view in views:
        if taken < len(view):
            places.append(WSABUF(len(view) - taken, ctypes.addressof(ctypes.c_char.from_buffer(view, taken))))
        taken = max(0, taken - len(view))
    received, code = DWORD(), INT()
    if entry.table.lpWSPRecv(
        entry.number,
        (WSABUF * len(places))(*places),
        len(places),
        ctypes.byref(received),
        ctypes.byref(DWORD(flags)),
        None,
        None,
        identity,
        ctypes.byref(code),
    ):
        return 0
    return int(received.value)
