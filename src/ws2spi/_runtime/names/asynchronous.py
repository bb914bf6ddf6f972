"""Requests that end with a window message: WSAAsyncGetXByY and WSACancelAsyncRequest.

A request is in the table from its start until somebody takes it out: its own end, which then writes the client's
buffer and posts the message, or a cancel, after which neither happens. Whoever takes it out is the only one.
"""

import itertools
from collections.abc import Callable
from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, write_bytes
from ws2spi._engine import reports
from ws2spi._runtime import messages
from ws2spi._runtime.names.memory import Block
from ws2spi._runtime.names.worker import start
from ws2spi._runtime.process import runtime

_FIRST, _STEP = 0x4004, 4
_counter = itertools.count(_FIRST, _STEP)
_newest = 0
_requests: dict[int, object] = {}  # {handle: what the client passed, kept alive}


def request(window: int, message: int, find: Callable[[], Block], buffer: Any, room: int) -> int:
    """Start a request and return its handle, which is the message's wParam.

    The high half of lParam is the code, the low half the size of the structure: what was written, or, with WSAENOBUFS,
    what is needed.

    Parameters:
        find: gives the structure, on another thread.
    Errors:
        WSAEINVAL: no such window.
    """
    global _newest
    if messages.window_of(window) is None:
        raise WinsockError(WSAError.WSAEINVAL, "hWnd")
    handle = _newest = next(_counter)
    _requests[handle] = buffer
    start(lambda: _run(handle, window, message, find, buffer, room))
    return handle


def _run(handle: int, window: int, message: int, find: Callable[[], Block], buffer: Any, room: int) -> None:
    block, code = None, 0
    try:
        block = find()
    except WinsockError as error:
        code = error.code
    except Exception as error:
        reports.report(f"an asynchronous request failed: {error!r}")
        code = WSAError.WSANO_RECOVERY
    if _requests.pop(handle, _GONE) is _GONE:
        return
    size = 0 if block is None else len(block)
    if block is not None:
        target = address_of(buffer)
        if not target:
            code = WSAError.WSAEFAULT
        elif size > room:
            code = WSAError.WSAENOBUFS
        else:
            write_bytes(target, block.image(target))
    messages.post(window, message, handle, code << 16 | min(size, 0xFFFF))


_GONE = object()


def cancel(handle: Any) -> None:
    """End a request: its message never comes, and its buffer is the client's again.

    Errors:
        WSAEINVAL: it never was a request. WSAEALREADY: it has ended; its message may still wait in the queue.
    """
    known = isinstance(handle, int) and _FIRST <= handle <= _newest and not (handle - _FIRST) % _STEP
    if not known:
        raise WinsockError(WSAError.WSAEINVAL, f"request {handle!r}")
    if _requests.pop(handle, _GONE) is _GONE:
        raise WinsockError(WSAError.WSAEALREADY, f"request {handle}")


runtime.extend(_requests.clear, _requests.clear)
