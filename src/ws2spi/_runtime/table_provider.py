"""A provider written with C signatures, for callers that speak Python: the other direction of `serve`.

The exact face does not come here: it hands the client's arguments to the table as they are. This is for those who have
no C arguments: the redirector, Python layers above a hand-written provider, and cancelling.

An overlapped call of a Python caller goes down with an OVERLAPPED of ours. What the provider then announces with
WPUCompleteOverlappedRequest is caught by the structure's address (`completion.expect`) and told to the caller.
"""

import ctypes
from collections.abc import Sequence
from functools import partial
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.addresses import Address
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import INT, OVERLAPPED, WSABUF
from ws2spi._engine import lingering
from ws2spi._executive.overlapped import Overlapped
from ws2spi._executive.threads import Thread
from ws2spi._runtime import protocol_info
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.completion import Completion, Expected, expect
from ws2spi._runtime.conditions import Condition
from ws2spi._runtime.provider import Buffer
from ws2spi._runtime.sockets import SocketEntry, sockets
from ws2spi._runtime.tables import ProcTable
from ws2spi._runtime.threads import own_structure

_FAILED = (c.SOCKET_ERROR, c.INVALID_SOCKET)
_SOCKADDR_ROOM = 128


class TableProvider:
    """A started hand-written provider. `table` is what its WSPStartup filled in."""

    def __init__(self, table: ProcTable, name: str) -> None:
        self.table = table
        self.name = name

    def __repr__(self) -> str:
        return f"<TableProvider {self.name}>"

    def _call(self, function: str, *arguments: Any) -> int:
        """Call a function of the table that answers with a number or a handle; raise the code it stores."""
        code = INT()
        result: int = getattr(self.table, function)(*arguments, ctypes.byref(code))
        if result in _FAILED:
            raise _failure(code, function)
        return result

    def socket(self, af: int, type: int, protocol: int, info: CatalogEntry, flags: int) -> int:
        structure = protocol_info.structure(info)
        return self._call("lpWSPSocket", af, type, protocol, ctypes.pointer(structure), 0, flags)

    def bind(self, entry: SocketEntry, address: Address) -> None:
        data = addresses.pack(entry.family, address)
        self._call("lpWSPBind", entry.number, data, len(data))

    def listen(self, entry: SocketEntry, backlog: int) -> None:
        self._call("lpWSPListen", entry.number, backlog)

    def connect(self, entry: SocketEntry, address: Address) -> None:
        data = addresses.pack(entry.family, address)
        self._call("lpWSPConnect", entry.number, data, len(data), None, None, None, None)

    def accept(self, entry: SocketEntry, condition: Condition | None = None) -> tuple[int, Address]:
        room, length = _address_room()
        handle = self._call("lpWSPAccept", entry.number, room, ctypes.byref(length), None, 0)
        return handle, addresses.unpack(room.raw[: length.value])[1]

    def shutdown(self, entry: SocketEntry, how: int) -> None:
        self._call("lpWSPShutdown", entry.number, how)

    def close(self, entry: SocketEntry) -> None:
        self._call("lpWSPCloseSocket", entry.number)

    def getsockname(self, entry: SocketEntry) -> Address:
        return self._name("lpWSPGetSockName", entry)

    def getpeername(self, entry: SocketEntry) -> Address:
        return self._name("lpWSPGetPeerName", entry)

    def _name(self, function: str, entry: SocketEntry) -> Address:
        room, length = _address_room()
        self._call(function, entry.number, room, ctypes.byref(length))
        return addresses.unpack(room.raw[: length.value])[1]

    def getsockopt(self, entry: SocketEntry, level: int, option: int, size: int) -> bytes:
        value, length = ctypes.create_string_buffer(max(size, 1)), INT(size)
        self._call("lpWSPGetSockOpt", entry.number, level, option, value, ctypes.byref(length))
        return value.raw[: length.value]

    def setsockopt(self, entry: SocketEntry, level: int, option: int, value: bytes) -> None:
        self._call("lpWSPSetSockOpt", entry.number, level, option, value, len(value))

    def ioctl(
        self, entry: SocketEntry, code: int, data: bytes, out_size: int, completion: Completion | None
    ) -> bytes | None:
        output, returned = ctypes.create_string_buffer(max(out_size, 1)), ctypes.c_uint32()
        self._call(
            "lpWSPIoctl",
            entry.number,
            code,
            data or None,
            len(data),
            output,
            out_size,
            ctypes.byref(returned),
            None,
            None,
            ctypes.byref(own_structure()),
        )
        return output.raw[: returned.value]

    def send(
        self, entry: SocketEntry, buffers: Sequence[Buffer], flags: int, completion: Completion | None
    ) -> int | None:
        array, keep = _wsabufs(buffers)
        sent = ctypes.c_uint32()
        started = self._start(completion, keep)
        pending = self._transfer(
            "lpWSPSend", started, entry.number, array, len(array), ctypes.byref(sent), flags & 0xFFFFFFFF
        )
        return None if pending else sent.value

    def recv(
        self, entry: SocketEntry, buffers: Sequence[memoryview], flags: int, completion: Completion | None
    ) -> tuple[int, int] | None:
        array, keep = _wsabufs(buffers)
        received, in_out = ctypes.c_uint32(), ctypes.c_uint32(flags)
        started = self._start(completion, keep)
        pending = self._transfer(
            "lpWSPRecv", started, entry.number, array, len(array), ctypes.byref(received), ctypes.byref(in_out)
        )
        return None if pending else (received.value, in_out.value)

    def send_to(
        self,
        entry: SocketEntry,
        buffers: Sequence[Buffer],
        flags: int,
        address: Address,
        completion: Completion | None,
    ) -> int | None:
        array, keep = _wsabufs(buffers)
        sent = ctypes.c_uint32()
        data = addresses.pack(entry.family, address)
        started = self._start(completion, (keep, data))
        pending = self._transfer(
            "lpWSPSendTo", started, entry.number, array, len(array), ctypes.byref(sent), flags, data, len(data)
        )
        return None if pending else sent.value

    def recv_from(
        self, entry: SocketEntry, buffers: Sequence[memoryview], flags: int, completion: Completion | None
    ) -> tuple[int, int, Address | None] | None:
        array, keep = _wsabufs(buffers)
        received, in_out = ctypes.c_uint32(), ctypes.c_uint32(flags)
        room, length = _address_room()
        started = self._start(completion, (keep, room, length), room)
        pending = self._transfer(
            "lpWSPRecvFrom",
            started,
            entry.number,
            array,
            len(array),
            ctypes.byref(received),
            ctypes.byref(in_out),
            room,
            ctypes.byref(length),
        )
        if pending:
            return None
        return received.value, in_out.value, addresses.unpack(room.raw[: length.value])[1] if length.value else None

    def _start(self, completion: Completion | None, keep: object, sender: Any = None) -> Expected | None:
        """Prepare the structure under which an overlapped call of a Python caller is known below."""
        if completion is None:
            return None

        def ended(code: int, transferred: int) -> None:
            if sender is not None and not code and completion.address_out is not None:
                completion.set_address(addresses.unpack(sender.raw)[1])
            completion.complete(code, transferred)

        return expect(OVERLAPPED(), ended, keep)

    def _transfer(self, function: str, started: Expected | None, *arguments: Any) -> bool:
        """Call a data function; True when it is pending, False when it ended now, and was told if it overlaps."""
        code = INT()
        overlapped = None if started is None else ctypes.pointer(started.structure)
        result = getattr(self.table, function)(
            *arguments, overlapped, None, ctypes.byref(own_structure()), ctypes.byref(code)
        )
        if not result:
            if started is not None:
                started.forget()  # a provider may say so only by its return
            return False
        if started is not None and code.value == WSAError.WSA_IO_PENDING:
            return True
        if started is not None:
            started.forget()
        raise _failure(code, function)

    def cancel(self, entry: SocketEntry, thread: Thread | None, overlapped: Overlapped | None) -> int:
        # There is no WSP function for it: of what the provider has, closing is the only sure cancel (spec: layering 3).
        line = getattr(getattr(entry.pair, "behind", None), "line", None)
        return 0 if line is None else int(line.cancel(thread, overlapped))

    def get_overlapped_result(self, entry: SocketEntry, overlapped: Overlapped, wait: bool) -> tuple[int, int]:
        transferred, flags, code = ctypes.c_uint32(), ctypes.c_uint32(), INT()
        done = self.table.lpWSPGetOverlappedResult(
            entry.number,
            ctypes.cast(overlapped.address, ctypes.POINTER(OVERLAPPED)),
            ctypes.byref(transferred),
            wait,
            ctypes.byref(flags),
            ctypes.byref(code),
        )
        if not done:
            raise _failure(code, "lpWSPGetOverlappedResult")
        return transferred.value, flags.value

    def cleanup(self) -> None:
        self._deliver()
        self._call("lpWSPCleanup")

    def _deliver(self) -> None:
        """What foreign code has written counts as sent: wait for it, as the end of the process waits for peers."""
        ours = [entry for entry in tuple(sockets.entries.values()) if entry.provider is self and entry.pair is not None]
        for entry in ours:
            if entry.pair.given_out:
                entry.pair.settle()
        sending = [entry for entry in ours if entry.pair.is_sending()]
        for entry in sending:
            if entry.table is self.table:  # else closed, and lingering until the provider has closed it
                lingering.begin(entry.pair)
                entry.pair.when_sent(partial(lingering.end, entry.pair))
        if sending:
            lingering.finish()


def _failure(code: Any, function: str) -> WinsockError:
    # A provider that fails without saying why is reported as Windows' successors do.
    return WinsockError(code.value or WSAError.WSASYSCALLFAILURE, function.removeprefix("lp"))


def _address_room() -> tuple[Any, Any]:
    return ctypes.create_string_buffer(_SOCKADDR_ROOM), INT(_SOCKADDR_ROOM)


def _wsabufs(buffers: Sequence[Buffer]) -> tuple[Any, object]:
    """Return a WSABUF array over Python buffers, and what must stay alive while it is used.

    Read-only buffers are copied: ctypes offers no address of theirs.
    """
    array = (WSABUF * len(buffers))()
    keep = []
    for position, buffer in enumerate(buffers):
        memory = memoryview(buffer).cast("B")
        if memory.readonly:
            target: Any = ctypes.create_string_buffer(bytes(memory), len(memory) or 1)
        else:
            target = (ctypes.c_char * len(memory)).from_buffer(memory)
        array[position].len = len(memory)
        array[position].buf = ctypes.addressof(target)
        keep.append((target, memory))
    return array, (array, keep)
