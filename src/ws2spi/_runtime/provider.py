"""The Python spelling of the WSP functions: what any service provider, base or layered, offers to the runtime.

Numbers are Windows' throughout (families, levels, options, flags); addresses are the tuples of Python's socket module.
Every method fails by raising `WinsockError`. `completion` is None for a call that does not overlap; otherwise the
provider either raises, or ends the operation now (it calls `completion.complete(...)` and returns the result), or
returns None: the operation is pending, and exactly one `completion.complete(...)` follows, from any thread.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ws2spi._abi.addresses import Address
from ws2spi._executive.overlapped import Overlapped
from ws2spi._executive.threads import Thread

if TYPE_CHECKING:
    from ws2spi._runtime.address_lists import AddressList
    from ws2spi._runtime.catalog import CatalogEntry
    from ws2spi._runtime.completion import Completion
    from ws2spi._runtime.conditions import Condition
    from ws2spi._runtime.sockets import SocketEntry

Buffer: TypeAlias = bytes | memoryview


class Provider(Protocol):
    """A service provider. One object serves all entries of one provider id of the catalog."""

    def socket(self, af: int, type: int, protocol: int, info: "CatalogEntry", flags: int) -> int:
        """Make a socket and return its handle, registered with create_socket_handle or modify_ifs_handle.

        `af`, `type` and `protocol` may each be 0 or FROM_PROTOCOL_INFO: then `info` says what is meant.
        """
        ...

    def bind(self, entry: "SocketEntry", address: Address) -> None: ...

    def listen(self, entry: "SocketEntry", backlog: int) -> None: ...

    def connect(self, entry: "SocketEntry", address: Address) -> None:
        """Connect; the wildcard address on a datagram socket removes its peer."""
        ...

    def accept(self, entry: "SocketEntry", condition: "Condition | None" = None) -> tuple[int, Address]:
        """Return the handle of the next connection, registered like one of `socket`, and its peer's address.

        Parameters:
            condition: called as `condition(peer, local name)` in the calling thread; CF_ACCEPT, CF_REJECT or CF_DEFER.
        """
        ...

    def shutdown(self, entry: "SocketEntry", how: int) -> None: ...

    def close(self, entry: "SocketEntry") -> None:
        """End the socket and its handle; what is pending completes with WSA_OPERATION_ABORTED, announced as usual."""
        ...

    def getsockname(self, entry: "SocketEntry") -> Address: ...

    def getpeername(self, entry: "SocketEntry") -> Address: ...

    def send(
        self, entry: "SocketEntry", buffers: Sequence[Buffer], flags: int, completion: "Completion | None"
    ) -> int | None:
        """Send; return the number of bytes taken."""
        ...

    def recv(
        self, entry: "SocketEntry", buffers: Sequence[memoryview], flags: int, completion: "Completion | None"
    ) -> tuple[int, int] | None:
        """Receive into `buffers`, in their order; return the number of bytes and the flags (MSG_PARTIAL, …)."""
        ...

    def send_to(
        self,
        entry: "SocketEntry",
        buffers: Sequence[Buffer],
        flags: int,
        address: Address,
        completion: "Completion | None",
    ) -> int | None: ...

    def recv_from(
        self, entry: "SocketEntry", buffers: Sequence[memoryview], flags: int, completion: "Completion | None"
    ) -> tuple[int, int, Address | None] | None:
        """As `recv`, with the sender. A pending one gives it to `completion.set_address` before it completes."""
        ...

    def getsockopt(self, entry: "SocketEntry", level: int, option: int, size: int) -> bytes:
        """Return the value in Windows' layout, at most `size` bytes."""
        ...

    def setsockopt(self, entry: "SocketEntry", level: int, option: int, value: bytes) -> None: ...

    def ioctl(
        self, entry: "SocketEntry", code: int, data: bytes, out_size: int, completion: "Completion | None"
    ) -> "bytes | AddressList | None":
        """Perform a control code; return its output, or None when pending."""
        ...

    def cancel(self, entry: "SocketEntry", thread: Thread | None, overlapped: Overlapped | None) -> int:
        """Ask for pending operations to end: those `thread` started, or the one of `overlapped`, or all.

        Returns how many were asked; each still completes once, with WSA_OPERATION_ABORTED or with its result.
        """
        ...

    def get_overlapped_result(self, entry: "SocketEntry", overlapped: Overlapped, wait: bool) -> tuple[int, int]:
        """Return `(bytes, flags)` of an ended operation, or raise its error; WSA_IO_INCOMPLETE while it runs."""
        ...

    def cleanup(self) -> None:
        """The process is done: reset what is open, end what is pending without telling anybody."""
        ...
