"""SIO_EXT_POLL and SIO_EXT_SENDMSG: a call of the DLL in a block, which a layer passes down with its own handles in it.

SIO_EXT_SELECT has no block in the headers and is not supported.
"""

import ctypes

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.mswsock import WSASENDMSG
from ws2spi._abi.types import WSAPOLLDATA, WSAPOLLFD
from ws2spi._executive import lasterror
from ws2spi._runtime import polling
from ws2spi._runtime.extensions.messages import WSASendMsg
from ws2spi._runtime.sockets import SocketEntry

_ARRAY = 16  # offset of fdArray in a WSAPOLLDATA


def poll(block: bytes) -> bytes:
    """Do what the WSAPOLLDATA `block` says; returns it with `result` and the flags filled in.

    Errors:
        WSAEFAULT: shorter than its array. Else as WSAPoll.
    """
    memory = ctypes.create_string_buffer(block, max(len(block), _ARRAY))
    data = WSAPOLLDATA.from_buffer(memory)
    if len(block) < _ARRAY + data.fds * ctypes.sizeof(WSAPOLLFD):
        raise WinsockError(WSAError.WSAEFAULT, f"{len(block)} bytes for {data.fds} sockets")
    elements = (WSAPOLLFD * data.fds).from_buffer(memory, _ARRAY)
    members = [(element.fd, element.events & 0xFFFF) for element in elements]
    data.result, flags = polling.poll(members, data.timeout, below=True)
    for element, shown in zip(elements, flags, strict=True):
        element.revents = shown
    return memory.raw[: len(block)]


def send_msg(entry: SocketEntry, block: bytes) -> bytes:
    """WSASendMsg with the arguments of the WSASENDMSG `block`.

    Errors:
        WSAEFAULT: too short. Else as WSASendMsg, WSA_IO_PENDING included.
    """
    if len(block) < ctypes.sizeof(WSASENDMSG):
        raise WinsockError(WSAError.WSAEFAULT, f"{len(block)} bytes for a WSASENDMSG")
    call = WSASENDMSG.from_buffer_copy(block)
    arguments = call.lpMsg, call.dwFlags, call.lpNumberOfBytesSent, call.lpOverlapped, call.lpCompletionRoutine
    if WSASendMsg(entry, *arguments):
        raise WinsockError(lasterror.get(), "pending")
    return b""
