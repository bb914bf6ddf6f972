"""Windows without pictures, and the queues of their messages."""

# ruff: noqa: N802, N803 - Windows' spelling

from typing import Any

from ws2spi._abi.constants import ERROR_INVALID_WINDOW_HANDLE, ERROR_NOT_ENOUGH_QUOTA, PM_REMOVE, WM_QUIT
from ws2spi._abi.memory import deref
from ws2spi._abi.types import MSG
from ws2spi._executive import lasterror
from ws2spi._runtime import messages
from ws2spi.ctypes._function import exact, number_of

_HANDLE = 0xFFFFFFFFFFFFFFFF
_LAST = 0xFFFFFFFF
_EVERY = (_HANDLE, 0)  # (HWND)-1 means the thread's own messages, NULL all


@exact
def CreateWindowExW(
    dwExStyle: Any,
    lpClassName: Any,
    lpWindowName: Any,
    dwStyle: Any,
    X: Any,
    Y: Any,
    nWidth: Any,
    nHeight: Any,
    hWndParent: Any,
    hMenu: Any,
    hInstance: Any,
    lpParam: Any,
) -> int:
    """Make a window that gets messages and does nothing else; it belongs to the calling thread.

    Returns: its handle.
    Errors: none.
    Source: winuser.h, nf-winuser-createwindowexw.
    Differs: every window is a message-only one; all parameters are ignored, and no message comes of it.
    """
    return messages.create_window()


@exact
def CreateWindowExA(
    dwExStyle: Any,
    lpClassName: Any,
    lpWindowName: Any,
    dwStyle: Any,
    X: Any,
    Y: Any,
    nWidth: Any,
    nHeight: Any,
    hWndParent: Any,
    hMenu: Any,
    hInstance: Any,
    lpParam: Any,
) -> int:
    """Make a window: CreateWindowExW with narrow names.

    Returns: its handle.
    Errors: none.
    Source: winuser.h, nf-winuser-createwindowexa.
    Differs: as CreateWindowExW.
    """
    return messages.create_window()


@exact
def DestroyWindow(hWnd: Any) -> int:
    """Close a window and drop the messages that wait for it.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors:
        ERROR_INVALID_WINDOW_HANDLE: `hWnd` names no window.
    Source: winuser.h, nf-winuser-destroywindow.
    Differs: any thread may call it.
    """
    return 1 if messages.destroy_window(_window(hWnd)) else _fail(ERROR_INVALID_WINDOW_HANDLE)


@exact
def IsWindow(hWnd: Any) -> int:
    """Tell whether a handle names a window.

    Returns: TRUE when it does.
    Errors: none.
    Source: winuser.h, nf-winuser-iswindow.
    Differs: nothing.
    """
    return int(messages.window_of(_window(hWnd)) is not None)


@exact
def PostMessageW(hWnd: Any, Msg: Any, wParam: Any, lParam: Any) -> int:
    """Append a message to a window's queue. Safe in a signal handler, a weakref callback and `__del__`.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors:
        ERROR_INVALID_WINDOW_HANDLE: `hWnd` names no window. ERROR_NOT_ENOUGH_QUOTA: 10,000 messages wait there.
    Source: winuser.h, nf-winuser-postmessagew.
    Differs: NULL and HWND_BROADCAST are no windows.
    """
    number = _window(hWnd)
    if messages.window_of(number) is None:
        return _fail(ERROR_INVALID_WINDOW_HANDLE)
    posted = messages.post(number, number_of(Msg) & _LAST, number_of(wParam) & _HANDLE, _signed(number_of(lParam)))
    return 1 if posted else _fail(ERROR_NOT_ENOUGH_QUOTA)


@exact
def PostMessageA(hWnd: Any, Msg: Any, wParam: Any, lParam: Any) -> int:
    """Append a message to a window's queue: PostMessageW.

    Returns: as PostMessageW.
    Errors: as PostMessageW.
    Source: winuser.h, nf-winuser-postmessagea.
    Differs: as PostMessageW.
    """
    return int(PostMessageW.body(hWnd, Msg, wParam, lParam))


@exact
def GetMessageW(lpMsg: Any, hWnd: Any, wMsgFilterMin: Any, wMsgFilterMax: Any) -> int:
    """Take the next message of the calling thread (of one window, of a range of numbers), waiting for it.

    Returns: TRUE; 0 when it is WM_QUIT; -1 with the code in the last error.
    Errors:
        ERROR_INVALID_WINDOW_HANDLE: `hWnd` is neither NULL nor a window.
    Source: winuser.h, nf-winuser-getmessagew.
    Differs: `time` and `pt` are 0.
    """
    window = _window(hWnd)
    if window not in _EVERY and messages.window_of(window) is None:
        return _fail(ERROR_INVALID_WINDOW_HANDLE, -1)
    found = messages.get(0 if window in _EVERY else window, *_range(wMsgFilterMin, wMsgFilterMax))
    assert found is not None
    _store(lpMsg, found)
    return int(found.message != WM_QUIT)


@exact
def GetMessageA(lpMsg: Any, hWnd: Any, wMsgFilterMin: Any, wMsgFilterMax: Any) -> int:
    """Take the next message, waiting for it: GetMessageW.

    Returns: as GetMessageW.
    Errors: as GetMessageW.
    Source: winuser.h, nf-winuser-getmessagea.
    Differs: as GetMessageW.
    """
    return int(GetMessageW.body(lpMsg, hWnd, wMsgFilterMin, wMsgFilterMax))


@exact
def PeekMessageW(lpMsg: Any, hWnd: Any, wMsgFilterMin: Any, wMsgFilterMax: Any, wRemoveMsg: Any) -> int:
    """Look for a message of the calling thread without waiting; PM_REMOVE takes it.

    Returns: TRUE when there is one.
    Errors:
        ERROR_INVALID_WINDOW_HANDLE: `hWnd` is neither NULL nor a window.
    Source: winuser.h, nf-winuser-peekmessagew.
    Differs: `time` and `pt` are 0.
    """
    window = _window(hWnd)
    if window not in _EVERY and messages.window_of(window) is None:
        return _fail(ERROR_INVALID_WINDOW_HANDLE)
    remove = bool(number_of(wRemoveMsg) & PM_REMOVE)
    found = messages.peek(0 if window in _EVERY else window, *_range(wMsgFilterMin, wMsgFilterMax), remove=remove)
    if found is None:
        return 0
    _store(lpMsg, found)
    return 1


@exact
def PeekMessageA(lpMsg: Any, hWnd: Any, wMsgFilterMin: Any, wMsgFilterMax: Any, wRemoveMsg: Any) -> int:
    """Look for a message without waiting: PeekMessageW.

    Returns: as PeekMessageW.
    Errors: as PeekMessageW.
    Source: winuser.h, nf-winuser-peekmessagea.
    Differs: as PeekMessageW.
    """
    return int(PeekMessageW.body(lpMsg, hWnd, wMsgFilterMin, wMsgFilterMax, wRemoveMsg))


@exact
def PostQuitMessage(nExitCode: Any) -> None:
    """Append WM_QUIT to the calling thread's queue.

    Returns: nothing.
    Errors: none.
    Source: winuser.h, nf-winuser-postquitmessage.
    Differs: it comes in its turn, not after all others.
    """
    messages.post_quit(number_of(nExitCode))


def _window(hWnd: Any) -> int:
    return int(number_of(hWnd)) & _HANDLE


def _signed(value: int) -> int:
    """An LPARAM."""
    value &= _HANDLE
    return value - (1 << 64) if value >> 63 else value


def _range(first: Any, last: Any) -> tuple[int, int]:
    """The numbers that pass; 0 and 0 mean all."""
    low, high = number_of(first) & _LAST, number_of(last) & _LAST
    return (low, high) if low or high else (0, _LAST)


def _store(lpMsg: Any, found: messages.Message) -> None:
    target = deref(lpMsg, MSG)
    if target is not None:
        target.hwnd, target.message = found.window, found.message
        target.wParam, target.lParam = found.wparam, found.lparam
        target.time = 0


def _fail(code: int, result: int = 0) -> int:
    lasterror.set(code)
    return result
