"""Sizes and offsets of the structures of name resolution: 64-bit Windows'."""

import ctypes
import uuid

import pytest

from ws2spi._abi import names as n

SIZES = {
    "SOCKET_ADDRESS": 16, "CSADDR_INFO": 40, "AFPROTOCOLS": 8, "WSAVERSION": 8, "BLOB": 16, "WSAQUERYSETW": 120,
    "WSAQUERYSETA": 120, "WSANSCLASSINFOW": 32, "WSANSCLASSINFOA": 32, "WSASERVICECLASSINFOW": 32,
    "WSASERVICECLASSINFOA": 32, "WSANAMESPACE_INFOW": 40, "WSANAMESPACE_INFOA": 40, "WSANAMESPACE_INFOEXW": 56,
    "WSANAMESPACE_INFOEXA": 56, "WSACOMPLETION": 32, "NSP_ROUTINE": 88, "ADDRINFOA": 48, "ADDRINFOW": 48,
    "HOSTENT": 32, "SERVENT": 32, "PROTOENT": 24,
}  # fmt: skip


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_size_is_windows(name: str, size: int) -> None:
    assert ctypes.sizeof(getattr(n, name)) == size


@pytest.mark.parametrize(
    ("field", "offset"),
    [
        (n.WSAQUERYSETW.lpszServiceInstanceName, 8),
        (n.WSAQUERYSETW.lpServiceClassId, 16),
        (n.WSAQUERYSETW.lpVersion, 24),
        (n.WSAQUERYSETW.dwNameSpace, 40),
        (n.WSAQUERYSETW.lpNSProviderId, 48),
        (n.WSAQUERYSETW.dwNumberOfProtocols, 64),
        (n.WSAQUERYSETW.lpafpProtocols, 72),
        (n.WSAQUERYSETW.lpszQueryString, 80),
        (n.WSAQUERYSETW.lpcsaBuffer, 96),
        (n.WSAQUERYSETW.dwOutputFlags, 104),
        (n.WSAQUERYSETW.lpBlob, 112),
        (n.CSADDR_INFO.RemoteAddr, 16),
        (n.CSADDR_INFO.iSocketType, 32),
        (n.WSANAMESPACE_INFOW.lpszIdentifier, 32),
        (n.WSANAMESPACE_INFOEXW.ProviderSpecific, 40),
        (n.WSACOMPLETION.Parameters, 8),
        (n.NSP_ROUTINE.NSPCleanup, 16),
        (n.NSP_ROUTINE.NSPIoctl, 80),
        (n.ADDRINFOA.ai_addrlen, 16),
        (n.ADDRINFOA.ai_canonname, 24),
        (n.ADDRINFOA.ai_addr, 32),
        (n.HOSTENT.h_addrtype, 16),
        (n.HOSTENT.h_addr_list, 24),
        (n.SERVENT.s_proto, 16),
        (n.SERVENT.s_port, 24),
    ],
)
def test_offset_is_windows(field: object, offset: int) -> None:
    assert field.offset == offset  # type: ignore[attr-defined]


def test_a_text_pointer_reads_and_takes_str() -> None:
    query = n.WSAQUERYSETW(lpszComment=None)
    assert query.lpszServiceInstanceName is None
    query.lpszServiceInstanceName = "grüße"
    assert query.lpszServiceInstanceName == "grüße"
    other = n.WSAQUERYSETW.from_buffer_copy(query)
    assert other.lpszServiceInstanceName == "grüße", "the pointer itself is what is stored"
    query.lpszServiceInstanceName = None
    assert query.lpszServiceInstanceName is None


def test_service_classes_of_ports() -> None:
    assert uuid.UUID("00090050-0000-0000-c000-000000000046") == n.SVCID_TCP(80)
    assert uuid.UUID("000a0035-0000-0000-c000-000000000046") == n.SVCID_UDP(53)
    assert uuid.UUID("00090035-0000-001c-c000-000000000046") == n.SVCID_DNS_TYPE_AAAA
    assert uuid.UUID("0002a803-0000-0000-c000-000000000046") == n.SVCID_INET_HOSTADDRBYNAME
