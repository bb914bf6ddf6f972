"""The demo and the example do what the README says of them."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]
WS2SPI = [sys.executable, "-m", "ws2spi.cli.main"]

# connect, send a word, print the answer
CLIENT = (
    "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.sendall(b'hello'); "
    "s.shutdown(socket.SHUT_WR); print(s.makefile().read(), end='')"
)


def test_demo_shows_log_and_rate_and_is_content() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "demo.py")], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "rate asked     2.00 MB/s" in done.stdout
    assert "received=6" in done.stdout
    assert "the same as served" in done.stdout


def test_example_upper_cases_what_is_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def echo() -> None:
            with listener.accept()[0] as sock:
                while data := sock.recv(100):
                    sock.sendall(data)

        server = threading.Thread(target=echo)
        server.start()
        layer = f"{ROOT / 'examples' / 'upper.py'}:Upper"
        port = str(listener.getsockname()[1])
        done = subprocess.run(
            [*WS2SPI, "run", "-l", layer, "--", sys.executable, "-c", CLIENT, port],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        server.join(10)
    assert (done.stdout, done.stderr, done.returncode) == ("HELLO", "", 0)
