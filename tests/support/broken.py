"""Providers that each break one rule, and the clause that must catch it.

Layers for what a layer can get wrong, WSP functions of a layer for what a provider's own functions can, and changed
copies of the hand-written provider for what goes wrong between a start and its completion.
"""

import ctypes
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from support.pass_through import PassThrough, Record
from ws2spi import kernel32
from ws2spi._abi.constants import FD_CLOSE, FD_READ, MSG_PEEK, SOCK_STREAM, SOL_SOCKET
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi.providers.layer import Address, Layer

SOCKET_ERROR, WSA_IO_PENDING = -1, 997
FIONREAD, SIO_BASE_HANDLE = 0x4004667F, 0x48000022


class Case(NamedTuple):
    """A provider that breaks a rule: how it is made, and the clause that says so."""

    make: Callable[[], Any]
    clause: str


CASES: dict[str, Case] = {}


def breaks(clause: str) -> Callable[[type], type]:
    """Register a class of providers that breaks the clause."""

    def register(broken: type) -> type:
        CASES[broken.__name__] = Case(broken, clause)
        return broken

    return register


# -- layers ------------------------------------------------------------------------------------------------------------


@breaks("bytes_arrive_in_order_both_ways")
class LosesAByte(Layer):
    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data[:-1] if len(data) > 50 else data)


@breaks("bytes_arrive_in_order_both_ways")
class SendsTwice(Layer):
    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data)
        if len(data) == 30:
            await conn.below.send(data)


@breaks("full_duplex")
class Reorders(Layer):
    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data[1000:])
        await conn.below.send(data[:1000])


@breaks("full_duplex")
class OneDirectionAtATime(Layer):
    """Its receive waits until the other end has nothing more to say."""

    async def recv(self, conn: Any, size: int) -> bytes:
        data = b""
        while piece := await conn.below.recv(65536):
            data += piece
        return data


@breaks("surplus_is_kept")
class ThrowsSurplusAway(Layer):
    async def recv(self, conn: Any, size: int) -> bytes:
        return bytes((await conn.below.recv(4096))[:size])


@breaks("end_of_stream_is_for_good")
class NeverEnds(Layer):
    async def recv(self, conn: Any, size: int) -> bytes:
        data: bytes = await conn.below.recv(size)
        if not data:
            raise WinsockError(WSAError.WSAECONNABORTED, "no end")
        return data


@breaks("long_stream_through_changing_reads")
class EndsEarly(Layer):
    async def recv(self, conn: Any, size: int) -> bytes:
        conn.state.seen = getattr(conn.state, "seen", 0)
        data: bytes = await conn.below.recv(size)
        conn.state.seen += len(data)
        return data if conn.state.seen < 5000 else b""


@breaks("reset_is_told")
class HidesResets(Layer):
    async def recv(self, conn: Any, size: int) -> bytes:
        try:
            data: bytes = await conn.below.recv(size)
        except WinsockError:
            return b""
        return data


@breaks("connect_is_refused")
class HidesRefusals(Layer):
    async def connect(self, conn: Any, address: Address) -> None:
        try:
            await conn.below.connect(address)
        except WinsockError:
            pass


@breaks("connect_is_refused")
class InventsErrors(Layer):
    async def connect(self, conn: Any, address: Address) -> None:
        try:
            await conn.below.connect(address)
        except WinsockError:
            raise WinsockError(WSAError.WSAENETDOWN, "invented") from None


@breaks("shutdown_ends_one_direction")
class ForgetsShutdown(Layer):
    async def shutdown(self, conn: Any, how: int) -> None:
        pass


@breaks("close_delivers_what_was_sent")
class KeepsTheLastPiece(Layer):
    """Sends each piece when the next one comes, and the last one never."""

    async def send(self, conn: Any, data: bytes) -> None:
        late = getattr(conn.state, "late", b"")
        conn.state.late = data[-100:]
        await conn.below.send(late + data[:-100])


@breaks("accept_gives_connections_in_their_order")
class AcceptsBackwards(Layer):
    async def accept(self, conn: Any) -> Any:
        await conn.below.accept()  # takes one and gives the next
        return await conn.below.accept()


@breaks("accept_tells_the_peer")
class LiesAboutThePeer(Layer):
    async def getpeername(self, conn: Any) -> Address:
        return ("192.0.2.1", 7)


@breaks("bind_gives_a_port")
class LiesAboutItsName(Layer):
    async def getsockname(self, conn: Any) -> Address:
        return ("192.0.2.1", 7)


@breaks("bind_twice_is_refused")
class BindsAnywhere(Layer):
    async def bind(self, conn: Any, address: Address) -> None:
        try:
            await conn.below.bind(address)
        except WinsockError:
            pass


@breaks("options_keep_what_is_set")
class ForgetsOptions(Layer):
    async def setsockopt(self, conn: Any, level: int, option: int, value: bytes) -> None:
        pass


@breaks("boundaries_are_kept")
class SwallowsEmptyMessages(Layer):
    async def send_to(self, conn: Any, data: bytes, address: Address | None) -> None:
        if data:
            await conn.below.send_to(data, address)


@breaks("sender_is_told")
class LiesAboutTheSender(Layer):
    async def recv_from(self, conn: Any, size: int) -> tuple[bytes, Address]:
        data, _ = await conn.below.recv_from(size)
        return data, ("127.0.0.1", 1)


@breaks("boundaries_are_kept")
class CutsMessages(Layer):
    async def recv_from(self, conn: Any, size: int) -> tuple[bytes, Address]:
        data, sender = await conn.below.recv_from(65536)
        return data[:100], sender


@breaks("bytes_arrive_in_order_both_ways")
class Raises(Layer):
    async def send(self, conn: Any, data: bytes) -> None:
        if len(data) > 40:
            raise ValueError("a bug")
        await conn.below.send(data)


# -- WSP functions of a layer ------------------------------------------------------------------------------------------


@breaks("peek_leaves_the_bytes")
class TakesWhatIsPeekedAt(Layer):
    def WSPRecv(self, below: Any, s: int, buffers: Any, count: int, received: Any, flags: Any, *rest: Any) -> int:
        flags.contents.value &= ~MSG_PEEK
        return int(below.lpWSPRecv(s, buffers, count, received, flags, *rest))


@breaks("closed_handle_is_no_socket")
class RefusesToClose(Layer):
    def WSPCloseSocket(self, below: Any, s: int, lpErrno: Any) -> int:
        below.lpWSPCloseSocket(s, lpErrno)
        lpErrno.contents.value = WSAError.WSAEWOULDBLOCK
        return SOCKET_ERROR


@breaks("unknown_options_are_refused")
class KnowsEveryOption(Layer):
    def WSPGetSockOpt(self, below: Any, s: int, level: int, option: int, value: Any, size: Any, lpErrno: Any) -> int:
        below.lpWSPGetSockOpt(s, level, option, value, size, lpErrno)
        return 0


@breaks("readable_bytes_are_counted")
class CountsTooMuch(Layer):
    def WSPIoctl(self, below: Any, s: int, code: int, *rest: Any) -> int:
        result = int(below.lpWSPIoctl(s, code, *rest))
        if code & 0xFFFFFFFF == FIONREAD:
            room = ctypes.cast(rest[2], ctypes.POINTER(ctypes.c_uint32)).contents
            room.value += 1 if room.value else 0
        return result


@breaks("base_handle_is_below_all_layers")
class InterceptsTheBaseHandle(Layer):
    def WSPIoctl(self, below: Any, s: int, code: int, *rest: Any) -> int:
        result = int(below.lpWSPIoctl(s, code, *rest))
        if code & 0xFFFFFFFF == SIO_BASE_HANDLE:
            ctypes.cast(rest[2], ctypes.POINTER(ctypes.c_uint64)).contents.value = 0
        return result


@breaks("pending_start_touches_nothing")
class StoresACountWhilePending(Layer):
    def WSPRecv(self, below: Any, s: int, buffers: Any, count: int, received: Any, *rest: Any) -> int:
        result = int(below.lpWSPRecv(s, buffers, count, received, *rest))
        if result:
            received.contents.value = 0
        return result


@breaks("nonblocking_send_would_block")
class TellsLessThanItSent(Layer):
    def WSPSend(self, below: Any, s: int, buffers: Any, count: int, sent: Any, *rest: Any) -> int:
        result = int(below.lpWSPSend(s, buffers, count, sent, *rest))
        if not result and sent.contents.value > 1:
            sent.contents.value -= 1
        return result


@breaks("shutdown_refuses_further_receives")
class ForgetsThatItWasShut(Layer):
    def WSPShutdown(self, below: Any, s: int, how: int, lpErrno: Any) -> int:
        return 0 if how == 0 else int(below.lpWSPShutdown(s, how, lpErrno))


@breaks("unknown_control_codes_are_refused")
class AcceptsEveryCode(Layer):
    def WSPIoctl(self, below: Any, s: int, code: int, *rest: Any) -> int:
        below.lpWSPIoctl(s, code, *rest)
        return 0


@breaks("error_is_read_once")
class RemembersErrors(Layer):
    def __init__(self) -> None:
        self.errors: dict[int, int] = {}

    def WSPGetSockOpt(self, below: Any, s: int, level: int, option: int, value: Any, size: Any, lpErrno: Any) -> int:
        result = int(below.lpWSPGetSockOpt(s, level, option, value, size, lpErrno))
        if (level, option) == (SOL_SOCKET, 0x1007):
            number = ctypes.cast(value, ctypes.POINTER(ctypes.c_int32)).contents
            self.errors[s] = number.value = number.value or self.errors.get(s, 0)
        return result


# -- copies of the hand-written provider -------------------------------------------------------------------------------


class Copy(PassThrough):
    """The hand-written provider as it is; each copy of it gets one thing wrong."""

    def installed(self, entries: Any) -> None:
        self.own_id = entries[0].catalog_id
        self.catalog_id = next(one.catalog_id for one in entries[1:] if one.socket_type == SOCK_STREAM)


@breaks("routine_runs_once_in_the_starting_thread")
class RunsRoutinesItself(Copy):
    def _tell(self, record: Record, error: int, transferred: int, flags: int) -> None:
        if record.routine is None:
            return super()._tell(record, error, transferred, flags)
        record.result = (error, transferred, flags)
        self.records[id(record)] = record
        self._deliver(id(record))  # on the private thread
        with self.lock:
            record.context.outstanding -= 1
        return self._drop(record.context)


@breaks("event_tells_the_end")
class SetsTheEventTooEarly(Copy):
    def _tell(self, record: Record, error: int, transferred: int, flags: int) -> None:
        kernel32.SetEvent(record.client.contents.hEvent & ~1)
        threading.Event().wait(0.05)
        super()._tell(record, error, transferred, flags)


@breaks("array_of_buffers_is_captured")
class KeepsTheClientsArray(Copy):
    late: threading.Thread | None = None

    def _overlap(self, function: str, context: Any, lpBuffers: Any, count: int, *rest: Any) -> int:
        self.late = threading.Thread(target=self._later, args=(function, context, lpBuffers, count, *rest))
        rest[1].contents.Internal = 0x103
        rest[-1].contents.value = WSA_IO_PENDING
        self.late.start()
        return SOCKET_ERROR

    def _later(self, *arguments: Any) -> None:
        threading.Event().wait(0.02)
        super()._overlap(*arguments[:-1], ctypes.pointer(ctypes.c_int32()))

    def WSPCloseSocket(self, s: int, lpErrno: Any) -> int:
        if self.late is not None:
            self.late.join()
        return super().WSPCloseSocket(s, lpErrno)


@breaks("port_gets_one_packet")
class TellsTwice(Copy):
    def _tell(self, record: Record, error: int, transferred: int, flags: int) -> None:
        from ws2spi import ws2_32

        if record.routine is None:
            ws2_32.WPUCompleteOverlappedRequest(
                record.context.upper, record.client, error, transferred, ctypes.byref(ctypes.c_int32())
            )
        super()._tell(record, error, transferred, flags)


@breaks("close_aborts_pending_operations_and_tells")
class NeverTellsOfAborts(Copy):
    def _tell(self, record: Record, error: int, transferred: int, flags: int) -> None:
        if error != WSAError.WSA_OPERATION_ABORTED:
            return super()._tell(record, error, transferred, flags)
        with self.lock:
            record.context.outstanding -= 1
        return self._drop(record.context)


@breaks("pending_start_touches_nothing")
class ForgetsToResetTheEvent(Copy):
    def _overlap(
        self, function: str, context: Any, buffers: Any, count: int, flags: int, client: Any, *rest: Any
    ) -> int:
        was = kernel32.WaitForSingleObject(client.contents.hEvent, 0) == 0
        result = super()._overlap(function, context, buffers, count, flags, client, *rest)
        if was:
            kernel32.SetEvent(client.contents.hEvent)
        return result


@breaks("protocol_info_is_the_topmost_entry")
class ShowsTheEntryBelow(Copy):
    def WSPGetSockOpt(self, s: int, *arguments: Any) -> int:
        return self._translate("lpWSPGetSockOpt", s, *arguments)


@breaks("socket_starts_blocking_and_unbound")
class LeavesHandles(Copy):
    def WSPCloseSocket(self, s: int, lpErrno: Any) -> int:
        context = self.find(s, lpErrno)
        assert context is not None
        return int(self.lower.lpWSPCloseSocket(context.lower, lpErrno))


# -- readiness and messages --------------------------------------------------------------------------------------------


@breaks("data_is_recorded_once")
class NeverRecords(Layer):
    def WSPEventSelect(self, below: Any, s: int, event: int, mask: int, lpErrno: Any) -> int:
        return int(below.lpWSPEventSelect(s, event, 0, lpErrno))


@breaks("end_is_recorded_after_the_data")
class TellsTheEndTooEarly(Layer):
    def WSPEnumNetworkEvents(self, below: Any, s: int, event: int, events: Any, lpErrno: Any) -> int:
        result = int(below.lpWSPEnumNetworkEvents(s, event, events, lpErrno))
        if not result and events.contents.lNetworkEvents & FD_READ:
            events.contents.lNetworkEvents |= FD_CLOSE
        return result


@breaks("enumeration_clears_the_record")
class KeepsTheEventSet(Layer):
    def WSPEnumNetworkEvents(self, below: Any, s: int, event: int, events: Any, lpErrno: Any) -> int:
        return int(below.lpWSPEnumNetworkEvents(s, 0, events, lpErrno))


@breaks("select_tells_data_and_room")
class AlwaysReadable(Layer):
    def WSPSelect(self, below: Any, nfds: int, read: Any, write: Any, error: Any, wait: Any, lpErrno: Any) -> int:
        if read:
            return int(ctypes.cast(read, ctypes.POINTER(ctypes.c_uint32)).contents.value)
        return int(below.lpWSPSelect(nfds, read, write, error, wait, lpErrno))


@breaks("condition_is_asked")
class NeverAsks(Layer):
    def WSPAccept(self, below: Any, s: int, address: Any, length: Any, condition: Any, data: int, lpErrno: Any) -> int:
        return int(below.lpWSPAccept(s, address, length, None, 0, lpErrno))


@breaks("whole_receives_wait_for_all")
class IgnoresFlags(Layer):
    def WSPRecv(self, below: Any, s: int, buffers: Any, count: int, received: Any, flags: Any, *rest: Any) -> int:
        flags.contents.value = 0
        return int(below.lpWSPRecv(s, buffers, count, received, flags, *rest))
