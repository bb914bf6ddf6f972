"""`log`: one line when a connection begins, one when it ends, one for each error.

A layer must not block, and a terminal or a full pipe does. So a line goes into a bounded queue, a thread of its own
writes, and what does not fit is dropped and counted; the count is the last line.
"""

import errno
import itertools
import os
import queue
import select
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

from ws2spi._abi.errors import WinsockError
from ws2spi.layers.options import File
from ws2spi.layers.terminal import coloured
from ws2spi.providers.layer import Layer

if TYPE_CHECKING:
    from ws2spi._engine.boundary import View

# How long an exit waits for a reader who does not read.
_PATIENCE = 2.0
_RED, _DIM, _PLAIN = "\x1b[31m", "\x1b[2m", "\x1b[0m"


class Log(Layer):
    """Say what connections do: when they begin and end, how many bytes went each way, how long they took, what failed.

    Options:
        format: text for people, json for programs (one object in a line)
        file: append to this file (otherwise the lines go to stderr)
        queue: lines that may wait for a slow reader; what comes on top is dropped and counted

    Examples:
        log
        log:format=json,file=connections.jsonl
    """

    def __init__(
        self, *, format: Literal["text", "json"] = "text", file: File | None = None, queue: int = 10_000
    ) -> None:
        if queue < 1:
            raise ValueError(f"option 'queue': {queue} is not above zero")
        # Opened now, so that a path that cannot be written is an error before the program starts.
        fd = 2 if file is None else os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        render: Callable[[Entry], str] = _as_json
        if format == "text":
            render = _as_coloured if coloured(fd, forcible=file is None) else _as_text
        self._render = render
        self._writer = Writer(fd, queue, lambda lost: render(Entry("dropped", time.time(), lines=lost)))
        # At the end of the layer or of the process; the writer therefore must not refer to the layer.
        self._finish = weakref.finalize(self, self._writer.close)

    @property
    def dropped(self) -> int:
        """How many lines have found the queue full."""
        return self._writer.dropped

    def finish(self) -> None:
        """Write out what waits and stop the thread; done by itself when the layer or the process ends."""
        self._finish()

    # What is logged.

    async def connect(self, conn: "View", address: Any) -> None:
        seen = self._seen(conn)
        seen.peer = _name(address)
        began = conn.now()
        try:
            await conn.below.connect(address)
        except WinsockError as error:
            self._say(conn, "connect", seconds=conn.now() - began, error=error)
            raise
        seen.began = conn.now()
        seen.local = await _name_of(conn.below.getsockname)
        self._say(conn, "connect", seconds=seen.began - began)

    async def accept(self, conn: "View") -> "View":
        try:
            accepted: View = await conn.below.accept()
        except WinsockError as error:
            self._say(conn, "accept", error=error)
            raise
        seen = self._seen(accepted)
        seen.began = accepted.now()
        seen.peer = await _name_of(accepted.below.getpeername)
        seen.local = await _name_of(accepted.below.getsockname)
        self._say(accepted, "accept")
        return accepted

    async def send(self, conn: "View", data: bytes) -> None:
        try:
            await conn.below.send(data)
        except WinsockError as error:
            self._say(conn, "send", error=error)
            raise
        self._seen(conn).sent += len(data)

    async def recv(self, conn: "View", size: int) -> bytes:
        try:
            data: bytes = await conn.below.recv(size)
        except WinsockError as error:
            self._say(conn, "recv", error=error)
            raise
        self._seen(conn).received += len(data)
        return data

    async def send_urgent(self, conn: "View", data: bytes) -> None:
        try:
            await conn.below.send_urgent(data)
        except WinsockError as error:
            self._say(conn, "send", error=error)
            raise
        self._seen(conn).sent += len(data)

    async def recv_urgent(self, conn: "View", size: int) -> bytes:
        data: bytes = await conn.below.recv_urgent(size)
        self._seen(conn).received += len(data)
        return data

    async def send_to(self, conn: "View", data: bytes, address: Any) -> None:
        try:
            await conn.below.send_to(data, address)
        except WinsockError as error:
            self._say(conn, "send", error=error)
            raise
        self._seen(conn).sent += len(data)

    async def recv_from(self, conn: "View", size: int) -> Any:
        try:
            data, address = await conn.below.recv_from(size)
        except WinsockError as error:
            self._say(conn, "recv", error=error)
            raise
        self._seen(conn).received += len(data)
        return data, address

    async def close(self, conn: "View") -> None:
        seen = self._seen(conn)
        try:
            await conn.below.close()
        finally:
            # A connection that never was has had its line when it failed.
            if seen.began is not None:
                self._say(conn, "close", seconds=conn.now() - seen.began, sent=seen.sent, received=seen.received)

    # How it is said.

    def _seen(self, conn: "View") -> "Seen":
        try:
            seen: Seen = conn.state.seen
        except AttributeError:
            seen = conn.state.seen = Seen()
        return seen

    def _say(self, conn: "View", event: str, **facts: Any) -> None:
        seen = self._seen(conn)
        origin = conn.origin
        entry = Entry(
            event,
            time.time(),
            connection=conn.number,
            pid=getattr(origin, "pid", None),
            command=getattr(origin, "command", None),
            peer=seen.peer,
            local=seen.local,
            **facts,
        )
        self._writer.put(self._render(entry))


class Seen:
    """What `log` keeps of a connection."""

    __slots__ = ("began", "local", "peer", "received", "sent")

    def __init__(self) -> None:
        self.peer: str | None = None
        self.local: str | None = None
        self.began: float | None = None  # when it was connected, by the engine's clock
        self.sent = 0
        self.received = 0


class Entry:
    """One line to be: an event, the wall clock's time, and facts by name; facts that are None are left out."""

    __slots__ = ("event", "facts", "when")

    def __init__(self, event: str, when: float, **facts: Any) -> None:
        self.event = event
        self.when = when
        self.facts = {name: fact for name, fact in facts.items() if fact is not None}


async def _name_of(asked: Callable[[], Awaitable[Any]]) -> str | None:
    """A name from getsockname or getpeername; none is no failure of the connection."""
    try:
        return _name(await asked())
    except WinsockError:
        return None


def _name(address: Any) -> str | None:
    """127.0.0.1:80, [::1]:80, or whatever another family uses."""
    if not isinstance(address, tuple) or len(address) < 2:
        return None if not address else str(address)
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def _as_json(entry: Entry) -> str:
    import json

    facts = dict(entry.facts)
    error = facts.pop("error", None)
    if error is not None:
        facts |= {
            "error": getattr(error.code, "name", str(error.code)),
            "code": int(error.code),
            "detail": error.detail,
        }
    if "seconds" in facts:
        facts["seconds"] = round(facts["seconds"], 6)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(entry.when)) + f".{int(entry.when % 1 * 1000):03d}Z"
    return json.dumps({"time": stamp, "event": entry.event} | facts)


def _as_text(entry: Entry) -> str:
    return "".join(_parts(entry))


def _as_coloured(entry: Entry) -> str:
    stamp, what = _parts(entry)
    return f"{_DIM}{stamp}{_PLAIN}{_RED}{what}{_PLAIN}" if "error" in entry.facts else f"{_DIM}{stamp}{_PLAIN}{what}"


def _parts(entry: Entry) -> tuple[str, str]:
    """(time, the rest) of a line of text."""
    stamp = time.strftime("%H:%M:%S", time.localtime(entry.when)) + f".{int(entry.when % 1 * 1000):03d} "
    fact: Callable[..., Any] = entry.facts.get
    if entry.event == "dropped":
        return stamp, f"log: {fact('lines')} lines were dropped: they came faster than they could be written"
    who = f" {_printable(fact('command', ''))}[{fact('pid')}]" if fact("pid") else ""
    what = f"#{fact('connection')}{who} {entry.event} {fact('peer', '?')}"
    error, seconds = fact("error"), fact("seconds")
    if error:
        after = "" if seconds is None else f" after {_seconds(seconds)}"
        return stamp, f"{what} failed{after}: {_printable(_words(error, entry.event))}"
    if entry.event == "close":
        what += f": sent {fact('sent')} B, received {fact('received')} B"
    if seconds is not None:
        what += f" in {_seconds(seconds)}"
    if entry.event == "connect" and fact("local"):
        what += f" from {fact('local')}"
    return stamp, what


def _words(error: WinsockError, event: str) -> str:
    """`Connection refused (WSAECONNREFUSED)`: what happened, and its name."""
    said = error.detail.removeprefix(f"{event}: ") or (os.strerror(error.errno) if error.errno else "")
    name = getattr(error.code, "name", str(int(error.code)))
    return f"{said} ({name})" if said else name


def _seconds(seconds: float) -> str:
    # Three digits suffice below a second; a connect on loopback takes microseconds.
    return f"{seconds:.3f} s" if seconds >= 0.9995 else f"{seconds * 1000:.3g} ms"


def _printable(text: str) -> str:
    """A command's name and an error's words come from elsewhere: they must not steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


class Writer:
    """A bounded queue of lines and the thread that writes them to a descriptor.

    `put` never blocks and takes no lock of Python's (SimpleQueue's is made to be interrupted), so that it may be
    called from a signal handler or a finaliser that strikes inside another `put`. The thread starts with the first
    line, hence after a launcher has forked, and once more in a child of a fork.
    """

    def __init__(self, fd: int, limit: int, farewell: Callable[[int], str]) -> None:
        self._fd = fd
        self._limit = limit
        self._farewell = farewell  # the line that tells how many were lost
        self._drops = itertools.count(1)
        self.dropped = 0
        self._pid = 0
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, line: str) -> None:
        if self._pid != os.getpid():
            self._start()
        if self._queue.qsize() >= self._limit:
            self.dropped = next(self._drops)
        else:
            self._queue.put(line)

    def _start(self) -> None:
        self._pid = os.getpid()
        self._queue = queue.SimpleQueue()
        self._thread = threading.Thread(target=_write_out, args=(self._queue, self._fd), name="ws2spi-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write out what waits, tell what was lost, close the file. Gives up on a reader who has stopped reading."""
        if self._thread is not None and self._pid == os.getpid():
            self._queue.put(None)
            self._thread.join(_PATIENCE)
            if self._thread.is_alive():
                return  # the descriptor is in its hands
            if self.dropped:
                _write(self._fd, self._farewell(self.dropped) + "\n")
        if self._fd != 2:
            os.close(self._fd)


def _write_out(lines: "queue.SimpleQueue[str | None]", fd: int) -> None:
    """The thread: whole lines, as many at once as wait, until None comes."""
    while True:
        line = lines.get()
        batch = []
        while line is not None:
            batch.append(line)
            try:
                line = lines.get_nowait()
            except queue.Empty:
                break
        if batch:
            _write(fd, "\n".join(batch) + "\n")
        if line is None:
            return


_failing: set[int] = set()  # descriptors whose failure was told


def _write(fd: int, text: str) -> None:
    """All of `text`. A reader that has gone (a closed terminal, a broken pipe) must not end the program."""
    data = text.encode(errors="backslashreplace")
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:  # somebody who shares our stderr has made it non-blocking
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()
        except OSError as error:
            if error.errno != errno.EPIPE and fd not in _failing:  # a full disk; a reader that has gone knows it
                _failing.add(fd)
                from ws2spi._engine import reports  # rare

                reports.report(f"layer 'log' cannot write: {error.strerror}; lines are lost")
            return
