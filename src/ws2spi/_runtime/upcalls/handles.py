"""Socket handles: WPUCreateSocketHandle and its kin (spec: upcalls 5).

A non-IFS handle is one end of a socket pair, so it is a descriptor like any other; the redirector holds the hidden end.
"""

import errno
import os
import uuid

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.filepair import FilePair
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.process import HandleMaker, runtime
from ws2spi._runtime.serve import table_of
from ws2spi._runtime.sockets import SocketEntry, sockets
from ws2spi._runtime.table_provider import TableProvider

_entries = sockets.entries
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def _entry_of(catalog_id: int) -> CatalogEntry:
    entry = runtime.catalog.recall(catalog_id)  # a socket of an entry that has gone lives on
    if entry is None:
        raise WinsockError(WSAError.WSAEINVAL, f"catalog entry {catalog_id}")
    return entry


def create_socket_handle(catalog_id: int, context: object = 0) -> int:
    """Return a new handle that belongs to the provider of `catalog_id` and carries `context`.

    Parameters:
        context: any value; it is neither looked at nor freed.
    Errors:
        WSANOTINITIALISED: no successful start-up yet.
        WSAEINVAL: the catalog has no such entry.
        WSAENOBUFS: no descriptors, or no memory for one.
    """
    maker = runtime.makers.get(catalog_id) or _maker(catalog_id)
    refused: list[FilePair] = []
    try:
        pair = FilePair(maker.engine, maker.stream)
        while is_leaving(pair.number):  # taken by its socket's provider until that has closed it
            refused.append(pair)
            pair = FilePair(maker.engine, maker.stream)
    except OSError as error:
        code = WSAError.WSAENOBUFS if error.errno in _NO_ROOM else WSAError.WSASYSCALLFAILURE
        raise WinsockError(code, "a new socket handle", errno=error.errno) from None
    finally:
        for one in refused:
            one.close()
    entry = SocketEntry(pair.number, pair.inode, maker.provider, maker.info, maker.table, context=context, ifs=False)
    entry.pair = pair
    sockets.insert(entry)
    return entry.number


def is_leaving(number: int) -> bool:
    """Whether foreign code has closed a handle whose hand-written provider, which knows it by its number, has not yet
    been given all that was written, and closed. To be asked of a number that the kernel has just given out."""
    entry = _entries.get(number)
    return entry is not None and isinstance(entry.provider, TableProvider) and bool(entry.pair and entry.pair.given_out)


def free_number(descriptor: int) -> int:
    """Duplicate a descriptor under a number that is not leaving. Raises OSError when there is none left."""
    refused: list[int] = []
    try:
        number = os.dup(descriptor)
        while is_leaving(number):
            refused.append(number)
            number = os.dup(descriptor)
    finally:
        for one in refused:
            os.close(one)
    return number


def _maker(catalog_id: int) -> HandleMaker:
    """Look up once what every handle of an entry has in common; kept until the last clean-up."""
    runtime.require_upcalls()
    info = _entry_of(catalog_id)
    provider = runtime.provider(info)
    maker = runtime.makers[catalog_id] = HandleMaker(info, provider, table_of(provider), info.stream, runtime.engine)
    return maker


def query_socket_handle_context(s: int) -> object:
    """Return the context that a handle was created with, whoever asks.

    Errors:
        WSAENOTSOCK: `create_socket_handle` did not make the handle, or it is closed.
    """
    try:
        entry = sockets.entries[s]
        if entry.ifs:  # a layer above may have registered it again
            entry = entry.maker()
        if not entry.ifs:
            return entry.context
    except (KeyError, TypeError):
        pass
    raise WinsockError(WSAError.WSAENOTSOCK, f"socket {s}")


def close_socket_handle(s: int) -> None:
    """Forget a handle and close its descriptor. Pending operations are the provider's affair, before this call.

    Errors:
        WSAENOTSOCK: `create_socket_handle` did not make the handle, or it is closed.
    """
    entry = _entries.get(s)
    if entry is None or entry.maker().ifs or _entries.pop(s, None) is not entry:
        raise WinsockError(WSAError.WSAENOTSOCK, f"socket {s}")
    entry.pair.close()


def modify_ifs_handle(catalog_id: int, handle: int) -> int:
    """Register a descriptor as a socket of `catalog_id`; the last registration of a number wins.

    Returns the handle to use from now on, which is always the same number.

    Errors:
        WSANOTINITIALISED: no successful start-up yet.
        WSAEINVAL: no such catalog entry, or no open descriptor.
    """
    runtime.require_upcalls()
    info = _entry_of(catalog_id)
    try:
        inode = os.fstat(handle).st_ino
    except (OSError, OverflowError, TypeError):
        raise WinsockError(WSAError.WSAEINVAL, f"handle {handle}") from None
    provider = runtime.provider(info)
    sockets.overlay(SocketEntry(handle, inode, provider, info, table_of(provider), ifs=True))
    return handle


def forget_ifs_handle(s: int) -> None:
    """Forget a registered descriptor without closing it: what the runtime does when its owner has closed the socket.

    Errors:
        WSAENOTSOCK: nothing is registered under the number, or it is no IFS handle.
    """
    entry = sockets.entries.get(s)
    if entry is None or not entry.ifs or not sockets.remove(entry):
        raise WinsockError(WSAError.WSAENOTSOCK, f"socket {s}")


def get_provider_path(provider_id: uuid.UUID) -> str:
    """Return under which path the provider of an id can be loaded (`ws2spi.load_startup`).

    Errors:
        WSAEINVAL: no entry of the catalog has that id.
    """
    return runtime.catalog.path(provider_id)
