"""A real HTTP server in a process of its own, so that it never competes with the code under test for one interpreter.

Run as a script it serves a folder on a free loopback port and prints the port; it ends when its stdin ends.
"""

import hashlib
import http.client
import http.server
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

BIG = 8 * 1024 * 1024


@dataclass
class HttpServer:
    """A running server. `big` is a file of `BIG` bytes under `root`, with its digest."""

    root: Path
    host: str
    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def big(self) -> Path:
        return self.root / "big"

    @property
    def big_digest(self) -> str:
        return hashlib.sha256(self.big.read_bytes()).hexdigest()


def start(root: Path, host: str = "127.0.0.1") -> HttpServer:
    """Serve `root` (a file `big` is put there) and return when the server answers."""
    if not (root / "big").exists():
        # Bytes that repeat nowhere near, so that a lost or swapped piece shows.
        (root / "big").write_bytes(b"".join(number.to_bytes(8, "big") for number in range(BIG // 8)))
    process = subprocess.Popen(
        [sys.executable, __file__, str(root), host],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    return HttpServer(root, host, int(process.stdout.readline()), process)


def stop(server: HttpServer) -> None:
    process = server.process
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024  # hundreds of clients at once must not find a full backlog


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass


def _serve(root: str, host: str) -> None:
    _Server.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = _Server((host, 0), lambda *a, **k: _Handler(*a, directory=root, **k))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection = http.client.HTTPConnection(host, server.server_port)
    connection.request("HEAD", "/")
    connection.getresponse()
    connection.close()
    print(server.server_port, flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
