"""asyncio for Windows, as CPython has written it, on this library: its ProactorEventLoop passes CPython's own tests.

Completion ports, AcceptEx, ConnectEx, TransmitFile, overlapped sends and receives, CancelIoEx, waits in helper threads:
a client that nobody here has written, judged by tests that nobody here has written. `support.proactor` tells how.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PYTHON = sys.version_info[:2]

SUITES = {
    "sockets": ["test_sock_lowlevel.ProactorEventLoopTests"],
    "streams": ["test_streams", "test_buffered_proto.BufferedProtocolProactorTests"],
    # Not those in which the peer closes in the middle: asyncio's turn races with its end. Of TLS several do, and are
    # left to be run by hand.
    "files": ["test_sendfile.ProactorEventLoopTests", "not", "close_peer"],
    "server": ["test_server.ProactorStartServerTests"],
    # Not: processes, pipes and signals, which are no sockets; options that Windows has not; its store of certificates.
    "loop": [
        "test_events.ProactorEventLoopTests", "not", "subprocess", "pipe", "signal", "reuse_port",
        "test_create_ssl_connection", "prompt_cancellation", "read_pty", "write_pty",
    ],
}  # fmt: skip
# Over hand-written providers they pass most times; what is too slow there now and then is not known yet. An SSLSocket
# that connects by itself connects the descriptor, which above layers that touch bytes is no socket of the network.
CHOSEN = {
    "base": tuple(SUITES),
    "control": ("sockets", "streams", "files"),
    "bytes": ("sockets", "streams", "files", "server", "loop"),
    "two": ("sockets", "streams"),
}
WITHOUT = {"bytes": {"loop": ["test_ssl_connect_accepted_socket"]}}


@pytest.mark.parametrize(("kind", "suite"), [(kind, suite) for kind in CHOSEN for suite in CHOSEN[kind]])
def test_cpythons_own_tests_of_asyncio_for_windows(kind: str, suite: str) -> None:
    if importlib.util.find_spec("test.test_asyncio") is None:
        reason = "this Python has no test suite of its own (Debian: libpython3-testsuite)"
        assert "CI" not in os.environ, reason
        pytest.skip(reason)
    if PYTHON != (3, 11):
        pytest.skip("asyncio's inside differs from version to version; support.proactor is written for 3.11's")
    names = SUITES[suite]
    cut = names.index("not") if "not" in names else len(names)
    words = [f"test.test_asyncio.{name}" for name in names[:cut]]
    words += [*(names[cut:] or ["not"]), *WITHOUT.get(kind, {}).get(suite, [])]
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    ran = subprocess.run(
        [sys.executable, "-m", "support.proactor", kind, *words],
        env=environment, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-6000:]
