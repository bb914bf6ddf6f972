"""The redirector's side of a non-IFS handle: the pair behind it, and the client that hand-written providers get.

os.read and os.write on the handle reach the provider's WSPRecv and WSPSend through the pair (`_engine.filepair`). A
provider written in Python attaches a client of its own; for one with a procedure table there is `TableClient`.
"""

import ctypes
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import fill, is_null, load_dword, store_int
from ws2spi._abi.types import DWORD, INT, OVERLAPPED, TIMEVAL, WSABUF, WSPPROC_NAMES, fd_set
from ws2spi._engine import lingering, reports
from ws2spi._engine.hand import hand
from ws2spi._runtime.arguments import address_out, read_buffers
from ws2spi._runtime.completion import Expected, begin, expect
from ws2spi._runtime.line import Line, rest_of
from ws2spi._runtime.sockets import SocketEntry, sockets
from ws2spi._runtime.table_provider import TableProvider
from ws2spi._runtime.tables import ProcTable
from ws2spi._runtime.threads import own_structure

_ADDRESS_ROOM = 128  # sizeof(SOCKADDR_STORAGE)
# Flags of a receive that can be served from a pair; the others are the provider's business alone.
_SERVED = c.MSG_PEEK | c.MSG_PARTIAL | c.MSG_PUSH_IMMEDIATE
_WHOLE = c.MSG_PUSH_IMMEDIATE  # beside MSG_WAITALL; with others it is refused


def attach(entry: SocketEntry) -> None:
    """A handle goes to a client: from here on foreign code may have it. Give the pair of a hand-written provider's its
    client; other providers attach their own.

    Done when the handle has left WSPSocket or WSPAccept, because from here on the provider may be called with it. Not
    done for the handles that a layer has from the provider below: it receives through the table, and what would be
    moved for foreign readers there would be lost to it.
    """
    pair = entry.pair
    if pair is not None:
        pair.given_out = True
    maker = entry.maker()
    if pair is not None and isinstance(maker.provider, TableProvider):
        pair.on_gone = lambda: _closed_elsewhere(entry)
        client = TableClient(maker)  # whose handles work as files; IFS layers above are bypassed, as their page says
        pair.receivable = client.receivable
        pair.attach(client)


def _closed_elsewhere(entry: SocketEntry) -> None:
    """The last copy of a handle is gone without closesocket: close the provider's socket."""
    if sockets.entries.get(entry.number) is entry:
        entry.table.lpWSPCloseSocket(entry.number, ctypes.byref(INT()))


def closes_later(entry: SocketEntry) -> bool:
    """closesocket of a hand-written provider's socket: what foreign code has written counts as sent, and goes first.

    To be called before its WSPCloseSocket, after which nothing goes any more.

    Returns: whether the provider still has some of it under way, and will be called later. For the client the socket is
        closed from now on; its number stays taken until then, because the provider knows the socket by it.
    """
    pair = entry.pair
    if pair is None or not pair.given_out or not isinstance(entry.maker().provider, TableProvider):
        return False
    if entry.table is _CLOSED_TABLE:
        return False
    pair.settle()
    if not pair.is_sending():
        return False
    table, entry.table = entry.table, _CLOSED_TABLE
    pair.on_gone = None
    lingering.begin(pair)
    # Whoever ends the last piece is in the middle of other work, and a provider may take its time to close.
    close = partial(_close_provider, entry, table)
    pair.when_sent(lambda: threading.Thread(target=close, name="ws2spi-close", daemon=True).start())
    return True


def _close_provider(entry: SocketEntry, table: Any) -> None:
    code = INT()
    try:
        if table.lpWSPCloseSocket(entry.number, ctypes.byref(code)):
            reports.report(f"{entry.info.name}: WSPCloseSocket failed with {code.value} after the client's close")
    finally:
        lingering.end(entry.pair)


def _refusing(failure: int) -> Callable[..., int]:
    def refuse(*arguments: Any) -> int:
        store_int(arguments[-1], WSAError.WSAENOTSOCK)
        return failure

    return refuse


# What a closed socket answers while its provider still has foreign pieces.
_CLOSED_TABLE = ProcTable(**{f"lp{name}": _refusing(c.SOCKET_ERROR) for name in WSPPROC_NAMES})
for _name in ("WSPAccept", "WSPJoinLeaf", "WSPSocket"):
    setattr(_CLOSED_TABLE, f"lp{_name}", _refusing(c.INVALID_SOCKET))
for _name in ("WSPGetOverlappedResult", "WSPGetQOSByName"):
    setattr(_CLOSED_TABLE, f"lp{_name}", _refusing(c.FALSE))


def moved(entry: SocketEntry, size: int, flags: int) -> bytes | None:
    """Return what was moved into a stream's pair for foreign readers, and not read by them: it comes before all else.

    To be called before every receive of a Python provider's handle with a pair; None: go to the provider.
    """
    pair = entry.pair
    if flags & ~_SERVED:
        return None
    pair.before_recv()
    if not pair.holds():
        return None
    found: tuple[bytes, None] | None = pair.take(size, bool(flags & c.MSG_PEEK))
    if found is None:
        return None
    receive_made(entry)
    return found[0]


@contextmanager
def asked_for(numbers: Iterable[int]) -> Iterator[set[int]]:
    """While a client asks hand-written providers which of its sockets are ready, nothing is moved to foreign readers.

    What is moved is there for the client, too, and its provider does not know. Providers written in Python do.
    Gives the sockets of `numbers` that have something moved already: they are ready for reading.
    """
    pairs = [pair for pair in map(_pair_of, numbers) if pair is not None]
    token = object()
    try:
        for pair in pairs:
            pair.quiet.add(token)
            pair.end_foreign_reading()
        yield {pair.number for pair in pairs if pair.waiting()}
    finally:
        for pair in pairs:
            pair.quiet.discard(token)


def selected(number: int, active: bool) -> None:
    """A client has selected network events of a hand-written provider's socket, or cancelled that."""
    pair = _pair_of(number)
    if pair is not None and active:
        pair.quiet.add(selected)
        pair.end_foreign_reading()
    elif pair is not None:
        pair.quiet.discard(selected)


@contextmanager
def shared(number: int, process: int) -> Iterator[Callable[[bool], None]]:
    """While a socket is duplicated into another process, and from then on if that is told to have succeeded, nothing is
    moved from it to foreign readers here: the other process may be the one that receives.
    """
    entry = sockets.entries.get(number)
    pair = entry.pair if entry is not None and process != os.getpid() else None
    if pair is None or shared in pair.quiet:
        yield lambda succeeded: None
        return
    pair.quiet.add(shared)
    pair.end_foreign_reading()
    kept = False

    def told(succeeded: bool) -> None:
        nonlocal kept
        kept = succeeded

    try:
        yield told
    finally:
        if not kept:
            pair.quiet.discard(shared)


def _pair_of(number: int) -> Any:
    entry = sockets.entries.get(number)
    return entry.pair if entry is not None and isinstance(entry.maker().provider, TableProvider) else None


def receive_made(entry: SocketEntry) -> None:
    """A receive did not reach its provider, who has to know that one was made: even that re-enables network events."""
    maker = entry.maker()
    reenable = getattr(maker.provider, "reenable", None)
    if reenable is not None:
        reenable(maker, c.FD_READ | c.FD_OOB)


def receive_moved(
    entry: SocketEntry,
    buffers: Any,
    count: int,
    received: Any,
    flags: Any,
    overlapped: Any,
    routine: Any,
    identity: Any,
    sender: Any = None,
    sender_length: Any = None,
) -> bool:
    """Serve a WSARecv or WSARecvFrom from the pair, if something was moved there. It ends at once then, and is told
    like any other; WSAEMSGSIZE when a datagram is longer than the buffers.

    Returns: whether it was served; else the provider has to answer, arguments that are wrong included.
    Errors: WSA_IO_PENDING, WSAEWOULDBLOCK: a receive made for foreign readers is in the way (see `claims`).
    """
    pair = entry.pair
    whole = False
    if not is_null(flags) and load_dword(flags) & ~_SERVED:
        whole = pair.stream and not pair.nonblocking and load_dword(flags) & ~_WHOLE == c.MSG_WAITALL
        if not whole:
            return False
    line: Line | None = getattr(pair.behind, "line", None)
    if line is not None and line.is_busy():
        # A receive that was made for foreign readers and cannot be taken back has the next bytes.
        if not count or is_null(flags) or (is_null(received) and is_null(overlapped)):
            return False
        if not is_null(overlapped) and entry.overlapped:
            views = read_buffers(buffers, count)
            claimed = begin(entry, overlapped, routine, identity, views)
            claimed.address_out = address_out(entry, sender, sender_length)
            line.join(claimed, views, load_dword(flags))
            receive_made(entry)
            raise WinsockError(WSAError.WSA_IO_PENDING)
        if not pair.nonblocking:
            line.wait()
        elif not pair.waiting():
            receive_made(entry)
            raise WinsockError(WSAError.WSAEWOULDBLOCK, "a receive for foreign readers comes first")
    if line is None or not (line.is_busy() and pair.nonblocking):
        pair.before_recv()
    if not pair.holds():
        return False
    if not count or is_null(flags) or (is_null(received) and is_null(overlapped)):
        return False
    views = read_buffers(buffers, count)
    room = sum(map(len, views))
    out = address_out(entry, sender, sender_length)
    completion = None if is_null(overlapped) else begin(entry, overlapped, routine, identity, None)
    found = pair.take(room, bool(load_dword(flags) & c.MSG_PEEK))
    if found is None:
        if completion is not None:
            completion.refused()  # as if it had not begun: the provider begins it anew
        return False
    data, origin = found
    receive_made(entry)
    if out is not None and origin is not None:
        out(origin)
    if hand.takes_from(entry.number) and (completion is not None or (room < len(data) and not pair.stream)):
        hand.owner = None  # the OVERLAPPED tells of it, or the rest of it is gone
    if fill(views, data) < len(data) and not pair.stream:
        if completion is not None:
            completion.complete(WSAError.WSAEMSGSIZE, room)
        raise WinsockError(WSAError.WSAEMSGSIZE, f"{len(data)} bytes for a buffer of {room}")
    if completion is not None:  # with MSG_WAITALL, too, though it may be less: it is in nobody else's hands any more
        completion.finished(min(room, len(data)))
    elif whole and len(data) < room:
        store_int(received, len(data) + rest_of(entry, views, len(data), load_dword(flags), identity))
        store_int(flags, 0)
        return True
    store_int(received, min(room, len(data)))
    store_int(flags, 0)
    return True


def after_shutdown(entry: SocketEntry, how: int) -> None:
    """The client has shut down a socket whose provider keeps no state with us: what was moved is no longer received."""
    if entry.pair is not None and how != c.SD_SEND:
        entry.pair.shut_receive = True


def after_ioctl(s: Any, code: int, given: Any, answer: Any) -> None:
    """A control code was performed by a provider with a table of its own: what it does not know of is added.

    Parameters:
        given, answer: pointers to the input and the output.
    """
    if code not in (c.FIONBIO, c.FIONREAD):
        return
    entry = sockets.entries.get(getattr(s, "value", s))
    if entry is None or entry.pair is None or not isinstance(entry.maker().provider, TableProvider):
        return
    if code == c.FIONBIO:
        entry.pair.nonblocking = bool(load_dword(given))
    elif code == c.FIONREAD:
        waiting = entry.pair.waiting()
        if waiting:
            # One receive of a stream finds what was moved and no more; of datagrams all are counted.
            store_int(answer, waiting if entry.pair.stream else waiting + load_dword(answer))


class TableRequest:
    """One send or receive of the redirector: `done` is called with it when `result` or `error` is there."""

    __slots__ = ("_buffer", "_expected", "_notify", "done", "error", "result")

    def __init__(self, notify: "Callable[[TableRequest], None]") -> None:
        self.done = False
        self.result: Any = None
        self.error: WinsockError | None = None
        self._notify = notify
        self._expected: Expected | None = None
        self._buffer: Any = None

    def finish(self, result: Any, error: WinsockError | None) -> None:
        """Store the outcome and tell."""
        self.result, self.error, self.done = result, error, True
        self._notify(self)


class TableClient:
    """Turns what foreign code does with a handle into overlapped calls of the handle's procedure table.

    Attributes:
        line: who waits behind the receive that was made for foreign readers.
    """

    def __init__(self, entry: SocketEntry) -> None:
        self._entry = entry
        self._table = entry.table
        self.line = Line(entry)
        self._probe: threading.Thread | None = None
        self._answers = False  # whether it has answered a question about readiness

    def submit_send(self, data: bytes, done: Callable[[TableRequest], None]) -> TableRequest:
        """Hand `data` to the provider's WSPSend."""
        buffer = ctypes.create_string_buffer(data, len(data) or 1)
        return self._submit("lpWSPSend", buffer, len(data), done, lambda count: count)

    def submit_recv(self, size: int, done: Callable[[TableRequest], None]) -> TableRequest:
        """Ask the provider's WSPRecv for at most `size` bytes; b"" is the end of the stream. Datagrams come as pairs
        with their sender, which WSPRecv does not tell: None.
        """
        buffer = ctypes.create_string_buffer(size)

        def convert(count: int) -> Any:
            data = ctypes.string_at(buffer, count)
            return data if self._entry.info.stream else (data, None)

        def ended(request: TableRequest) -> None:
            done(request)  # what came is in the pair now
            self.line.advance(request.error)

        if not self.line.begin():
            request = TableRequest(done)
            request.finish(None, WinsockError(WSAError.WSA_OPERATION_ABORTED, "others wait in line"))
            return request
        return self._submit("lpWSPRecv", buffer, size, ended, convert)

    def _submit(
        self,
        function: str,
        buffer: Any,
        size: int,
        done: Callable[[TableRequest], None],
        convert: Callable[[int], Any],
    ) -> TableRequest:
        request = TableRequest(done)

        def ended(code: int, transferred: int) -> None:
            if code:
                request.finish(None, WinsockError(code))
            else:
                request.finish(convert(transferred), None)

        wsabuf = WSABUF(size, ctypes.addressof(buffer))
        count, flags, code = DWORD(), DWORD(), INT()
        started = expect(OVERLAPPED(), ended, (wsabuf, buffer))
        try:
            failed = getattr(self._table, function)(
                self._entry.number,
                ctypes.byref(wsabuf),
                1,
                ctypes.byref(count),
                ctypes.byref(flags) if function == "lpWSPRecv" else 0,
                ctypes.byref(started.structure),
                None,
                ctypes.byref(own_structure()),
                ctypes.byref(code),
            )
        except Exception as error:  # foreign code, on a thread that serves others, too
            started.forget()
            reports.report(f"{self._entry.info.name}: {function.removeprefix('lp')} failed: {error!r}")
            request.finish(None, WinsockError(WSAError.WSASYSCALLFAILURE, repr(error)))
            return request
        if not failed:
            if not request.done:  # it ended at once and says so only by its return
                started.forget()
                ended(0, count.value)
        elif code.value != WSAError.WSA_IO_PENDING:
            started.forget()
            request.finish(None, WinsockError(code.value or WSAError.WSASYSCALLFAILURE))
        return request

    def submit_shutdown(self, how: int, done: Callable[[TableRequest], None]) -> TableRequest:
        """End a direction; `how` is the socket module's SHUT_ number, which is Windows' SD_ number too."""
        request, code = TableRequest(done), INT()
        failed = self._table.lpWSPShutdown(self._entry.number, how, ctypes.byref(code))
        request.finish(None, WinsockError(code.value) if failed else None)
        return request

    def abandon(self) -> None:
        """The process cleans up."""
        self.line.abandon()

    def cancel(self, request: TableRequest) -> None:
        """Nothing: no WSP function cancels one operation. What it still receives is kept for the next reader."""

    def receivable(self) -> bool:
        """Whether the socket is connected; a datagram socket need not be."""
        if not self._entry.info.stream:
            return True
        room, length = ctypes.create_string_buffer(_ADDRESS_ROOM), INT(_ADDRESS_ROOM)
        code = ctypes.byref(INT())
        return not self._table.lpWSPGetPeerName(self._entry.number, room, ctypes.byref(length), code)

    def has_input(self) -> bool:
        """Whether a receive would end at once: WSPSelect says so, else FIONREAD, which does not know of an end. A
        provider with neither is not asked for data that nobody has requested.

        On the engine's thread, which has others to serve: the first time it is asked aside, and until that has an
        answer nothing is known.
        """
        if self._answers:
            return self._has_input()
        if self._probe is None:
            self._probe = threading.Thread(target=self._ask_aside, name="ws2spi-probe", daemon=True)
            self._probe.start()
        return False

    def _ask_aside(self) -> None:
        self._has_input()
        self._answers = True

    def _has_input(self) -> bool:
        readable, code = fd_set(1), INT()
        readable.fd_array[0] = self._entry.number
        at_once = ctypes.byref(TIMEVAL())
        count = self._table.lpWSPSelect(0, ctypes.byref(readable), None, None, at_once, ctypes.byref(code))
        if count != c.SOCKET_ERROR:
            return bool(count)
        waiting, returned = DWORD(), DWORD()
        failed = self._table.lpWSPIoctl(
            self._entry.number,
            c.FIONREAD,
            None,
            0,
            ctypes.byref(waiting),
            4,
            ctypes.byref(returned),
            None,
            None,
            ctypes.byref(own_structure()),
            ctypes.byref(code),
        )
        return not failed and bool(waiting.value)

    def descriptor(self) -> int:
        """Return the base socket's descriptor, to be watched for data; -1 where the provider tells of no socket."""
        output, returned, code = ctypes.c_uint64(), DWORD(), INT()
        failed = self._table.lpWSPIoctl(
            self._entry.number,
            c.SIO_BASE_HANDLE,
            None,
            0,
            ctypes.byref(output),
            8,
            ctypes.byref(returned),
            None,
            None,
            ctypes.byref(own_structure()),
            ctypes.byref(code),
        )
        try:
            there = not failed and stat.S_ISSOCK(os.fstat(output.value).st_mode)
        except (OSError, OverflowError):
            there = False
        return output.value if there else -1
