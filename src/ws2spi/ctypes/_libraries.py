"""`windll` and its kin: the DLLs that the exact faces stand for."""

import ctypes
import importlib
import itertools
from typing import Any

from ws2spi.ctypes._function import HRESULT, Function

# {DLL name: module}; wsock32 is the old name under which the Berkeley functions were exported.
_FACES = {
    "kernel32": "ws2spi.kernel32",
    "mswsock": "ws2spi.mswsock",
    "user32": "ws2spi.user32",
    "ws2_32": "ws2spi.ws2_32",
    "wsock32": "ws2spi.ws2_32",
}
_numbers = itertools.count(0x7FF0000, 0x10000)


class WinDLL:
    """One loaded DLL, as `ctypes.WinDLL` has it: every function with settings of its own, c_int results by default.

    Parameters:
        name: `kernel32`, `user32` or `ws2_32`, in any case, with or without folder and `.dll`.
        The others are accepted for the scripts' sake. There is one last error, so `use_last_error` changes nothing.

    Raises FileNotFoundError for another DLL.
    """

    _default: Any = ctypes.c_int32

    def __init__(
        self,
        name: str,
        mode: int = 0,
        handle: int | None = None,
        use_errno: bool = False,
        use_last_error: bool = False,
        winmode: int | None = None,
    ) -> None:
        stem = name.replace("\\", "/").rpartition("/")[2].lower().removesuffix(".dll")
        face = _FACES.get(stem)
        if face is None:
            raise FileNotFoundError(f"Could not find module '{name}': ws2spi has {' and '.join(sorted(_FACES))}")
        self._name = name
        self._handle = next(_numbers) if handle is None else handle
        self._face = face

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        try:
            found = getattr(importlib.import_module(self._face), name)
        except AttributeError:
            raise AttributeError(f"function '{name}' not found") from None
        if isinstance(found, Function):
            found = found.copy(self._default)
        setattr(self, name, found)
        return found

    def __getitem__(self, name: str) -> Any:
        found = getattr(self, name)
        return found.copy(self._default) if isinstance(found, Function) else found

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__} '{self._name}', handle {self._handle:x}>"


class OleDLL(WinDLL):
    """The same with HRESULT results: a negative one is raised."""

    _default = HRESULT


windll: Any = ctypes.LibraryLoader(WinDLL)
oledll: Any = ctypes.LibraryLoader(OleDLL)
