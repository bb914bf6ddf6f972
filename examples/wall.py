"""A firewall as a layered service provider, written by hand: WSPStartup, and the tables that it exchanges.

It is an IFS layer: the handles are those of the provider below, whose functions it passes on, but for the few that it
has come for. `REFUSED_PORTS` in the environment says where nobody may connect to ("25,6667").

    ws2spi catalog install ./examples/wall.py --ifs --name wall --categories firewall

It serves the Winsock programs of Python. A `Layer` does the same for every program, in five lines.
"""

import os

from ws2spi import ctypes
from ws2spi.ctypes import POINTER, byref, pointer, sizeof, wintypes
from ws2spi.ws2_32 import GUID, WSAPROTOCOL_INFOW, WSPDATA, WSPPROC_TABLE

ws2_32 = ctypes.WinDLL("ws2_32")

INVALID_SOCKET, SOCKET_ERROR = 2**64 - 1, -1
WSAEACCES, WSAVERNOTSUPPORTED, WSAEPROVIDERFAILEDINIT = 10013, 10092, 10106
SIO_GET_EXTENSION_FUNCTION_POINTER = 0xC8000006
WSAID_CONNECTEX = bytes.fromhex("b907a225f3dd60468ee976e58c74063e")

LPFN_CONNECTEX = ctypes.WINFUNCTYPE(
    wintypes.BOOL, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD,
    ctypes.c_void_p, ctypes.c_void_p,
)  # fmt: skip

refused_ports = {int(port) for port in os.environ.get("REFUSED_PORTS", "").split(",") if port}


def catalog():
    """{id: entry}, as WSCEnumProtocols tells it: first how much room, then the entries."""
    room, code = wintypes.DWORD(), ctypes.c_int()
    while True:
        entries = (WSAPROTOCOL_INFOW * (room.value // sizeof(WSAPROTOCOL_INFOW)))()
        count = ws2_32.WSCEnumProtocols(None, entries, byref(room), byref(code))
        if count != SOCKET_ERROR:
            return {entry.dwCatalogEntryId: entry for entry in entries[:count]}


def path_of(entry, upcalls):
    """Where an entry's provider is loaded from."""
    path, room, code = ctypes.create_unicode_buffer(1024), ctypes.c_int(1024), ctypes.c_int()
    identity = GUID.from_buffer_copy(entry.ProviderId)
    failed = upcalls.lpWPUGetProviderPath(byref(identity), path, byref(room), byref(code))
    return "" if failed else path.value


def WSPStartup(wVersionRequested, lpWSPData, lpProtocolInfo, UpcallTable, lpProcTable):
    if wVersionRequested < 0x0202:
        return WSAVERNOTSUPPORTED
    entries = catalog()
    chain = lpProtocolInfo.contents.ProtocolChain
    members = [entries.get(number) for number in chain.ChainEntries[: chain.ChainLen]]
    # The first member that is loaded from here is this layer: below other layers it is not the topmost.
    own = [member is not None and path_of(member, UpcallTable).partition(":")[0] == __file__ for member in members]
    if True not in own[:-1] or None in members:
        return WSAEPROVIDERFAILEDINIT
    place = own.index(True)
    below = members[place + 1]

    # The layer below gets the chain as it came; the base provider gets its own entry, and never learns of a chain.
    over_base = place + 2 == chain.ChainLen
    info = pointer(WSAPROTOCOL_INFOW.from_buffer_copy(below)) if over_base else lpProtocolInfo
    try:
        startup = ctypes.WinDLL(path_of(below, UpcallTable)).WSPStartup
    except OSError:
        return WSAEPROVIDERFAILEDINIT
    lower = WSPPROC_TABLE()
    code = startup(wVersionRequested, byref(WSPDATA()), info, UpcallTable, byref(lower))
    if code:
        return code

    # Handles are passed on under the id of this layer's own chain, so that calls on them come here.
    layer = Wall(UpcallTable, lower, _own_id(lpProtocolInfo.contents, members, place), info if over_base else None)
    ctypes.memmove(lpProcTable, byref(lower), sizeof(WSPPROC_TABLE))
    for name in ("WSPSocket", "WSPAccept", "WSPJoinLeaf", "WSPConnect", "WSPIoctl"):
        setattr(lpProcTable.contents, f"lp{name}", getattr(layer, name))
    lpWSPData.contents.wVersion = lpWSPData.contents.wHighVersion = 0x0202
    return 0


def _own_id(info, members, place):
    """The id of the chain that begins with this layer: the one that is started, or a member of a longer chain."""
    return members[place].dwCatalogEntryId if place else info.dwCatalogEntryId


def port_of(name, namelen):
    """The port of a socket address, which stands at the same place for IPv4 and IPv6."""
    return int.from_bytes(ctypes.string_at(name, 4)[2:], "big") if name and namelen >= 4 else 0


class Wall:
    """What one start of the provider keeps: the table depends on what lies below the chain."""

    def __init__(self, upcalls, lower, catalog_id, base_info):
        self.upcalls, self.lower, self.catalog_id, self.base_info = upcalls, lower, catalog_id, base_info
        self.connect_ex_below = None
        self.connect_ex = LPFN_CONNECTEX(self.ConnectEx)  # an address is handed out, so the function stays

    def passed_on(self, s, lpErrno):
        """A handle from below, registered as this layer's."""
        if s == INVALID_SOCKET:
            return s
        handle = self.upcalls.lpWPUModifyIFSHandle(self.catalog_id, s, lpErrno)
        if handle == INVALID_SOCKET:
            self.lower.lpWSPCloseSocket(s, byref(ctypes.c_int()))  # the first error is the one that counts
        return handle

    def WSPSocket(self, af, type, protocol, lpProtocolInfo, g, dwFlags, lpErrno):
        if self.base_info is not None:
            info = WSAPROTOCOL_INFOW.from_buffer_copy(self.base_info.contents)
            info.dwProviderReserved = lpProtocolInfo.contents.dwProviderReserved  # of a socket that is duplicated
            lpProtocolInfo = pointer(info)
        s = self.lower.lpWSPSocket(af, type, protocol, lpProtocolInfo, g, dwFlags, lpErrno)
        return self.passed_on(s, lpErrno)

    def WSPAccept(self, s, addr, addrlen, lpfnCondition, dwCallbackData, lpErrno):
        accepted = self.lower.lpWSPAccept(s, addr, addrlen, lpfnCondition, dwCallbackData, lpErrno)
        return self.passed_on(accepted, lpErrno)

    def WSPJoinLeaf(self, s, *arguments):
        joined = self.lower.lpWSPJoinLeaf(s, *arguments)
        return joined if joined == s else self.passed_on(joined, arguments[-1])

    def WSPConnect(self, s, name, namelen, *arguments):
        if port_of(name, namelen) in refused_ports:
            arguments[-1].contents.value = WSAEACCES
            return SOCKET_ERROR
        return self.lower.lpWSPConnect(s, name, namelen, *arguments)

    def ConnectEx(self, s, name, namelen, *arguments):
        if port_of(name, namelen) in refused_ports:
            ws2_32.WSASetLastError(WSAEACCES)
            return 0
        return self.connect_ex_below(s, name, namelen, *arguments)

    def WSPIoctl(self, s, code, given, given_size, answer, *arguments):
        """ConnectEx is asked for here and called directly: who lets the pointer from below pass is gone around."""
        result = self.lower.lpWSPIoctl(s, code, given, given_size, answer, *arguments)
        if result or code != SIO_GET_EXTENSION_FUNCTION_POINTER or ctypes.string_at(given, 16) != WSAID_CONNECTEX:
            return result
        place = ctypes.cast(answer, POINTER(ctypes.c_size_t))
        self.connect_ex_below = LPFN_CONNECTEX(place[0])
        place[0] = ctypes.cast(self.connect_ex, ctypes.c_void_p).value
        return 0
