"""The C function pointers that SIO_GET_EXTENSION_FUNCTION_POINTER gives out.

Rule 1: a pointer belongs to one provider id and acts on that provider's own socket of the number it is called with. So
        a layer that shares its number with what is below (IFS) gets, from below, what acts below.
Rule 2: it is never freed: a client may call it whenever it likes, after WSACleanup too (WSANOTINITIALISED).
Rule 3: nothing is raised through C. A failure is the documented result and the thread's last error; Ctrl-C ends the
        call with WSAEINTR and is raised where the client's own code goes on.
"""

import _thread
import ctypes
import threading
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from ws2spi._abi.constants import FALSE, SIO_GET_EXTENSION_FUNCTION_POINTER, SOCKET_ERROR
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.mswsock import EXTENSIONS, PROTOTYPES
from ws2spi._abi.types import DWORD, INT
from ws2spi._executive import lasterror
from ws2spi._runtime.extensions.functions import FUNCTIONS, GetAcceptExSockaddrs
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import SocketEntry, sockets
from ws2spi._runtime.table_provider import TableProvider
from ws2spi._runtime.threads import own_structure

_NAMES = {guid.bytes_le: name for name, guid in EXTENSIONS.items()}
_at: dict[int, tuple[str, uuid.UUID]] = {}  # {address: what it calls}
_given: dict[tuple[uuid.UUID, str], Any] = {}  # {(provider id, function): the callback}; rule 2


def pointer(provider_id: uuid.UUID, guid: bytes) -> int:
    """The address of a provider's extension function.

    Errors:
        WSAEFAULT: less than a GUID. WSAEINVAL: no such function.
    """
    if len(guid) < 16:
        raise WinsockError(WSAError.WSAEFAULT, f"{len(guid)} bytes for a GUID")
    name = _NAMES.get(guid[:16])
    if name is None:
        raise WinsockError(WSAError.WSAEINVAL, f"no extension function {uuid.UUID(bytes_le=guid[:16])}")
    callback = _given.get((provider_id, name))
    if callback is None:
        body = GetAcceptExSockaddrs if name == "GetAcceptExSockaddrs" else partial(_called, name, provider_id)
        callback = _given.setdefault((provider_id, name), PROTOTYPES[name](body))
    address = ctypes.cast(callback, ctypes.c_void_p).value
    assert address is not None
    _at[address] = name, provider_id
    return address


def function_at(address: int) -> Callable[..., Any] | None:
    """What a pointer calls, as a Python function that keeps what it is given alive; None for a pointer of others."""
    found = _at.get(address)
    if found is None:
        return None
    name, provider_id = found
    if name == "GetAcceptExSockaddrs":
        return GetAcceptExSockaddrs

    def call(s: int, *arguments: Any) -> int:
        try:
            return _answered(name, _own(s, provider_id), arguments)
        except WinsockError as error:
            return failed(name, error)

    call.__name__ = name
    return call


def _called(name: str, provider_id: uuid.UUID, s: int, *arguments: Any) -> int:
    """An extension function, called from C."""
    try:
        return _answered(name, _own(s, provider_id), arguments)
    except WinsockError as error:
        return failed(name, error)
    except KeyboardInterrupt:
        if threading.current_thread() is threading.main_thread():
            _thread.interrupt_main()
        return failed(name, WinsockError(WSAError.WSAEINTR, "interrupted"))


def _own(s: int, provider_id: uuid.UUID) -> SocketEntry:
    runtime.require()
    for entry in sockets.lookup(s).layers():
        if entry.info.provider_id == provider_id:
            return entry
    raise WinsockError(WSAError.WSAENOTSOCK, f"socket {s} is another provider's")


def _answered(name: str, entry: SocketEntry, arguments: tuple[Any, ...]) -> int:
    if getattr(entry.provider, "accept_ex", None) is None:
        raise WinsockError(WSAError.WSAEOPNOTSUPP, f"{name} of {entry.info.name!r}")
    return FUNCTIONS[name](entry, *arguments)


def failed(name: str, error: WinsockError) -> int:
    """The failure value of a function, with the code in the thread's last error."""
    lasterror.set(int(error.code))
    return SOCKET_ERROR if name.startswith("WSA") else FALSE


def call(name: str, s: int, *arguments: Any) -> int:
    """Call an extension function of the provider that a socket belongs to, as mswsock.dll does for its own exports.

    Returns: what the function returns, with the code in the thread's last error.
    """
    try:
        runtime.require()
        entry = sockets.lookup(s)
        if isinstance(entry.provider, TableProvider):
            address = _fetched(entry, name)
            return int(PROTOTYPES[name](address)(s, *arguments))
        return _answered(name, entry, arguments)
    except WinsockError as error:
        return failed(name, error)


def _fetched(entry: SocketEntry, name: str) -> int:
    """The pointer of a hand-written provider.

    Errors:
        WSAEFAULT: it says that it has one and gives none. Else what its WSPIoctl answers.
    """
    guid = EXTENSIONS[name].bytes_le
    place, returned, code = ctypes.c_void_p(), DWORD(), INT()
    if entry.table.lpWSPIoctl(
        entry.number,
        SIO_GET_EXTENSION_FUNCTION_POINTER,
        ctypes.create_string_buffer(guid, 16),
        16,
        ctypes.byref(place),
        ctypes.sizeof(place),
        ctypes.byref(returned),
        None,
        None,
        ctypes.byref(own_structure()),
        ctypes.byref(code),
    ):
        raise WinsockError(code.value or WSAError.WSAEOPNOTSUPP, f"{name} of {entry.info.name!r}")
    if not place.value:
        raise WinsockError(WSAError.WSAEFAULT, f"{entry.info.name!r} gives no pointer to {name}")
    return place.value
