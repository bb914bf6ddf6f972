"""ctypes scalars and structures of Windows' 64-bit sizes.

Sources: winsock2.h, ws2spi.h, ws2def.h, ws2ipdef.h, minwinbase.h. Function pointers are plain `void *` here: the
tables' layouts are these, who calls through them decides the prototypes.
"""

# ruff: noqa: RUF012 - ctypes reads `_fields_` once, when the class is made

import ctypes
from ctypes import (
    POINTER,
    c_char,
    c_char_p,
    c_int16,
    c_int32,
    c_int64,
    c_size_t,
    c_ubyte,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)

from ws2spi._abi.constants import FD_SETSIZE, MAX_PROTOCOL_CHAIN, WSAPROTOCOL_LEN, WSPDESCRIPTION_LEN
from ws2spi._abi.wide import LPWSTR, WCHAR, Structure

__all__ = [
    "BOOL", "BYTE", "DWORD", "DWORD_PTR", "FLOWSPEC", "GROUP", "GUID", "HANDLE", "INT", "LINGER", "LONG", "LPDWORD",
    "LPINT", "LPVOID", "LPWSTR", "MSG", "OVERLAPPED", "OVERLAPPED_ENTRY", "POINT", "QOS", "SHORT", "SOCKADDR",
    "SOCKADDR_IN", "SOCKADDR_IN6", "SOCKADDR_STORAGE", "SOCKET", "TIMEVAL", "UINT", "ULONG", "ULONG_PTR", "USHORT",
    "WCHAR", "WORD", "WSABUF", "WSADATA", "WSAEVENT", "WSANETWORKEVENTS", "WSAOVERLAPPED", "WSAPOLLDATA", "WSAPOLLFD",
    "WSAPROTOCOLCHAIN", "WSAPROTOCOL_INFOA", "WSAPROTOCOL_INFOW", "WSATHREADID", "WSPDATA", "WSPPROC_NAMES",
    "WSPPROC_TABLE", "WSPUPCALLTABLE", "WSPUPCALL_NAMES", "Structure", "fd_set", "sockaddr",
]  # fmt: skip

BYTE = c_ubyte
WORD = c_uint16
SHORT = c_int16
USHORT = c_uint16
INT = c_int32
LONG = c_int32
BOOL = c_int32
UINT = c_uint32
DWORD = c_uint32
ULONG = c_uint32
GROUP = c_uint32
ULONG_PTR = c_size_t
DWORD_PTR = c_size_t
SOCKET = c_size_t
HANDLE = c_void_p
WSAEVENT = c_void_p
LPVOID = c_void_p
LPINT = POINTER(INT)
LPDWORD = POINTER(DWORD)


class GUID(Structure):
    _fields_ = [("Data1", DWORD), ("Data2", WORD), ("Data3", WORD), ("Data4", BYTE * 8)]


class WSADATA(Structure):
    """The 64-bit layout: the text fields come last."""

    _fields_ = [
        ("wVersion", WORD),
        ("wHighVersion", WORD),
        ("iMaxSockets", c_uint16),
        ("iMaxUdpDg", c_uint16),
        ("lpVendorInfo", c_char_p),
        ("szDescription", c_char * 257),
        ("szSystemStatus", c_char * 129),
    ]


class WSPDATA(Structure):
    _fields_ = [("wVersion", WORD), ("wHighVersion", WORD), ("szDescription", WCHAR * (WSPDESCRIPTION_LEN + 1))]


class WSATHREADID(Structure):
    _fields_ = [("ThreadHandle", HANDLE), ("Reserved", DWORD_PTR)]


class WSABUF(Structure):
    _fields_ = [("len", ULONG), ("buf", c_void_p)]


class OVERLAPPED(Structure):
    _fields_ = [
        ("Internal", ULONG_PTR),
        ("InternalHigh", ULONG_PTR),
        ("Offset", DWORD),
        ("OffsetHigh", DWORD),
        ("hEvent", HANDLE),
    ]


WSAOVERLAPPED = OVERLAPPED


class OVERLAPPED_ENTRY(Structure):
    _fields_ = [
        ("lpCompletionKey", ULONG_PTR),
        ("lpOverlapped", POINTER(OVERLAPPED)),
        ("Internal", ULONG_PTR),
        ("dwNumberOfBytesTransferred", DWORD),
    ]


class SOCK_NOTIFY_REGISTRATION(Structure):
    _fields_ = [
        ("socket", SOCKET),
        ("completionKey", c_void_p),
        ("eventFilter", WORD),
        ("operation", BYTE),
        ("triggerFlags", BYTE),
        ("registrationResult", DWORD),
    ]


class WSAPROTOCOLCHAIN(Structure):
    _fields_ = [("ChainLen", INT), ("ChainEntries", DWORD * MAX_PROTOCOL_CHAIN)]


class WSAPROTOCOL_INFOW(Structure):
    _fields_ = [
        ("dwServiceFlags1", DWORD),
        ("dwServiceFlags2", DWORD),
        ("dwServiceFlags3", DWORD),
        ("dwServiceFlags4", DWORD),
        ("dwProviderFlags", DWORD),
        ("ProviderId", GUID),
        ("dwCatalogEntryId", DWORD),
        ("ProtocolChain", WSAPROTOCOLCHAIN),
        ("iVersion", INT),
        ("iAddressFamily", INT),
        ("iMaxSockAddr", INT),
        ("iMinSockAddr", INT),
        ("iSocketType", INT),
        ("iProtocol", INT),
        ("iProtocolMaxOffset", INT),
        ("iNetworkByteOrder", INT),
        ("iSecurityScheme", INT),
        ("dwMessageSize", DWORD),
        ("dwProviderReserved", DWORD),
        ("szProtocol", WCHAR * (WSAPROTOCOL_LEN + 1)),
    ]


class WSAPROTOCOL_INFOA(Structure):
    """As WSAPROTOCOL_INFOW but for the last field."""

    _fields_ = [*WSAPROTOCOL_INFOW._fields_[:-1], ("szProtocol", c_char * (WSAPROTOCOL_LEN + 1))]


class WSANETWORKEVENTS(Structure):
    _fields_ = [("lNetworkEvents", LONG), ("iErrorCode", INT * 10)]


class SOCKADDR(Structure):
    _fields_ = [("sa_family", USHORT), ("sa_data", c_char * 14)]


sockaddr = SOCKADDR


class SOCKADDR_IN(Structure):
    """Port and address in network byte order, as on the wire."""

    _fields_ = [("sin_family", USHORT), ("sin_port", USHORT), ("sin_addr", BYTE * 4), ("sin_zero", BYTE * 8)]


class SOCKADDR_IN6(Structure):
    _fields_ = [
        ("sin6_family", USHORT),
        ("sin6_port", USHORT),
        ("sin6_flowinfo", ULONG),
        ("sin6_addr", BYTE * 16),
        ("sin6_scope_id", ULONG),
    ]


class SOCKADDR_STORAGE(Structure):
    _fields_ = [("ss_family", USHORT), ("__ss_pad1", BYTE * 6), ("__ss_align", c_uint64), ("__ss_pad2", BYTE * 112)]


class fd_set(Structure):
    """A count and an array of SOCKETs: no bit mask."""

    _fields_ = [("fd_count", UINT), ("fd_array", SOCKET * FD_SETSIZE)]


class WSAPOLLFD(Structure):
    """One socket of WSAPoll: what is asked for, and what was found."""

    _fields_ = [("fd", SOCKET), ("events", SHORT), ("revents", SHORT)]


class WSAPOLLDATA(Structure):
    """What SIO_EXT_POLL hands to a layer; an array of WSAPOLLFD follows, `fdArray`."""

    _fields_ = [("result", INT), ("fds", ULONG), ("timeout", INT)]


class POINT(Structure):
    _fields_ = [("x", LONG), ("y", LONG)]


class MSG(Structure):
    """One window message."""

    _fields_ = [
        ("hwnd", HANDLE),
        ("message", UINT),
        ("wParam", c_uint64),
        ("lParam", c_int64),
        ("time", DWORD),
        ("pt", POINT),
    ]


class TIMEVAL(Structure):
    _fields_ = [("tv_sec", LONG), ("tv_usec", LONG)]


class FLOWSPEC(Structure):
    """What one direction of a connection asks of the network."""

    _fields_ = [
        ("TokenRate", ULONG),
        ("TokenBucketSize", ULONG),
        ("PeakBandwidth", ULONG),
        ("Latency", ULONG),
        ("DelayVariation", ULONG),
        ("ServiceType", ULONG),
        ("MaxSduSize", ULONG),
        ("MinimumPolicedSize", ULONG),
    ]


class QOS(Structure):
    """Both directions, and what a provider adds."""

    _fields_ = [("SendingFlowspec", FLOWSPEC), ("ReceivingFlowspec", FLOWSPEC), ("ProviderSpecific", WSABUF)]


class LINGER(Structure):
    _fields_ = [("l_onoff", USHORT), ("l_linger", USHORT)]


# The upcalls in the table's order; the last two were appended after the alphabetical rest.
WSPUPCALL_NAMES = (
    "WPUCloseEvent", "WPUCloseSocketHandle", "WPUCreateEvent", "WPUCreateSocketHandle", "WPUFDIsSet",
    "WPUGetProviderPath", "WPUModifyIFSHandle", "WPUPostMessage", "WPUQueryBlockingCallback",
    "WPUQuerySocketHandleContext", "WPUQueueApc", "WPUResetEvent", "WPUSetEvent", "WPUOpenCurrentThread",
    "WPUCloseThread",
)  # fmt: skip

# The provider's functions in the table's order: alphabetical but for GetSockOpt before GetQOSByName.
WSPPROC_NAMES = (
    "WSPAccept", "WSPAddressToString", "WSPAsyncSelect", "WSPBind", "WSPCancelBlockingCall", "WSPCleanup",
    "WSPCloseSocket", "WSPConnect", "WSPDuplicateSocket", "WSPEnumNetworkEvents", "WSPEventSelect",
    "WSPGetOverlappedResult", "WSPGetPeerName", "WSPGetSockName", "WSPGetSockOpt", "WSPGetQOSByName", "WSPIoctl",
    "WSPJoinLeaf", "WSPListen", "WSPRecv", "WSPRecvDisconnect", "WSPRecvFrom", "WSPSelect", "WSPSend",
    "WSPSendDisconnect", "WSPSendTo", "WSPSetSockOpt", "WSPShutdown", "WSPSocket", "WSPStringToAddress",
)  # fmt: skip


class WSPUPCALLTABLE(Structure):
    """Fifteen pointers, passed to WSPStartup by value."""

    _fields_ = [(f"lp{name}", c_void_p) for name in WSPUPCALL_NAMES]


class WSPPROC_TABLE(Structure):
    """Thirty pointers that WSPStartup fills."""

    _fields_ = [(f"lp{name}", c_void_p) for name in WSPPROC_NAMES]


def guid_from_text(text: str) -> GUID:
    """A GUID from its usual spelling, braces optional."""
    import uuid

    return GUID.from_buffer_copy(uuid.UUID(text).bytes_le)


def guid_to_text(guid: ctypes.Structure) -> str:
    """The usual lower-case spelling of a GUID."""
    import uuid

    return str(uuid.UUID(bytes_le=bytes(guid)))
