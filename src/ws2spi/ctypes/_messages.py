"""Short texts for error codes, in our own words, and the exception that carries one."""

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, name_of
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


def WinError(code: int | None = None, descr: str | None = None) -> WinsockError:
    """An OSError for a code (default: the last error), to be raised; `.winerror` is the code."""
    number = lasterror.get() if code is None else code
    return WinsockError(number, FormatError(number) if descr is None else descr)
