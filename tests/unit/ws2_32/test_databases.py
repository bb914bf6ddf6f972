"""gethostbyname and its kin: structures of the calling thread, byte for byte, and the documented codes."""

import ctypes
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import winsock
from support.names import Fixed, Hosts
from support.winsock import error
from ws2spi import Query, Service, WinsockError, ws2_32
from ws2spi._abi import names as n
from ws2spi._abi.constants import AF_INET, AF_INET6
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.names import netdb
from ws2spi._runtime.names.catalog import name_spaces

Install = Callable[..., Any]


@pytest.fixture
def only(install: Install) -> Install:
    """`install`, with the built-in provider switched off."""
    winsock.stop()
    name_spaces.enable(n.DNS_PROVIDER, False)
    winsock.start()
    return install


def texts(pointer: Any) -> list[bytes]:
    """A NULL-terminated array of strings."""
    found = []
    while one := pointer[len(found)]:
        found.append(one)
    return found


def host(address: int) -> tuple[bytes, list[bytes], int, list[bytes]]:
    """(name, aliases, family, addresses) of a HOSTENT."""
    assert address, error()
    entry = n.HOSTENT.from_address(address)
    packed = []
    while one := entry.h_addr_list[len(packed)]:
        packed.append(ctypes.string_at(one, entry.h_length))
    return entry.h_name, texts(entry.h_aliases), entry.h_addrtype, packed


def test_gethostbyname_gives_ipv4_alone(only: Install) -> None:
    only(Hosts({"both.test": ["fd00::1", "10.0.0.1", "10.0.0.2"], "six.test": ["fd00::6"]}))
    assert host(ws2_32.gethostbyname(b"both.test")) == (b"both.test", [], AF_INET, [b"\x0a\0\0\1", b"\x0a\0\0\2"])
    assert ws2_32.gethostbyname(b"six.test") == 0
    assert error() == WSAError.WSANO_DATA
    assert ws2_32.gethostbyname(b"nobody.test") == 0
    assert error() == WSAError.WSAHOST_NOT_FOUND


def test_gethostbyname_with_aliases(only: Install) -> None:
    answer = Query(name="a.test", class_id=n.SVCID_INET_HOSTADDRBYNAME).answer("10.0.0.1", name="real.test")
    only(Fixed(answer, Service(name="a.test", output_flags=n.RESULT_IS_ALIAS)))
    assert host(ws2_32.gethostbyname(b"a.test"))[:2] == (b"real.test", [b"a.test"])


def test_gethostbyname_of_the_own_computer_and_of_addresses(only: Install) -> None:
    own = socket.gethostname()
    only(Hosts({own.lower(): ["192.0.2.1"]}))
    for name in (None, b""):
        assert host(ws2_32.gethostbyname(name))[0] == own.encode()
    assert host(ws2_32.gethostbyname(b"10.0.0.1")) == (b"10.0.0.1", [], AF_INET, [b"\x0a\0\0\1"])
    for name in (b"::1", b"10.0.0.256", b"1.2.3.4.5"):
        assert ws2_32.gethostbyname(name) == 0
        assert error() == WSAError.WSANO_DATA


@pytest.mark.parametrize("code", [WSAError.WSATRY_AGAIN, WSAError.WSANO_RECOVERY, WSAError.WSANO_DATA])
def test_codes_of_the_providers(only: Install, code: int) -> None:
    only(Fixed(WinsockError(code)))
    assert ws2_32.gethostbyname(b"x.test") == 0
    assert error() == code
    assert ws2_32.gethostbyaddr(b"\x0a\0\0\1", 4, AF_INET) == 0
    assert error() == code


def test_gethostbyaddr(only: Install) -> None:
    alias = Service(name="other.test", output_flags=n.RESULT_IS_ALIAS)
    only(Fixed(Service(name="one.test"), alias))
    expected = (b"one.test", [b"other.test"], AF_INET, [b"\x0a\0\0\1"])
    assert host(ws2_32.gethostbyaddr(b"\x0a\0\0\1", 4, AF_INET)) == expected
    assert host(ws2_32.gethostbyaddr(bytes(15) + b"\1", 16, AF_INET6))[2:] == (AF_INET6, [bytes(15) + b"\1"])
    for arguments, code in (
        ((None, 4, AF_INET), WSAError.WSAEFAULT),
        ((b"\x0a\0\0\1", 3, AF_INET), WSAError.WSAEFAULT),
        ((b"\x0a\0\0\1", 4, 99), WSAError.WSAEAFNOSUPPORT),
        ((bytes(16), 4, AF_INET6), WSAError.WSAEINVAL),
        ((bytes(20), 20, AF_INET6), WSAError.WSAEINVAL),
        ((None, 16, AF_INET6), WSAError.WSAEFAULT),
    ):
        assert ws2_32.gethostbyaddr(*arguments) == 0
        assert error() == code


def test_gethostbyaddr_of_nobody(only: Install) -> None:
    only(Hosts({}))
    assert ws2_32.gethostbyaddr(b"\x0a\0\0\1", 4, AF_INET) == 0
    assert error() == WSAError.WSAHOST_NOT_FOUND


def test_each_thread_has_one_hostent(only: Install) -> None:
    only(Hosts({"a.test": ["10.0.0.1"]}))
    first = ws2_32.gethostbyname(b"a.test")
    addresses: list[int] = []
    thread = threading.Thread(target=lambda: addresses.append(ws2_32.gethostbyname(b"10.9.9.9")))
    thread.start()
    thread.join()
    assert addresses[0] != first
    ws2_32.getservbyname(b"http", b"tcp")
    assert host(first)[0] == b"a.test", "another thread's, or another kind's, overwrites nothing"
    assert ws2_32.gethostbyname(b"10.9.9.9") == first
    assert host(first)[0] == b"10.9.9.9"


def test_an_answer_that_outgrows_its_place_leaves_the_old_one_alone(only: Install) -> None:
    many = [f"10.1.{one // 256}.{one % 256}" for one in range(600)]
    only(Hosts({"few.test": ["10.0.0.1"], "many.test": many}))
    first = ws2_32.gethostbyname(b"few.test")
    assert len(host(ws2_32.gethostbyname(b"many.test"))[3]) == 600
    assert host(first)[0] == b"few.test"


def test_as_a_script_for_windll_has_it(started: None) -> None:
    from ws2spi.ctypes import WinDLL

    dll = WinDLL("ws2_32")
    dll.gethostbyname.restype = ctypes.POINTER(n.HOSTENT)
    assert dll.gethostbyname(b"127.0.0.1").contents.h_name == b"127.0.0.1"


def test_names_of_this_computer(started: None) -> None:
    own = socket.gethostname()
    buffer = ctypes.create_string_buffer(256)
    assert ws2_32.gethostname(buffer, len(own) + 1) == 0
    assert buffer.value == own.encode()
    wide = (ctypes.c_uint16 * 256)()
    assert ws2_32.GetHostNameW(wide, len(own) + 1) == 0
    assert bytes(wide).decode("utf-16-le").partition("\0")[0] == own
    for call in (ws2_32.gethostname, ws2_32.GetHostNameW):
        for arguments in ((wide, len(own)), (None, 256), (wide, -1)):
            assert call(*arguments) == -1
            assert error() == WSAError.WSAEFAULT


SERVICES = """
# a comment
http 80/tcp www www-http # the web
domain 53/tcp
domain 53/udp
broken line
alsobroken 99
huge 70000/tcp
"""


@pytest.fixture
def files(started: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "services").write_text(SERVICES)
    (tmp_path / "protocols").write_text("ip 0 IP\ntcp 6 TCP # transmission\nbroken\nodd x\n")
    monkeypatch.setattr(netdb, "SERVICES", str(tmp_path / "services"))
    monkeypatch.setattr(netdb, "PROTOCOLS", str(tmp_path / "protocols"))
    return tmp_path


def service(address: int) -> tuple[bytes, list[bytes], int, bytes]:
    assert address, error()
    entry = n.SERVENT.from_address(address)
    return entry.s_name, texts(entry.s_aliases), socket.ntohs(entry.s_port & 0xFFFF), entry.s_proto


@pytest.mark.usefixtures("files")
def test_services() -> None:
    http = (b"http", [b"www", b"www-http"], 80, b"tcp")
    assert service(ws2_32.getservbyname(b"http", b"tcp")) == http
    assert service(ws2_32.getservbyname(b"www", None)) == http
    assert service(ws2_32.getservbyport(socket.htons(80), None)) == http
    assert service(ws2_32.getservbyname(b"domain", b"udp")) == (b"domain", [], 53, b"udp")
    assert service(ws2_32.getservbyport(socket.htons(53), b"udp"))[3] == b"udp"
    for name, protocol, code in (
        (b"http", b"udp", WSAError.WSANO_DATA),
        (b"nothing", None, WSAError.WSAHOST_NOT_FOUND),
        (b"huge", None, WSAError.WSAHOST_NOT_FOUND),
        (None, None, WSAError.WSAEFAULT),
    ):
        assert ws2_32.getservbyname(name, protocol) == 0
        assert error() == code
    for port, protocol, code in ((80, b"udp", WSAError.WSANO_DATA), (81, None, WSAError.WSAHOST_NOT_FOUND)):
        assert ws2_32.getservbyport(socket.htons(port), protocol) == 0
        assert error() == code


@pytest.mark.usefixtures("files")
def test_protocols() -> None:
    for address in (ws2_32.getprotobyname(b"tcp"), ws2_32.getprotobyname(b"TCP"), ws2_32.getprotobynumber(6)):
        entry = n.PROTOENT.from_address(address)
        assert (entry.p_name, texts(entry.p_aliases), entry.p_proto) == (b"tcp", [b"TCP"], 6)
    assert n.PROTOENT.from_address(ws2_32.getprotobynumber(0)).p_name == b"ip"
    for call, argument, code in (
        (ws2_32.getprotobyname, b"nothing", WSAError.WSANO_DATA),
        (ws2_32.getprotobyname, None, WSAError.WSAEFAULT),
        (ws2_32.getprotobynumber, 200, WSAError.WSANO_DATA),
    ):
        assert call(argument) == 0
        assert error() == code


def test_a_changed_file_is_read_again(files: Path) -> None:
    assert ws2_32.getservbyname(b"new", None) == 0
    (files / "services").write_text(SERVICES + "new 4711/tcp\n")
    assert service(ws2_32.getservbyname(b"new", None))[2] == 4711


def test_without_the_files_the_usual_names_are_known(files: Path) -> None:
    (files / "services").unlink()
    (files / "protocols").unlink()
    assert service(ws2_32.getservbyname(b"https", b"tcp"))[2] == 443
    assert n.PROTOENT.from_address(ws2_32.getprotobyname(b"udp")).p_proto == 17


def test_everything_needs_a_start() -> None:
    buffer = ctypes.create_string_buffer(100)
    for call, arguments, failure in (
        (ws2_32.gethostbyname, (b"localhost",), 0),
        (ws2_32.gethostbyaddr, (b"\x0a\0\0\1", 4, 2), 0),
        (ws2_32.gethostname, (buffer, 100), -1),
        (ws2_32.GetHostNameW, (buffer, 50), -1),
        (ws2_32.getservbyname, (b"http", None), 0),
        (ws2_32.getservbyport, (80, None), 0),
        (ws2_32.getprotobyname, (b"tcp",), 0),
        (ws2_32.getprotobynumber, (6,), 0),
    ):
        assert call(*arguments) == failure
        assert error() == WSAError.WSANOTINITIALISED


@pytest.fixture
def old_client() -> Any:
    """A client of version 1.1, who may have blocking hooks."""
    winsock.stop()
    assert ws2_32.WSAStartup(0x0101, ctypes.byref(ws2_32.WSADATA())) == 0
    yield
    ws2_32.WSAUnhookBlockingHook()
    winsock.stop()


def by_name() -> int:
    return int(ws2_32.gethostbyname(b"other.test"))


def by_address() -> int:
    return int(ws2_32.gethostbyaddr(b"\x0a\0\0\x63", 4, 2))


@pytest.mark.usefixtures("old_client")
@pytest.mark.parametrize("call", [by_name, by_address])
def test_a_blocking_hook_cancels_and_may_not_block(call: Callable[[], int]) -> None:
    from support.names import Stuck
    from ws2spi import install_name_space

    stuck = Stuck()
    inside: list[int] = []

    def hook() -> int:
        if stuck.entered.is_set() and not inside:
            inside.append(0 if call() else error())
            assert ws2_32.WSACancelBlockingCall() == 0
        return 0

    routine = ctypes.CFUNCTYPE(ctypes.c_int)(hook)
    ws2_32.WSASetBlockingHook(routine)
    with install_name_space(stuck):
        assert call() == 0
        assert error() == WSAError.WSAEINTR
        stuck.let_go.set()
    assert inside == [WSAError.WSAEINPROGRESS]
