"""Unusual surroundings: closed standard descriptors, another `run` outside, a layer that forgets to await."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.runs import PATIENCE, Server, command, own, run


@pytest.mark.parametrize("closing", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_descriptor_is_closed_for_the_program_too(closing: str, tmp_path: Path) -> None:
    told = tmp_path / "told"
    code = """
import os, sys
def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
with open(sys.argv[1], "w") as file:
    file.write(str([is_open(number) for number in range(3)]))
"""
    script = f'exec "$@" {closing}'
    natively = [sys.executable, "-c", code, str(told)]
    seen = []
    for words in (natively, command([own("Bytes")], natively)):
        done = subprocess.run(["sh", "-c", script, "sh", *map(str, words)], timeout=PATIENCE, check=False)
        assert done.returncode == 0
        seen.append(told.read_text())
        told.unlink()
    assert seen[0] == seen[1]


@pytest.mark.parametrize("outer", ["Control", "Bytes"])
def test_a_run_inside_of_another_is_refused_whatever_the_layers(outer: str) -> None:
    done = run([own(outer)], command([own("Bytes")], ["true"]))
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.count("\n") == 1
    assert "already running under ws2spi run" in done.stderr


def test_a_forgotten_await_is_told(server: Callable[..., Server], tmp_path: Path) -> None:
    layer = tmp_path / "forgets.py"
    layer.write_text(
        "from ws2spi import Layer\n\n\nclass Forgets(Layer):\n"
        "    async def send(self, conn, data):\n        conn.below.send(data)\n"
    )
    code = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).sendall(b'lost')"
    port = server(lambda connection: connection.recv(1)).port
    done = run([f"{layer}:Forgets"], [sys.executable, "-c", code, port])
    assert "never awaited" in done.stderr
    assert "forgets.py:6" in done.stderr


@pytest.mark.parametrize("bytes_too", [False, True])
def test_step_of_connect_that_holds_everybody_up_is_named(
    bytes_too: bool, server: Callable[..., Server], tmp_path: Path
) -> None:
    layer = tmp_path / "blocks.py"
    layer.write_text(
        "import time\nfrom ws2spi import Layer\n\n\nclass Blocks(Layer):\n"
        "    async def connect(self, conn, address):\n"
        "        time.sleep(0.2)\n        await conn.below.connect(address)\n"
        + "    async def send(self, conn, data):\n        await conn.below.send(data)\n"
        * bytes_too
    )
    code = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])))"
    done = run([f"{layer}:Blocks"], [sys.executable, "-c", code, server(lambda connection: None).port])
    (line,) = done.stderr.splitlines()
    assert line.startswith("ws2spi: layer 'blocks' held everybody up for 2")
