"""Moving data, control codes, and the results of what overlapped.

A refused start leaves the OVERLAPPED as `begin` made it: in progress for ever, with its event reset, and nobody is
told.
"""

import functools
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, is_null, load_dword, read_bytes, store_int, write_bytes
from ws2spi._runtime.address_lists import AddressList
from ws2spi._runtime.arguments import address_out, read_address, read_buffers
from ws2spi._runtime.completion import Completion, begin, overlapped_of, result_of
from ws2spi._runtime.serve.answering import Family, boolean

_PENDING = int(WSAError.WSA_IO_PENDING)
_LARGEST_INPUT = 65536  # no code takes more; a client's wrong size must not make us read all its memory
_RECEIVES = c.FD_READ | c.FD_OOB  # what a receive re-enables


class Transfer(Family):
    """WSPSend, WSPSendTo, WSPRecv, WSPRecvFrom, WSPIoctl and WSPGetOverlappedResult."""

    def WSPSend(
        self,
        s: int,
        lpBuffers: Any,
        dwBufferCount: int,
        lpNumberOfBytesSent: Any,
        dwFlags: int,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        completion = None
        try:
            entry = self.entry(s)
            buffers = read_buffers(lpBuffers, dwBufferCount)
            if is_null(lpOverlapped):
                _need(lpNumberOfBytesSent)
                sent = self.provider.send(entry, buffers, dwFlags, None)
            else:
                completion = begin(entry, lpOverlapped, lpCompletionRoutine, lpThreadId, (lpBuffers, buffers))
                sent = self.provider.send(entry, buffers, dwFlags, completion.offered)
                if sent is None:
                    return _pending(lpErrno)
                completion.finished(sent)
        except WinsockError as error:
            return _refused(lpErrno, error, completion)
        if lpNumberOfBytesSent is not None:
            store_int(lpNumberOfBytesSent, sent)  # type: ignore[arg-type]
        return 0

    def WSPSendTo(
        self,
        s: int,
        lpBuffers: Any,
        dwBufferCount: int,
        lpNumberOfBytesSent: Any,
        dwFlags: int,
        lpTo: Any,
        iTolen: int,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        if is_null(lpTo):
            # Without an address it is a send: on a connected socket it works, on another one WSPSend knows the code.
            return self.WSPSend(
                s,
                lpBuffers,
                dwBufferCount,
                lpNumberOfBytesSent,
                dwFlags,
                lpOverlapped,
                lpCompletionRoutine,
                lpThreadId,
                lpErrno,
            )
        completion = None
        try:
            entry = self.entry(s)
            buffers = read_buffers(lpBuffers, dwBufferCount)
            address = read_address(entry, lpTo, iTolen, WSAError.WSAEAFNOSUPPORT)
            if is_null(lpOverlapped):
                _need(lpNumberOfBytesSent)
                sent = self.provider.send_to(entry, buffers, dwFlags, address, None)
            else:
                completion = begin(entry, lpOverlapped, lpCompletionRoutine, lpThreadId, (lpBuffers, buffers))
                sent = self.provider.send_to(entry, buffers, dwFlags, address, completion.offered)
                if sent is None:
                    return _pending(lpErrno)
                completion.finished(sent)
        except WinsockError as error:
            return _refused(lpErrno, error, completion)
        if lpNumberOfBytesSent is not None:
            store_int(lpNumberOfBytesSent, sent)  # type: ignore[arg-type]
        return 0

    def WSPRecv(
        self,
        s: int,
        lpBuffers: Any,
        dwBufferCount: int,
        lpNumberOfBytesRecvd: Any,
        lpFlags: Any,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        completion = entry = None
        reached = False
        try:
            entry = self.entry(s)
            buffers, flags = _receive_arguments(lpBuffers, dwBufferCount, lpFlags)
            if is_null(lpOverlapped):
                _need(lpNumberOfBytesRecvd)
                reached = True
                result = self.provider.recv(entry, buffers, flags, None)
            else:
                completion = begin(entry, lpOverlapped, lpCompletionRoutine, lpThreadId, (lpBuffers, buffers))
                reached = True
                result = self.provider.recv(entry, buffers, flags, completion.offered)
                if result is None:
                    return _pending(lpErrno)
                completion.finished(result[0], result[1])
        except WinsockError as error:
            if entry is not None and not reached:
                self.called(entry, _RECEIVES)
            return _refused(lpErrno, error, completion)
        received, flags = result  # type: ignore[misc]
        if lpNumberOfBytesRecvd is not None:
            store_int(lpNumberOfBytesRecvd, received)
        store_int(lpFlags, flags)
        return 0

    def WSPRecvFrom(
        self,
        s: int,
        lpBuffers: Any,
        dwBufferCount: int,
        lpNumberOfBytesRecvd: Any,
        lpFlags: Any,
        lpFrom: Any,
        lpFromlen: Any,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        completion = entry = None
        reached = False
        try:
            entry = self.entry(s)
            buffers, flags = _receive_arguments(lpBuffers, dwBufferCount, lpFlags)
            out = address_out(entry, lpFrom, lpFromlen)
            if is_null(lpOverlapped):
                _need(lpNumberOfBytesRecvd)
                reached = True
                result = self.provider.recv_from(entry, buffers, flags, None)
            else:
                completion = begin(entry, lpOverlapped, lpCompletionRoutine, lpThreadId, (lpBuffers, buffers))
                completion.address_out = out
                reached = True
                result = self.provider.recv_from(entry, buffers, flags, completion.offered)
                if result is None:
                    return _pending(lpErrno)
                if result[2] is not None:
                    completion.set_address(result[2])
                completion.finished(result[0], result[1])
        except WinsockError as error:
            if entry is not None and not reached:
                self.called(entry, _RECEIVES)
            return _refused(lpErrno, error, completion)
        received, flags, sender = result  # type: ignore[misc]
        if lpNumberOfBytesRecvd is not None:
            store_int(lpNumberOfBytesRecvd, received)
        store_int(lpFlags, flags)
        if out is not None and sender is not None:
            out(sender)
        return 0

    def WSPIoctl(
        self,
        s: int,
        dwIoControlCode: int,
        lpvInBuffer: Any,
        cbInBuffer: int,
        lpvOutBuffer: Any,
        cbOutBuffer: int,
        lpcbBytesReturned: Any,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        completion = None
        try:
            entry = self.entry(s)
            if cbInBuffer and is_null(lpvInBuffer):
                raise WinsockError(WSAError.WSAEFAULT, "no input buffer")
            data = read_bytes(lpvInBuffer, min(cbInBuffer & 0xFFFFFFFF, _LARGEST_INPUT))
            if dwIoControlCode & 0xFFFFFFFF == c.SIO_GET_EXTENSION_FUNCTION_POINTER:
                # Before the OVERLAPPED is touched: an unknown one leaves it as it is (witness O1).
                self.provider.ioctl(entry, dwIoControlCode, data, cbOutBuffer, None)
            if is_null(lpOverlapped):
                _need(lpcbBytesReturned)
                output = self.provider.ioctl(entry, dwIoControlCode, data, cbOutBuffer, None)
            else:
                completion = begin(entry, lpOverlapped, lpCompletionRoutine, lpThreadId, (lpvOutBuffer,))
                completion.output_out = functools.partial(write_bytes, lpvOutBuffer)
                output = self.provider.ioctl(entry, dwIoControlCode, data, cbOutBuffer, completion.offered)
            if output is None:
                return _pending(lpErrno)
            needed = output.size() if isinstance(output, AddressList) else len(output)
            if needed > cbOutBuffer or (needed and is_null(lpvOutBuffer)):
                if not is_null(lpcbBytesReturned):
                    store_int(lpcbBytesReturned, needed)
                raise WinsockError(WSAError.WSAEFAULT, f"{cbOutBuffer} bytes for {needed}")
            if isinstance(output, AddressList):
                output = output.stored_at(address_of(lpvOutBuffer))
            write_bytes(lpvOutBuffer, output)
            if completion is not None:
                completion.finished(len(output))
        except WinsockError as error:
            if error.code != WSAError.WSAEOPNOTSUPP:
                return _refused(lpErrno, error, completion)
            # Witness Q7: no bytes; and an overlapped request starts, and ends with the code.
            if lpcbBytesReturned is not None:
                store_int(lpcbBytesReturned, 0)
            if completion is None or completion.told:
                return _refused(lpErrno, error, completion)
            completion.complete(error.code, 0)
            return _pending(lpErrno)
        if lpcbBytesReturned is not None:
            store_int(lpcbBytesReturned, len(output))
        return 0

    @boolean
    def WSPGetOverlappedResult(self, s: int, lpOverlapped: Any, lpcbTransfer: Any, fWait: int, lpdwFlags: Any) -> int:
        closed = None
        try:
            entry = self.entry(s)
        except WinsockError as error:
            closed = error
        if closed is None and (is_null(lpOverlapped) or is_null(lpcbTransfer)):
            raise WinsockError(WSAError.WSAEFAULT, "no OVERLAPPED or no place for the number of bytes")
        if closed is not None and (is_null(lpOverlapped) or is_null(lpcbTransfer)):
            raise closed
        record = overlapped_of(lpOverlapped)
        # A layer above has closed its lower socket and now takes what that has ended: the structure has the result.
        if closed is not None and (record.pending or not (record.status or record.transferred)):
            raise closed
        try:
            if closed is None:
                transferred, flags = self.provider.get_overlapped_result(entry, record, bool(fWait))
            else:
                transferred, flags = result_of(record, False)
        except WinsockError as error:
            if error.code == WSAError.WSAEMSGSIZE:  # a datagram that was cut: what there was room for (witness I2)
                store_int(lpcbTransfer, record.transferred)
            raise
        store_int(lpcbTransfer, transferred)
        if lpdwFlags is not None:
            store_int(lpdwFlags, flags)
        return c.TRUE


def _need(place: Any) -> None:
    """Without an OVERLAPPED the client must say where the number of bytes goes."""
    if is_null(place):
        raise WinsockError(WSAError.WSAEFAULT, "no place for the number of bytes")


def _pending(lpErrno: Any) -> int:
    store_int(lpErrno, _PENDING)
    return c.SOCKET_ERROR


def _refused(lpErrno: Any, error: WinsockError, completion: Completion | None) -> int:
    if completion is not None:
        completion.refused()
    store_int(lpErrno, error.code)
    return c.SOCKET_ERROR


def _receive_arguments(lpBuffers: Any, count: int, lpFlags: Any) -> tuple[list[memoryview], int]:
    if not count:
        raise WinsockError(WSAError.WSAEINVAL, "no buffers")
    if is_null(lpFlags):
        raise WinsockError(WSAError.WSAEFAULT, "no flags")
    return read_buffers(lpBuffers, count), load_dword(lpFlags)
