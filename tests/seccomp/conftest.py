"""Fixtures for programs under `ws2spi run`: runs, servers, compiled programs, an ordinary user."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from support.runs import PROGRAMS, Running, Server
from support.tools import need as find_tool


@pytest.fixture
def running() -> Iterator[Callable[..., Running]]:
    """`running(layers, argv, *options)`: start a program under `ws2spi run`."""
    started: list[Running] = []

    def start(*arguments: object, **keywords: object) -> Running:
        started.append(Running(*arguments, **keywords))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    """`server(serve, host=...)`: start one; `serve(connection)` runs in a thread for each client."""
    started: list[Server] = []

    def start(serve: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Server:
        started.append(Server(serve, host))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which connects are refused, on 127.0.0.1 and ::1, and which nobody else takes."""
    for _ in range(100):
        with socket.socket() as four, socket.socket(socket.AF_INET6) as six:
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            four.bind(("127.0.0.1", 0))
            try:
                six.bind(("::1", four.getsockname()[1]))
            except OSError:
                continue  # taken by somebody's connection
            yield four.getsockname()[1]
            return
    pytest.fail("no port is free in both families")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`compiled("name.c")`: the program, built once in a session; skips where there is no compiler."""
    folder = tmp_path_factory.mktemp("programs")
    built: dict[str, Path] = {}

    def build(source: str, *flags: str) -> Path:
        if source not in built:
            program = folder / Path(source).stem
            if source.endswith(".go"):
                words = [find_tool("go"), "build", "-o", str(program), str(PROGRAMS / "programs" / source)]
                settings = {"CGO_ENABLED": "0", "GO111MODULE": "off", "GOFLAGS": "-mod=mod"}
                cache = {"GOCACHE": str(folder / "cache"), "GOPATH": str(folder / "go")}
            else:
                file = str(PROGRAMS / "programs" / source)
                words = [find_tool("gcc"), "-O1", "-pthread", "-o", str(program), file, *flags]
                settings, cache = {}, {}
            subprocess.run(words, check=True, env={**os.environ, **settings, **cache})
            built[source] = program
        return built[source]

    return build


@pytest.fixture
def nobody(tmp_path: Path) -> Sequence[str]:
    """Words that run a program as an ordinary user without any capability."""
    if os.geteuid():
        return []
    setpriv = shutil.which("setpriv") or find_tool("setpriv")
    return [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
