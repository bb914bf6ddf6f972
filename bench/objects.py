"""Lines measured inside one process: APCs, ports, socket handles, layers."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

from bench.rounds import Group, Limit, Line, Measure, Unavailable, per_call

# Figures for Wine 8, quoted from the design and not measured here; µs.
WINE_APC, WINE_PORT = 77.0, 48.0


def _executive(_: ExitStack, quick: bool) -> Iterator[Line]:
    from ws2spi._executive import threads
    from ws2spi._executive.ports import CompletionPort, Packet

    times = 5_000 if quick else 50_000
    thread = threads.current()

    def routine(context: object) -> None:
        pass

    def apc() -> None:
        thread.queue_apc(routine, None)
        thread.run_apcs()

    port, packet = CompletionPort(), Packet(1, 2, None, 0)

    def post_and_get() -> None:
        port.post(packet)
        port.get(0)

    yield Line(
        "queue an APC and deliver it, objects",
        "µs",
        {"ws2spi": per_call(times, apc)},
        "ws2spi",
        [Limit(1)],
        {"Wine 8": WINE_APC},
    )
    yield Line(
        "post and get a port packet, objects",
        "µs",
        {"ws2spi": per_call(times, post_and_get)},
        "ws2spi",
        [Limit(1)],
        {"Wine 8": WINE_PORT},
    )
    port.close()
    yield from _face(times)


def _face(times: int) -> Iterator[Line]:
    try:
        from ws2spi import ctypes
        from ws2spi.ctypes import wintypes
    except ImportError as error:
        raise Unavailable(f"the exact face: {error}") from error
    windll: Any = ctypes.windll  # type: ignore[attr-defined]
    kernel32 = windll.kernel32
    routine = ctypes.WINFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)  # type: ignore[attr-defined]
    thread = kernel32.GetCurrentThread()

    def apc() -> None:
        kernel32.QueueUserAPC(routine, thread, 0)
        kernel32.SleepEx(0, True)

    yield Line(
        "queue an APC and deliver it, exact face",
        "µs",
        {"ws2spi": per_call(times, apc)},
        "ws2spi",
        [Limit(4)],
        {"Wine 8": WINE_APC},
        note="QueueUserAPC, SleepEx",
    )
    port = kernel32.CreateIoCompletionPort(wintypes.HANDLE(-1), None, 0, 0)
    size, key, overlapped = wintypes.DWORD(), ctypes.c_size_t(), ctypes.c_void_p()
    to_size, to_key, to_overlapped = ctypes.byref(size), ctypes.byref(key), ctypes.byref(overlapped)

    def post_and_get() -> None:
        kernel32.PostQueuedCompletionStatus(port, 1, 2, None)
        kernel32.GetQueuedCompletionStatus(port, to_size, to_key, to_overlapped, 0)

    yield Line(
        "post and get a port packet, exact face",
        "µs",
        {"ws2spi": per_call(times, post_and_get)},
        "ws2spi",
        [Limit(4)],
        {"Wine 8": WINE_PORT},
        note="PostQueuedCompletionStatus, GetQueuedCompletionStatus",
    )
    kernel32.CloseHandle(port)


def _handles(stack: ExitStack, quick: bool) -> Iterator[Line]:
    try:
        from ws2spi import ws2_32
        from ws2spi._runtime.upcalls import query_socket_handle_context
    except ImportError as error:
        raise Unavailable(f"ws2_32: {error}") from error
    import ctypes

    times = 500 if quick else 3_000
    data = ws2_32.WSADATA()
    if ws2_32.WSAStartup(0x0202, ctypes.byref(data)):
        raise Unavailable("WSAStartup failed")
    stack.callback(ws2_32.WSACleanup)
    code = ctypes.c_int()
    to_error = ctypes.byref(code)
    entry = 1001  # TCP/IP among the built-in entries

    def create_and_close() -> None:
        handle = ws2_32.WPUCreateSocketHandle(entry, 7, to_error)
        ws2_32.WPUCloseSocketHandle(handle, to_error)

    def bare() -> None:
        one, two = socket.socketpair()
        one.close()
        two.close()

    yield Line(
        "WPUCreateSocketHandle and WPUCloseSocketHandle",
        "µs",
        {"socketpair() and close()": per_call(times, bare), "ws2spi": per_call(times, create_and_close)},
        "ws2spi",
        [Limit(2, "socketpair() and close()")],
    )
    handle = ws2_32.WPUCreateSocketHandle(entry, 7, to_error)
    context = ctypes.c_size_t()
    to_context = ctypes.byref(context)
    yield Line(
        "WPUQuerySocketHandleContext",
        "µs",
        {
            "ws2spi, objects": per_call(times * 10, lambda: query_socket_handle_context(handle)),
            "ws2spi, exact face": per_call(
                times * 10, lambda: ws2_32.WPUQuerySocketHandleContext(handle, to_context, to_error)
            ),
        },
        "ws2spi, objects",
        [Limit(0.5)],
    )
    ws2_32.WPUCloseSocketHandle(handle, to_error)


def _pass_layers(count: int) -> list[Any]:
    from ws2spi.providers.layer import Layer

    class Pass(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            await conn.below.send(data)

        async def recv(self, conn: Any, size: int) -> bytes:
            return await conn.below.recv(size)  # type: ignore[no-any-return]

    return [Pass() for _ in range(count)]


def _connection(stack: ExitStack, sock: socket.socket, layers: int) -> Any:
    from ws2spi._engine.epoll import Engine
    from ws2spi._engine.transport import SocketTransport
    from ws2spi.providers.stack import Stack

    engine = Engine()
    engine.start()
    stack.callback(engine.stop)
    connection = Stack(_pass_layers(layers)).connection(engine, SocketTransport(sock))
    closed = threading.Event()
    stack.callback(closed.wait, 2)
    stack.callback(connection.close, lambda _: closed.set())
    return connection


def _layers(stack: ExitStack, quick: bool) -> Iterator[Line]:
    times = 200 if quick else 1_000
    message = b"x" * 64

    def least(burst: Measure) -> Measure:
        return lambda: min(burst() for _ in range(20))

    def round_trip(layers: int) -> Measure:
        ours, theirs = socket.socketpair()
        stack.callback(theirs.close)
        connection = _connection(stack, ours, layers)

        def once() -> None:
            connection.send(message)
            theirs.send(theirs.recv(64))
            connection.recv(64)

        return per_call(times, once)

    # Each of the two is the least of many short bursts: the difference is small, and a busy machine only adds to them.
    without, with_five = least(round_trip(0)), least(round_trip(5))
    plain_without, plain_with_ten = least(_awaits(times, 0)), least(_awaits(times, 10))
    yield Line(
        "a pass-through layer that overrides send and recv, for each call",
        "µs",
        {
            "two plain coroutines": lambda: (plain_with_ten() - plain_without()) / 5,
            "ws2spi": lambda: (with_five() - without()) / 10,
        },
        "ws2spi",
        [Limit(0.3)],
        note="the difference between five layers and none, over ten calls",
    )


def _awaits(times: int, depth: int) -> Measure:
    """A call through that many coroutines that do nothing but await the next: what layers cost before any rule."""

    class Floor:
        def __init__(self, below: Any) -> None:
            self.below = below

        async def send(self, data: bytes) -> Any:
            return await self.below.send(data)

    class Ground:
        async def send(self, data: bytes) -> bytes:
            return data

    top: Any = Ground()
    for _ in range(depth):
        top = Floor(top)

    def once() -> None:
        with suppress(StopIteration):
            top.send(b"").send(None)

    return per_call(times, once)


_ECHO = """
import socket
listener = socket.create_server(("127.0.0.1", 0), backlog=16)
print(listener.getsockname()[1], flush=True)
while True:
    sock = listener.accept()[0]
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := sock.recv(65536):
        sock.sendall(data)
    sock.close()
"""


def _echo(stack: ExitStack, quick: bool) -> Iterator[Line]:
    times = 2_000 if quick else 10_000
    message = b"x" * 64

    def server() -> int:
        # One for each client: they serve a single connection at a time.
        process = subprocess.Popen([sys.executable, "-c", _ECHO], stdout=subprocess.PIPE)
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stdout is not None
        stack.callback(process.stdout.close)
        return int(process.stdout.readline())

    def connected() -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", server()))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    bare = connected()
    stack.callback(bare.close)

    def bare_once() -> None:
        bare.sendall(message)
        bare.recv(65536)

    layered = _connection(stack, connected(), 3)

    def layered_once() -> None:
        layered.send(message)
        layered.recv(65536)

    cases: dict[str, Measure] = {
        "blocking, bare": per_call(times, bare_once),
        "ws2spi, three layers": per_call(times, layered_once),
        "asyncio streams": _loop_echo(stack, asyncio.new_event_loop(), server(), times),
    }
    limits = [Limit(1.5, "blocking, bare")]
    with suppress(ImportError):
        import uvloop  # type: ignore[import-not-found, unused-ignore]

        cases["uvloop streams"] = _loop_echo(stack, uvloop.new_event_loop(), server(), times)
        limits.append(Limit(1, "uvloop streams"))
    note = "" if "uvloop streams" in cases else "uvloop is not installed: pip install -e '.[bench]'"
    yield Line("blocking 64-byte echo over TCP, in process", "µs", cases, "ws2spi, three layers", limits, note=note)


def _loop_echo(stack: ExitStack, loop: asyncio.AbstractEventLoop, port: int, times: int) -> Measure:
    reader, writer = loop.run_until_complete(asyncio.open_connection("127.0.0.1", port))
    stack.callback(loop.close)
    stack.callback(lambda: loop.run_until_complete(writer.wait_closed()))
    stack.callback(writer.close)

    async def trips() -> None:
        for _ in range(times):
            writer.write(b"x" * 64)
            await reader.read(65536)

    def case() -> float:
        began = time.perf_counter()
        loop.run_until_complete(trips())
        return (time.perf_counter() - began) / times * 1e6

    return case


GROUPS: dict[str, Group] = {"executive": _executive, "handles": _handles, "layers": _layers, "echo": _echo}
