"""Blocking hooks of Winsock 1.1 clients, under the names that wsock32.dll exports."""

import ctypes
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of
from ws2spi._abi.types import BOOL
from ws2spi._runtime import hooks
from ws2spi._runtime.process import runtime
from ws2spi.ws2_32._route import failed

_HOOK = ctypes.CFUNCTYPE(BOOL)


def WSASetBlockingHook(lpBlockFunc: Any) -> Any:
    """Have a function called again and again while a call of this thread blocks, as long as it returns TRUE at once.

    Meanwhile no other call of this thread may block; WSACancelBlockingCall ends the one that does.

    Returns: the function that was installed before, as it was given; NULL for the default one, which does nothing, and
        on failure, with the code in the last error.
    Errors:
        WSANOTINITIALISED. WSAEFAULT: NULL. WSAEOPNOTSUPP: no WSAStartup has agreed to version 1.1.
    Source: winsock2.h, nf-winsock2-wsasetblockinghook (exported by wsock32.dll).
    Differs: ws2_32.dll does not export it. The page names no code for clients of version 2.
    """
    try:
        runtime.require()
        function = lpBlockFunc if callable(lpBlockFunc) else _HOOK(address_of(lpBlockFunc))
        if not function:
            raise WinsockError(WSAError.WSAEFAULT, "lpBlockFunc")
        return hooks.set_hook(function, lpBlockFunc) or 0
    except WinsockError as error:
        return failed(error, 0)


def WSAUnhookBlockingHook() -> int:
    """Install the default hook again, which does nothing.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED. WSAEOPNOTSUPP: no WSAStartup has agreed to version 1.1.
    Source: winsock2.h, nf-winsock2-wsaunhookblockinghook (exported by wsock32.dll).
    Differs: as WSASetBlockingHook.
    """
    try:
        hooks.set_hook(None)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0


def WSAIsBlocking() -> int:
    """Tell whether a call of this thread blocks: asked from a hook, an APC or a signal handler.

    Returns: TRUE when one does.
    Errors: none.
    Source: winsock2.h, nf-winsock2-wsaisblocking (exported by wsock32.dll).
    Differs: ws2_32.dll does not export it.
    """
    return int(hooks.is_blocking())


def WSACancelBlockingCall() -> int:
    """End the call of this thread that blocks with WSAEINTR, as soon as the hook has returned.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED. WSAEINVAL: nothing blocks. WSAEOPNOTSUPP: no WSAStartup has agreed to version 1.1.
    Source: winsock2.h, nf-winsock2-wsacancelblockingcall (exported by wsock32.dll).
    Differs: as WSASetBlockingHook. A cancelled send goes on; the socket stays usable.
    """
    try:
        hooks.cancel()
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0
