"""WPUCompleteOverlappedRequest (spec: upcalls 5.5)."""

from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import is_null
from ws2spi._runtime.completion import announce
from ws2spi._runtime.sockets import sockets


def complete_overlapped_request(s: int, overlapped: Any, code: int, transferred: int) -> None:
    """Announce the end of an operation without a completion routine: its event, and the port of `s`.

    InternalHigh and then Internal are final before anything is told. What it announces it does not check: a second
    call for one operation announces again.

    Parameters:
        overlapped: a pointer to the client's structure, in whatever form.
        code: 0 or the error; it becomes Internal and the status of the packet.
        transferred: bytes.
    Errors:
        WSAEINVAL: `create_socket_handle` did not make `s`.
        WSAEFAULT: no structure.
    """
    entry = sockets.entries.get(s)
    if entry is None or entry.maker().ifs:
        raise WinsockError(WSAError.WSAEINVAL, f"socket {s}")
    if is_null(overlapped):
        raise WinsockError(WSAError.WSAEFAULT, "no OVERLAPPED")
    announce(entry, overlapped, code, transferred)
