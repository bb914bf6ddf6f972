"""What hand-written functions may answer, and what their callers get instead (the table in `_runtime.answers`)."""

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest

from support.hand_written import HandWritten
from ws2spi import ws2_32
from ws2spi._abi.constants import INVALID_SOCKET
from ws2spi._abi.errors import WSAError
from ws2spi._engine import reports
from ws2spi._runtime.process import runtime

pytestmark = pytest.mark.usefixtures("started")
SILENT = WSAError.WSASYSCALLFAILURE


class Slipping(HandWritten):
    """Answers what the test says in WSPBind, WSPSocket and WSPGetOverlappedResult."""

    answer: Any = 0
    code = 0

    def _answer(self, lpErrno: Any) -> Any:
        if self.code:
            lpErrno.contents.value = self.code
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def WSPBind(self, s: int, name: Any, length: int, lpErrno: Any) -> Any:
        return self._answer(lpErrno)

    def WSPGetOverlappedResult(self, s: int, ov: Any, n: Any, wait: int, flags: Any, lpErrno: Any) -> Any:
        return self._answer(lpErrno)

    def WSPSocket(self, *arguments: Any) -> Any:
        return super().WSPSocket(*arguments) if self.answer == 0 else self._answer(arguments[-1])


@pytest.fixture
def told() -> Iterator[list[str]]:
    lines: list[str] = []
    reports.set_sink(lines.append)
    yield lines
    reports.set_sink(None)


@pytest.fixture
def provider() -> Slipping:
    return Slipping()


def socket() -> int:
    return int(ws2_32.WSASocketW(2, 1, 6, None, 0, 1))


def bind(s: int) -> tuple[int, int]:
    address = ctypes.create_string_buffer(b"\x02\0" + bytes(14), 16)
    ws2_32.WSASetLastError(0)
    return ws2_32.bind(s, address, 16), ws2_32.WSAGetLastError()


@pytest.mark.parametrize(
    ("answer", "code", "seen", "report"),
    [
        (0, 0, (0, 0), ""),
        (False, 0, (0, 0), ""),
        (-1, 10048, (-1, 10048), ""),
        (-1, 0, (-1, SILENT), ""),
        (0xFFFFFFFF, 10048, (-1, 10048), ""),
        (None, 0, (-1, SILENT), "by hand: WSPBind returned None, which is no number"),
        ("0", 0, (-1, SILENT), "by hand: WSPBind returned '0', which is no number"),
        (10048, 0, (-1, SILENT), "by hand: WSPBind returned 10048 instead of 0 or SOCKET_ERROR"),
        (1 << 40, 0, (0, 0), "by hand: WSPBind returned 1099511627776, which is no int"),
        (ValueError("a slip"), 0, (-1, SILENT), "by hand: WSPBind raised ValueError: a slip"),
    ],
    ids=repr,
)
def test_a_status(
    provider: Slipping, told: list[str], answer: Any, code: int, seen: tuple[int, int], report: str
) -> None:
    s = socket()
    provider.answer, provider.code = answer, code
    assert bind(s) == seen
    assert bind(s) == seen
    assert [line.partition(" (")[0] for line in told] == ([report] if report else []), "each slip once"
    provider.answer, provider.code = 0, 0
    ws2_32.closesocket(s)


@pytest.mark.parametrize("answer", [-1, INVALID_SOCKET, 1 << 70, None, OSError("no")], ids=repr)
def test_a_handle(provider: Slipping, told: list[str], answer: Any) -> None:
    provider.answer = answer
    assert socket() == INVALID_SOCKET
    assert ws2_32.WSAGetLastError() == SILENT
    assert len(told) == (answer not in (-1, INVALID_SOCKET))


def test_a_truth(provider: Slipping, told: list[str]) -> None:
    s = socket()
    overlapped, count, flags = ws2_32.WSAOVERLAPPED(), ctypes.c_uint32(), ctypes.c_uint32()
    for answer, seen in ((2, 1), (True, 1), (None, 0)):
        provider.answer = answer
        done = ws2_32.WSAGetOverlappedResult(s, ctypes.byref(overlapped), ctypes.byref(count), 0, ctypes.byref(flags))
        assert done == seen
    assert ws2_32.WSAGetLastError() == SILENT
    assert told == ["by hand: WSPGetOverlappedResult returned None, which is no number"]
    provider.answer = 0
    ws2_32.closesocket(s)


def test_an_interrupt_is_no_slip(provider: Slipping, told: list[str]) -> None:
    s = socket()
    provider.answer = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bind(s)
    assert told == []
    provider.answer = 0
    ws2_32.closesocket(s)
    assert runtime.starts
