"""Who wants to know when a call would not block: select, WSAPoll, network events, and the sets of sockets."""

import ctypes
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of
from ws2spi._abi.types import INT, TIMEVAL, WSAPOLLFD
from ws2spi._runtime import fdsets, polling, redirected
from ws2spi._runtime.process import runtime
from ws2spi.ws2_32._route import failed, refused, route, status

_byref = ctypes.byref


def WSAEventSelect(s: int, hEventObject: Any, lNetworkEvents: int) -> int:
    """Have an event set whenever one of the network events is recorded; the socket becomes non-blocking.

    Replaces what WSAEventSelect or WSAAsyncSelect selected before and clears the record; no events cancel it. What
    holds already is recorded at once. What was recorded is recorded again only after a call that re-enables it.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAEINVAL: events, and `hEventObject` is no event.
        WSAEOPNOTSUPP: the provider has no network events.
    Source: winsock2.h, nf-winsock2-wsaeventselect.
    Differs: FD_READ and FD_ACCEPT are recorded again only after a call that re-enables them, and FD_CLOSE only after
        all data was read, as the page says; Windows repeats the first two on new arrivals and records the third at
        once. An FD_CLOSE after a reset has WSAECONNRESET; Windows gives WSAECONNABORTED.
    """
    result = status("lpWSPEventSelect", s, hEventObject, lNetworkEvents)
    if not result:
        redirected.selected(s, bool(lNetworkEvents))
    return result


def WSAEnumNetworkEvents(s: int, hEventObject: Any, lpNetworkEvents: Any) -> int:
    """Store and clear the record of network events, and reset an event, in one step.

    Only those elements of `iErrorCode` are stored whose event is in the record.

    Returns: 0, or SOCKET_ERROR with the code in the last error; then nothing is cleared and nothing reset.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAEINVAL: `hEventObject` is neither NULL nor an event.
        WSAEFAULT: `lpNetworkEvents` is NULL. WSAEOPNOTSUPP: the provider has no network events.
        In `iErrorCode`: WSAECONNREFUSED, WSAETIMEDOUT, WSAENETUNREACH of FD_CONNECT, or what else connect has;
            WSAECONNRESET, WSAECONNABORTED of FD_CLOSE.
    Source: winsock2.h, nf-winsock2-wsaenumnetworkevents.
    Differs: nothing.
    """
    return status("lpWSPEnumNetworkEvents", s, hEventObject, lpNetworkEvents)


def WSAAsyncSelect(s: int, hWnd: Any, wMsg: int, lEvent: int) -> int:
    """Have a message posted to a window for each network event; the socket becomes non-blocking.

    `wParam` is the socket, `lParam` what WSAGETSELECTEVENT and WSAGETSELECTERROR take apart. Windows are made by
    `ws2spi.user32.CreateWindowExW`. Replaces what was selected before; no events cancel it, but messages that were
    posted still come.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAEINVAL: events, and `hWnd` is no window.
        WSAEOPNOTSUPP: the provider has no network events.
        The message has WSAECONNREFUSED, WSAETIMEDOUT, WSAENETUNREACH with FD_CONNECT, or what else connect has;
            WSAECONNRESET, WSAECONNABORTED with FD_CLOSE.
    Source: winsock2.h, nf-winsock2-wsaasyncselect.
    Differs: as WSAEventSelect.
    """
    result = status("lpWSPAsyncSelect", s, hWnd, wMsg, lEvent)
    if not result:
        redirected.selected(s, bool(lEvent))
    return result


def select(nfds: int, readfds: Any, writefds: Any, exceptfds: Any, timeout: Any) -> int:
    """Look at sockets of one provider, and wait until one of them is ready.

    The sets are counted arrays of any length; afterwards they name those that are ready. The first socket of the first
    set that is not empty decides which provider is asked. APCs of this thread run while the call really waits, and it
    goes on. What WSAEventSelect and WSAAsyncSelect keep stays as it is.

    Returns: how many members the sets have, 0 when the time is over, or SOCKET_ERROR with the code in the last error;
        then the sets stay as they are.
    Errors:
        WSANOTINITIALISED. WSAEINVAL: no socket at all, or a negative time.
        WSAENOTSOCK: a member is no socket, or of another provider; or it was closed meanwhile and is in no read set.
        WSAEINTR: the call was cancelled. WSAEINPROGRESS: inside a blocking hook, and it would wait.
        WSAEOPNOTSUPP: the provider has no select.
    Source: winsock2.h, nf-winsock2-select.
    Differs: an empty set beside another is allowed. A socket that is closed meanwhile counts as ready for reading. IPv4
        and IPv6 go together, as on Windows; the page asks for one provider id.
    """
    try:
        runtime.require()
        first = next((number for one in (readfds, writefds, exceptfds) for number in fdsets.members(one)), None)
        if first is None:
            raise WinsockError(WSAError.WSAEINVAL, "no socket")
        entry = route(first)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    code = INT()
    reads = fdsets.members(readfds)
    with redirected.asked_for(reads) as moved:
        time = _byref(TIMEVAL()) if moved else timeout
        result: int = entry.table.lpWSPSelect(nfds, readfds, writefds, exceptfds, time, _byref(code))
    if result == c.SOCKET_ERROR:
        refused(code)
        return result
    return result + fdsets.add(readfds, [one for one in reads if one in moved])


def WSAPoll(fdArray: Any, fds: int, timeout: int) -> int:
    """Look at sockets of any providers, and wait `timeout` milliseconds (negative: for ever) until one shows something.

    The end of the peer's data is POLLHUP; a reset and a failed connect are POLLHUP | POLLERR; none of them need be
    asked for. A negative `fd` is left out.

    Returns: how many sockets show something, 0 when the time is over, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED. WSAEFAULT: `fdArray` is NULL.
        WSAEINVAL: no elements, or events other than POLLRDNORM, POLLRDBAND and POLLWRNORM.
        WSAENOTSOCK: no element names a socket. WSAEINTR: the call was cancelled. WSAEINPROGRESS: inside a blocking
            hook, and it would wait.
    Source: winsock2.h, nf-winsock2-wsapoll.
    Differs: without any socket the code is Windows' WSAENOTSOCK; the page says WSAEINVAL. POLLNVAL of what never was a
        socket is stored but not counted.
    """
    try:
        runtime.require()
        if fds & 0xFFFFFFFF == 0:
            raise WinsockError(WSAError.WSAEINVAL, "no elements")
        address = address_of(fdArray)
        if not address:
            raise WinsockError(WSAError.WSAEFAULT, "fdArray")
        elements = (WSAPOLLFD * (fds & 0xFFFFFFFF)).from_address(address)
        asked = [(one.fd, one.events & 0xFFFF) for one in elements]
        count, flags = polling.poll(asked, timeout)
    except polling.PollRefusedError as error:
        _store(elements, error.flags)
        return failed(error, c.SOCKET_ERROR)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    _store(elements, flags)
    return count


def _store(elements: Any, flags: list[int]) -> None:
    for one, found in zip(elements, flags, strict=True):
        one.revents = found


def __WSAFDIsSet(fd: int, set: Any) -> int:
    """Tell whether a socket is a member of a set; FD_ISSET.

    Returns: non-zero when it is.
    Errors: none.
    Source: winsock2.h, nf-winsock2-__wsafdisset.
    Differs: nothing.
    """
    return int(fdsets.contains(fd, set))


def FD_ISSET(fd: int, set: Any) -> int:
    """Tell whether a socket is a member of a set.

    Returns: non-zero when it is.
    Errors: none.
    Source: winsock2.h, nf-winsock2-fd_set (a macro there, over __WSAFDIsSet).
    Differs: a function.
    """
    return int(fdsets.contains(fd, set))


def FD_SET(fd: int, set: Any) -> None:
    """Add a socket to a set, unless it is there or the array of the set is full.

    Returns: nothing.
    Errors: none.
    Source: winsock2.h, nf-winsock2-fd_set (a macro there).
    Differs: a function; how long the array is, is taken from the structure it is given, else FD_SETSIZE.
    """
    sockets = fdsets.members(set)
    if fd not in sockets and len(sockets) < fdsets.room(set):
        fdsets.store(set, [*sockets, fd])


def FD_CLR(fd: int, set: Any) -> None:
    """Remove a socket from a set.

    Returns: nothing.
    Errors: none.
    Source: winsock2.h, nf-winsock2-fd_clr (a macro there).
    Differs: a function.
    """
    fdsets.store(set, [one for one in fdsets.members(set) if one != fd])


def FD_ZERO(set: Any) -> None:
    """Make a set empty.

    Returns: nothing.
    Errors: none.
    Source: winsock2.h, nf-winsock2-fd_zero (a macro there).
    Differs: a function.
    """
    fdsets.store(set, [])


def WSAGETSELECTEVENT(lParam: int) -> int:
    """Return the network event of a message that WSAAsyncSelect asked for.

    Returns: one FD_ bit.
    Errors: none.
    Source: winsock2.h, nf-winsock-wsaasyncselect (a macro there).
    Differs: a function.
    """
    return lParam & 0xFFFF


def WSAGETSELECTERROR(lParam: int) -> int:
    """Return the error code of a message that WSAAsyncSelect asked for.

    Returns: 0 or the code.
    Errors: none.
    Source: winsock2.h, nf-winsock-wsaasyncselect (a macro there).
    Differs: a function.
    """
    return lParam >> 16 & 0xFFFF
