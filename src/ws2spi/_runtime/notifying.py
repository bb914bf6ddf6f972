"""ProcessSocketNotifications: whom the DLL asks for a socket, and the registrations of one call."""

from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._executive.ports import CompletionPort
from ws2spi._runtime import polling
from ws2spi._runtime.sockets import sockets


def register(port: CompletionPort, registration: Any) -> int:
    """Do what a SOCK_NOTIFY_REGISTRATION asks for; return its result, 0 or a code.

    Codes:
        WSAENOTSOCK: no socket. WSAEOPNOTSUPP: one of a provider that does not let others look at it.
        WSAEINVAL: as the provider's `notify`.
    """
    operation = registration.operation
    if operation == c.SOCK_NOTIFY_OP_NONE:
        return 0
    number = registration.socket
    found = polling.observable(number)
    if found is None:
        return int(WSAError.WSAEOPNOTSUPP if number in sockets.entries else WSAError.WSAENOTSOCK)
    provider: Any = found[0]
    key = registration.completionKey or 0
    try:
        provider.notify(found[1], port, key, operation, registration.eventFilter, registration.triggerFlags)
    except WinsockError as error:
        return int(error.code)
    return 0
