"""Structures and constants of name resolution, in 64-bit Windows' sizes.

Sources: winsock2.h, ws2spi.h, ws2def.h, ws2tcpip.h, nspapi.h, svcguid.h. A and W forms differ in their text pointers
alone, so each pair is made from one list of fields. SERVENT is the 64-bit one: `s_proto` stands before `s_port` there.
"""

# ruff: noqa: RUF012 - ctypes reads `_fields_` once, when the class is made

import ctypes
import uuid
from ctypes import POINTER, c_char_p, c_int16, c_size_t, c_void_p
from typing import Any

from ws2spi._abi.types import BOOL, BYTE, DWORD, GUID, HANDLE, INT, LPWSTR, SOCKADDR, UINT, ULONG, ULONG_PTR, Structure

# Name spaces
NS_ALL = 0
NS_SAP = 1
NS_NDS = 2
NS_PEER_BROWSE = 3
NS_TCPIP_LOCAL = 10
NS_TCPIP_HOSTS = 11
NS_DNS = 12
NS_NETBT = 13
NS_WINS = 14
NS_NLA = 15
NS_BTH = 16
NS_NBP = 20
NS_MS = 30
NS_STDA = 31
NS_NTDS = 32
NS_EMAIL = 37
NS_PNRPNAME = 38
NS_PNRPCLOUD = 39
NS_X500 = 40
NS_NIS = 41

# WSALookupService*
LUP_DEEP = 0x0001
LUP_CONTAINERS = 0x0002
LUP_NOCONTAINERS = 0x0004
LUP_NEAREST = 0x0008
LUP_RETURN_NAME = 0x0010
LUP_RETURN_TYPE = 0x0020
LUP_RETURN_VERSION = 0x0040
LUP_RETURN_COMMENT = 0x0080
LUP_RETURN_ADDR = 0x0100
LUP_RETURN_BLOB = 0x0200
LUP_RETURN_ALIASES = 0x0400
LUP_RETURN_QUERY_STRING = 0x0800
LUP_RETURN_ALL = 0x0FF0
LUP_FLUSHCACHE = 0x1000
LUP_FLUSHPREVIOUS = 0x2000
LUP_NON_AUTHORITATIVE = 0x4000
LUP_RES_SERVICE = 0x8000
LUP_SECURE = 0x8000
LUP_RETURN_PREFERRED_NAMES = 0x10000
LUP_ADDRCONFIG = 0x100000
LUP_DUAL_ADDR = 0x200000
RESULT_IS_ALIAS = 0x0001
RESULT_IS_ADDED = 0x0010
RESULT_IS_CHANGED = 0x0020
RESULT_IS_DELETED = 0x0040
COMP_EQUAL = 0
COMP_NOTLESS = 1

# WSASetService
RNRSERVICE_REGISTER = 0
RNRSERVICE_DEREGISTER = 1
RNRSERVICE_DELETE = 2
SERVICE_MULTIPLE = 1

# WSANSPIoctl
SIO_NSP_NOTIFY_CHANGE = 0x88000019
NSP_NOTIFY_IMMEDIATELY = 0
NSP_NOTIFY_HWND = 1
NSP_NOTIFY_EVENT = 2
NSP_NOTIFY_PORT = 3
NSP_NOTIFY_APC = 4

# getaddrinfo, getnameinfo
AI_PASSIVE = 0x1
AI_CANONNAME = 0x2
AI_NUMERICHOST = 0x4
AI_NUMERICSERV = 0x8
AI_DNS_ONLY = 0x10
AI_ALL = 0x100
AI_ADDRCONFIG = 0x400
AI_V4MAPPED = 0x800
AI_NON_AUTHORITATIVE = 0x4000
AI_SECURE = 0x8000
AI_RETURN_PREFERRED_NAMES = 0x10000
AI_FQDN = 0x20000
AI_FILESERVER = 0x40000
AI_DISABLE_IDN_ENCODING = 0x80000
AI_KNOWN = 0xFCD1F
AI_RESOLUTION_HANDLE = 0x40000000  # of GetAddrInfoEx alone, as AI_EXTENDED
AI_EXTENDED = 0x80000000
NI_NOFQDN = 0x01
NI_NUMERICHOST = 0x02
NI_NAMEREQD = 0x04
NI_NUMERICSERV = 0x08
NI_DGRAM = 0x10
NI_MAXHOST = 1025
NI_MAXSERV = 32
MAXGETHOSTSTRUCT = 1024


def _class_id(first: int, third: int = 0) -> uuid.UUID:
    return uuid.UUID(f"{first:08x}-0000-{third:04x}-c000-000000000046")


# Service classes of the Internet name spaces
SVCID_HOSTNAME = _class_id(0x0002A800)
SVCID_INET_HOSTADDRBYINETSTRING = _class_id(0x0002A801)
SVCID_INET_SERVICEBYNAME = _class_id(0x0002A802)
SVCID_INET_HOSTADDRBYNAME = _class_id(0x0002A803)


def SVCID_TCP(port: int, record: int = 0) -> uuid.UUID:
    """The service class of a TCP port; `record` a DNS record type with port 53."""
    return _class_id(0x00090000 | port, record)


def SVCID_UDP(port: int, record: int = 0) -> uuid.UUID:
    """The service class of a UDP port."""
    return _class_id(0x000A0000 | port, record)


SVCID_DNS_TYPE_A = SVCID_TCP(53, 1)
SVCID_DNS_TYPE_PTR = SVCID_TCP(53, 12)
SVCID_DNS_TYPE_AAAA = SVCID_TCP(53, 28)

# The id under which Windows' own DNS provider is known: programs that look for it by id find ours.
DNS_PROVIDER = uuid.UUID("22059d40-7e9e-11cf-ae5a-00aa00a7112b")


class SOCKET_ADDRESS(Structure):
    _fields_ = [("lpSockaddr", POINTER(SOCKADDR)), ("iSockaddrLength", INT)]


class CSADDR_INFO(Structure):
    _fields_ = [("LocalAddr", SOCKET_ADDRESS), ("RemoteAddr", SOCKET_ADDRESS), ("iSocketType", INT),
                ("iProtocol", INT)]  # fmt: skip


class AFPROTOCOLS(Structure):
    _fields_ = [("iAddressFamily", INT), ("iProtocol", INT)]


class WSAVERSION(Structure):
    _fields_ = [("dwVersion", DWORD), ("ecHow", INT)]


class BLOB(Structure):
    _fields_ = [("cbSize", ULONG), ("pBlobData", POINTER(BYTE))]


def _pair(name: str, fields: Any) -> tuple[Any, Any]:
    """The W and the A form of a structure; `fields` gets the type of a text pointer."""
    return tuple(  # type: ignore[return-value]
        type(name + form, (Structure,), {"_fields_": fields(text), "__module__": __name__})
        for form, text in (("W", LPWSTR), ("A", c_char_p))
    )


WSAQUERYSETW, WSAQUERYSETA = _pair(
    "WSAQUERYSET",
    lambda text: [
        ("dwSize", DWORD), ("lpszServiceInstanceName", text), ("lpServiceClassId", POINTER(GUID)),
        ("lpVersion", POINTER(WSAVERSION)), ("lpszComment", text), ("dwNameSpace", DWORD),
        ("lpNSProviderId", POINTER(GUID)), ("lpszContext", text), ("dwNumberOfProtocols", DWORD),
        ("lpafpProtocols", POINTER(AFPROTOCOLS)), ("lpszQueryString", text), ("dwNumberOfCsAddrs", DWORD),
        ("lpcsaBuffer", POINTER(CSADDR_INFO)), ("dwOutputFlags", DWORD), ("lpBlob", POINTER(BLOB)),
    ],
)  # fmt: skip
WSANSCLASSINFOW, WSANSCLASSINFOA = _pair(
    "WSANSCLASSINFO",
    lambda text: [
        ("lpszName", text), ("dwNameSpace", DWORD), ("dwValueType", DWORD), ("dwValueSize", DWORD),
        ("lpValue", c_void_p),
    ],
)  # fmt: skip


def _class_info(text: Any) -> Any:
    inner: Any = WSANSCLASSINFOW if text is LPWSTR else WSANSCLASSINFOA
    return [("lpServiceClassId", POINTER(GUID)), ("lpszServiceClassName", text), ("dwCount", DWORD),
            ("lpClassInfos", POINTER(inner))]  # fmt: skip


WSASERVICECLASSINFOW, WSASERVICECLASSINFOA = _pair("WSASERVICECLASSINFO", _class_info)
WSANAMESPACE_INFOW, WSANAMESPACE_INFOA = _pair(
    "WSANAMESPACE_INFO",
    lambda text: [
        ("NSProviderId", GUID), ("dwNameSpace", DWORD), ("fActive", BOOL), ("dwVersion", DWORD),
        ("lpszIdentifier", text),
    ],
)  # fmt: skip
WSANAMESPACE_INFOEXW, WSANAMESPACE_INFOEXA = _pair(
    "WSANAMESPACE_INFOEX",
    lambda text: [
        ("NSProviderId", GUID), ("dwNameSpace", DWORD), ("fActive", BOOL), ("dwVersion", DWORD),
        ("lpszIdentifier", text), ("ProviderSpecific", BLOB),
    ],
)  # fmt: skip


class _WindowMessage(Structure):
    _fields_ = [("hWnd", HANDLE), ("uMsg", UINT), ("context", ULONG_PTR)]


class _Event(Structure):
    _fields_ = [("lpOverlapped", c_void_p)]


class _Apc(Structure):
    _fields_ = [("lpOverlapped", c_void_p), ("lpfnCompletionProc", c_void_p)]


class _Port(Structure):
    _fields_ = [("lpOverlapped", c_void_p), ("hPort", HANDLE), ("Key", ULONG_PTR)]


class _Parameters(ctypes.Union):
    _fields_ = [("WindowMessage", _WindowMessage), ("Event", _Event), ("Apc", _Apc), ("Port", _Port)]


class WSACOMPLETION(Structure):
    _fields_ = [("Type", INT), ("Parameters", _Parameters)]


NSP_NAMES = (
    "NSPCleanup", "NSPLookupServiceBegin", "NSPLookupServiceNext", "NSPLookupServiceEnd", "NSPSetService",
    "NSPInstallServiceClass", "NSPRemoveServiceClass", "NSPGetServiceClassInfo", "NSPIoctl",
)  # fmt: skip


class NSP_ROUTINE(Structure):
    """A size, two version numbers and nine pointers that NSPStartup fills; older providers end before NSPIoctl."""

    _fields_ = [("cbSize", DWORD), ("dwMajorVersion", DWORD), ("dwMinorVersion", DWORD),
                *((name, c_void_p) for name in NSP_NAMES)]  # fmt: skip


_SOCKADDR_P: Any = POINTER(SOCKADDR)


def _addrinfo(name: str, text: Any) -> Any:
    made = type(name, (Structure,), {"__module__": __name__})
    made._fields_ = [  # type: ignore[attr-defined]
        ("ai_flags", INT), ("ai_family", INT), ("ai_socktype", INT), ("ai_protocol", INT), ("ai_addrlen", c_size_t),
        ("ai_canonname", text), ("ai_addr", _SOCKADDR_P), ("ai_next", POINTER(made)),
    ]  # fmt: skip
    return made


ADDRINFOW = _addrinfo("ADDRINFOW", LPWSTR)
ADDRINFOA = _addrinfo("ADDRINFOA", c_char_p)


def _addrinfoex(name: str, text: Any, more: Any = ()) -> Any:
    made = type(name, (Structure,), {"__module__": __name__})
    made._fields_ = [  # type: ignore[attr-defined]
        ("ai_flags", INT), ("ai_family", INT), ("ai_socktype", INT), ("ai_protocol", INT), ("ai_addrlen", c_size_t),
        ("ai_canonname", text), ("ai_addr", _SOCKADDR_P), ("ai_blob", c_void_p), ("ai_bloblen", c_size_t),
        ("ai_provider", POINTER(GUID)), ("ai_next", POINTER(made)), *more,
    ]  # fmt: skip
    return made


def _second(text: Any) -> list[Any]:
    return [("ai_version", INT), ("ai_fqdn", text)]


ADDRINFOEXW = _addrinfoex("ADDRINFOEXW", LPWSTR)
ADDRINFOEXA = _addrinfoex("ADDRINFOEXA", c_char_p)
ADDRINFOEX2W = _addrinfoex("ADDRINFOEX2W", LPWSTR, _second(LPWSTR))
ADDRINFOEX2A = _addrinfoex("ADDRINFOEX2A", c_char_p, _second(c_char_p))
ADDRINFOEX3 = _addrinfoex("ADDRINFOEX3", LPWSTR, [*_second(LPWSTR), ("ai_interfaceindex", INT)])
ADDRINFOEX4 = _addrinfoex(
    "ADDRINFOEX4", LPWSTR, [*_second(LPWSTR), ("ai_interfaceindex", INT), ("ai_resolutionhandle", HANDLE)]
)


class HOSTENT(Structure):
    _fields_ = [("h_name", c_char_p), ("h_aliases", POINTER(c_char_p)), ("h_addrtype", c_int16),
                ("h_length", c_int16), ("h_addr_list", POINTER(c_void_p))]  # fmt: skip


class SERVENT(Structure):
    _fields_ = [("s_name", c_char_p), ("s_aliases", POINTER(c_char_p)), ("s_proto", c_char_p), ("s_port", c_int16)]


class PROTOENT(Structure):
    _fields_ = [("p_name", c_char_p), ("p_aliases", POINTER(c_char_p)), ("p_proto", c_int16)]
