"""NSP_ROUTINE: what a name-space provider fills in NSPStartup, and how it is started and called.

The functions are plain callables with the C signatures, or ctypes functions; the DLL's side calls them in no other way.
They say how they failed with WSASetLastError, unlike the WSP functions.
"""

import ctypes
import uuid
from collections.abc import Callable
from ctypes import POINTER
from typing import Any, TypeAlias

from ws2spi._abi import names as n
from ws2spi._abi.constants import SOCKET_ERROR
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import BYTE, DWORD, GUID, HANDLE, WSATHREADID
from ws2spi._engine import reports
from ws2spi._executive import lasterror
from ws2spi._runtime.names.querysets import guid_pointer
from ws2spi._runtime.signatures import pointer_to

# NSPStartup(lpProviderId, lpnspRoutines) -> 0, or SOCKET_ERROR with the code in the thread's last error
Startup: TypeAlias = Callable[[Any, Any], int]

FULL_SIZE = ctypes.sizeof(n.NSP_ROUTINE)
# Providers made before NSPIoctl existed say this size.
_OLD_SIZE = FULL_SIZE - 8

_guid: Any = POINTER(GUID)
_query: Any = POINTER(n.WSAQUERYSETW)
_class: Any = POINTER(n.WSASERVICECLASSINFOW)
_dword: Any = POINTER(DWORD)
_handle: Any = POINTER(HANDLE)
_bytes: Any = POINTER(BYTE)
_: Any = None  # passed on as it is: a number or a handle

# {function: the pointer type of each parameter}
POINTERS: dict[str, tuple[Any, ...]] = {
    "NSPCleanup": (_guid,),
    "NSPLookupServiceBegin": (_guid, _query, _class, _, _handle),
    "NSPLookupServiceNext": (_, _, _dword, _query),
    "NSPLookupServiceEnd": (_,),
    "NSPSetService": (_guid, _class, _query, _, _),
    "NSPInstallServiceClass": (_guid, _class),
    "NSPRemoveServiceClass": (_guid, _guid),
    "NSPGetServiceClassInfo": (_guid, _dword, _class),
    "NSPIoctl": (_, _, _bytes, _, _bytes, _, _dword, POINTER(n.WSACOMPLETION), POINTER(WSATHREADID)),
}


class NspRoutines:
    """NSP_ROUTINE with Python callables: `cbSize`, two version numbers and the nine functions, None until filled in."""

    __slots__ = ("cbSize", "dwMajorVersion", "dwMinorVersion", *n.NSP_NAMES)

    def __init__(self) -> None:
        self.cbSize = FULL_SIZE
        self.dwMajorVersion = self.dwMinorVersion = 0
        for name in n.NSP_NAMES:
            setattr(self, name, None)

    # Any of the nine; named here because the checker cannot see them.
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    @property
    def contents(self) -> "NspRoutines":
        """The table itself, as `.contents` of a pointer to it."""
        return self

    def missing(self) -> list[str]:
        """Return the functions that must be there and are not."""
        needed = n.NSP_NAMES if self.cbSize >= FULL_SIZE else n.NSP_NAMES[:-1]
        return [name for name in needed if not getattr(self, name)]


class Started:
    """A started provider.

    Attributes:
        provider_id: the id it is installed under, which most of its functions take.
        title: what it is called in reports.
    """

    def __init__(self, provider_id: uuid.UUID, title: str, routines: NspRoutines) -> None:
        self.provider_id = provider_id
        self.title = title
        self.routines = routines
        self._guid = guid_pointer(provider_id)

    def __repr__(self) -> str:
        return f"<Started {self.title}>"

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function that takes no provider id.

        Errors: what the provider put into the last error; WSASYSCALLFAILURE if that is nothing, WSANO_RECOVERY if it
        raised; WSAEOPNOTSUPP for an NSPIoctl that an older provider does not have.
        """
        function = getattr(self.routines, name)
        if name == "NSPIoctl" and (self.routines.cbSize < FULL_SIZE or not function):
            raise WinsockError(WSAError.WSAEOPNOTSUPP, f"{self.title} has no NSPIoctl")
        before = lasterror.get()
        lasterror.set(0)
        try:
            result = function(*_converted(function, name, arguments))
        except Exception as error:
            if getattr(function, "takes_any_pointer", False):
                raise  # our own function has seen to what its provider raised; this is a signal handler's
            reports.report(f"{self.title}: {name} raised {error!r}")
            raise WinsockError(WSAError.WSANO_RECOVERY, f"{self.title}: {name}") from error
        if result == SOCKET_ERROR:
            raise WinsockError(lasterror.get() or WSAError.WSASYSCALLFAILURE, f"{self.title}: {name}")
        lasterror.set(before)

    def call_by_id(self, name: str, *arguments: Any) -> None:
        """Call a function whose first parameter is the provider's id; errors as `call`."""
        self.call(name, self._guid, *arguments)


def _converted(function: Any, name: str, arguments: tuple[Any, ...]) -> Any:
    """Give a plain callable pointers of the declared types, as a C function would have them."""
    if isinstance(function, ctypes._CFuncPtr) or getattr(function, "takes_any_pointer", False):  # type: ignore[attr-defined]
        return arguments
    kinds = POINTERS[name]
    return [one if kind is None else pointer_to(one, kind) for kind, one in zip(kinds, arguments, strict=True)]


def start(startup: Startup, provider_id: uuid.UUID, title: str) -> Started:
    """Call NSPStartup and return what it started.

    Errors:
        WSAEPROVIDERFAILEDINIT: it failed or raised.
        WSAEINVALIDPROCTABLE: a function is missing.
    """
    routines = NspRoutines()
    before = lasterror.get()
    try:
        result = startup(guid_pointer(provider_id), routines)
    except Exception as error:
        raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"{title}: NSPStartup raised {error!r}") from error
    if result:
        detail = f"{title}: NSPStartup failed with {lasterror.get()}"
        lasterror.set(before)
        raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, detail)
    started = Started(provider_id, title, routines)
    missing = routines.missing() if routines.cbSize >= _OLD_SIZE else ["cbSize"]
    if missing:
        if routines.NSPCleanup:
            clean_up(started)
        raise WinsockError(WSAError.WSAEINVALIDPROCTABLE, f"{title}: {', '.join(missing)}")
    return started


def clean_up(started: Started) -> None:
    """Balance a start; a provider that fails must not keep the others from it."""
    try:
        started.call_by_id("NSPCleanup")
    except WinsockError as error:
        reports.report(f"{started.title}: NSPCleanup failed: {error}")
