"""Socket state notifications: readiness told through a completion port."""

from typing import Any

from ws2spi._abi.constants import ERROR_ABANDONED_WAIT_0, INFINITE, WAIT_TIMEOUT
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref, store_int
from ws2spi._abi.types import OVERLAPPED_ENTRY, SOCK_NOTIFY_REGISTRATION
from ws2spi._executive.handles import handles
from ws2spi._executive.ports import CompletionPort, PortClosed
from ws2spi._runtime import notifying
from ws2spi._runtime.arguments import items
from ws2spi._runtime.process import runtime
from ws2spi.kernel32 import _ports


def ProcessSocketNotifications(
    completionPort: Any,
    registrationCount: int,
    registrationInfos: Any,
    timeoutMs: int,
    completionCount: int,
    completionPortEntries: Any,
    receivedEntryCount: Any,
) -> int:
    """Register sockets with a completion port, and take packets from it.

    What a socket shows (SOCK_NOTIFY_EVENT_IN, _OUT, _HANGUP, _ERR) is the number of bytes of a packet with the
    registration's key; SOCK_NOTIFY_EVENT_REMOVE is the last one after SOCK_NOTIFY_OP_REMOVE. The packets come through
    GetQueuedCompletionStatus, too, and other packets of the port through this function.

    Returns: 0 with a code in each `registrationResult`; WAIT_TIMEOUT, so, too, when no packet came in time; else the
        error code, and nothing was registered.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSA_INVALID_HANDLE: no such port.
        WSAEINVAL: a NULL array with a count, or an array, a time or `receivedEntryCount` without one.
        WAIT_TIMEOUT: see above. ERROR_ABANDONED_WAIT_0: the port was closed meanwhile.
        In `registrationResult`: no socket (10038), a hand-written provider's that wants its own polls (10045); no such
        operation, event or trigger, a socket of another port, or one that is not registered (10022).
    Source: winsock2.h, nf-winsock2-processsocketnotifications.
    Differs: sockets of layers count, too. As with WSAPoll the end of a stream is HANGUP and not IN. Edge: after a
        receive that leaves something behind it is told again. Registering anew keeps the key, as its page says.
    """
    try:
        runtime.require()
        port = handles.get(completionPort, CompletionPort) if isinstance(completionPort, int) else None
        if port is None:
            raise WinsockError(WSAError.WSA_INVALID_HANDLE, "completionPort")
        infos = bool(address_of(registrationInfos))
        room = bool(address_of(completionPortEntries))
        if infos != bool(registrationCount) or room != bool(completionCount):
            raise WinsockError(WSAError.WSAEINVAL, "an array without a count, or the reverse")
        if not completionCount and (timeoutMs or address_of(receivedEntryCount)):
            raise WinsockError(WSAError.WSAEINVAL, "a wait for no packets")
    except WinsockError as error:
        return int(error.code)
    if registrationCount:
        for info in items(registrationInfos, registrationCount, SOCK_NOTIFY_REGISTRATION):
            info.registrationResult = notifying.register(port, info)
    if not completionCount:
        return 0
    try:
        packets = port.get_many(completionCount, None if timeoutMs == INFINITE else timeoutMs / 1000)
    except PortClosed:
        return ERROR_ABANDONED_WAIT_0
    _ports.store_entries(completionPortEntries, packets or [])
    store_int(receivedEntryCount, len(packets or []))
    return 0 if packets else WAIT_TIMEOUT


def SocketNotificationRetrieveEvents(notification: Any) -> int:
    """Return the events of a packet that ProcessSocketNotifications or GetQueuedCompletionStatusEx took.

    Returns: the bits, 0 for NULL.
    Errors: none.
    Source: winsock2.h, nf-winsock2-socketnotificationretrieveevents.
    Differs: nothing.
    """
    entry = deref(notification, OVERLAPPED_ENTRY)
    return 0 if entry is None else int(entry.dwNumberOfBytesTransferred)
