"""ws2_32.dll as a module: its functions under their exported names, called as through `ctypes.windll.ws2_32`.

C order and C names of parameters, documented return values, the code in `*lpErrno` or in the thread's last error
(`WSAGetLastError`). Pointers are whatever ctypes passes: `byref`, pointers, arrays, integers, None. The structures are
attributes of the module. `restype`, `argtypes` and `errcheck` are honoured. The W forms are the functions; the bare
name is an alias.

`_route` finds a socket's procedure table; `_startup`, `_sockets`, `_transfer`, `_events`, `_readiness`, `_catalog`,
`_conversions` and `_upcalls` hold one family of functions each.

Never: decides anything. A rule that is worth a test lives in `_runtime` or in the provider.
"""

from ws2spi._abi.types import (
    DWORD,
    GUID,
    HANDLE,
    LINGER,
    OVERLAPPED,
    SOCKADDR,
    SOCKADDR_IN,
    SOCKADDR_IN6,
    SOCKADDR_STORAGE,
    SOCKET,
    TIMEVAL,
    WSABUF,
    WSADATA,
    WSAEVENT,
    WSANETWORKEVENTS,
    WSAOVERLAPPED,
    WSAPOLLFD,
    WSAPROTOCOL_INFOW,
    WSAPROTOCOLCHAIN,
    WSATHREADID,
    WSPDATA,
    WSPPROC_TABLE,
    WSPUPCALLTABLE,
    fd_set,
    sockaddr,
)
from ws2spi.ws2_32 import _catalog, _conversions, _events, _readiness, _sockets, _startup, _transfer, _upcalls
from ws2spi.ws2_32._route import exported

WSAStartup = exported(_startup.WSAStartup)
WSACleanup = exported(_startup.WSACleanup)
WSAGetLastError = exported(_startup.WSAGetLastError)
WSASetLastError = exported(_startup.WSASetLastError)

socket = exported(_sockets.socket)
WSASocketA = exported(_sockets.WSASocketA)
WSASocketW = exported(_sockets.WSASocketW)
closesocket = exported(_sockets.closesocket)
bind = exported(_sockets.bind)
listen = exported(_sockets.listen)
accept = exported(_sockets.accept)
connect = exported(_sockets.connect)
WSAConnect = exported(_sockets.WSAConnect)
shutdown = exported(_sockets.shutdown)
getsockname = exported(_sockets.getsockname)
getpeername = exported(_sockets.getpeername)
getsockopt = exported(_sockets.getsockopt)
setsockopt = exported(_sockets.setsockopt)
ioctlsocket = exported(_sockets.ioctlsocket)
WSAIoctl = exported(_sockets.WSAIoctl)

WSASend = exported(_transfer.WSASend)
WSASendTo = exported(_transfer.WSASendTo)
WSARecv = exported(_transfer.WSARecv)
WSARecvFrom = exported(_transfer.WSARecvFrom)
send = exported(_transfer.send)
sendto = exported(_transfer.sendto)
recv = exported(_transfer.recv)
recvfrom = exported(_transfer.recvfrom)
WSAGetOverlappedResult = exported(_transfer.WSAGetOverlappedResult)

WSACreateEvent = exported(_events.WSACreateEvent)
WSACloseEvent = exported(_events.WSACloseEvent)
WSASetEvent = exported(_events.WSASetEvent)
WSAResetEvent = exported(_events.WSAResetEvent)
WSAWaitForMultipleEvents = exported(_events.WSAWaitForMultipleEvents)

WSAEventSelect = exported(_readiness.WSAEventSelect)
WSAEnumNetworkEvents = exported(_readiness.WSAEnumNetworkEvents)
WSAAsyncSelect = exported(_readiness.WSAAsyncSelect)
select = exported(_readiness.select)
WSAPoll = exported(_readiness.WSAPoll)
__WSAFDIsSet = exported(_readiness.__WSAFDIsSet)
FD_SET = exported(_readiness.FD_SET)
FD_CLR = exported(_readiness.FD_CLR)
FD_ISSET = exported(_readiness.FD_ISSET)
FD_ZERO = exported(_readiness.FD_ZERO)
WSAGETSELECTEVENT = exported(_readiness.WSAGETSELECTEVENT)
WSAGETSELECTERROR = exported(_readiness.WSAGETSELECTERROR)

WSAEnumProtocolsW = exported(_catalog.WSAEnumProtocolsW)
WSCEnumProtocols = exported(_catalog.WSCEnumProtocols)
WSCGetProviderPath = exported(_catalog.WSCGetProviderPath)

htons = exported(_conversions.htons)
ntohs = exported(_conversions.ntohs)
htonl = exported(_conversions.htonl)
ntohl = exported(_conversions.ntohl)
inet_addr = exported(_conversions.inet_addr)
inet_ntoa = exported(_conversions.inet_ntoa)
inet_pton = exported(_conversions.inet_pton)
inet_ntop = exported(_conversions.inet_ntop)

WPUOpenCurrentThread = exported(_upcalls.WPUOpenCurrentThread)
WPUCloseThread = exported(_upcalls.WPUCloseThread)
WPUQueueApc = exported(_upcalls.WPUQueueApc)
WPUCreateSocketHandle = exported(_upcalls.WPUCreateSocketHandle)
WPUQuerySocketHandleContext = exported(_upcalls.WPUQuerySocketHandleContext)
WPUCloseSocketHandle = exported(_upcalls.WPUCloseSocketHandle)
WPUModifyIFSHandle = exported(_upcalls.WPUModifyIFSHandle)
WPUCompleteOverlappedRequest = exported(_upcalls.WPUCompleteOverlappedRequest)
WPUCreateEvent = exported(_upcalls.WPUCreateEvent)
WPUCloseEvent = exported(_upcalls.WPUCloseEvent)
WPUSetEvent = exported(_upcalls.WPUSetEvent)
WPUResetEvent = exported(_upcalls.WPUResetEvent)
WPUFDIsSet = exported(_upcalls.WPUFDIsSet)
WPUGetProviderPath = exported(_upcalls.WPUGetProviderPath)
WPUQueryBlockingCallback = exported(_upcalls.WPUQueryBlockingCallback)
WPUPostMessage = exported(_upcalls.WPUPostMessage)

# The bare names of functions with text in their structures mean the W form.
WSAEnumProtocols = WSAEnumProtocolsW
WSASocket = WSASocketW

__all__ = [
    "DWORD",
    "FD_CLR",
    "FD_ISSET",
    "FD_SET",
    "FD_ZERO",
    "GUID",
    "HANDLE",
    "LINGER",
    "OVERLAPPED",
    "SOCKADDR",
    "SOCKADDR_IN",
    "SOCKADDR_IN6",
    "SOCKADDR_STORAGE",
    "SOCKET",
    "TIMEVAL",
    "WSABUF",
    "WSADATA",
    "WSAEVENT",
    "WSAGETSELECTERROR",
    "WSAGETSELECTEVENT",
    "WSANETWORKEVENTS",
    "WSAOVERLAPPED",
    "WSAPOLLFD",
    "WSAPROTOCOLCHAIN",
    "WSAPROTOCOL_INFOW",
    "WSATHREADID",
    "WSPDATA",
    "WSPPROC_TABLE",
    "WSPUPCALLTABLE",
    "WPUCloseEvent",
    "WPUCloseSocketHandle",
    "WPUCloseThread",
    "WPUCompleteOverlappedRequest",
    "WPUCreateEvent",
    "WPUCreateSocketHandle",
    "WPUFDIsSet",
    "WPUGetProviderPath",
    "WPUModifyIFSHandle",
    "WPUOpenCurrentThread",
    "WPUPostMessage",
    "WPUQueryBlockingCallback",
    "WPUQuerySocketHandleContext",
    "WPUQueueApc",
    "WPUResetEvent",
    "WPUSetEvent",
    "WSAAsyncSelect",
    "WSACleanup",
    "WSACloseEvent",
    "WSAConnect",
    "WSACreateEvent",
    "WSAEnumNetworkEvents",
    "WSAEnumProtocols",
    "WSAEnumProtocolsW",
    "WSAEventSelect",
    "WSAGetLastError",
    "WSAGetOverlappedResult",
    "WSAIoctl",
    "WSAPoll",
    "WSARecv",
    "WSARecvFrom",
    "WSAResetEvent",
    "WSASend",
    "WSASendTo",
    "WSASetEvent",
    "WSASetLastError",
    "WSASocket",
    "WSASocketA",
    "WSASocketW",
    "WSAStartup",
    "WSAWaitForMultipleEvents",
    "WSCEnumProtocols",
    "WSCGetProviderPath",
    "__WSAFDIsSet",
    "accept",
    "bind",
    "closesocket",
    "connect",
    "fd_set",
    "getpeername",
    "getsockname",
    "getsockopt",
    "htonl",
    "htons",
    "inet_addr",
    "inet_ntoa",
    "inet_ntop",
    "inet_pton",
    "ioctlsocket",
    "listen",
    "ntohl",
    "ntohs",
    "recv",
    "recvfrom",
    "select",
    "send",
    "sendto",
    "setsockopt",
    "shutdown",
    "sockaddr",
    "socket",
]
