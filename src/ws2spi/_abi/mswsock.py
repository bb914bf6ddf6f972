"""What mswsock.h and ws2def.h say of the extension functions: their GUIDs, flags, structures and C prototypes.

Sources: mswsock.h, ws2def.h. A control message's header is laid out on 64-bit Windows as on 64-bit Linux.
"""

# ruff: noqa: RUF012 - ctypes reads `_fields_` once, when the class is made

import ctypes
import uuid
from ctypes import POINTER, c_int64, c_void_p
from typing import Any

from ws2spi._abi.types import BOOL, DWORD, INT, OVERLAPPED, SOCKET, ULONG, WSABUF
from ws2spi._abi.wide import Structure

TF_DISCONNECT = 0x01
TF_REUSE_SOCKET = 0x02
TF_WRITE_BEHIND = 0x04
TF_USE_DEFAULT_WORKER = 0x00
TF_USE_SYSTEM_THREAD = 0x10
TF_USE_KERNEL_APC = 0x20
TP_ELEMENT_MEMORY = 1
TP_ELEMENT_FILE = 2
TP_ELEMENT_EOP = 4
MOST_BYTES = 2147483646  # that one TransmitFile or TransmitPackets sends

# {function: WSAID_...}
EXTENSIONS = {
    "AcceptEx": uuid.UUID("b5367df1-cbac-11cf-95ca-00805f48a192"),
    "GetAcceptExSockaddrs": uuid.UUID("b5367df2-cbac-11cf-95ca-00805f48a192"),
    "TransmitFile": uuid.UUID("b5367df0-cbac-11cf-95ca-00805f48a192"),
    "ConnectEx": uuid.UUID("25a207b9-ddf3-4660-8ee9-76e58c74063e"),
    "DisconnectEx": uuid.UUID("7fda2e11-8630-436f-a031-f536a6eec157"),
    "TransmitPackets": uuid.UUID("d9689da0-1f90-11d3-9971-00c04f68c876"),
    "WSARecvMsg": uuid.UUID("f689d7c8-6f1f-436b-8a53-e54fe351c322"),
    "WSASendMsg": uuid.UUID("a441e712-754f-43ca-84a7-0dee44cf606d"),
}

_p = c_void_p

# {function: its C prototype}. Pointers are addresses: what a client keeps alive is its own affair, as in C.
PROTOTYPES: dict[str, Any] = {
    "AcceptEx": ctypes.CFUNCTYPE(BOOL, SOCKET, SOCKET, _p, DWORD, DWORD, DWORD, _p, _p),
    "GetAcceptExSockaddrs": ctypes.CFUNCTYPE(None, _p, DWORD, DWORD, DWORD, _p, _p, _p, _p),
    "TransmitFile": ctypes.CFUNCTYPE(BOOL, SOCKET, _p, DWORD, DWORD, _p, _p, DWORD),
    "ConnectEx": ctypes.CFUNCTYPE(BOOL, SOCKET, _p, INT, _p, DWORD, _p, _p),
    "DisconnectEx": ctypes.CFUNCTYPE(BOOL, SOCKET, _p, DWORD, DWORD),
    "TransmitPackets": ctypes.CFUNCTYPE(BOOL, SOCKET, _p, DWORD, DWORD, _p, DWORD),
    "WSARecvMsg": ctypes.CFUNCTYPE(INT, SOCKET, _p, _p, _p, _p),
    "WSASendMsg": ctypes.CFUNCTYPE(INT, SOCKET, _p, DWORD, _p, _p, _p),
}


class TRANSMIT_FILE_BUFFERS(Structure):
    _fields_ = [("Head", c_void_p), ("HeadLength", DWORD), ("Tail", c_void_p), ("TailLength", DWORD)]


class _FilePart(Structure):
    _fields_ = [("nFileOffset", c_int64), ("hFile", c_void_p)]


class _ElementData(ctypes.Union):
    _anonymous_ = ("file",)
    _fields_ = [("file", _FilePart), ("pBuffer", c_void_p)]


class TRANSMIT_PACKETS_ELEMENT(Structure):
    """Memory or a part of a file; `nFileOffset` -1 is the file's current position."""

    _anonymous_ = ("data",)
    _fields_ = [("dwElFlags", ULONG), ("cLength", ULONG), ("data", _ElementData)]


class WSAMSG(Structure):
    _fields_ = [
        ("name", c_void_p),
        ("namelen", INT),
        ("lpBuffers", POINTER(WSABUF)),
        ("dwBufferCount", ULONG),
        ("Control", WSABUF),
        ("dwFlags", ULONG),
    ]


class WSACMSGHDR(Structure):
    """The header of one control message; its data follows, and the next one begins at a multiple of 8."""

    _fields_ = [("cmsg_len", ctypes.c_size_t), ("cmsg_level", INT), ("cmsg_type", INT)]


class WSASENDMSG(Structure):
    """What SIO_EXT_SENDMSG hands to a layer."""

    _fields_ = [
        ("lpMsg", POINTER(WSAMSG)),
        ("dwFlags", DWORD),
        ("lpNumberOfBytesSent", POINTER(DWORD)),
        ("lpOverlapped", POINTER(OVERLAPPED)),
        ("lpCompletionRoutine", c_void_p),
    ]


class IN_PKTINFO(Structure):
    _fields_ = [("ipi_addr", ctypes.c_ubyte * 4), ("ipi_ifindex", ULONG)]


class IN6_PKTINFO(Structure):
    _fields_ = [("ipi6_addr", ctypes.c_ubyte * 16), ("ipi6_ifindex", ULONG)]
