"""How the function of a procedure table answers, and what every family of them stands on.

Return values: 0 or SOCKET_ERROR, a handle or INVALID_SOCKET, TRUE or FALSE; the code goes to `*lpErrno`, and nothing is
put into the thread's last error. `*lpErrno` stays untouched on success.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import store_int
from ws2spi._runtime.provider import Provider
from ws2spi._runtime.sockets import SocketEntry, sockets

_R = TypeVar("_R")


def fail(lpErrno: Any, error: WinsockError, result: _R) -> _R:
    """Store the code of `error` and return `result`."""
    store_int(lpErrno, error.code)
    return result


def answering(failure: int) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Turn a method that raises into one with a last parameter `lpErrno` that returns `failure`."""

    def decorate(method: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(method)
        def call(self: "Family", *arguments: Any) -> int:
            try:
                return method(self, *arguments[:-1])
            except WinsockError as error:
                return fail(arguments[-1], error, failure)

        return call

    return decorate


integer = answering(c.SOCKET_ERROR)
handle = answering(c.INVALID_SOCKET)
boolean = answering(c.FALSE)


class Family:
    """What the mixins of `Served` share: the provider and its entries."""

    provider: Provider

    def entry(self, s: int) -> SocketEntry:
        """Return this provider's entry for a handle, also where a layer has registered the same handle over it."""
        entry = sockets.entries.get(s)
        if entry is not None and entry.provider is not self.provider:
            entry = entry.of(self.provider)
        if entry is None:
            raise WinsockError(WSAError.WSAENOTSOCK, f"socket {s}")
        return entry

    def called(self, entry: SocketEntry, events: int) -> None:
        """A call that re-enables network events has failed before its method was reached: even that re-enables."""
        reenable = getattr(self.provider, "reenable", None)
        if reenable is not None:
            reenable(entry, events)
