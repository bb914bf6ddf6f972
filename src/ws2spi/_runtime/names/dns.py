"""The provider that is always there: NS_DNS by the system's resolver, that is, the hosts file and then DNS.

It answers host names (SVCID_INET_HOSTADDRBYNAME, the A and AAAA record classes), hosts with a TCP or UDP service
(SVCID_TCP(port), SVCID_UDP(port)), addresses (SVCID_INET_HOSTADDRBYINETSTRING, PTR), the computer's own name
(SVCID_HOSTNAME) and services (SVCID_INET_SERVICEBYNAME, "http/tcp"). With LUP_RETURN_BLOB the blob is a HOSTENT or a
SERVENT whose pointers are offsets from the blob's beginning, as on Windows.
"""

import socket
import threading
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi import names as n
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.names import netdb
from ws2spi._runtime.names.provider import NameSpaceProvider
from ws2spi._runtime.names.records import ClassValue, Query, Service, ServiceClass
from ws2spi._runtime.names.text import ascii_name, own_name, parse_address

_CODES = {
    socket.EAI_NONAME: WSAError.WSAHOST_NOT_FOUND,
    socket.EAI_AGAIN: WSAError.WSATRY_AGAIN,
    socket.EAI_FAIL: WSAError.WSANO_RECOVERY,
    socket.EAI_MEMORY: WSAError.WSA_NOT_ENOUGH_MEMORY,
    socket.EAI_NODATA: WSAError.WSANO_DATA,
    socket.EAI_ADDRFAMILY: WSAError.WSANO_DATA,
    socket.EAI_FAMILY: WSAError.WSAEAFNOSUPPORT,
}
_REG_DWORD = 4
_NAMED_CLASSES = {
    n.SVCID_HOSTNAME: "HostName",
    n.SVCID_INET_HOSTADDRBYNAME: "INET HostAddrByName",
    n.SVCID_INET_HOSTADDRBYINETSTRING: "INET HostAddrByInetString",
    n.SVCID_INET_SERVICEBYNAME: "INET ServiceByName",
}


def winsock_code(error: OSError) -> int:
    """Return the documented code of a failure of the system's resolver."""
    if isinstance(error, socket.gaierror):
        return _CODES.get(error.errno or 0, WSAError.WSANO_RECOVERY)
    # gethostbyaddr's own errors: HOST_NOT_FOUND 1, TRY_AGAIN 2, NO_RECOVERY 3, NO_DATA 4 are Winsock's minus 11000.
    return 11000 + error.errno if error.errno in (1, 2, 3, 4) else WSAError.WSANO_RECOVERY


class DnsProvider(NameSpaceProvider):
    """Names of the Internet. It registers nothing: WSASetService succeeds and does nothing, as its page says of DNS."""

    version = 0

    def __init__(self) -> None:
        self._classes: dict[uuid.UUID, ServiceClass] = {}
        self._lock = threading.Lock()

    def lookup(self, query: Query) -> Iterable[Service]:
        if query.class_id == n.SVCID_HOSTNAME:
            return [query.answer(name=socket.gethostname())]
        if query.class_id == n.SVCID_INET_SERVICEBYNAME:
            return self._services(query)
        if query.reverse:
            return self._reverse(query)
        if query.class_id in (n.SVCID_INET_HOSTADDRBYNAME, n.SVCID_DNS_TYPE_A, n.SVCID_DNS_TYPE_AAAA) or query.port:
            return self._hosts(query)
        return ()

    def _hosts(self, query: Query) -> Iterator[Service]:
        name = own_name(query.name)
        families = {addresses.linux_family(one) for one in query.families if one in addresses.SIZES}
        if not families:
            raise WinsockError(WSAError.WSAEAFNOSUPPORT, f"address families {query.families}")
        family = families.pop() if len(families) == 1 else socket.AF_UNSPEC
        canonical, hosts = self._resolve(name, family, query.flags)
        answer = query.answer(*hosts, name=canonical)
        if query.flags & n.LUP_RETURN_BLOB:
            answer.blob = netdb.hostent_blob(canonical, hosts)
        yield answer
        if query.flags & n.LUP_RETURN_ALIASES and canonical.lower() != name.lower():
            yield query.answer(*hosts, name=name, alias=True)

    def _resolve(self, name: str, family: int, flags: int) -> tuple[str, list[str]]:
        options = socket.AI_CANONNAME | (socket.AI_ADDRCONFIG if flags & n.LUP_ADDRCONFIG else 0)
        # As bytes: Python would encode a str as IDNA 2003 has it, and refuse what the resolver may know.
        wire_name = ascii_name(name).encode()
        try:
            found = socket.getaddrinfo(wire_name, None, family, socket.SOCK_STREAM, 0, options)
        except OSError as error:
            raise WinsockError(winsock_code(error), name) from None
        canonical = next((one[3] for one in found if one[3]), name)
        return canonical, list(dict.fromkeys(_text(one[4]) for one in found))

    def _reverse(self, query: Query) -> Iterator[Service]:
        _, address = parse_address(query.name or "")
        try:
            name, aliases, hosts = socket.gethostbyaddr(address[0])
        except OSError as error:
            raise WinsockError(winsock_code(error), query.name or "") from None
        answer = query.answer(name=name)
        answer.endpoints = Query(class_id=n.SVCID_TCP(0)).answer(*hosts).endpoints
        if query.flags & n.LUP_RETURN_BLOB:
            answer.blob = netdb.hostent_blob(name, hosts, aliases)
        yield answer
        for alias in aliases:
            yield query.answer(name=alias, alias=True)

    def _services(self, query: Query) -> Iterator[Service]:
        name, _, protocol = (query.name or "").partition("/")
        entry = netdb.service_by_name(name, protocol or None)
        answer = query.answer(name=entry.name)
        if query.flags & n.LUP_RETURN_BLOB:
            answer.blob = netdb.servent_block(entry).image(0)
        yield answer

    def set_service(self, service: Service, operation: int, multiple: bool) -> None:
        if operation not in (n.RNRSERVICE_REGISTER, n.RNRSERVICE_DEREGISTER, n.RNRSERVICE_DELETE):
            raise WinsockError(WSAError.WSAEINVAL, f"operation {operation}")

    def install_class(self, info: ServiceClass) -> None:
        if not info.name:
            raise WinsockError(WSAError.WSAEINVAL, "a service class has a name")
        with self._lock:
            if info.class_id in self._classes or _built_in(info.class_id):
                raise WinsockError(WSAError.WSAEALREADY, f"service class {info.class_id}")
            self._classes[info.class_id] = info

    def remove_class(self, class_id: uuid.UUID) -> None:
        if _built_in(class_id):
            raise WinsockError(WSAError.WSAEACCES, f"service class {class_id} is always there")
        with self._lock:
            if self._classes.pop(class_id, None) is None:
                raise WinsockError(WSAError.WSATYPE_NOT_FOUND, f"service class {class_id}")

    def class_info(self, class_id: uuid.UUID) -> ServiceClass:
        found = self._classes.get(class_id) or _built_in(class_id)
        if found is None:
            raise WinsockError(WSAError.WSATYPE_NOT_FOUND, f"service class {class_id}")
        return found


def _built_in(class_id: uuid.UUID) -> ServiceClass | None:
    """What is known of a class without being told: the well-known ones, and ports that the services file names."""
    if class_id in _NAMED_CLASSES:
        return ServiceClass(class_id, _NAMED_CLASSES[class_id])
    query = Query(class_id=class_id)
    if not query.port:
        return None
    udp = query.protocol == c.IPPROTO_UDP
    try:
        entry = netdb.service_by_port(query.port, "udp" if udp else "tcp")
    except WinsockError:
        return None
    title = "UdpPort" if udp else "TcpPort"
    value = ClassValue(title, n.NS_DNS, _REG_DWORD, query.port.to_bytes(4, "little"))
    return ServiceClass(class_id, entry.name, (value,))


def _text(address: Any) -> str:
    """The text of an address tuple, with its scope."""
    host = str(address[0]).partition("%")[0]
    return f"{host}%{address[3]}" if len(address) == 4 and address[3] else host
