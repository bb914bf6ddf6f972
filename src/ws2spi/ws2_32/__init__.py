"""ws2_32.dll as a module: its functions under their exported names, called as through `ctypes.windll.ws2_32`.

C order and C names of parameters, documented return values, the code in `*lpErrno` or in the thread's last error
(`WSAGetLastError`). Pointers are whatever ctypes passes: `byref`, pointers, arrays, integers, None. The structures are
attributes of the module. `restype`, `argtypes` and `errcheck` are honoured. The W forms are the functions; the bare
name is an alias.

`_route` finds a socket's procedure table; `_startup`, `_sockets`, `_transfer`, `_events`, `_readiness`,
`_notifications`, `_hooks`, `_catalog`, `_conversions`, `_inline` and `_upcalls` hold one family of functions each.
Names are in `_addresses`, `_resolver`, `_resolver_ex`, `_databases`, `_lookup`, `_services` and `_name_spaces`.

Why one file: it is the list of the DLL's exports, a line for each where it comes from and a line in `__all__`.

Never: decides anything. A rule that is worth a test lives in `_runtime` or in the provider.
"""

from ws2spi._abi.names import (
    ADDRINFOA,
    ADDRINFOEX2A,
    ADDRINFOEX2W,
    ADDRINFOEX3,
    ADDRINFOEX4,
    ADDRINFOEXA,
    ADDRINFOEXW,
    ADDRINFOW,
    AFPROTOCOLS,
    BLOB,
    CSADDR_INFO,
    HOSTENT,
    NSP_ROUTINE,
    PROTOENT,
    SERVENT,
    SOCKET_ADDRESS,
    WSACOMPLETION,
    WSANAMESPACE_INFOA,
    WSANAMESPACE_INFOEXA,
    WSANAMESPACE_INFOEXW,
    WSANAMESPACE_INFOW,
    WSANSCLASSINFOA,
    WSANSCLASSINFOW,
    WSAQUERYSETA,
    WSAQUERYSETW,
    WSASERVICECLASSINFOA,
    WSASERVICECLASSINFOW,
    WSAVERSION,
)
from ws2spi._abi.types import (
    DWORD,
    FLOWSPEC,
    GUID,
    HANDLE,
    LINGER,
    OVERLAPPED,
    OVERLAPPED_ENTRY,
    QOS,
    SOCK_NOTIFY_REGISTRATION,
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
    WSAPROTOCOL_INFOA,
    WSAPROTOCOL_INFOW,
    WSAPROTOCOLCHAIN,
    WSATHREADID,
    WSPDATA,
    fd_set,
    sockaddr,
)
from ws2spi._runtime.function_tables import WSPPROC_TABLE, WSPUPCALLTABLE
from ws2spi.ctypes._function import exact
from ws2spi.ws2_32 import (
    _addresses,
    _asynchronous,
    _catalog,
    _categories,
    _conversions,
    _databases,
    _events,
    _hooks,
    _inline,
    _lookup,
    _name_spaces,
    _notifications,
    _readiness,
    _resolver,
    _resolver_ex,
    _services,
    _sessions,
    _sockets,
    _startup,
    _transfer,
    _upcalls,
)
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

WSAAccept = exported(_sessions.WSAAccept)
WSAConnectByList = exported(_sessions.WSAConnectByList)
WSAConnectByNameW = exported(_sessions.WSAConnectByNameW)
WSAConnectByNameA = exported(_sessions.WSAConnectByNameA)
WSAJoinLeaf = exported(_sessions.WSAJoinLeaf)
WSAGetQOSByName = exported(_sessions.WSAGetQOSByName)
WSADuplicateSocketW = exported(_sessions.WSADuplicateSocketW)
WSADuplicateSocketA = exported(_sessions.WSADuplicateSocketA)
WSASendDisconnect = exported(_sessions.WSASendDisconnect)
WSARecvDisconnect = exported(_sessions.WSARecvDisconnect)

WSASend = exported(_transfer.WSASend)
WSASendTo = exported(_transfer.WSASendTo)
WSASendMsg = exported(_transfer.WSASendMsg)
WSARecv = exported(_transfer.WSARecv)
WSARecvFrom = exported(_transfer.WSARecvFrom)
send = exported(_transfer.send)
sendto = exported(_transfer.sendto)
recv = exported(_transfer.recv)
recvfrom = exported(_transfer.recvfrom)
WSAGetOverlappedResult = exported(_transfer.WSAGetOverlappedResult)

WSACreateEvent = exported(_events.WSACreateEvent)
WSACloseEvent = exact(_events.WSACloseEvent)
WSASetEvent = exact(_events.WSASetEvent)
WSAResetEvent = exact(_events.WSAResetEvent)
WSAWaitForMultipleEvents = exact(_events.WSAWaitForMultipleEvents)

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

ProcessSocketNotifications = exported(_notifications.ProcessSocketNotifications)
SocketNotificationRetrieveEvents = exported(_notifications.SocketNotificationRetrieveEvents)

WSASetBlockingHook = exported(_hooks.WSASetBlockingHook)
WSAUnhookBlockingHook = exported(_hooks.WSAUnhookBlockingHook)
WSAIsBlocking = exported(_hooks.WSAIsBlocking)
WSACancelBlockingCall = exported(_hooks.WSACancelBlockingCall)

WSAEnumProtocolsW = exported(_catalog.WSAEnumProtocolsW)
WSAEnumProtocolsA = exported(_catalog.WSAEnumProtocolsA)
WSCEnumProtocols = exported(_catalog.WSCEnumProtocols)
WSCEnumProtocols32 = exported(_catalog.WSCEnumProtocols32)
WSCGetProviderPath = exported(_catalog.WSCGetProviderPath)
WSCGetProviderPath32 = exported(_catalog.WSCGetProviderPath32)
WSCInstallProvider = exported(_catalog.WSCInstallProvider)
WSCInstallProvider64_32 = exported(_catalog.WSCInstallProvider64_32)
WSCInstallProviderAndChains = exported(_catalog.WSCInstallProviderAndChains)
WSCInstallProviderAndChains64_32 = exported(_catalog.WSCInstallProviderAndChains64_32)
WSCDeinstallProvider = exported(_catalog.WSCDeinstallProvider)
WSCDeinstallProvider32 = exported(_catalog.WSCDeinstallProvider32)
WSCUpdateProvider = exported(_catalog.WSCUpdateProvider)
WSCUpdateProvider32 = exported(_catalog.WSCUpdateProvider32)
WSCWriteProviderOrder = exported(_catalog.WSCWriteProviderOrder)
WSCWriteProviderOrder32 = exported(_catalog.WSCWriteProviderOrder32)

WSCSetProviderInfo = exported(_categories.WSCSetProviderInfo)
WSCSetProviderInfo32 = exported(_categories.WSCSetProviderInfo32)
WSCGetProviderInfo = exported(_categories.WSCGetProviderInfo)
WSCGetProviderInfo32 = exported(_categories.WSCGetProviderInfo32)
WSCSetApplicationCategory = exported(_categories.WSCSetApplicationCategory)
WSCGetApplicationCategory = exported(_categories.WSCGetApplicationCategory)
WSAProviderConfigChange = exported(_categories.WSAProviderConfigChange)

htons = exported(_conversions.htons)
ntohs = exported(_conversions.ntohs)
htonl = exported(_conversions.htonl)
ntohl = exported(_conversions.ntohl)
htonll = exported(_conversions.htonll)
ntohll = exported(_conversions.ntohll)
htond = exported(_conversions.htond)
ntohd = exported(_conversions.ntohd)
htonf = exported(_conversions.htonf)
ntohf = exported(_conversions.ntohf)
inet_addr = exported(_conversions.inet_addr)
inet_ntoa = exported(_conversions.inet_ntoa)
inet_pton = exported(_conversions.inet_pton)
inet_ntop = exported(_conversions.inet_ntop)

WSAAddressToStringW = exported(_addresses.WSAAddressToStringW)
WSAAddressToStringA = exported(_addresses.WSAAddressToStringA)
WSAStringToAddressW = exported(_addresses.WSAStringToAddressW)
WSAStringToAddressA = exported(_addresses.WSAStringToAddressA)
InetNtopW = exported(_addresses.InetNtopW)
InetPtonW = exported(_addresses.InetPtonW)
WSAHtonl = exported(_addresses.WSAHtonl)
WSAHtons = exported(_addresses.WSAHtons)
WSANtohl = exported(_addresses.WSANtohl)
WSANtohs = exported(_addresses.WSANtohs)

getaddrinfo = exported(_resolver.getaddrinfo)
GetAddrInfoW = exported(_resolver.GetAddrInfoW)
freeaddrinfo = exported(_resolver.freeaddrinfo)
FreeAddrInfoW = exported(_resolver.FreeAddrInfoW)
getnameinfo = exported(_resolver.getnameinfo)
GetNameInfoW = exported(_resolver.GetNameInfoW)
gai_strerrorA = exported(_resolver.gai_strerrorA)
gai_strerrorW = exported(_resolver.gai_strerrorW)

GetAddrInfoExW = exported(_resolver_ex.GetAddrInfoExW)
GetAddrInfoExA = exported(_resolver_ex.GetAddrInfoExA)
GetAddrInfoExOverlappedResult = exported(_resolver_ex.GetAddrInfoExOverlappedResult)
GetAddrInfoExCancel = exported(_resolver_ex.GetAddrInfoExCancel)
FreeAddrInfoEx = exported(_resolver_ex.FreeAddrInfoEx)
FreeAddrInfoExW = exported(_resolver_ex.FreeAddrInfoExW)
SetAddrInfoExW = exported(_resolver_ex.SetAddrInfoExW)
SetAddrInfoExA = exported(_resolver_ex.SetAddrInfoExA)

gethostbyname = exported(_databases.gethostbyname)
gethostbyaddr = exported(_databases.gethostbyaddr)
gethostname = exported(_databases.gethostname)
GetHostNameW = exported(_databases.GetHostNameW)
getservbyname = exported(_databases.getservbyname)
getservbyport = exported(_databases.getservbyport)
getprotobyname = exported(_databases.getprotobyname)
getprotobynumber = exported(_databases.getprotobynumber)

WSALookupServiceBeginW = exported(_lookup.WSALookupServiceBeginW)
WSALookupServiceBeginA = exported(_lookup.WSALookupServiceBeginA)
WSALookupServiceNextW = exported(_lookup.WSALookupServiceNextW)
WSALookupServiceNextA = exported(_lookup.WSALookupServiceNextA)
WSALookupServiceEnd = exported(_lookup.WSALookupServiceEnd)
WSANSPIoctl = exported(_lookup.WSANSPIoctl)

WSASetServiceW = exported(_services.WSASetServiceW)
WSASetServiceA = exported(_services.WSASetServiceA)
WSAInstallServiceClassW = exported(_services.WSAInstallServiceClassW)
WSAInstallServiceClassA = exported(_services.WSAInstallServiceClassA)
WSARemoveServiceClass = exported(_services.WSARemoveServiceClass)
WSAGetServiceClassInfoW = exported(_services.WSAGetServiceClassInfoW)
WSAGetServiceClassInfoA = exported(_services.WSAGetServiceClassInfoA)
WSAGetServiceClassNameByClassIdW = exported(_services.WSAGetServiceClassNameByClassIdW)
WSAGetServiceClassNameByClassIdA = exported(_services.WSAGetServiceClassNameByClassIdA)

WSCInstallNameSpace = exported(_name_spaces.WSCInstallNameSpace)
WSCInstallNameSpaceEx = exported(_name_spaces.WSCInstallNameSpaceEx)
WSCUnInstallNameSpace = exported(_name_spaces.WSCUnInstallNameSpace)
WSCEnableNSProvider = exported(_name_spaces.WSCEnableNSProvider)
WSCWriteNameSpaceOrder = exported(_name_spaces.WSCWriteNameSpaceOrder)
WSCWriteNameSpaceOrder32 = exported(_name_spaces.WSCWriteNameSpaceOrder32)
WSCInstallNameSpace32 = exported(_name_spaces.WSCInstallNameSpace32)
WSCInstallNameSpaceEx32 = exported(_name_spaces.WSCInstallNameSpaceEx32)
WSCUnInstallNameSpace32 = exported(_name_spaces.WSCUnInstallNameSpace32)
WSCEnableNSProvider32 = exported(_name_spaces.WSCEnableNSProvider32)
WSAEnumNameSpaceProvidersW = exported(_name_spaces.WSAEnumNameSpaceProvidersW)
WSAEnumNameSpaceProvidersA = exported(_name_spaces.WSAEnumNameSpaceProvidersA)
WSAEnumNameSpaceProvidersExW = exported(_name_spaces.WSAEnumNameSpaceProvidersExW)
WSAEnumNameSpaceProvidersExA = exported(_name_spaces.WSAEnumNameSpaceProvidersExA)
WSCEnumNameSpaceProviders32 = exported(_name_spaces.WSCEnumNameSpaceProviders32)
WSCEnumNameSpaceProvidersEx32 = exported(_name_spaces.WSCEnumNameSpaceProvidersEx32)

WSAAsyncGetHostByName = exported(_asynchronous.WSAAsyncGetHostByName)
WSAAsyncGetHostByAddr = exported(_asynchronous.WSAAsyncGetHostByAddr)
WSAAsyncGetServByName = exported(_asynchronous.WSAAsyncGetServByName)
WSAAsyncGetServByPort = exported(_asynchronous.WSAAsyncGetServByPort)
WSAAsyncGetProtoByName = exported(_asynchronous.WSAAsyncGetProtoByName)
WSAAsyncGetProtoByNumber = exported(_asynchronous.WSAAsyncGetProtoByNumber)
WSACancelAsyncRequest = exported(_asynchronous.WSACancelAsyncRequest)

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

SetIpv4SourceFilter = exported(_inline.SetIpv4SourceFilter)
GetIpv4SourceFilter = exported(_inline.GetIpv4SourceFilter)
SetSourceFilter = exported(_inline.SetSourceFilter)
GetSourceFilter = exported(_inline.GetSourceFilter)
WSASetRecvIPEcn = exported(_inline.WSASetRecvIPEcn)
WSAGetRecvIPEcn = exported(_inline.WSAGetRecvIPEcn)
WSASetUdpSendMessageSize = exported(_inline.WSASetUdpSendMessageSize)
WSAGetUdpSendMessageSize = exported(_inline.WSAGetUdpSendMessageSize)
WSASetUdpRecvMaxCoalescedSize = exported(_inline.WSASetUdpRecvMaxCoalescedSize)
WSAGetUdpRecvMaxCoalescedSize = exported(_inline.WSAGetUdpRecvMaxCoalescedSize)

# The bare names of functions with text in their structures mean the W form.
WSAEnumProtocols = WSAEnumProtocolsW
WSAAddressToString = WSAAddressToStringW
WSAStringToAddress = WSAStringToAddressW
InetNtop = InetNtopW
InetPton = InetPtonW
GetAddrInfo = GetAddrInfoW
FreeAddrInfo = FreeAddrInfoW
GetNameInfo = GetNameInfoW
GetAddrInfoEx = GetAddrInfoExW
SetAddrInfoEx = SetAddrInfoExW
gai_strerror = gai_strerrorA
WSALookupServiceBegin = WSALookupServiceBeginW
WSALookupServiceNext = WSALookupServiceNextW
WSASetService = WSASetServiceW
WSAInstallServiceClass = WSAInstallServiceClassW
WSAGetServiceClassInfo = WSAGetServiceClassInfoW
WSAGetServiceClassNameByClassId = WSAGetServiceClassNameByClassIdW
WSAEnumNameSpaceProviders = WSAEnumNameSpaceProvidersW
WSAEnumNameSpaceProvidersEx = WSAEnumNameSpaceProvidersExW
WSCEnumNameSpaceProviders = WSAEnumNameSpaceProvidersW
WSASocket = WSASocketW
WSADuplicateSocket = WSADuplicateSocketW
WSAConnectByName = WSAConnectByNameW

__all__ = [
    "ADDRINFOA",
    "ADDRINFOEX2A",
    "ADDRINFOEX2W",
    "ADDRINFOEX3",
    "ADDRINFOEX4",
    "ADDRINFOEXA",
    "ADDRINFOEXW",
    "ADDRINFOW",
    "AFPROTOCOLS",
    "BLOB",
    "CSADDR_INFO",
    "DWORD",
    "FD_CLR",
    "FD_ISSET",
    "FD_SET",
    "FD_ZERO",
    "FLOWSPEC",
    "GUID",
    "HANDLE",
    "HOSTENT",
    "LINGER",
    "NSP_ROUTINE",
    "OVERLAPPED",
    "OVERLAPPED_ENTRY",
    "PROTOENT",
    "QOS",
    "SERVENT",
    "SOCKADDR",
    "SOCKADDR_IN",
    "SOCKADDR_IN6",
    "SOCKADDR_STORAGE",
    "SOCKET",
    "SOCKET_ADDRESS",
    "SOCK_NOTIFY_REGISTRATION",
    "TIMEVAL",
    "WSABUF",
    "WSACOMPLETION",
    "WSADATA",
    "WSAEVENT",
    "WSAGETSELECTERROR",
    "WSAGETSELECTEVENT",
    "WSANAMESPACE_INFOA",
    "WSANAMESPACE_INFOEXA",
    "WSANAMESPACE_INFOEXW",
    "WSANAMESPACE_INFOW",
    "WSANETWORKEVENTS",
    "WSANSCLASSINFOA",
    "WSANSCLASSINFOW",
    "WSAOVERLAPPED",
    "WSAPOLLFD",
    "WSAPROTOCOLCHAIN",
    "WSAPROTOCOL_INFOA",
    "WSAPROTOCOL_INFOW",
    "WSAQUERYSETA",
    "WSAQUERYSETW",
    "WSASERVICECLASSINFOA",
    "WSASERVICECLASSINFOW",
    "WSATHREADID",
    "WSAVERSION",
    "WSPDATA",
    "WSPPROC_TABLE",
    "WSPUPCALLTABLE",
    "FreeAddrInfo",
    "FreeAddrInfoEx",
    "FreeAddrInfoExW",
    "FreeAddrInfoW",
    "GetAddrInfo",
    "GetAddrInfoEx",
    "GetAddrInfoExA",
    "GetAddrInfoExCancel",
    "GetAddrInfoExOverlappedResult",
    "GetAddrInfoExW",
    "GetAddrInfoW",
    "GetHostNameW",
    "GetIpv4SourceFilter",
    "GetNameInfo",
    "GetNameInfoW",
    "GetSourceFilter",
    "InetNtop",
    "InetNtopW",
    "InetPton",
    "InetPtonW",
    "ProcessSocketNotifications",
    "SetAddrInfoEx",
    "SetAddrInfoExA",
    "SetAddrInfoExW",
    "SetIpv4SourceFilter",
    "SetSourceFilter",
    "SocketNotificationRetrieveEvents",
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
    "WSAAccept",
    "WSAAddressToString",
    "WSAAddressToStringA",
    "WSAAddressToStringW",
    "WSAAsyncGetHostByAddr",
    "WSAAsyncGetHostByName",
    "WSAAsyncGetProtoByName",
    "WSAAsyncGetProtoByNumber",
    "WSAAsyncGetServByName",
    "WSAAsyncGetServByPort",
    "WSAAsyncSelect",
    "WSACancelAsyncRequest",
    "WSACancelBlockingCall",
    "WSACleanup",
    "WSACloseEvent",
    "WSAConnect",
    "WSAConnectByList",
    "WSAConnectByName",
    "WSAConnectByNameA",
    "WSAConnectByNameW",
    "WSACreateEvent",
    "WSADuplicateSocket",
    "WSADuplicateSocketA",
    "WSADuplicateSocketW",
    "WSAEnumNameSpaceProviders",
    "WSAEnumNameSpaceProvidersA",
    "WSAEnumNameSpaceProvidersEx",
    "WSAEnumNameSpaceProvidersExA",
    "WSAEnumNameSpaceProvidersExW",
    "WSAEnumNameSpaceProvidersW",
    "WSAEnumNetworkEvents",
    "WSAEnumProtocols",
    "WSAEnumProtocolsA",
    "WSAEnumProtocolsW",
    "WSAEventSelect",
    "WSAGetLastError",
    "WSAGetOverlappedResult",
    "WSAGetQOSByName",
    "WSAGetRecvIPEcn",
    "WSAGetServiceClassInfo",
    "WSAGetServiceClassInfoA",
    "WSAGetServiceClassInfoW",
    "WSAGetServiceClassNameByClassId",
    "WSAGetServiceClassNameByClassIdA",
    "WSAGetServiceClassNameByClassIdW",
    "WSAGetUdpRecvMaxCoalescedSize",
    "WSAGetUdpSendMessageSize",
    "WSAHtonl",
    "WSAHtons",
    "WSAInstallServiceClass",
    "WSAInstallServiceClassA",
    "WSAInstallServiceClassW",
    "WSAIoctl",
    "WSAJoinLeaf",
    "WSALookupServiceBegin",
    "WSALookupServiceBeginA",
    "WSALookupServiceBeginW",
    "WSALookupServiceEnd",
    "WSALookupServiceNext",
    "WSALookupServiceNextA",
    "WSALookupServiceNextW",
    "WSANSPIoctl",
    "WSANtohl",
    "WSANtohs",
    "WSAPoll",
    "WSAProviderConfigChange",
    "WSARecv",
    "WSARecvDisconnect",
    "WSARecvFrom",
    "WSARemoveServiceClass",
    "WSAResetEvent",
    "WSASend",
    "WSASendDisconnect",
    "WSASendMsg",
    "WSASendTo",
    "WSASetBlockingHook",
    "WSASetEvent",
    "WSASetLastError",
    "WSASetRecvIPEcn",
    "WSASetService",
    "WSASetServiceA",
    "WSASetServiceW",
    "WSASetUdpRecvMaxCoalescedSize",
    "WSASetUdpSendMessageSize",
    "WSASocket",
    "WSASocketA",
    "WSASocketW",
    "WSAStartup",
    "WSAStringToAddress",
    "WSAStringToAddressA",
    "WSAStringToAddressW",
    "WSAWaitForMultipleEvents",
    "WSCDeinstallProvider",
    "WSCDeinstallProvider32",
    "WSCEnableNSProvider",
    "WSCEnableNSProvider32",
    "WSCEnumNameSpaceProviders",
    "WSCEnumNameSpaceProviders32",
    "WSCEnumNameSpaceProvidersEx32",
    "WSCEnumProtocols",
    "WSCEnumProtocols32",
    "WSCGetApplicationCategory",
    "WSCGetProviderInfo",
    "WSCGetProviderInfo32",
    "WSCGetProviderPath",
    "WSCGetProviderPath32",
    "WSCInstallNameSpace",
    "WSCInstallNameSpace32",
    "WSCInstallNameSpaceEx",
    "WSCInstallNameSpaceEx32",
    "WSCInstallProvider",
    "WSCInstallProvider64_32",
    "WSCInstallProviderAndChains",
    "WSCInstallProviderAndChains64_32",
    "WSCSetApplicationCategory",
    "WSCSetProviderInfo",
    "WSCSetProviderInfo32",
    "WSCUnInstallNameSpace",
    "WSCUnInstallNameSpace32",
    "WSCUpdateProvider",
    "WSCUpdateProvider32",
    "WSCWriteNameSpaceOrder",
    "WSCWriteNameSpaceOrder32",
    "WSCWriteProviderOrder",
    "WSCWriteProviderOrder32",
    "__WSAFDIsSet",
    "accept",
    "bind",
    "closesocket",
    "connect",
    "fd_set",
    "freeaddrinfo",
    "gai_strerror",
    "gai_strerrorA",
    "gai_strerrorW",
    "getaddrinfo",
    "gethostbyaddr",
    "gethostbyname",
    "gethostname",
    "getnameinfo",
    "getpeername",
    "getprotobyname",
    "getprotobynumber",
    "getservbyname",
    "getservbyport",
    "getsockname",
    "getsockopt",
    "htond",
    "htonf",
    "htonl",
    "htonll",
    "htons",
    "inet_addr",
    "inet_ntoa",
    "inet_ntop",
    "inet_pton",
    "ioctlsocket",
    "listen",
    "ntohd",
    "ntohf",
    "ntohl",
    "ntohll",
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
