"""Providers that each break one rule, as in `broken`: of the extension functions, and of what is rarely called."""

import ctypes
import threading
from typing import Any

from support.broken import SOCKET_ERROR, Copy, HidesRefusals, breaks
from support.pass_through import Record
from support.wrapping import Wrapping
from ws2spi import kernel32, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._abi.mswsock import EXTENSIONS, PROTOTYPES, TRANSMIT_PACKETS_ELEMENT, WSAMSG
from ws2spi._abi.types import DWORD, OVERLAPPED, WSAPOLLDATA, WSAPOLLFD
from ws2spi.providers.layer import Layer


class Wraps(Layer):
    """A layer with an extension function of its own: `call(lower, …)`, where `lower` is that of below."""

    name_of_function = ""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def call(self, lower: Any, *arguments: Any) -> int:
        raise NotImplementedError

    def WSPIoctl(self, below: Any, s: int, code: int, given: Any, size: int, place: Any, *rest: Any) -> int:
        result = int(below.lpWSPIoctl(s, code, given, size, place, *rest))
        if code & 0xFFFFFFFF != c.SIO_GET_EXTENSION_FUNCTION_POINTER or result:
            return result
        prototype = PROTOTYPES[self.name_of_function]
        if ctypes.string_at(address(given), 16) == EXTENSIONS[self.name_of_function].bytes_le:
            pointer = ctypes.c_uint64.from_address(address(place))
            lower = prototype(pointer.value)
            self.kept.append(prototype(lambda *arguments: self.call(lower, *arguments)))
            pointer.value = ctypes.cast(self.kept[-1], ctypes.c_void_p).value or 0
        return 0


def address(pointer: Any) -> int:
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


class WrappingCopy(Wrapping):
    """The hand-written provider with extension functions; each copy of it gets one thing wrong."""

    installed = Copy.installed


def refuse(lpErrno: Any, code: int) -> int:
    lpErrno.contents.value = code
    return SOCKET_ERROR


# -- extension functions -----------------------------------------------------------------------------------------------


@breaks("extension_functions_have_pointers")
class HasANullPointer(Layer):
    def WSPIoctl(self, below: Any, s: int, code: int, given: Any, size: int, place: Any, *rest: Any) -> int:
        result = int(below.lpWSPIoctl(s, code, given, size, place, *rest))
        if code & 0xFFFFFFFF == c.SIO_GET_EXTENSION_FUNCTION_POINTER:
            ctypes.c_uint64.from_address(address(place)).value = 0
        return result


@breaks("acceptex_waits_for_a_connection")
class ForgetsToUpdate(Layer):
    def WSPSetSockOpt(self, below: Any, s: int, level: int, option: int, *rest: Any) -> int:
        return 0 if option == c.SO_UPDATE_ACCEPT_CONTEXT else int(below.lpWSPSetSockOpt(s, level, option, *rest))


@breaks("acceptex_brings_data_and_addresses")
class AcceptsWithoutData(Wraps):
    name_of_function = "AcceptEx"

    def call(self, lower: Any, *arguments: Any) -> int:
        return int(lower(*arguments[:3], 0, *arguments[4:]))


@breaks("acceptex_refuses_what_cannot_be")
class AcceptsWithoutAStructure(Wraps):
    name_of_function = "AcceptEx"

    def call(self, lower: Any, *arguments: Any) -> int:
        return int(lower(*arguments)) if arguments[7] else 1


@breaks("closed_listener_ends_acceptex")
class ForgetsAcceptExAtTheClose(WrappingCopy):
    def _tell(self, record: Record, error: int, transferred: int, flags: int) -> None:
        if record.function != "AcceptEx" or not error:
            return super()._tell(record, error, transferred, flags)
        self.up.lpWPUCloseThread(ctypes.byref(record.identity), ctypes.byref(ctypes.c_int32()))
        with self.lock:
            record.context.outstanding -= 1
        self._drop(record.context)
        return self._let_go(record)


@breaks("connectex_connects_and_sends")
class ConnectsWithoutData(Wraps):
    name_of_function = "ConnectEx"

    def call(self, lower: Any, *arguments: Any) -> int:
        return int(lower(*arguments[:3], None, 0, *arguments[5:]))


@breaks("connectex_needs_bind")
class BindsForConnectEx(Wraps):
    name_of_function = "ConnectEx"

    def call(self, lower: Any, s: int, *arguments: Any) -> int:
        name = ctypes.create_string_buffer(ctypes.string_at(arguments[0], arguments[1]), arguments[1])
        name[2:4] = b"\0\0"  # type: ignore[assignment]
        ws2_32.bind(s, name, len(name))
        return int(lower(s, *arguments))


@breaks("connectex_tells_a_refusal")
class HidesRefusalsOfConnectEx(HidesRefusals):
    pass


@breaks("disconnectex_ends_in_order")
class OnlySaysThatItDisconnects(Wraps):
    name_of_function = "DisconnectEx"

    def call(self, lower: Any, *arguments: Any) -> int:
        return 1


@breaks("disconnected_socket_is_used_again")
class ForgetsToReuse(Wraps):
    name_of_function = "DisconnectEx"

    def call(self, lower: Any, s: int, overlapped: int, flags: int, reserved: int) -> int:
        return int(lower(s, overlapped, 0, reserved))


@breaks("transmitfile_sends_a_part_between_two_texts")
class SendsFromTheBeginning(Wraps):
    name_of_function = "TransmitFile"

    def call(self, lower: Any, *arguments: Any) -> int:
        OVERLAPPED.from_address(arguments[4]).Offset = 0
        return int(lower(*arguments))


@breaks("transmitfile_may_disconnect")
class ForgetsToDisconnect(Wraps):
    name_of_function = "TransmitFile"

    def call(self, lower: Any, *arguments: Any) -> int:
        return int(lower(*arguments[:-1], arguments[-1] & ~1))


@breaks("transmitpackets_sends_in_order")
class SendsBackwards(Wraps):
    name_of_function = "TransmitPackets"

    def call(self, lower: Any, s: int, array: int, count: int, *rest: Any) -> int:
        elements = (TRANSMIT_PACKETS_ELEMENT * count).from_address(array)
        self.kept.append((TRANSMIT_PACKETS_ELEMENT * count)(*reversed(list(elements))))
        return int(lower(s, ctypes.addressof(self.kept[-1]), count, *rest))


@breaks("extension_functions_complete_by_the_port")
class TellsExtensionsTwice(WrappingCopy):
    def _tell(self, record: Record, error: int, transferred: int, flags: int) -> None:
        if record.function == "ConnectEx":
            arguments = record.context.upper, record.client, error, transferred, ctypes.byref(ctypes.c_int32())
            ws2_32.WPUCompleteOverlappedRequest(*arguments)
        super()._tell(record, error, transferred, flags)


@breaks("recvmsg_tells_data_and_sender")
class HidesTheSender(Wraps):
    name_of_function = "WSARecvMsg"

    def call(self, lower: Any, s: int, message: int, *rest: Any) -> int:
        result = int(lower(s, message, *rest))
        WSAMSG.from_address(message).namelen = 0
        return result


@breaks("recvmsg_runs_a_routine_in_its_thread")
class DropsRoutines(Wraps):
    name_of_function = "WSARecvMsg"

    def call(self, lower: Any, *arguments: Any) -> int:
        return int(lower(*arguments[:-1], None))


@breaks("recvmsg_is_for_datagrams")
class SaysThatStreamsHaveMessages(Wraps):
    name_of_function = "WSARecvMsg"

    def call(self, lower: Any, *arguments: Any) -> int:
        lower(*arguments)
        return 0


@breaks("sendmsg_reaches_the_name")
class TellsLessThanItsMessage(Wraps):
    name_of_function = "WSASendMsg"

    def call(self, lower: Any, *arguments: Any) -> int:
        result = int(lower(*arguments))
        DWORD.from_address(arguments[3]).value -= 1
        return result


# -- messages to windows -----------------------------------------------------------------------------------------------


@breaks("window_is_told_of_data_once")
class NamesTheLowerSocket(WrappingCopy):
    def WSPAsyncSelect(self, s: int, *arguments: Any) -> int:
        return self._translate("lpWSPAsyncSelect", s, *arguments)


class Deaf(Layer):
    """Leaves one event out of what is asked for."""

    event = 0

    def WSPAsyncSelect(self, below: Any, s: int, window: int, message: int, mask: int, lpErrno: Any) -> int:
        return int(below.lpWSPAsyncSelect(s, window, message, mask & ~self.event, lpErrno))


@breaks("window_is_told_of_the_end")
class DeafToTheEnd(Deaf):
    event = c.FD_CLOSE


@breaks("window_is_told_of_connections")
class DeafToConnections(Deaf):
    event = c.FD_ACCEPT


@breaks("last_selection_counts")
class NeverForgetsWindows(Layer):
    def WSPAsyncSelect(self, below: Any, s: int, window: int, message: int, mask: int, lpErrno: Any) -> int:
        return int(below.lpWSPAsyncSelect(s, window, message, mask, lpErrno)) if mask else 0


# -- duplicates --------------------------------------------------------------------------------------------------------


@breaks("duplicates_share_one_socket")
class OpensAnother(Layer):
    def WSPSocket(self, below: Any, af: int, type: int, protocol: int, info: Any, *rest: Any) -> int:
        info.contents.dwProviderReserved = 0
        return int(below.lpWSPSocket(af, type, protocol, info, *rest))


@breaks("last_handle_closes_the_socket")
class EndsAtTheFirstClose(Layer):
    def WSPCloseSocket(self, below: Any, s: int, lpErrno: Any) -> int:
        below.lpWSPShutdown(s, c.SD_BOTH, ctypes.pointer(ctypes.c_int32()))
        return int(below.lpWSPCloseSocket(s, lpErrno))


@breaks("description_opens_one_handle")
class OpensWhateverIsAsked(Layer):
    def WSPSocket(self, below: Any, af: int, type: int, protocol: int, info: Any, *rest: Any) -> int:
        s = int(below.lpWSPSocket(af, type, protocol, info, *rest))
        if s == c.INVALID_SOCKET:
            info.contents.dwProviderReserved = 0
            s = int(below.lpWSPSocket(af, type, protocol, info, *rest))
        return s


# -- clean-up and blocking ---------------------------------------------------------------------------------------------


@breaks("cleanup_ends_blocked_calls")
class TurnsErrorsIntoTheEnd(Layer):
    def WSPRecv(self, below: Any, s: int, buffers: Any, count: int, received: Any, *rest: Any) -> int:
        if below.lpWSPRecv(s, buffers, count, received, *rest):
            received.contents.value = 0
        return 0


@breaks("cleanup_is_silent_about_what_pends")
class TellsAtTheCleanUp(Copy):
    def WSPCleanup(self, lpErrno: Any) -> int:
        for record in list(self.records.values()):
            kernel32.SetEvent(record.client.contents.hEvent)
        return super().WSPCleanup(lpErrno)


@breaks("cleanup_delivers_what_closed_sockets_sent")
class AlwaysResets(Layer):
    def WSPCloseSocket(self, below: Any, s: int, lpErrno: Any) -> int:
        linger = ws2_32.LINGER(1, 0)
        below.lpWSPSetSockOpt(s, c.SOL_SOCKET, c.SO_LINGER, ctypes.byref(linger), 4, ctypes.pointer(ctypes.c_int32()))
        return int(below.lpWSPCloseSocket(s, lpErrno))


@breaks("provider_starts_again_after_cleanup")
class StartsOnce(Copy):
    def WSPStartup(self, *arguments: Any) -> int:
        return WSAError.WSASYSNOTREADY if "WSPStartup" in self.calls else super().WSPStartup(*arguments)


@breaks("blocking_hook_runs_while_a_call_waits")
class BlocksOnAnotherThread(Layer):
    def WSPRecv(self, below: Any, *arguments: Any) -> int:
        results: list[int] = []
        thread = threading.Thread(target=lambda: results.append(below.lpWSPRecv(*arguments)))
        thread.start()
        thread.join()
        return results[0]


@breaks("blocking_call_can_be_cancelled")
class HidesCancelling(Layer):
    def WSPRecv(self, below: Any, *arguments: Any) -> int:
        result = int(below.lpWSPRecv(*arguments))
        if result and arguments[-1].contents.value == WSAError.WSAEINTR:
            arguments[-1].contents.value = WSAError.WSAENETDOWN
        return result


# -- names -------------------------------------------------------------------------------------------------------------


@breaks("addresses_become_texts")
class CannotWriteAddresses(Layer):
    def WSPAddressToString(self, below: Any, *arguments: Any) -> int:
        return refuse(arguments[-1], WSAError.WSAEINVAL)


@breaks("texts_become_addresses")
class ReadsAnythingAsAnAddress(Layer):
    def WSPStringToAddress(self, below: Any, *arguments: Any) -> int:
        below.lpWSPStringToAddress(*arguments)
        return 0


@breaks("join_needs_a_multipoint_socket")
class JoinsAnything(Layer):
    def WSPJoinLeaf(self, below: Any, s: int, *arguments: Any) -> int:
        return s


@breaks("leaf_joins_with_its_own_socket")
class CannotJoin(Layer):
    def WSPJoinLeaf(self, below: Any, s: int, *arguments: Any) -> int:
        refuse(arguments[-1], WSAError.WSAEOPNOTSUPP)
        return c.INVALID_SOCKET


@breaks("unknown_templates_are_refused")
class KnowsEveryTemplate(Layer):
    def WSPGetQOSByName(self, below: Any, *arguments: Any) -> int:
        return 1


@breaks("send_disconnect_ends_one_direction")
class OnlySaysThatItEndsSending(Layer):
    def WSPSendDisconnect(self, below: Any, s: int, data: Any, lpErrno: Any) -> int:
        return int(below.lpWSPSendDisconnect(s, data, lpErrno)) if data else 0


@breaks("recv_disconnect_refuses_receives")
class OnlySaysThatItEndsReceiving(Layer):
    def WSPRecvDisconnect(self, below: Any, s: int, data: Any, lpErrno: Any) -> int:
        return int(below.lpWSPRecvDisconnect(s, data, lpErrno)) if data else 0


# -- overlapped calls and readiness ------------------------------------------------------------------------------------


@breaks("result_is_incomplete_or_waited_for")
class NeverWaits(Layer):
    def WSPGetOverlappedResult(
        self, below: Any, s: int, overlapped: Any, count: Any, wait: int, flags: Any, lpErrno: Any
    ) -> int:
        return int(below.lpWSPGetOverlappedResult(s, overlapped, count, False, flags, lpErrno))


@breaks("structure_alone_tells_the_end")
class TellsWhoHasAnEvent(Copy):
    def _tell(self, record: Record, error: int, transferred: int, flags: int) -> None:
        if record.client.contents.hEvent or record.routine is not None:
            return super()._tell(record, error, transferred, flags)
        with self.lock:
            record.context.outstanding -= 1
        return self._drop(record.context)


@breaks("structure_serves_again")
class RemembersStructures(Copy):
    def _overlap(
        self, function: str, context: Any, buffers: Any, count: int, flags: int, *rest: Any, **more: Any
    ) -> int:
        place = ctypes.addressof(rest[0].contents)
        if place in context.__dict__.setdefault("seen", set()):
            return refuse(rest[-1], WSAError.WSAEINVAL)
        context.seen.add(place)
        return super()._overlap(function, context, buffers, count, flags, *rest, **more)


@breaks("empty_receive_waits_for_data")
class EndsEmptyReceivesAtOnce(Layer):
    def WSPRecv(self, below: Any, s: int, buffers: Any, count: int, received: Any, *rest: Any) -> int:
        if not buffers.contents.len:
            received.contents.value = 0
            return 0
        return int(below.lpWSPRecv(s, buffers, count, received, *rest))


@breaks("control_code_pends_and_is_aborted")
class PassesTheClientsStructureDown(Copy):
    """The hand-written provider without `Wrapping`: below, the structure completes on a handle without the port."""


@breaks("select_tells_which_of_several")
class LeavesSetsAsTheyAre(Layer):
    def WSPSelect(self, below: Any, nfds: int, read: Any, *rest: Any) -> int:
        count = ctypes.cast(read, ctypes.POINTER(ctypes.c_uint32)).contents
        was = count.value
        below.lpWSPSelect(nfds, read, *rest)
        count.value = was
        return was


@breaks("poll_tells_the_end")
class PollsEverythingReady(Copy):
    def WSPIoctl(self, s: int, code: int, *arguments: Any) -> int:
        if code == c.SIO_BSP_HANDLE_POLL:
            ctypes.c_uint64.from_address(address(arguments[2])).value = s
            return 0
        if code != c.SIO_EXT_POLL:
            return super().WSPIoctl(s, code, *arguments)
        data = WSAPOLLDATA.from_address(address(arguments[0]))
        for element in (WSAPOLLFD * data.fds).from_address(address(arguments[0]) + 16):
            element.revents = element.events
        data.result = data.fds
        return 0


@breaks("handles_for_select_and_poll_are_sockets")
class AnswersNoSocket(Layer):
    def WSPIoctl(self, below: Any, s: int, code: int, *arguments: Any) -> int:
        if code & 0xFFFFFFFF == c.SIO_BSP_HANDLE_SELECT:
            ctypes.c_uint64.from_address(address(arguments[2])).value = 7_777_777
            return 0
        return int(below.lpWSPIoctl(s, code, *arguments))
