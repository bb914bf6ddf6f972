"""The part of user32 that WSAAsyncSelect needs: windows that are nothing but a place for messages.

Called as `ctypes.windll.user32` is: Windows' names, C order of parameters, documented return values, the code in the
thread's last error. A window belongs to the thread that made it; that thread gets its messages with GetMessageW or
PeekMessageW, in the order in which they were posted. There are no window procedures: a program looks at the message
itself instead of dispatching it.
Never: decisions of its own; it converts and calls.
"""

# ruff: noqa: F401 - a door: what is imported here is there to be found

from ws2spi._abi.constants import HWND_MESSAGE, PM_NOREMOVE, PM_REMOVE, WM_APP, WM_QUIT, WM_USER
from ws2spi._abi.types import MSG, POINT
from ws2spi.user32._messages import (
    CreateWindowExA,
    CreateWindowExW,
    DestroyWindow,
    GetMessageA,
    GetMessageW,
    IsWindow,
    PeekMessageA,
    PeekMessageW,
    PostMessageA,
    PostMessageW,
    PostQuitMessage,
)

CreateWindowEx = CreateWindowExW
GetMessage = GetMessageW
PeekMessage = PeekMessageW
PostMessage = PostMessageW
