"""The condition function of WSPAccept: how a client is asked whether it wants a connection.

It runs in the accepting thread, without any lock of ours held. TCP carries no data and no flow specifications with a
request, so those parameters are NULL, and nothing can be given back.
"""

import ctypes
from collections.abc import Callable
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi.addresses import Address
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of
from ws2spi._abi.types import DWORD_PTR, GROUP, INT, WSABUF

Condition = Callable[[Address, Address], int]  # (peer, local name) -> CF_ACCEPT, CF_REJECT, CF_DEFER or anything

_Function: Any = ctypes._CFuncPtr  # type: ignore[attr-defined]
_Pointer: Any = ctypes._Pointer
_POINTER = ctypes.c_void_p
# int CALLBACK (LPWSABUF lpCallerId, LPWSABUF lpCallerData, LPQOS lpSQOS, LPQOS lpGQOS, LPWSABUF lpCalleeId,
#               LPWSABUF lpCalleeData, GROUP *g, DWORD_PTR dwCallbackData)
_PROTOTYPE: Any = ctypes.CFUNCTYPE(INT, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER, DWORD_PTR)


def condition_of(
    function: Any, callback_data: int, family: int, out: Callable[[Address], object] | None
) -> Condition | None:
    """What a provider asks; None for a NULL `function`.

    Parameters:
        out: stores the peer's address, which the client gets whatever it answers.
    Errors:
        WSAEFAULT: `function` is nothing that could be called.
    """
    if function is None or (isinstance(function, _Function) and not function):
        return None
    if not callable(function):
        if not isinstance(function, (int, ctypes.c_void_p)):
            raise WinsockError(WSAError.WSAEFAULT, "lpfnCondition")
        address = address_of(function)
        if not address:
            return None
        function = _PROTOTYPE(address)

    def ask(peer: Address, local: Address) -> int:
        if out is not None:
            out(peer)
        caller, callee, back, group = _name(family, peer), _name(family, local), WSABUF(0, None), GROUP(0)
        arguments = [caller[0], None, None, None, callee[0], back, group]
        verdict = function(*_pointers(function, arguments), callback_data)
        if group.value:
            raise WinsockError(WSAError.WSAEINVAL, f"socket group {group.value}: there are none")
        return int(getattr(verdict, "value", verdict) or 0)

    return ask


def _name(family: int, address: Address) -> tuple[WSABUF, Any]:
    data = addresses.pack(family, address)
    memory = ctypes.create_string_buffer(data, len(data))
    buffer = WSABUF(len(data), ctypes.addressof(memory))
    buffer.keep = memory
    return buffer, memory


def _pointers(function: Any, structures: list[Any]) -> list[Any]:
    """The structures as pointers of the types that `function` declares."""
    declared = (function.argtypes or ()) if isinstance(function, _Function) else ()
    result: list[Any] = []
    for position, structure in enumerate(structures):
        kind = declared[position] if position < len(declared) else None
        if structure is None:
            result.append(None)
        elif kind is None:
            result.append(ctypes.pointer(structure))
        elif issubclass(kind, _Pointer):
            result.append(ctypes.cast(ctypes.addressof(structure), kind))
        else:
            result.append(ctypes.addressof(structure))
    return result
