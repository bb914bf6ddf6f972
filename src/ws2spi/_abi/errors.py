"""Error codes and exceptions: the one place where errno, WSA, Win32 and NTSTATUS numbers are translated.

The exception tree says whose fault it is::

    OSError
      WinsockError            the client's: a documented code of a documented function
    Exception
      ProviderContractError   a layer's or provider's: it broke a rule of the SPI
      RuntimeInternalError    ours: something that cannot happen did

Source of names and numbers: windows-sockets-error-codes-2; statuses and packet codes as observed at ports.
"""

import enum
import errno as _errno

from ws2spi._abi import constants as c


class WSAError(enum.IntEnum):
    """Every Winsock error code; numbers below 1000 are Win32 codes under a WSA name."""

    WSA_INVALID_HANDLE = 6
    WSA_NOT_ENOUGH_MEMORY = 8
    WSA_INVALID_PARAMETER = 87
    WSA_OPERATION_ABORTED = 995
    WSA_IO_INCOMPLETE = 996
    WSA_IO_PENDING = 997
    WSAEINTR = 10004
    WSAEBADF = 10009
    WSAEACCES = 10013
    WSAEFAULT = 10014
    WSAEINVAL = 10022
    WSAEMFILE = 10024
    WSAEWOULDBLOCK = 10035
    WSAEINPROGRESS = 10036
    WSAEALREADY = 10037
    WSAENOTSOCK = 10038
    WSAEDESTADDRREQ = 10039
    WSAEMSGSIZE = 10040
    WSAEPROTOTYPE = 10041
    WSAENOPROTOOPT = 10042
    WSAEPROTONOSUPPORT = 10043
    WSAESOCKTNOSUPPORT = 10044
    WSAEOPNOTSUPP = 10045
    WSAEPFNOSUPPORT = 10046
    WSAEAFNOSUPPORT = 10047
    WSAEADDRINUSE = 10048
    WSAEADDRNOTAVAIL = 10049
    WSAENETDOWN = 10050
    WSAENETUNREACH = 10051
    WSAENETRESET = 10052
    WSAECONNABORTED = 10053
    WSAECONNRESET = 10054
    WSAENOBUFS = 10055
    WSAEISCONN = 10056
    WSAENOTCONN = 10057
    WSAESHUTDOWN = 10058
    WSAETOOMANYREFS = 10059
    WSAETIMEDOUT = 10060
    WSAECONNREFUSED = 10061
    WSAELOOP = 10062
    WSAENAMETOOLONG = 10063
    WSAEHOSTDOWN = 10064
    WSAEHOSTUNREACH = 10065
    WSAENOTEMPTY = 10066
    WSAEPROCLIM = 10067
    WSAEUSERS = 10068
    WSAEDQUOT = 10069
    WSAESTALE = 10070
    WSAEREMOTE = 10071
    WSASYSNOTREADY = 10091
    WSAVERNOTSUPPORTED = 10092
    WSANOTINITIALISED = 10093
    WSAEDISCON = 10101
    WSAENOMORE = 10102
    WSAECANCELLED = 10103
    WSAEINVALIDPROCTABLE = 10104
    WSAEINVALIDPROVIDER = 10105
    WSAEPROVIDERFAILEDINIT = 10106
    WSASYSCALLFAILURE = 10107
    WSASERVICE_NOT_FOUND = 10108
    WSATYPE_NOT_FOUND = 10109
    WSA_E_NO_MORE = 10110
    WSA_E_CANCELLED = 10111
    WSAEREFUSED = 10112
    WSAHOST_NOT_FOUND = 11001
    WSATRY_AGAIN = 11002
    WSANO_RECOVERY = 11003
    WSANO_DATA = 11004
    WSANO_ADDRESS = 11004
    WSA_QOS_RECEIVERS = 11005
    WSA_QOS_SENDERS = 11006
    WSA_QOS_NO_SENDERS = 11007
    WSA_QOS_NO_RECEIVERS = 11008
    WSA_QOS_REQUEST_CONFIRMED = 11009
    WSA_QOS_ADMISSION_FAILURE = 11010
    WSA_QOS_POLICY_FAILURE = 11011
    WSA_QOS_BAD_STYLE = 11012
    WSA_QOS_BAD_OBJECT = 11013
    WSA_QOS_TRAFFIC_CTRL_ERROR = 11014
    WSA_QOS_GENERIC_ERROR = 11015
    WSA_QOS_ESERVICETYPE = 11016
    WSA_QOS_EFLOWSPEC = 11017
    WSA_QOS_EPROVSPECBUF = 11018
    WSA_QOS_EFILTERSTYLE = 11019
    WSA_QOS_EFILTERTYPE = 11020
    WSA_QOS_EFILTERCOUNT = 11021
    WSA_QOS_EOBJLENGTH = 11022
    WSA_QOS_EFLOWCOUNT = 11023
    WSA_QOS_EUNKOWNPSOBJ = 11024
    WSA_QOS_EPOLICYOBJ = 11025
    WSA_QOS_EFLOWDESC = 11026
    WSA_QOS_EPSFLOWSPEC = 11027
    WSA_QOS_EPSFILTERSPEC = 11028
    WSA_QOS_ESDMODEOBJ = 11029
    WSA_QOS_ESHAPERATEOBJ = 11030
    WSA_QOS_RESERVED_PETYPE = 11031


W = WSAError

# {Linux errno: WSA code}: what a socket call's errno becomes when the caller knows nothing better. A caller that does
# (SO_RCVTIMEO's EAGAIN is WSAETIMEDOUT, a datagram send's EDESTADDRREQ is WSAENOTCONN) raises its own code.
ERRNO_TO_WSA: dict[int, WSAError] = {
    _errno.EINTR: W.WSAEINTR,
    _errno.EBADF: W.WSAENOTSOCK,  # a closed handle: Winsock knows no "bad descriptor" for sockets
    _errno.EACCES: W.WSAEACCES,
    _errno.EPERM: W.WSAEACCES,  # a firewall's verdict on connect or send
    _errno.EFAULT: W.WSAEFAULT,
    _errno.EINVAL: W.WSAEINVAL,
    _errno.EDOM: W.WSAEINVAL,  # setsockopt with a time out of range
    _errno.ERANGE: W.WSAEINVAL,
    _errno.EMFILE: W.WSAEMFILE,
    _errno.ENFILE: W.WSAEMFILE,
    _errno.EAGAIN: W.WSAEWOULDBLOCK,
    _errno.EINPROGRESS: W.WSAEWOULDBLOCK,  # "connect started"; never WSAEINPROGRESS, which means re-entry
    _errno.EALREADY: W.WSAEALREADY,
    _errno.ENOTSOCK: W.WSAENOTSOCK,
    _errno.EDESTADDRREQ: W.WSAEDESTADDRREQ,
    _errno.EMSGSIZE: W.WSAEMSGSIZE,
    _errno.EPROTOTYPE: W.WSAEPROTOTYPE,
    _errno.ENOPROTOOPT: W.WSAENOPROTOOPT,
    _errno.EPROTONOSUPPORT: W.WSAEPROTONOSUPPORT,
    _errno.ESOCKTNOSUPPORT: W.WSAESOCKTNOSUPPORT,
    _errno.EOPNOTSUPP: W.WSAEOPNOTSUPP,
    _errno.ENOSYS: W.WSAEOPNOTSUPP,
    _errno.ENOTTY: W.WSAEOPNOTSUPP,  # an ioctl this socket does not know
    _errno.EPFNOSUPPORT: W.WSAEPFNOSUPPORT,
    _errno.EAFNOSUPPORT: W.WSAEAFNOSUPPORT,
    _errno.EADDRINUSE: W.WSAEADDRINUSE,
    _errno.EADDRNOTAVAIL: W.WSAEADDRNOTAVAIL,
    _errno.ENETDOWN: W.WSAENETDOWN,
    _errno.ENODEV: W.WSAENETDOWN,
    _errno.ENETUNREACH: W.WSAENETUNREACH,
    _errno.ENONET: W.WSAENETUNREACH,
    _errno.ENETRESET: W.WSAENETRESET,
    _errno.ECONNABORTED: W.WSAECONNABORTED,
    _errno.EPROTO: W.WSAECONNABORTED,  # accept: the connection broke before it was taken
    _errno.ECONNRESET: W.WSAECONNRESET,
    _errno.ENOBUFS: W.WSAENOBUFS,
    _errno.ENOMEM: W.WSAENOBUFS,  # the socket pages offer no memory code
    _errno.EISCONN: W.WSAEISCONN,
    _errno.ENOTCONN: W.WSAENOTCONN,
    _errno.EPIPE: W.WSAESHUTDOWN,
    _errno.ESHUTDOWN: W.WSAESHUTDOWN,
    _errno.ETOOMANYREFS: W.WSAETOOMANYREFS,
    _errno.ETIMEDOUT: W.WSAETIMEDOUT,
    _errno.ECONNREFUSED: W.WSAECONNREFUSED,
    _errno.ENOENT: W.WSAECONNREFUSED,  # AF_UNIX: nobody is bound to that path
    _errno.ELOOP: W.WSAELOOP,
    _errno.ENAMETOOLONG: W.WSAENAMETOOLONG,
    _errno.EHOSTDOWN: W.WSAEHOSTDOWN,
    _errno.EHOSTUNREACH: W.WSAEHOSTUNREACH,
    _errno.ENOTEMPTY: W.WSAENOTEMPTY,
    _errno.EUSERS: W.WSAEUSERS,
    _errno.EDQUOT: W.WSAEDQUOT,
    _errno.ESTALE: W.WSAESTALE,
    _errno.EREMOTE: W.WSAEREMOTE,
    _errno.ECANCELED: W.WSA_OPERATION_ABORTED,
    _errno.EIO: W.WSASYSCALLFAILURE,
}

# {WSA code: errno} where the nearest errno is not simply the code's own name.
_NEAREST_ERRNO: dict[int, int] = {
    W.WSA_INVALID_HANDLE: _errno.EBADF,
    W.WSA_NOT_ENOUGH_MEMORY: _errno.ENOMEM,
    W.WSA_INVALID_PARAMETER: _errno.EINVAL,
    W.WSA_OPERATION_ABORTED: _errno.ECANCELED,
    W.WSA_IO_INCOMPLETE: _errno.EINPROGRESS,
    W.WSA_IO_PENDING: _errno.EINPROGRESS,
    W.WSAEWOULDBLOCK: _errno.EAGAIN,
    W.WSAEINPROGRESS: _errno.EBUSY,
    W.WSAESHUTDOWN: _errno.EPIPE,
    W.WSAEPROCLIM: _errno.EAGAIN,
    W.WSASYSNOTREADY: _errno.ENETDOWN,
    W.WSAVERNOTSUPPORTED: _errno.EPROTONOSUPPORT,
    W.WSANOTINITIALISED: _errno.ENXIO,
    W.WSAEDISCON: _errno.ESHUTDOWN,
    W.WSAENOMORE: _errno.ENODATA,
    W.WSAECANCELLED: _errno.ECANCELED,
    W.WSAEINVALIDPROCTABLE: _errno.ENOSYS,
    W.WSAEINVALIDPROVIDER: _errno.EPROTO,
    W.WSAEPROVIDERFAILEDINIT: _errno.ELIBACC,
    W.WSASYSCALLFAILURE: _errno.EIO,
    W.WSASERVICE_NOT_FOUND: _errno.ENOENT,
    W.WSATYPE_NOT_FOUND: _errno.ENOENT,
    W.WSA_E_NO_MORE: _errno.ENODATA,
    W.WSA_E_CANCELLED: _errno.ECANCELED,
    W.WSAEREFUSED: _errno.ECONNREFUSED,
    # getaddrinfo's codes are no errno values; these are the closest a caller of OSError.errno can use.
    W.WSAHOST_NOT_FOUND: _errno.ENOENT,
    W.WSATRY_AGAIN: _errno.EAGAIN,
    W.WSANO_RECOVERY: _errno.EIO,
    W.WSANO_DATA: _errno.ENODATA,
}


def _errno_table() -> dict[int, int]:
    table = {}
    for code in WSAError:
        if code.name.startswith("WSA_QOS"):
            table[code.value] = _errno.EPROTO
            continue
        number = _NEAREST_ERRNO.get(code)
        table[code.value] = number if number is not None else getattr(_errno, code.name.removeprefix("WSA"))
    return table


# {WSA code: nearest errno}, one entry for every member of WSAError.
WSA_TO_ERRNO: dict[int, int] = _errno_table()

# {WSA code: (NTSTATUS of OVERLAPPED.Internal, Win32 code of the packet and of GetOverlappedResult)}.
_STATUS_ROWS: dict[int, tuple[int, int]] = {
    0: (c.STATUS_SUCCESS, c.ERROR_SUCCESS),
    W.WSA_OPERATION_ABORTED: (c.STATUS_CANCELLED, c.ERROR_OPERATION_ABORTED),
    W.WSAECONNRESET: (c.STATUS_CONNECTION_RESET, c.ERROR_NETNAME_DELETED),
    W.WSAECONNREFUSED: (c.STATUS_CONNECTION_REFUSED, c.ERROR_CONNECTION_REFUSED),
    W.WSAECONNABORTED: (c.STATUS_CONNECTION_ABORTED, c.ERROR_CONNECTION_ABORTED),
    W.WSAEMSGSIZE: (c.STATUS_BUFFER_OVERFLOW, c.ERROR_MORE_DATA),
    W.WSAEOPNOTSUPP: (c.STATUS_NOT_SUPPORTED, c.ERROR_NOT_SUPPORTED),
    W.WSAEINVAL: (c.STATUS_INVALID_PARAMETER, c.ERROR_INVALID_PARAMETER),
    W.WSAENOTSOCK: (c.STATUS_INVALID_HANDLE, c.ERROR_INVALID_HANDLE),
    W.WSAEFAULT: (c.STATUS_ACCESS_VIOLATION, c.ERROR_NOACCESS),
    W.WSAEACCES: (c.STATUS_ACCESS_DENIED, c.ERROR_ACCESS_DENIED),
    W.WSAENOBUFS: (c.STATUS_INSUFFICIENT_RESOURCES, c.ERROR_NO_SYSTEM_RESOURCES),
    W.WSAETIMEDOUT: (c.STATUS_IO_TIMEOUT, c.ERROR_SEM_TIMEOUT),
    W.WSAEWOULDBLOCK: (c.STATUS_DEVICE_NOT_READY, c.ERROR_NOT_READY),
    W.WSAESHUTDOWN: (c.STATUS_PIPE_DISCONNECTED, c.ERROR_PIPE_NOT_CONNECTED),
    W.WSAENOTCONN: (c.STATUS_INVALID_CONNECTION, c.ERROR_UNEXP_NET_ERR),
    W.WSAEISCONN: (c.STATUS_CONNECTION_ACTIVE, c.ERROR_CONNECTION_ACTIVE),
    W.WSAEADDRINUSE: (c.STATUS_ADDRESS_ALREADY_EXISTS, c.ERROR_DUP_NAME),
    W.WSAEADDRNOTAVAIL: (c.STATUS_INVALID_ADDRESS_COMPONENT, c.ERROR_INVALID_NETNAME),
    W.WSAENETUNREACH: (c.STATUS_NETWORK_UNREACHABLE, c.ERROR_NETWORK_UNREACHABLE),
    W.WSAEHOSTUNREACH: (c.STATUS_HOST_UNREACHABLE, c.ERROR_HOST_UNREACHABLE),
}
_WSA_TO_STATUS = {wsa: status for wsa, (status, _) in _STATUS_ROWS.items()}  # {WSA code: NTSTATUS}
_STATUS_TO_WSA = {status: wsa for wsa, (status, _) in _STATUS_ROWS.items()}  # {NTSTATUS: WSA code}
_STATUS_TO_WIN32 = dict(_STATUS_ROWS.values())  # {NTSTATUS: Win32 code}

# Codes without a status of their own travel as Windows carries foreign codes: facility "NTWIN32", code in the low half.
_NTWIN32 = 0xC0070000


def wsa_from_errno(errno: int) -> int:
    """The WSA code for a Linux errno of a socket call; WSASYSCALLFAILURE where sockets never give that errno."""
    return ERRNO_TO_WSA.get(errno, WSAError.WSASYSCALLFAILURE)


def errno_from_wsa(code: int) -> int:
    """The nearest Linux errno for a WSA code; EIO for a number that is no WSA code."""
    return WSA_TO_ERRNO.get(code, _errno.EIO)


def status_from_wsa(code: int) -> int:
    """The NTSTATUS that OVERLAPPED.Internal and a packet carry for a WSA or Win32 code (0 stays 0)."""
    status = _WSA_TO_STATUS.get(code)
    return status if status is not None else _NTWIN32 | (code & 0xFFFF)


def wsa_from_status(status: int) -> int:
    """The WSA code that a completion routine and WSAGetOverlappedResult report for an NTSTATUS."""
    if status & 0xFFFF0000 == _NTWIN32:
        return status & 0xFFFF
    return _STATUS_TO_WSA.get(status, WSAError.WSASYSCALLFAILURE)


def win32_from_status(status: int) -> int:
    """The Win32 code that GetQueuedCompletionStatus and GetOverlappedResult report for an NTSTATUS."""
    if status & 0xFFFF0000 == _NTWIN32:
        return status & 0xFFFF
    return _STATUS_TO_WIN32.get(status, c.ERROR_MR_MID_NOT_FOUND)


def name_of(code: int) -> str:
    """`WSAECONNREFUSED (10061)`, or the bare number when it has no name."""
    try:
        return f"{WSAError(code).name} ({int(code)})"
    except ValueError:
        return str(int(code))


class WinsockError(OSError):
    """A Winsock function failed with a documented code.

    Parameters:
        code: a WSA code (10061), or a Win32 code from where Winsock hands those on.
        detail: what a person needs beside the name: an address, a layer, an option.
        errno: the Linux errno behind it, when there was one; default: the nearest to `code`.
    """

    code: int  #: a member of WSAError where the number is one
    detail: str

    def __init__(self, code: int, detail: str = "", *, errno: int | None = None) -> None:
        try:
            self.code = WSAError(code)
        except ValueError:
            self.code = code
        self.detail = detail
        super().__init__(errno_from_wsa(code) if errno is None else errno, detail or name_of(code))

    @property
    def winerror(self) -> int:
        """The code under the name OSError has for it on Windows."""
        return int(self.code)

    @classmethod
    def from_errno(cls, errno: int, detail: str = "") -> "WinsockError":
        """The error for a Linux errno, through the one table; the errno itself stays in `.errno`."""
        return cls(wsa_from_errno(errno), detail, errno=errno)

    def __str__(self) -> str:
        name = name_of(self.code)
        return f"{name}: {self.detail}" if self.detail else name

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (int(self.code), self.detail, self.errno)


def _rebuild(code: int, detail: str, errno: int) -> WinsockError:
    return WinsockError(code, detail, errno=errno)


class ProviderContractError(Exception):
    """A layer or provider broke a rule of the SPI: `layer` says who, `rule` says which."""

    def __init__(self, layer: str, rule: str) -> None:
        super().__init__(f"layer {layer!r}: {rule}")
        self.layer = layer
        self.rule = rule


class RuntimeInternalError(Exception):
    """Something that cannot happen did: a bug of this library, not of its caller."""
