"""The standard ctypes plus what it has on Windows only, with Windows' sizes: for scripts written for `ctypes.windll`.

Such a script changes its import to `from ws2spi import ctypes` (or `from ws2spi.ctypes import *`, `from ws2spi.ctypes
import wintypes`) and nothing else. c_long and c_ulong have 4 bytes and wide characters 2 here, as Windows has them, so
this module does not describe Linux' own libraries: use the standard one for those.
Never: decisions of its own. What the functions do is decided in the faces' modules and below.
"""

# ruff: noqa: F401 - a door: what is imported here is there to be found

import ctypes as _standard
from typing import Any as _Any

from ws2spi._abi.wide import LPWSTR as c_wchar_p
from ws2spi._abi.wide import WCHAR as c_wchar
from ws2spi._abi.wide import Structure, create_unicode_buffer, wstring_at
from ws2spi._executive import lasterror as _lasterror
from ws2spi.ctypes import wintypes
from ws2spi.ctypes._function import HRESULT
from ws2spi.ctypes._libraries import OleDLL, WinDLL, oledll, windll
from ws2spi.ctypes._messages import FormatError, WinError
from ws2spi.ctypes._prototypes import WINFUNCTYPE

CFUNCTYPE = WINFUNCTYPE  # one calling convention, as on 64-bit Windows; the standard one would ask dlsym for a function
c_long = _standard.c_int32
c_ulong = _standard.c_uint32

# Everything else is the standard module's own, so that objects of both are of the same types.
globals().update(
    {name: value for name, value in vars(_standard).items() if not name.startswith("_") and name not in globals()}
)


def GetLastError() -> int:
    """The calling thread's last error."""
    return _lasterror.get()


def get_last_error() -> int:
    """The same slot: ctypes' private copy and the thread's own are one here."""
    return _lasterror.get()


def set_last_error(value: int) -> int:
    """Store the last error and return the one before."""
    before = _lasterror.get()
    _lasterror.set(value)
    return before


def __getattr__(name: str) -> _Any:
    return getattr(_standard, name)
