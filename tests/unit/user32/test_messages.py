"""The A forms of the window messages do what their W forms do."""

import ctypes
from collections.abc import Iterator

import pytest

from ws2spi import kernel32, user32
from ws2spi._abi import constants as c

MESSAGE = user32.WM_USER + 3
NO_WINDOW = 0x7FFF_0000


@pytest.fixture
def window() -> Iterator[int]:
    handle = user32.CreateWindowExA(0, None, None, 0, 0, 0, 0, 0, user32.HWND_MESSAGE, None, None, None)
    assert user32.IsWindow(handle) == 1
    yield handle
    assert user32.DestroyWindow(handle) == 1


def test_posted_messages_arrive_in_their_order(window: int) -> None:
    message = user32.MSG()
    assert user32.PostMessageA(window, MESSAGE, 7, -1) == 1
    assert user32.PostMessageW(window, MESSAGE + 1, 8, 5) == 1
    assert user32.PeekMessageA(ctypes.byref(message), window, 0, 0, user32.PM_NOREMOVE) == 1
    assert user32.GetMessageA(ctypes.byref(message), window, 0, 0) == 1
    assert (message.hwnd, message.message, message.wParam, message.lParam) == (window, MESSAGE, 7, -1)
    assert user32.PeekMessageA(ctypes.byref(message), window, 0, 0, user32.PM_REMOVE) == 1
    assert (message.message, message.wParam, message.lParam) == (MESSAGE + 1, 8, 5)
    assert user32.PeekMessageA(ctypes.byref(message), window, 0, 0, user32.PM_REMOVE) == 0


@pytest.mark.parametrize("form", "AW")
def test_no_window(form: str) -> None:
    message = ctypes.byref(user32.MSG())
    calls = [
        ("GetMessage", (message, NO_WINDOW, 0, 0), -1),
        ("PeekMessage", (message, NO_WINDOW, 0, 0, 0), 0),
        ("PostMessage", (NO_WINDOW, MESSAGE, 0, 0), 0),
    ]
    for name, arguments, result in calls:
        kernel32.SetLastError(0)
        assert getattr(user32, name + form)(*arguments) == result, name
        assert kernel32.GetLastError() == c.ERROR_INVALID_WINDOW_HANDLE, name


@pytest.mark.parametrize("form", "AW")
def test_a_queue_holds_ten_thousand_messages(window: int, form: str) -> None:
    post = getattr(user32, f"PostMessage{form}")
    while post(window, MESSAGE, 0, 0):
        pass
    assert kernel32.GetLastError() == c.ERROR_NOT_ENOUGH_QUOTA


def test_a_destroyed_window_leaves_its_place_to_others(window: int) -> None:
    other = user32.CreateWindowExW(*[None] * 12)
    while user32.PostMessageW(other, MESSAGE, 0, 0):
        pass
    assert user32.PostMessageW(window, MESSAGE, 0, 0) == 0, "one queue for both"
    assert user32.DestroyWindow(other) == 1
    assert user32.PostMessageW(window, MESSAGE, 0, 0) == 1
