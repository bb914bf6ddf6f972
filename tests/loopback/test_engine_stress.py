"""Full duplex under everything that clients do: not one byte may be lost, doubled or moved.

Each connection has two writers and two readers, one at each end, on threads of their own; every call is chosen by a
seeded generator: blocking, timed out, overlapped, cancelled, polled, or a wait for readiness. Both streams are hashed.
"""

import hashlib
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.engines import Frame, Gated, Paced, Pass, ReadAhead, Xor, shut
from support.threads import LONG, Running, until
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection
from ws2spi._engine.epoll import Engine
from ws2spi._engine.operations import Request
from ws2spi._engine.transport import SocketTransport
from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack

STACKS: dict[str, Callable[[], tuple[Layer, ...]]] = {
    "none": lambda: (),
    "frame": lambda: (Frame(),),
    "xor+frame+readahead": lambda: (ReadAhead(), Frame(), Xor()),
    "throttle+frame": lambda: (Paced(), Frame()),
}
TOTAL = 2_000_000  # bytes in each direction
PATIENCE = 60.0


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine().start()
    yield made
    made.stop()
    made.close()


def pair(engine: Engine, layers: tuple[Layer, ...], buffer: int = 0) -> tuple[Connection, Connection]:
    ends = socket.socketpair()
    for end in ends if buffer else ():
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    stack = Stack(layers)
    return stack.connection(engine, SocketTransport(ends[0])), stack.connection(engine, SocketTransport(ends[1]))


def awaited(submit: Callable[..., Request], *arguments: Any, cancel: Connection | None = None) -> Request:
    """Submit and wait for the callback, as a client of events does."""
    done = threading.Event()
    request = submit(*arguments, lambda _: done.set())
    if cancel is not None:
        cancel.cancel(request)
    assert done.wait(PATIENCE), "a request was never answered"
    return request


# -- one writer, one reader --------------------------------------------------------------------------------------------


class Progress:
    """How far the reader of one direction has come, so that its writer can let it run dry now and then."""

    def __init__(self) -> None:
        self.read = 0


def write(connection: Connection, seed: int, mixed: bool, progress: Progress) -> str:
    """Send TOTAL bytes in every way there is; returns their hash."""
    choose = random.Random(seed)
    digest = hashlib.blake2b()
    left = TOTAL
    while left:
        data = choose.randbytes(min(left, choose.choice((1, 7, 64, 500, 1000, 5000, 70_000))))
        way = choose.random() if mixed else 0.0
        if way < 0.4:
            connection.send(data)
        elif way < 0.7:
            assert awaited(connection.submit_send, data).value() == len(data)
        else:
            try:
                data = data[: connection.send_nowait(data)]
            except WinsockError as error:
                expect(error, WSAError.WSAEWOULDBLOCK)
                continue
        digest.update(data)
        left -= len(data)
        if mixed and choose.random() < 0.3:
            until(lambda: progress.read == TOTAL - left, PATIENCE)  # noqa: B023 (called at once)
    connection.shutdown(socket.SHUT_WR)
    return digest.hexdigest()


def read(connection: Connection, seed: int, mixed: bool, progress: Progress) -> tuple[str, Counter[str]]:
    """Receive until the end in every way there is; returns the hash and how often each way was gone."""
    choose = random.Random(seed)
    digest = hashlib.blake2b()
    ways: Counter[str] = Counter()
    while True:
        size = choose.choice((1, 10, 500, 65_536))
        way = choose.random() if mixed else 0.0
        try:
            if way < 0.3:
                ways["blocking"] += 1
                data = connection.recv(size)
            elif way < 0.5:
                data = connection.recv(size, choose.choice((0.0, 0.0005)))
                ways["in time"] += 1
            elif way < 0.8:
                cancelled = choose.random() < 0.5
                data = awaited(connection.submit_recv, size, cancel=connection if cancelled else None).value()
                ways["overlapped"] += 1
            elif way < 0.9:
                peeked = connection.recv_nowait(size, peek=True)
                data = connection.recv_nowait(size)
                assert data[: len(peeked)] == peeked[: len(data)], "peeked one thing, received another"
                ways["polled"] += 1
            else:
                connection.wait_readable(0.001)
                ways["readiness"] += 1
                continue
        except WinsockError as error:
            expect(error, WSAError.WSAETIMEDOUT, WSAError.WSA_OPERATION_ABORTED, WSAError.WSAEWOULDBLOCK)
            ways[error.code.name] += 1  # type: ignore[attr-defined]
            continue
        if not data:
            return digest.hexdigest(), ways
        digest.update(data)
        progress.read += len(data)


def expect(error: WinsockError, *codes: WSAError) -> None:
    if error.code not in codes:
        raise error


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("mixed", [False, True], ids=["blocking", "mixed"])
@pytest.mark.parametrize("stack", STACKS)
def test_no_byte_is_lost(engine: Engine, stack: str, mixed: bool, seed: int) -> None:
    one, other = pair(engine, STACKS[stack](), 8192 if seed == 2 else 0)
    onward, backward = Progress(), Progress()
    threads = [
        Running(write, one, seed * 10, mixed, onward),
        Running(write, other, seed * 10 + 1, mixed, backward),
        Running(read, one, seed * 10 + 2, mixed, backward),
        Running(read, other, seed * 10 + 3, mixed, onward),
    ]
    there, back, got_back, got_there = [thread.result(PATIENCE) for thread in threads]
    for outcome in (there, back, got_back, got_there):
        if isinstance(outcome, BaseException):
            raise outcome
    assert there == got_there[0]
    assert back == got_back[0]
    if mixed:
        assert set(got_there[1] + got_back[1]) >= {"blocking", "overlapped", "WSA_OPERATION_ABORTED", "readiness"}
    shut(one, other)


def test_two_readers_of_one_connection_share_the_stream(engine: Engine) -> None:
    """Whoever is in front gets the next bytes; together they get all of them, each once."""
    one, other = pair(engine, (Pass(),))
    data = random.Random(3).randbytes(TOTAL)
    parts: dict[int, bytes] = {}
    lock = threading.Lock()
    place = [0]

    def take() -> None:
        while True:
            with lock:  # order among the readers, not in the engine
                part = other.recv(997)
                parts[place[0]] = part
                place[0] += len(part)
            if not part:
                return

    readers = [Running(take) for _ in range(3)]
    one.send(data)
    one.shutdown(socket.SHUT_WR)
    for reader in readers:
        assert reader.result(PATIENCE) is None
    assert b"".join(parts[start] for start in sorted(parts)) == data
    shut(one, other)


def test_readers_that_leave_all_the_time_beside_one_that_stays(engine: Engine) -> None:
    """The pump passes from thread to thread and to the engine and back; nothing falls to the ground."""
    one, other = pair(engine, (Frame(),))
    data = random.Random(4).randbytes(TOTAL)
    got: list[tuple[int, bytes]] = []
    turn = threading.Lock()
    ended = threading.Event()

    def leaver(seed: int) -> None:
        choose = random.Random(seed)
        while not ended.is_set():
            try:
                with turn:
                    part = other.recv(choose.choice((1, 100, 5000)), choose.choice((0.0, 0.0002, 0.001)))
                    got.append((len(got), part))
                    if not part:
                        ended.set()
            except WinsockError as error:
                expect(error, WSAError.WSAETIMEDOUT)

    readers = [Running(leaver, seed) for seed in (5, 6, 7)]
    choose = random.Random(8)
    start = 0
    while start < len(data):
        size = choose.choice((1, 100, 3000, 50_000))
        one.send(data[start : start + size])
        start += size
    one.shutdown(socket.SHUT_WR)
    for reader in readers:
        assert reader.result(PATIENCE) is None
    assert b"".join(part for _, part in sorted(got)) == data
    shut(one, other)


# -- close in the middle -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("stack", STACKS)
def test_close_in_the_middle_of_everything(engine: Engine, stack: str, seed: int) -> None:
    """Under blocked and overlapped receives, sends in flight and pollers: all are answered, nobody hangs."""
    choose = random.Random(seed)
    for _ in range(5):
        one, other = pair(engine, STACKS[stack](), 8192)
        started = threading.Barrier(4)

        def go(call: Callable[[], Any], started: threading.Barrier = started) -> Any:
            started.wait(LONG)
            try:
                while call() != b"":
                    pass
            except WinsockError as error:
                return error.code
            return None

        data = choose.randbytes(100_000)
        threads = [
            Running(go, lambda one=one: one.recv(100)),
            Running(go, lambda one=one, data=data: one.send(data)),
            Running(go, lambda one=one: awaited(one.submit_recv, 100).value()),
        ]
        started.wait(LONG)
        other.send(b"x" * choose.choice((1, 1000)))
        until(lambda one=one: one._sends or one._receives)
        (one.close if choose.random() < 0.5 else one.abort)()
        allowed = {None, WSAError.WSAEINTR, WSAError.WSA_OPERATION_ABORTED}
        for thread in threads:
            assert thread.result(PATIENCE) in allowed
        shut(one)
        other.abort()
        shut(other)


def test_many_connections_that_live_briefly(engine: Engine) -> None:
    """Numbers are used again at once; every connection gets its own bytes."""

    def live(seed: int) -> int:
        choose = random.Random(seed)
        good = 0
        for _ in range(25):
            one, other = pair(engine, (Xor(), Frame()))
            data = choose.randbytes(choose.choice((1, 500, 70_000)))
            sending = Running(one.send, data)
            got = bytearray()
            while len(got) < len(data):
                if choose.random() < 0.5:
                    got += other.recv(65_536)
                else:
                    got += awaited(other.submit_recv, 65_536).value()
            assert sending.result() == len(data)
            good += bytes(got) == data
            shut(one, other)
        return good

    assert [thread.result(PATIENCE) for thread in [Running(live, seed) for seed in range(4)]] == [25] * 4


def test_what_was_accepted_arrives_though_many_close_at_once(engine: Engine) -> None:
    """Heart rule 2 in a crowd: a piece accepted from a program that closes at once, under a layer that waits."""
    crowd = []
    for number in range(40):
        layer = Gated()
        one, other = pair(engine, (layer,))
        assert one.send_nowait(bytes([number]) * 1000) == 1000
        one.close()
        crowd.append((number, layer, one, other))
    for _, layer, _, _ in crowd:
        layer.gate.set()
    for number, _, one, other in crowd:
        got = b""
        while part := other.transport.sock.recv(4096):
            got += part
        assert got == bytes([number]) * 1000
        shut(one)
        other.abort()
        shut(other)
