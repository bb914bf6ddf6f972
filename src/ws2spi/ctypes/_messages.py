"""Short texts for error codes, in our own words, and the exception that carries one."""

import errno
import functools
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, errno_from_wsa, name_of
from ws2spi._executive import lasterror

# {Win32 or WSA code: text}; what is missing is shown by its name.
_TEXTS = {
    c.ERROR_SUCCESS: "The operation completed.",
    c.ERROR_FILE_NOT_FOUND: "No such file.",
    c.ERROR_ACCESS_DENIED: "Access is denied.",
    c.ERROR_INVALID_HANDLE: "The handle is not valid.",
    c.ERROR_NOT_ENOUGH_MEMORY: "Not enough memory.",
    c.ERROR_GEN_FAILURE: "The target does not work any more.",
    c.ERROR_NOT_SUPPORTED: "The request is not supported.",
    c.ERROR_UNEXP_NET_ERR: "An unexpected network error occurred.",
    c.ERROR_NETNAME_DELETED: "The connection was reset.",
    c.ERROR_INVALID_PARAMETER: "A parameter is wrong.",
    c.WAIT_IO_COMPLETION: "The wait ended because APCs ran.",
    c.WAIT_TIMEOUT: "The wait timed out.",
    c.ERROR_MORE_DATA: "More data is available.",
    c.ERROR_ABANDONED_WAIT_0: "The port was closed while the thread waited.",
    c.ERROR_OPERATION_ABORTED: "The operation was cancelled.",
    c.ERROR_IO_INCOMPLETE: "The overlapped operation still runs.",
    c.ERROR_IO_PENDING: "The overlapped operation was started.",
    c.ERROR_NOACCESS: "A pointer leads nowhere.",
    c.ERROR_NOT_FOUND: "There is nothing to cancel.",
    c.ERROR_CONNECTION_REFUSED: "The peer refused the connection.",
    c.ERROR_CONNECTION_ABORTED: "The connection was dropped by this side.",
}


def FormatError(code: int | None = None) -> str:
    """The text for a code; default: the calling thread's last error."""
    number = lasterror.get() if code is None else code
    return _TEXTS.get(number) or name_of(number)


# {Win32 code: errno}, where Python has a class of its own for it; WSA codes have theirs.
_ERRNOS = {c.ERROR_FILE_NOT_FOUND: errno.ENOENT, c.ERROR_ACCESS_DENIED: errno.EACCES}


def WinError(code: int | None = None, descr: str | None = None) -> WinsockError:
    """An OSError for a code (default: the last error), to be raised; `.winerror` is the code.

    It is of the class that Python has for such an error, as on Windows: ConnectionRefusedError for 10061.
    """
    number = lasterror.get() if code is None else code
    nearest = _ERRNOS.get(number) or errno_from_wsa(number)
    made: WinsockError = _class_for(nearest)(number, FormatError(number) if descr is None else descr, errno=nearest)
    return made


@functools.cache
def _class_for(number: int) -> Any:
    """WinsockError, joined with the class of its own that OSError has for this errno."""
    own = type(OSError(number, ""))
    return WinsockError if own is OSError else type(own.__name__, (WinsockError, own), {"__module__": __name__})
