"""Catalog files for tests: one of a test's own, and what a provider path can name."""

import ctypes
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ws2spi import ws2_32
from ws2spi._runtime import protocol_info
from ws2spi._runtime.catalog import CatalogEntry

UNTOUCHED = 0x5A5A
TCP, UDP, TCP6, UDP6 = (2, 1, 6), (2, 2, 17), (23, 1, 6), (23, 2, 17)
KINDS = (TCP, UDP, TCP6, UDP6)

LAYERS = '''
"""Providers for tests: a layer that sees bytes, one that does not, a stack, a factory, and a bare WSPStartup."""
import ws2spi
from ws2spi import Layer

made = []


class Bytes(Layer):
    """Sees bytes.

    Options:
        mark: put before what is sent
    """

    def __init__(self, mark: str = ""):
        self.mark = mark.encode()
        made.append(self)

    async def send(self, conn, data):
        await conn.below.send(self.mark + bytes(data))


class Control(Layer):
    """Sees control calls only."""

    connected = []

    async def connect(self, conn, address):
        self.connected.append(address)
        await conn.below.connect(address)


def factory():
    return [Control(), Bytes("f:")]


def broken():
    raise RuntimeError("not today")


stack = ws2spi.Stack([Bytes("s:")])
number = 5


def WSPStartup(version, data, info, upcalls, table):
    started.append(info.contents.szProtocol)
    return answer


started = []
answer = 10106
'''


def entry(name: str = "an entry", **changes: Any) -> CatalogEntry:
    """An entry as an installer writes it: TCP over IPv4 unless said otherwise."""
    return CatalogEntry(**({"address_family": 2, "socket_type": 1, "protocol": 6, "name": name,
                            "provider_id": uuid.UUID(int=0)} | changes))  # fmt: skip


def guid(provider: uuid.UUID) -> Any:
    """A GUID structure."""
    return ws2_32.GUID.from_buffer_copy(provider.bytes_le)


def infos(*entries: CatalogEntry) -> Any:
    """An array of WSAPROTOCOL_INFOW."""
    array = (ws2_32.WSAPROTOCOL_INFOW * len(entries))()
    for target, one in zip(array, entries, strict=True):
        protocol_info.write(target, one)
    return array


def code_of(function: Any, *arguments: Any) -> tuple[int, int]:
    """(result, what is in *lpErrno) of a function whose last parameter that is."""
    code = ctypes.c_int32(UNTOUCHED)
    return function(*arguments, ctypes.byref(code)), code.value


def done(function: Any, *arguments: Any) -> None:
    """The function answers 0, and leaves *lpErrno alone."""
    assert code_of(function, *arguments) == (0, UNTOUCHED)


def listed(function: Any = None) -> list[Any]:
    """What an enumeration gives, as structures (WSCEnumProtocols by default)."""
    function = function or ws2_32.WSCEnumProtocols
    extra = (ctypes.byref(ctypes.c_int32()),) if function.__name__.startswith("WSC") else ()
    room = ctypes.c_uint32()
    assert function(None, None, ctypes.byref(room), *extra) == -1
    array = (ws2_32.WSAPROTOCOL_INFOW * (room.value // ctypes.sizeof(ws2_32.WSAPROTOCOL_INFOW)))()
    assert function(None, array, ctypes.byref(room), *extra) == len(array)
    return list(array)


@contextmanager
def without_rights(file: Path) -> Iterator[None]:
    """As somebody who may read the file and its folder, and write neither."""
    parents = [one for one in file.parents if str(one) not in ("/", "/tmp")]
    before = {one: one.stat().st_mode for one in (*parents, file) if one.exists()}
    root = os.geteuid() == 0
    for one in before:
        one.chmod(0o755 if root and one.is_dir() else 0o644 if root else 0o555 if one.is_dir() else 0o444)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for one, mode in before.items():
            one.chmod(mode & 0o7777)
