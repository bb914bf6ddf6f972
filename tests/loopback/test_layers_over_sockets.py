"""`log` and `throttle` over real sockets: in the places where a coroutine's test double could lie."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection
from ws2spi._engine.epoll import Engine
from ws2spi._engine.transport import SocketTransport
from ws2spi.layers.log import Log
from ws2spi.layers.options import File, Rate
from ws2spi.layers.throttle import Throttle
from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack

BYTES = bytes(range(256)) * 400  # 100 kB


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def over(engine: Engine, *layers: Layer) -> Connection:
    return Stack(layers).connection(engine, SocketTransport(socket.socket()))


def close(connection: Connection) -> None:
    closed = threading.Event()
    connection.close(lambda _: closed.set())
    assert closed.wait(10)


def entries(log: Log, path: Path) -> list[dict[str, object]]:
    log.finish()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_bytes_pass_both_ways_and_are_counted(engine: Engine, listener: socket.socket, tmp_path: Path) -> None:
    log = Log(format="json", file=File(str(tmp_path / "log")))
    connection = over(engine, log, Throttle(rate=Rate("1MB/s")))
    connection.connect(listener.getsockname())
    peer = listener.accept()[0]
    received = bytearray()

    def answer() -> None:
        while len(received) < len(BYTES):
            received.extend(peer.recv(65536))
        peer.sendall(BYTES[::-1])
        peer.shutdown(socket.SHUT_WR)

    answering = threading.Thread(target=answer)
    answering.start()
    connection.send(BYTES)
    back = b"".join(iter(lambda: connection.recv(65536), b""))
    answering.join(10)
    close(connection)
    peer.close()
    assert bytes(received) == BYTES
    assert back == BYTES[::-1]
    first, last = entries(log, tmp_path / "log")
    assert first["peer"] == f"127.0.0.1:{listener.getsockname()[1]}"
    assert (last["sent"], last["received"]) == (len(BYTES), len(BYTES))


def test_refusal_reaches_the_client_and_the_log(engine: Engine, tmp_path: Path) -> None:
    log = Log(format="json", file=File(str(tmp_path / "log")))
    connection = over(engine, log)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(WinsockError) as caught:
            connection.connect(unused.getsockname())
    assert caught.value.code == WSAError.WSAECONNREFUSED
    close(connection)
    (entry,) = entries(log, tmp_path / "log")
    assert (entry["event"], entry["error"]) == ("connect", "WSAECONNREFUSED")


def test_reset_by_the_peer_is_logged_and_the_end_too(engine: Engine, listener: socket.socket, tmp_path: Path) -> None:
    log = Log(format="json", file=File(str(tmp_path / "log")))
    connection = over(engine, log)
    connection.connect(listener.getsockname())
    peer = listener.accept()[0]
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    with pytest.raises(WinsockError):
        connection.recv(10)
    close(connection)
    events = [(entry["event"], entry.get("error")) for entry in entries(log, tmp_path / "log")]
    assert events == [("connect", None), ("recv", "WSAECONNRESET"), ("close", None)]


def test_close_delivers_what_the_throttle_still_holds(engine: Engine, listener: socket.socket) -> None:
    connection = over(engine, Throttle(up=Rate("1MB/s")))
    connection.connect(listener.getsockname())
    peer = listener.accept()[0]
    accepted = connection.send_nowait(BYTES)
    connection.close()
    received = b"".join(iter(lambda: peer.recv(65536), b""))
    peer.close()
    assert accepted > 0
    assert received == BYTES[:accepted]
