"""The pointer parameters of the WSP functions, and how a plain Python function gets them.

A provider that is compiled, or made with a ctypes prototype, receives pointers of its declared types whatever the
caller passed. A hand-written provider's functions are plain callables, so the same is done for them here: `byref`
results, arrays, bytes and integers become pointer objects with `.contents`, and NULL becomes None. What such a function
answers is held to the SPI by `answers`.
"""

import ctypes
import functools
from collections.abc import Callable
from typing import Any

from ws2spi._abi.memory import address_of, deref
from ws2spi._abi.types import (
    BYTE,
    LPDWORD,
    LPINT,
    OVERLAPPED,
    SOCKADDR,
    TIMEVAL,
    WCHAR,
    WSABUF,
    WSANETWORKEVENTS,
    WSAPROTOCOL_INFOW,
    WSATHREADID,
    fd_set,
)
from ws2spi._runtime.answers import Checked
from ws2spi._runtime.arguments import as_routine, routine_argument

_CArgument: Any = type(ctypes.byref(ctypes.c_int()))
_Function: Any = ctypes._CFuncPtr  # type: ignore[attr-defined]

_addr: Any = ctypes.POINTER(SOCKADDR)
_bytes: Any = ctypes.POINTER(BYTE)
_buf: Any = ctypes.POINTER(WSABUF)
_ov: Any = ctypes.POINTER(OVERLAPPED)
_tid: Any = ctypes.POINTER(WSATHREADID)
_info: Any = ctypes.POINTER(WSAPROTOCOL_INFOW)
_set: Any = ctypes.POINTER(fd_set)
_text: Any = ctypes.POINTER(WCHAR)
_events: Any = ctypes.POINTER(WSANETWORKEVENTS)
_time: Any = ctypes.POINTER(TIMEVAL)
_int: Any = LPINT
_dw: Any = LPDWORD
_call = "completion routine"
_: Any = None  # passed on as it is: a number, a handle, a function, an opaque pointer

# {function: the pointer type of each parameter}; the last one is always lpErrno.
POINTERS: dict[str, tuple[Any, ...]] = {
    "lpWSPAccept": (_, _addr, _int, _, _, _int),
    "lpWSPAddressToString": (_addr, _, _info, _text, _dw, _int),
    "lpWSPAsyncSelect": (_, _, _, _, _int),
    "lpWSPBind": (_, _addr, _, _int),
    "lpWSPCancelBlockingCall": (_int,),
    "lpWSPCleanup": (_int,),
    "lpWSPCloseSocket": (_, _int),
    "lpWSPConnect": (_, _addr, _, _buf, _buf, _, _, _int),
    "lpWSPDuplicateSocket": (_, _, _info, _int),
    "lpWSPEnumNetworkEvents": (_, _, _events, _int),
    "lpWSPEventSelect": (_, _, _, _int),
    "lpWSPGetOverlappedResult": (_, _ov, _dw, _, _dw, _int),
    "lpWSPGetPeerName": (_, _addr, _int, _int),
    "lpWSPGetSockName": (_, _addr, _int, _int),
    "lpWSPGetSockOpt": (_, _, _, _bytes, _int, _int),
    "lpWSPGetQOSByName": (_, _buf, _, _int),
    "lpWSPIoctl": (_, _, _bytes, _, _bytes, _, _dw, _ov, _call, _tid, _int),
    "lpWSPJoinLeaf": (_, _addr, _, _buf, _buf, _, _, _, _int),
    "lpWSPListen": (_, _, _int),
    "lpWSPRecv": (_, _buf, _, _dw, _dw, _ov, _call, _tid, _int),
    "lpWSPRecvDisconnect": (_, _buf, _int),
    "lpWSPRecvFrom": (_, _buf, _, _dw, _dw, _addr, _int, _ov, _call, _tid, _int),
    "lpWSPSelect": (_, _set, _set, _set, _time, _int),
    "lpWSPSend": (_, _buf, _, _dw, _, _ov, _call, _tid, _int),
    "lpWSPSendDisconnect": (_, _buf, _int),
    "lpWSPSendTo": (_, _buf, _, _dw, _, _addr, _, _ov, _call, _tid, _int),
    "lpWSPSetSockOpt": (_, _, _, _bytes, _, _int),
    "lpWSPShutdown": (_, _, _int),
    "lpWSPSocket": (_, _, _, _info, _, _, _int),
    "lpWSPStringToAddress": (_text, _, _info, _addr, _int, _int),
}


def pointer_to(argument: Any, kind: Any) -> Any:
    """Return `argument` as a pointer of type `kind`, None for NULL.

    The pointer keeps what the client passed alive, as a provider that stores a pointer relies on the client's memory.
    """
    if argument is None or isinstance(argument, kind):
        return argument or None
    if type(argument) is _CArgument:
        target = argument._obj
        if type(target) is kind._type_ and ctypes.addressof(target) == address_of(argument):
            return kind(target)
    address = address_of(argument)
    if not address:
        return None
    result = ctypes.cast(address, kind)
    result._keeper = argument
    return result


def any_pointer(routine: Any) -> Any:
    """Return a completion routine so that it takes any pointer to an OVERLAPPED, whatever type it declares."""
    routine = as_routine(routine)
    if not isinstance(routine, _Function):
        return routine

    def call(code: int, transferred: int, overlapped: Any, flags: int) -> None:
        structure = deref(overlapped, OVERLAPPED)
        routine(code, transferred, None if structure is None else routine_argument(routine, structure), flags)

    return call


def _converted(kind: Any, argument: Any) -> Any:
    if kind is None:
        return argument
    return any_pointer(argument) if kind is _call else pointer_to(argument, kind)


def typed(name: str, function: Callable[..., int], owner: str = "a provider") -> Callable[..., int]:
    """Return a table's function so that it receives pointers of the declared types, and answers as the SPI says.

    Parameters:
        owner: whose function it is, for reports.
    """
    if isinstance(function, _Function) or getattr(function, "takes_any_pointer", False):
        return function
    kinds = POINTERS[name]
    checked = Checked(name, function, owner)

    @functools.wraps(function)
    def call(*arguments: Any) -> int:
        return checked(*[_converted(kind, one) for kind, one in zip(kinds, arguments, strict=True)])

    call.takes_any_pointer = True  # type: ignore[attr-defined]
    return call
