"""getaddrinfo and getnameinfo: what the pages say of names, flags and codes, and that one's own providers count."""

import ctypes
import socket
from collections.abc import Callable
from typing import Any

import pytest

from support import winsock
from support.names import Fixed, Hosts, begun, byref, next_result
from support.winsock import error
from ws2spi import Query, Service, WinsockError, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import names as n
from ws2spi._abi.constants import AF_INET, AF_INET6
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.names import dns
from ws2spi._runtime.names.catalog import name_spaces

Install = Callable[..., Any]
Found = list[tuple[int, int, int, str, int, str | None]]


def found(node: Any, service: Any = None, wide: bool = False, **hints: Any) -> Found | int:
    """[(family, type, protocol, host, port, canonical name)] of getaddrinfo, or the code."""
    kind = n.ADDRINFOW if wide else n.ADDRINFOA
    first = ctypes.POINTER(kind)()
    given = byref(kind(**{f"ai_{name}": value for name, value in hints.items()})) if hints else None
    call = ws2_32.GetAddrInfoW if wide else ws2_32.getaddrinfo
    code = call(node, service, given, byref(first))
    if code:
        assert error() == code, "the last error too"
        assert not first
        return int(code)
    listed: Found = []
    one = first
    while one:
        info = one.contents
        data = ctypes.string_at(info.ai_addr, info.ai_addrlen)
        family, address = addresses.unpack(data)
        assert (family, info.ai_flags) == (info.ai_family, 0)
        name = info.ai_canonname
        listed.append((family, info.ai_socktype, info.ai_protocol, address[0], address[1],
                       name.decode() if isinstance(name, bytes) else name))  # fmt: skip
        one = info.ai_next
    (ws2_32.FreeAddrInfoW if wide else ws2_32.freeaddrinfo)(first)
    return listed


def hosts(node: Any, **hints: Any) -> list[str]:
    listed = found(node, **hints)
    assert isinstance(listed, list), listed
    return [one[3] for one in listed]


@pytest.fixture
def table(install: Install) -> Hosts:
    """The only NS_DNS provider: a static table; the built-in one is switched off."""
    provider = Hosts({
        "both.test": ["fd00::1", "10.0.0.1", "10.0.0.2"],
        "four.test": ["10.0.0.4"],
        "six.test": ["fd00::6"],
        socket.gethostname().lower(): ["192.0.2.1"],
        "xn--grn-ioa.test": ["10.0.0.9"],
    })  # fmt: skip
    winsock.stop()
    name_spaces.enable(n.DNS_PROVIDER, False)
    winsock.start()
    install(provider)
    return provider


# Without asking anybody


def test_numeric_nodes_and_ports(table: Hosts) -> None:
    assert found(b"10.0.0.1", b"80") == [(AF_INET, 0, 0, "10.0.0.1", 80, None)]
    assert found(b"127.1") == [(AF_INET, 0, 0, "127.0.0.1", 0, None)]
    assert found("fe80::1%2", "65535", wide=True) == [(AF_INET6, 0, 0, "fe80::1", 65535, None)]
    assert found(b"::1", b"", family=AF_INET6, socktype=1, protocol=6) == [(AF_INET6, 1, 6, "::1", 0, None)]
    assert found(b"10.0.0.1", flags=n.AI_NUMERICHOST | n.AI_CANONNAME)[0][5] == "10.0.0.1"  # type: ignore[index]
    assert found(b"10.0.0.1", family=AF_INET6) == WSAError.WSAHOST_NOT_FOUND
    assert hosts(b"10.0.0.1", family=AF_INET6, flags=n.AI_V4MAPPED) == ["::ffff:10.0.0.1"]
    assert not table.asked


@pytest.mark.usefixtures("started")
def test_no_node_means_loopback_or_any() -> None:
    assert [one[3] for one in found(None, b"80")] == ["::1", "127.0.0.1"]  # type: ignore[union-attr]
    assert [one[3] for one in found(None, b"80", flags=n.AI_PASSIVE)] == ["::", "0.0.0.0"]  # type: ignore[union-attr]
    four = found(None, b"80", flags=n.AI_PASSIVE, family=AF_INET, socktype=1)
    assert four == [(AF_INET, 1, 0, "0.0.0.0", 80, None)]


def test_services_by_name(table: Hosts) -> None:
    assert found(b"10.0.0.1", b"domain") == [(2, 1, 6, "10.0.0.1", 53, None), (2, 2, 17, "10.0.0.1", 53, None)]
    assert found(b"10.0.0.1", b"domain", socktype=2) == [(2, 2, 0, "10.0.0.1", 53, None)]
    assert found(b"10.0.0.1", b"domain", protocol=6) == [(2, 1, 6, "10.0.0.1", 53, None)]
    assert found(b"10.0.0.1", b"smtp", socktype=2) == WSAError.WSATYPE_NOT_FOUND
    assert found(b"10.0.0.1", b"no-such-service") == WSAError.WSATYPE_NOT_FOUND
    assert found(b"10.0.0.1", b"65536") == WSAError.WSATYPE_NOT_FOUND
    assert found(b"10.0.0.1", b"http", flags=n.AI_NUMERICSERV) == WSAError.WSAHOST_NOT_FOUND


@pytest.mark.parametrize(
    ("node", "service", "hints", "code"),
    [
        (None, None, {}, WSAError.WSAHOST_NOT_FOUND),
        (b"x.test", None, {"flags": n.AI_NUMERICHOST}, WSAError.WSAHOST_NOT_FOUND),
        (b"x.test", None, {"flags": 0x40}, WSAError.WSAEINVAL),
        (b"x.test", None, {"flags": n.AI_CANONNAME | n.AI_FQDN}, WSAError.WSAEINVAL),
        (None, b"80", {"flags": n.AI_CANONNAME}, WSAError.WSANO_RECOVERY),
        (None, b"80", {"flags": n.AI_FQDN}, WSAError.WSANO_RECOVERY),
        (b"x.test", None, {"family": 99}, WSAError.WSAEAFNOSUPPORT),
        (b"x.test", None, {"socktype": 5}, WSAError.WSAESOCKTNOSUPPORT),
        (b"x.test", None, {"addrlen": 1}, WSAError.WSANO_RECOVERY),
        (b"x.test", None, {"canonname": b"x"}, WSAError.WSANO_RECOVERY),
        (b"x.test", None, {"addr": ctypes.pointer(ws2_32.SOCKADDR())}, WSAError.WSANO_RECOVERY),
        (b"x.test", None, {"next": ctypes.pointer(n.ADDRINFOA())}, WSAError.WSANO_RECOVERY),
    ],
)
@pytest.mark.usefixtures("table")
def test_what_is_refused(node: Any, service: Any, hints: dict[str, Any], code: int) -> None:
    assert found(node, service, **hints) == code


def test_no_place_for_the_result_and_no_start(started: None) -> None:
    assert ws2_32.getaddrinfo(b"10.0.0.1", None, None, None) == WSAError.WSAEINVAL
    winsock.stop()
    assert found(b"10.0.0.1") == WSAError.WSANOTINITIALISED
    assert ws2_32.getnameinfo(b"", 0, None, 0, None, 0, 0) == WSAError.WSANOTINITIALISED


# Through the providers


def test_ones_own_provider_answers(table: Hosts) -> None:
    assert found(b"Both.Test", b"80", socktype=1) == [
        (AF_INET6, 1, 0, "fd00::1", 80, None),
        (AF_INET, 1, 0, "10.0.0.1", 80, None),
        (AF_INET, 1, 0, "10.0.0.2", 80, None),
    ]
    assert hosts(b"both.test", family=AF_INET) == ["10.0.0.1", "10.0.0.2"]
    assert hosts(b"both.test", family=AF_INET6) == ["fd00::1"]
    assert found(b"four.test", family=AF_INET6) == WSAError.WSANO_DATA
    assert found(b"nobody.test") == WSAError.WSAHOST_NOT_FOUND
    assert hosts("both.test", wide=True)[0] == "fd00::1"


def test_mapped_addresses(table: Hosts) -> None:
    assert hosts(b"four.test", family=AF_INET6, flags=n.AI_V4MAPPED) == ["::ffff:10.0.0.4"]
    assert hosts(b"both.test", family=AF_INET6, flags=n.AI_V4MAPPED) == ["fd00::1"]
    both = hosts(b"both.test", family=AF_INET6, flags=n.AI_V4MAPPED | n.AI_ALL)
    assert both == ["fd00::1", "::ffff:10.0.0.1", "::ffff:10.0.0.2"]
    assert found(b"nobody.test", family=AF_INET6, flags=n.AI_V4MAPPED) == WSAError.WSAHOST_NOT_FOUND


def test_the_canonical_name_is_in_the_first_entry(install: Install, table: Hosts) -> None:
    install(Fixed(Query(name="alias.test", class_id=n.SVCID_TCP(0)).answer("10.1.1.1", "10.1.1.2", name="real.test")))
    listed = found(b"alias.test", flags=n.AI_CANONNAME)
    assert isinstance(listed, list)
    assert [one[5] for one in listed] == ["real.test", None]
    wide = found("alias.test", wide=True, flags=n.AI_FQDN)
    assert isinstance(wide, list)
    assert wide[0][5] == "real.test"


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("node", [b"", b"..localmachine"])
def test_the_own_computer(node: bytes) -> None:
    assert found(node) == [(AF_INET, 0, 0, "192.0.2.1", 0, None)]


def test_names_beyond_ascii(table: Hosts) -> None:
    assert hosts("grün.test", wide=True) == ["10.0.0.9"]
    assert hosts("grün.test".encode()) == ["10.0.0.9"]
    refused = found("grün.test", wide=True, flags=n.AI_DISABLE_IDN_ENCODING)
    assert refused == WSAError.WSAHOST_NOT_FOUND


def test_answers_of_several_providers_are_put_together(install: Install, table: Hosts) -> None:
    install(Hosts({"both.test": ["10.0.0.7", "10.0.0.1"]}))
    assert hosts(b"both.test", family=AF_INET) == ["10.0.0.7", "10.0.0.1", "10.0.0.2"], "the newest first, none twice"


def test_addresses_of_families_nobody_asked_for_are_left_out(install: Install, table: Hosts) -> None:
    everything = Query(name="x.test", class_id=n.SVCID_TCP(0)).answer("fd00::9", "10.0.0.9")
    install(Fixed(everything))
    assert hosts(b"x.test", family=AF_INET) == ["10.0.0.9"]
    assert hosts(b"x.test", family=AF_INET6) == ["fd00::9"]


def test_a_provider_of_another_name_space_is_not_asked(install: Install, table: Hosts) -> None:
    other = Hosts({"four.test": ["10.9.9.9"]})
    install(other, namespace=n.NS_NIS)
    assert hosts(b"four.test") == ["10.0.0.4"]
    assert not other.asked


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    "code", [WSAError.WSATRY_AGAIN, WSAError.WSANO_RECOVERY, WSAError.WSA_NOT_ENOUGH_MEMORY, WSAError.WSANO_DATA]
)
def test_why_nothing_was_found(install: Install, code: int) -> None:
    install(Fixed(WinsockError(code)))
    assert found(b"nobody.test") == code
    assert hosts(b"four.test") == ["10.0.0.4"], "a failing provider is left out"


@pytest.mark.usefixtures("table")
def test_a_bug_or_a_broken_provider_is_no_recovery(install: Install, capfd: pytest.CaptureFixture[str]) -> None:
    install(Fixed(KeyError("oops")), "Buggy")
    assert found(b"nobody.test") == WSAError.WSANO_RECOVERY
    assert "Buggy" in capfd.readouterr().err


def test_a_hand_written_provider_is_asked_through_its_functions(install: Install, table: Hosts) -> None:
    from ws2spi._runtime.names.served import startup_of

    install(startup_of(Hosts({"c.test": ["10.7.7.7"], "both.test": ["10.0.0.77"]}), "in C"))
    assert hosts(b"c.test") == ["10.7.7.7"]
    assert hosts(b"both.test", family=AF_INET)[0] == "10.0.0.77"
    assert found(b"nobody.test") == WSAError.WSAHOST_NOT_FOUND


# The system's resolver


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (socket.EAI_NONAME, WSAError.WSAHOST_NOT_FOUND),
        (socket.EAI_AGAIN, WSAError.WSATRY_AGAIN),
        (socket.EAI_FAIL, WSAError.WSANO_RECOVERY),
        (socket.EAI_NODATA, WSAError.WSANO_DATA),
        (socket.EAI_MEMORY, WSAError.WSA_NOT_ENOUGH_MEMORY),
        (socket.EAI_SYSTEM, WSAError.WSANO_RECOVERY),
    ],
)
@pytest.mark.usefixtures("started")
def test_codes_of_the_systems_resolver(monkeypatch: pytest.MonkeyPatch, number: int, code: int) -> None:
    def refuse(*arguments: Any) -> Any:
        raise socket.gaierror(number, "refused")

    monkeypatch.setattr(dns.socket, "getaddrinfo", refuse)
    assert found(b"some.test") == code
    assert ws2_32.gethostbyname(b"some.test") == 0
    assert error() == code


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("result", ["10.0.0.1", None, 5, Service(name=5), Service(endpoints=("10.0.0.1",))])  # type: ignore[arg-type]
def test_results_that_are_none(install: Install, capfd: pytest.CaptureFixture[str], result: Any) -> None:
    provider_id = install(Fixed(result), "Buggy").provider_id
    assert found(b"x.test") == WSAError.WSANO_RECOVERY
    assert "Buggy" in capfd.readouterr().err
    handle = begun("x", provider_id=provider_id)
    assert next_result(handle) == WSAError.WSANO_RECOVERY
    ws2_32.WSALookupServiceEnd(handle)


@pytest.mark.usefixtures("table")
def test_an_answer_that_is_no_address_is_named(install: Install, capfd: pytest.CaptureFixture[str]) -> None:
    install(Hosts({"x.test": ["10.0.0.300"]}), "Typo")
    assert found(b"x.test") == WSAError.WSANO_RECOVERY
    assert "10.0.0.300" in capfd.readouterr().err


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("name", [b"x" * 70 + b".invalid", b".", b"a..invalid", b"-", b"\xff\xfe", b"xn--\xc3\xa9"])
def test_odd_names_give_a_code(monkeypatch: pytest.MonkeyPatch, name: bytes) -> None:
    real = socket.getaddrinfo

    def without_dns(host: Any, *arguments: Any) -> Any:
        # The arguments as they reach the system's resolver, which then stays away from DNS.
        return real(host, *arguments[:-1], arguments[-1] | socket.AI_NUMERICHOST)

    monkeypatch.setattr(dns.socket, "getaddrinfo", without_dns)
    assert found(name) == WSAError.WSAHOST_NOT_FOUND


@pytest.mark.usefixtures("started")
def test_localhost() -> None:
    assert "127.0.0.1" in hosts(b"localhost")
    assert found(b"white space") == WSAError.WSAHOST_NOT_FOUND
    assert found(b"x" * 300) == WSAError.WSAHOST_NOT_FOUND


def test_lists_live_until_they_are_freed(table: Hosts) -> None:
    first, second = ctypes.POINTER(n.ADDRINFOA)(), ctypes.POINTER(n.ADDRINFOA)()
    assert ws2_32.getaddrinfo(b"10.0.0.1", None, None, byref(first)) == 0
    assert ws2_32.getaddrinfo(b"10.0.0.2", None, None, byref(second)) == 0
    ws2_32.freeaddrinfo(second)
    assert ctypes.string_at(first.contents.ai_addr, 8)[4:] == b"\x0a\0\0\1"
    ws2_32.freeaddrinfo(first)
    ws2_32.freeaddrinfo(first)
    ws2_32.freeaddrinfo(None)


def test_messages_for_the_codes() -> None:
    assert ws2_32.gai_strerror(WSAError.WSAHOST_NOT_FOUND) == b"No such host is known."
    assert ws2_32.gai_strerrorW(WSAError.WSATRY_AGAIN).endswith("try again.")
    assert ws2_32.gai_strerrorA(0), "any number gives a text"


# getnameinfo


class Reverse(Hosts):
    """Names for addresses."""

    def lookup(self, query: Query) -> Any:
        if query.reverse:
            for name in self.table.get(query.name or "", ()):
                yield Service(name=name)


def names_of(host: str, port: int, flags: int = 0, room: tuple[int, int] = (100, 100), wide: bool = False) -> Any:
    """(host, service) of getnameinfo, or the code."""
    family = AF_INET6 if ":" in host else AF_INET
    data = addresses.pack(family, (host, port, 0, 0) if family == AF_INET6 else (host, port))
    unit = 2 if wide else 1
    buffers = [ctypes.create_string_buffer(unit * size) if size >= 0 else None for size in room]
    call = ws2_32.GetNameInfoW if wide else ws2_32.getnameinfo
    code = call(data, len(data), buffers[0], max(room[0], 0), buffers[1], max(room[1], 0), flags)
    if code:
        assert error() == code
        return int(code)
    decoded = [one.raw.decode("utf-16-le" if wide else "ascii") if one is not None else "" for one in buffers]
    return tuple(one.partition("\0")[0] for one in decoded)


@pytest.fixture
def reverse(install: Install, table: Hosts) -> Reverse:
    provider = Reverse({"10.0.0.1": ["one.test"], "fd00::1": ["six.test"]})
    install(provider)
    return provider


@pytest.mark.usefixtures("reverse")
@pytest.mark.parametrize("wide", [False, True])
def test_names_of_an_address(wide: bool) -> None:
    assert names_of("10.0.0.1", 80, wide=wide) == ("one.test", "http")
    assert names_of("fd00::1", 53, n.NI_DGRAM, wide=wide) == ("six.test", "domain")
    assert names_of("10.0.0.1", 80, n.NI_NUMERICHOST | n.NI_NUMERICSERV, wide=wide) == ("10.0.0.1", "80")
    assert names_of("10.0.0.99", 4, wide=wide) == ("10.0.0.99", "4"), "no names: numbers"
    assert names_of("10.0.0.1", 80, room=(-1, 100), wide=wide) == ("", "http")
    assert names_of("10.0.0.1", 80, room=(9, -1), wide=wide) == ("one.test", "")


@pytest.mark.usefixtures("reverse")
def test_codes_of_getnameinfo(install: Install) -> None:
    assert names_of("10.0.0.99", 80, n.NI_NAMEREQD) == WSAError.WSAHOST_NOT_FOUND
    assert names_of("10.0.0.1", 80, n.NI_NAMEREQD | n.NI_NUMERICHOST) == WSAError.WSAEINVAL
    assert names_of("10.0.0.1", 80, room=(-1, -1)) == WSAError.WSAHOST_NOT_FOUND
    assert names_of("10.0.0.1", 80, room=(0, -1)) == WSAError.WSAEINVAL
    assert names_of("10.0.0.1", 80, room=(-1, 0)) == WSAError.WSAEINVAL
    assert names_of("10.0.0.1", 80, room=(8, -1)) == WSAError.WSAEFAULT
    buffer = ctypes.create_string_buffer(100)
    for data, length, code in (
        (None, 16, WSAError.WSAEFAULT),
        (addresses.pack(AF_INET, ("10.0.0.1", 80)), 15, WSAError.WSAEFAULT),
        (b"\x63\0" + bytes(14), 16, WSAError.WSAEAFNOSUPPORT),
    ):
        assert ws2_32.getnameinfo(data, length, buffer, 100, None, 0, 0) == code
    for code in (WSAError.WSATRY_AGAIN, WSAError.WSANO_RECOVERY, WSAError.WSA_NOT_ENOUGH_MEMORY):
        with install(Fixed(WinsockError(code))):
            assert names_of("10.0.0.99", 80, n.NI_NAMEREQD) == code
            assert names_of("10.0.0.99", 80) == ("10.0.0.99", "http")


@pytest.mark.usefixtures("reverse")
def test_hosts_of_the_own_domain_by_their_label(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    from ws2spi._runtime.names import resolver

    monkeypatch.setattr(resolver.socket, "getfqdn", lambda: "me.test")
    assert names_of("10.0.0.1", 80, n.NI_NOFQDN)[0] == "one"
    assert names_of("10.0.0.1", 80)[0] == "one.test"
