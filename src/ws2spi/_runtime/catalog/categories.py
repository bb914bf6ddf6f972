"""LSP categories: which layers an application admits.

An application that was not categorised admits all. Else a layer needs at least one category in common with it, none
beyond its own, and LSP_SYSTEM if the application has that. So a layer that was not categorised is not admitted.
"""

import os
from collections.abc import Mapping

from ws2spi._abi.constants import LSP_SYSTEM
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog.paths import expand


def admits(application: int | None, layer: int | None) -> bool:
    """Tell whether an application that permits `application` (None: not categorised) loads a layer of `layer`."""
    if application is None:
        return True
    layer = layer or 0
    return bool(
        layer & application and not layer & ~application and (not application & LSP_SYSTEM or layer & LSP_SYSTEM)
    )


def identity(executable: str, arguments: str) -> tuple[str, str]:
    """Return what an application is known by: the real path of its executable, and its arguments ("" for any).

    Errors:
        WSAEINVAL: no path, or one that no file can have.
    """
    try:
        if executable:
            return os.path.realpath(expand(executable)), arguments
    except (ValueError, OSError):  # half a UTF-16 pair, a NUL, a name without end
        pass
    raise WinsockError(WSAError.WSAEINVAL, f"no application has the path {executable!r}")


def permitted(applications: Mapping[tuple[str, str], int], executable: str, arguments: str) -> int | None:
    """Return the categories of a running application, None if it was not categorised.

    What was said of the executable with these very arguments comes before what was said of the executable alone.
    """
    if not executable:  # no /proc told
        return None
    path = identity(executable, "")[0]
    exact = applications.get((path, arguments))
    return applications.get((path, "")) if exact is None else exact


def this_process() -> tuple[str, str]:
    """Return the executable and the arguments of the calling process, arguments with one space between them."""
    try:
        with open("/proc/self/cmdline", "rb") as stream:
            words = stream.read().split(b"\0")[1:-1]
        return os.readlink("/proc/self/exe"), b" ".join(words).decode(errors="replace")
    except OSError:  # no /proc here
        return "", ""
