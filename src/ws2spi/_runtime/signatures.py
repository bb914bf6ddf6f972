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

from ws2spi._abi.errors import WSAError
from ws2spi._abi.memory import address_of, deref, load_int
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

NOBODY = "a provider"

_CArgument: Any = type(ctypes.byref(ctypes.c_int()))
_Pointer: Any = ctypes._Pointer
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


def _compiled(name: str, function: Any) -> Callable[..., int]:
    """Return a C function, or one with a ctypes prototype, so that it takes what a plain Python function does.

    Pointers become those that it declares, structures of a script's own included.
    """
    declared = tuple(function.argtypes or ())
    if not declared:
        return function  # type: ignore[no-any-return]
    kinds = POINTERS[name]
    routine_place = kinds.index(_call) if _call in kinds else -1
    overlapped_place = kinds.index(_ov) if routine_place >= 0 else -1

    def call(*arguments: Any) -> int:
        given = list(arguments)
        pending = 0
        if routine_place >= 0:
            routine = given[routine_place]
            if callable(routine) and not isinstance(routine, _Function):
                # One C function for all of them: the routine is known by its operation until it has been called.
                pending = address_of(given[overlapped_place])
                _routines[pending] = routine
                routine = _dispatch
            given[routine_place] = _as_declared(declared[routine_place], routine)
        for place, kind in enumerate(declared):
            if place != routine_place:
                given[place] = _as_declared(kind, given[place])
        result: int = function(*given)
        if pending and result and load_int(arguments[-1]) != WSAError.WSA_IO_PENDING:
            _routines.pop(pending, None)
        return result

    return functools.wraps(function)(call) if hasattr(function, "__name__") else call


def _as_declared(kind: Any, argument: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, _Pointer):
        return pointer_to(argument, kind)
    if isinstance(kind, type) and issubclass(kind, _Function):
        return kind(address_of(argument)) if address_of(argument) else kind()
    if kind is ctypes.c_void_p:
        return address_of(argument)
    return argument


_routines: dict[int, Callable[..., Any]] = {}  # {address of an OVERLAPPED: the routine that its end calls}


def _end(code: int, transferred: int, overlapped: Any, flags: int) -> None:
    routine = _routines.pop(address_of(overlapped), None)
    if routine is not None:
        routine(code, transferred, overlapped, flags)


_dispatch = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(OVERLAPPED), ctypes.c_uint32)(_end)


def typed(name: str, function: Callable[..., int], owner: str = NOBODY) -> Callable[..., int]:
    """Return a table's function so that it receives pointers of the declared types, and answers as the SPI says.

    Parameters:
        owner: whose function it is, for reports.
    """
    if getattr(function, "takes_any_pointer", False):
        return function
    kinds = POINTERS[name]
    if isinstance(function, _Function):
        function = _compiled(name, function)
        kinds = (None,) * len(kinds)
    checked = Checked(name, function, owner)

    @functools.wraps(function)
    def call(*arguments: Any) -> int:
        return checked(*[_converted(kind, one) for kind, one in zip(kinds, arguments, strict=True)])

    call.takes_any_pointer = True  # type: ignore[attr-defined]
    call.checked = checked  # type: ignore[attr-defined]
    return call


def name_owner(function: Any, owner: str) -> None:
    """Say whose function it is that `typed` has made, if nobody has yet."""
    checked = getattr(function, "checked", None)
    if isinstance(checked, Checked) and checked.owner == NOBODY:
        checked.owner = owner
