"""What a program asks of its packets' way out holds for the relay's, or the connect is refused by name."""

import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

from support.runs import Server, command, own, run, tell_and_echo

Serve = Callable[..., Server]
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs CAP_NET_RAW or a namespace of its own")

BOUND = """
import errno, socket, sys
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, sys.argv[1].encode())
error = sock.connect_ex((sys.argv[2], int(sys.argv[3])))
print(errno.errorcode.get(error, error), sock.recv(100).split()[0] if not error else "")
"""


@pytest.fixture(scope="module")
def device() -> tuple[str, str]:
    """A device that is not the loopback, and its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                found = fcntl.ioctl(sock, 0x8915, struct.pack("256s", name.encode()))  # SIOCGIFADDR
            except OSError:
                continue
            address = socket.inet_ntoa(found[20:24])
            if not address.startswith("127."):
                return name, address
    pytest.skip("there is no other device")


STACKS = [[own("Control")], [own("Bytes")], [own("Late"), own("Bytes")]]


@pytest.mark.parametrize("layers", STACKS, ids=str)
def test_device_of_the_loopback(layers: Sequence[str], server: Serve) -> None:
    argv = [sys.executable, "-c", BOUND, "lo", "127.0.0.1", server(tell_and_echo).port]
    native, layered = run(None, argv), run(layers, argv)
    assert (layered.stdout, layered.stderr) == (native.stdout, native.stderr)
    assert native.stdout == "0 b'127.0.0.1'\n" or "PermissionError" in native.stderr


@root
@pytest.mark.parametrize("layers", STACKS, ids=str)
def test_another_device(layers: Sequence[str], server: Serve, device: tuple[str, str]) -> None:
    name, address = device
    echo = server(tell_and_echo, address)
    argv = [sys.executable, "-c", BOUND, name, address, echo.port]
    native, layered = run(None, argv), run(layers, argv)
    assert native.stdout == f"0 {address.encode()}\n"
    assert (layered.stdout, layered.stderr) == (native.stdout, "")


def test_device_that_we_may_not_take_back_is_refused_by_name(
    server: Serve, device: tuple[str, str], nobody: Sequence[str]
) -> None:
    if run(None, [*nobody, sys.executable, "-c", "import ws2spi.redirect.launch"], cwd="/").returncode:
        pytest.skip("an ordinary user cannot read this checkout or its interpreter")
    name, address = device
    echo = server(tell_and_echo, address)
    program = ["/usr/bin/python3", "-c", BOUND, name, address, str(echo.port)]
    if not os.access(program[0], os.X_OK):
        pytest.skip("there is no interpreter that everybody may execute")
    other = server(tell_and_echo, address)
    if "PermissionError" in run(None, [*nobody, *program[:-1], str(other.port)], cwd="/").stderr:
        pytest.skip("Linux before 5.7 lets nobody bind")
    words = command([own("Bytes")], program, "--no-catalog")  # root's is not for everybody to read
    done = run(None, [*nobody, *words], cwd="/")
    assert done.stdout == "ENETUNREACH \n"
    (line,) = done.stderr.splitlines()
    assert f"asks for device {name} (CAP_NET_RAW is missing), which a relay cannot have: refused" in line
    assert echo.accepted == 0


@root
def test_other_network_namespace_is_refused_by_name(server: Serve, need: Callable[[str], str]) -> None:
    """Its loopback is another one, and its packets must not leave by ours."""
    echo = server(tell_and_echo)
    code = f"import socket; print(socket.socket().connect_ex(('127.0.0.1', {echo.port})))"
    argv = [need("unshare"), "--net", sys.executable, "-c", code]
    if run(None, argv).returncode:
        pytest.skip("no namespace may be made here")
    done = run([own("Bytes")], argv)
    assert done.stdout == "101\n"
    assert "is in another network namespace, from where nothing can be relayed: refused" in done.stderr
    assert echo.accepted == 0


def test_keepalive_is_the_relays(server: Serve, need: Callable[[str], str]) -> None:
    """Between the program and the relay it would find nobody dead."""
    echo = server(tell_and_echo)
    code = """
import socket, sys
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 4000)
sock.connect(("127.0.0.1", int(sys.argv[1])))
print(sock.recv(100).split()[1].decode(), flush=True)
sys.stdin.read()
"""
    ss = need("ss")
    words = command([own("Bytes")], [sys.executable, "-c", code, str(echo.port)])
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())  # as the server sees it: the relay's
        shown = run(None, [ss, "-tno", f"sport = :{port}"]).stdout
        process.stdin.close()
    assert "timer:(keepalive,66min" in shown or "timer:(keepalive,65min" in shown, shown
