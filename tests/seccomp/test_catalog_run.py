"""Installed layers under a program that knows nothing of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from support import http_server as servers
from support.runs import Completed, run


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "catalog.sqlite"
    monkeypatch.setenv("WS2SPI_CATALOG", str(path))
    return path


def action(*words: str) -> Completed:
    command = [sys.executable, "-m", "ws2spi.cli.main", "catalog", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)


def fetch(server: servers.HttpServer) -> list[str]:
    program = "import sys, urllib.request; print(len(urllib.request.urlopen(sys.argv[1]).read()))"
    return [sys.executable, "-c", program, server.url]


@pytest.mark.parametrize("mode", ["log", "log-bytes"])
def test_an_installed_layer_sees_every_later_run(catalog: Path, http_server: servers.HttpServer, mode: str) -> None:
    native = run([], fetch(http_server))
    assert native.returncode == 0
    assert native.stderr == ""
    action("install", "log" if mode == "log" else "throttle:rate=1GB/s")
    if mode != "log":
        action("install", "log", "--family", "inet")
    done = run([], fetch(http_server))
    assert (done.returncode, done.stdout) == (0, native.stdout)
    assert "connect" in done.stderr
    without = run([], fetch(http_server), "--no-catalog")
    assert (without.returncode, without.stdout, without.stderr) == (0, native.stdout, "")


def test_a_layer_for_the_other_family_sees_nothing(
    catalog: Path, http_server: servers.HttpServer, http_server6: servers.HttpServer
) -> None:
    action("install", "log", "--family", "inet6")
    assert run([], fetch(http_server)).stderr == ""
    assert "connect" in run([], fetch(http_server6)).stderr


def test_a_catalog_that_cannot_be_read_starts_nothing(catalog: Path) -> None:
    catalog.write_bytes(b"rubbish" * 1000)
    done = run([], ["echo", "started"])
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.count("\n") == 1
    assert str(catalog) in done.stderr
    assert run([], ["echo", "started"], "--no-catalog").stdout == "started\n"


def test_a_run_without_a_catalog_imports_no_database(catalog: Path) -> None:
    program = (
        "import sys; from ws2spi.cli import run; from ws2spi.redirect import launch\n"
        "launch.run = lambda *_, **__: print('sqlite3' in sys.modules, 'ws2spi._runtime.catalog.view' in sys.modules)\n"
        "from ws2spi.cli.main import main; main(['run', '-l', 'log', '--', 'true'])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == "False False\n"
