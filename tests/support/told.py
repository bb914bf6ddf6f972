"""The codes that come later than their call: in a finished operation, a window message, a record of network events.

`listen` hands each of them to a record as a pair (function, code). The function is the one that began it: an operation
is known by the address of its OVERLAPPED, a message by its wParam, which is a request's handle or a socket.
"""

from collections.abc import Callable
from typing import Any

from ws2spi._abi.errors import WinsockError, wsa_from_status
from ws2spi._abi.memory import address_of, deref
from ws2spi._abi.types import WSANETWORKEVENTS
from ws2spi._executive import lasterror
from ws2spi._executive.overlapped import Overlapped
from ws2spi._runtime import messages
from ws2spi._runtime.extensions import pointers

# Where the extension functions have their OVERLAPPED, behind the socket.
_OVERLAPPED = {
    "AcceptEx": 6,
    "ConnectEx": 5,
    "DisconnectEx": 0,
    "TransmitFile": 3,
    "TransmitPackets": 3,
    "WSARecvMsg": 2,
    "WSASendMsg": 3,
}
# Who is called with the OVERLAPPED of another's operation.
_ASKING = frozenset(
    {
        "kernel32.CancelIoEx",
        "kernel32.GetOverlappedResult",
        "kernel32.GetOverlappedResultEx",
        "ws2_32.GetAddrInfoExOverlappedResult",
        "ws2_32.WPUCompleteOverlappedRequest",
        "ws2_32.WSAGetOverlappedResult",
    }
)


class Told:
    """Who began what, until its code comes.

    Parameters:
        answered: called with each pair.
    """

    def __init__(self, answered: Callable[[str, int], None]) -> None:
        self._answered = answered
        self._operations: dict[int, str] = {}  # {address of an OVERLAPPED: who was called with it last}
        self._requests: dict[int, str] = {}  # {handle of a request, or socket: whose messages name it}
        self._messages: list[tuple[int, int]] = []  # (wParam, code); a message may be there before its call returns

    def begins(self, name: str, overlapped: Any) -> None:
        """A call with an OVERLAPPED, before it is made."""
        if name in _ASKING:
            return
        try:
            address = address_of(overlapped)
        except TypeError:
            return
        if address:
            self._operations[address] = name

    def ends(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        """A call that has returned: what its messages will be known by, or the network events that it stored."""
        function = name.rpartition(".")[2]
        if function.startswith("WSAAsyncGet") and result:
            self._requests[result] = name
        elif function == "WSAAsyncSelect":
            self._requests[arguments[0]] = name
        elif function == "WSAEnumNetworkEvents" and result == 0:
            record = deref(arguments[2], WSANETWORKEVENTS)
            for bit in range(10):
                if record is not None and record.lNetworkEvents & 1 << bit:
                    self._answered(name, record.iErrorCode[bit])

    def settle(self) -> None:
        """Hand over the codes of messages, now that all requests are known."""
        for wparam, code in self._messages:
            if wparam in self._requests:
                self._answered(self._requests[wparam], code)

    def listen(self) -> None:
        """Hear of operations, messages, and extension functions that are called through their pointers."""
        store, post, called = Overlapped.store, messages.post, pointers._answered

        def stored(record: Overlapped, status: int, transferred: int) -> None:
            name = self._operations.get(record.address)
            if name is not None:
                self._answered(name, wsa_from_status(status))
            store(record, status, transferred)

        def posted(handle: int, message: int, wparam: int, lparam: int) -> bool:
            self._messages.append((wparam, lparam >> 16))
            return post(handle, message, wparam, lparam)

        def answered(function: str, entry: Any, arguments: tuple[Any, ...]) -> int:
            name = f"{'ws2_32' if function == 'WSASendMsg' else 'mswsock'}.{function}"
            self.begins(name, arguments[_OVERLAPPED[function]])
            try:
                result: int = called(function, entry, arguments)
            except WinsockError as error:
                self._answered(name, int(error.code))
                raise
            self._answered(name, lasterror.get())
            return result

        Overlapped.store = stored  # type: ignore[method-assign]
        messages.post = posted
        pointers._answered = answered
