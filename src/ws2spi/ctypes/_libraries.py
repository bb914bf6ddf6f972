"""`windll` and its kin: the DLLs that the exact faces stand for."""

import ctypes
import importlib
import itertools
from typing import Any

from ws2spi._abi.errors import WinsockError
from ws2spi.ctypes._function import HRESULT, Function

# {DLL name: module}; wsock32 is the old name under which the Berkeley functions were exported.
_FACES = {
    "kernel32": "ws2spi.kernel32",
    "mswsock": "ws2spi.mswsock",
    "user32": "ws2spi.user32",
    "ws2_32": "ws2spi.ws2_32",
    "wsock32": "ws2spi.ws2_32",
}
_LOADING = "ws2spi._runtime.loading"  # by name: most scripts load no provider
_numbers = itertools.count(0x7FF0000, 0x10000)


def _entry_point(path: str) -> Any:
    """The WSPStartup of the provider at a path: what LoadLibrary and GetProcAddress give a layer above it."""
    try:
        return importlib.import_module(_LOADING).load_startup(path)
    except WinsockError as error:
        known = " and ".join(sorted(_FACES))
        detail = f"ws2spi has {known}, and providers: {error.detail}"
        raise FileNotFoundError(f"Could not find module '{path}': {detail}") from None


class WinDLL:
    """One loaded DLL, as `ctypes.WinDLL` has it: every function with settings of its own, c_int results by default.

    Parameters:
        name: `kernel32`, `mswsock`, `user32` or `ws2_32`, in any case, with or without folder and `.dll`; or where a
            service provider is loaded from, as WPUGetProviderPath says: then `WSPStartup` is what it has.
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
        self._name = name
        self._handle = next(_numbers) if handle is None else handle
        if face is None:
            self.WSPStartup = _entry_point(name)
        self._face = face or ""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        try:
            found = getattr(importlib.import_module(self._face) if self._face else None, name)
        except AttributeError:
            raise AttributeError(f"function '{name}' not found") from None
        if isinstance(found, Function):
            found = found.copy(self._default)
        setattr(self, name, found)
        return found

    def __getitem__(self, name: str | int) -> Any:
        if not isinstance(name, str):
            raise AttributeError(f"function ordinal {name} not found")
        found = getattr(self, name)
        return found.copy(self._default) if isinstance(found, Function) else found

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__} '{self._name}', handle {self._handle:x}>"


class OleDLL(WinDLL):
    """The same with HRESULT results: a negative one is raised."""

    _default = HRESULT


windll: Any = ctypes.LibraryLoader(WinDLL)
oledll: Any = ctypes.LibraryLoader(OleDLL)
