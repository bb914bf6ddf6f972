"""The examples, under programs."""

import re
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.runs import Completed, Server, run

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

CLIENT = """
import socket, sys
try:
    with socket.create_connection(("192.0.2.7", 4321), timeout=%s) as connection:
        print(connection.getpeername(), connection.makefile().readline(), end="")
except OSError as error:
    print(error.errno)
"""


def proxy(answer: bytes) -> Callable[[socket.socket], None]:
    """A SOCKS5 proxy that gives `answer` to every request and then speaks for the target."""

    def serve(connection: socket.socket) -> None:
        if connection.recv(3, socket.MSG_WAITALL) != b"\5\1\0":
            return
        connection.sendall(b"\5\0")
        if connection.recv(10, socket.MSG_WAITALL) == b"\5\1\0\1\xc0\0\2\7" + struct.pack(">H", 4321):
            connection.sendall(answer)
            connection.sendall(b"from the target\n")

    return serve


@pytest.fixture(params=[b"\5\0\0\1" + bytes(6), b"\5\0\0\3\4name\0\0", b"\5\0\0\4" + bytes(18), b"\5\5\0\1" + bytes(6)])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Server, bool]]:
    """A proxy, and whether it lets connections through."""
    made = Server(proxy(request.param))
    yield made, request.param[1] == 0
    made.close()


def through(port: int, timeout: str) -> Completed:
    return run([f"{EXAMPLES}/socks5.py:proxy=127.0.0.1:{port}"], [sys.executable, "-c", CLIENT % timeout])


@pytest.mark.parametrize("timeout", ["None", "20"], ids=["blocking", "non-blocking"])
def test_socks5(server: tuple[Server, bool], timeout: str) -> None:
    """The target is an address for documentation: nobody but the proxy could have answered."""
    proxy, lets_through = server
    done = through(proxy.port, timeout)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("('192.0.2.7', 4321) from the target\n" if lets_through else "111\n")


@pytest.mark.parametrize("text", ["x", "127.0.0.1:no", ":1080", "127.0.0.1:65536"])
def test_socks5_refuses_what_is_no_proxy(text: str) -> None:
    done = run([f"{EXAMPLES}/socks5.py:proxy={text}"], ["true"])
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.endswith(f"option 'proxy': {text!r} is not HOST:PORT\n")


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_session_of_a_page(page: str, tmp_path: Path, need: Callable[[str], str]) -> None:
    """Copied as it stands, but for the port and the folder."""
    need("curl")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    script = "".join(block for block in blocks if "ws2spi run" in block).replace("8080", str(port))
    script = script.replace(". .venv/bin/activate\n", "").replace("/tmp/", f"{tmp_path}/")
    assert script.count("ws2spi run") >= 2
    command = f'ws2spi() {{ "{sys.executable}" -m ws2spi.cli.main "$@"; }}\n{script}kill %1\n'
    done = subprocess.run(["bash", "-ec", command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "big").read_bytes() == bytes(4_000_000)
    for expected in (
        rf"#1 curl\[\d+\] connect 127.0.0.1:{port} in [\d.]+ ms from 127.0.0.1:\d+$",
        r"close 127.0.0.1:\d+: sent \d+ B, received 4000\d{3} B in [12]\.\d{3} s$",
        r'"GET /big HTTP/1.1" 200 -$',
        r'"GET /BIG HTTP/1.1" 404 -$',
    ):
        assert re.search(expected, done.stderr, re.MULTILINE), done.stderr
