"""The base provider's socket under a stack with handles of its own: what SIO_BASE_HANDLE answers.

It is a duplicate of the lower descriptor, registered with the base provider when somebody asks for it, so that it is a
SOCKET like any other: event loops ask it for its protocol and poll it. Who sends or receives on it goes past the
layers. It is closed with the upper socket, or when another connection takes that one's place.
"""

from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.transport import SocketTransport
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import SocketEntry
from ws2spi.providers.socket_state import Socket


def base_handle(entry: SocketEntry) -> int:
    """The handle for a socket whose lowest part is a Linux socket of ours.

    Errors:
        WSAENOBUFS: no descriptors.
    """
    state: Socket = entry.state
    if state.base is None:
        info = runtime.catalog.recall(state.info.chain[-1])
        if info is None:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, "the base provider is gone")
        provider: Any = runtime.provider(info)
        try:
            lower = SocketTransport(state.connection.transport.sock.dup())
        except OSError as error:
            raise WinsockError(WSAError.WSAENOBUFS, "a base handle", errno=error.errno) from None
        state.base = provider.register_lower(lower, info, state)
    number: int = state.base.number
    return number


def end(state: Socket) -> None:
    """The upper socket ends, or is another one from now on."""
    base, state.base = state.base, None
    if base is not None:
        try:
            base.provider.discard(base)
        except WinsockError:
            pass  # its client has closed it
