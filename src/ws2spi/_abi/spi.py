"""The C prototypes of the functions in a WSPPROC_TABLE and a WSPUPCALLTABLE.

Source: ws2spi.h. Pointers are addresses: what they point to is declared in `_runtime.signatures`.
"""

import ctypes
from typing import Any

_TYPES: dict[str, Any] = {
    "b": ctypes.c_int32,  # BOOL
    "d": ctypes.c_uint32,  # DWORD, GROUP, unsigned int
    "h": ctypes.c_void_p,  # HANDLE, HWND
    "i": ctypes.c_int32,  # int, long
    "l": ctypes.c_int64,  # LPARAM
    "p": ctypes.c_void_p,
    "s": ctypes.c_uint64,  # SOCKET
    "u": ctypes.c_uint64,  # DWORD_PTR, WPARAM
}

# {member: its result, then its parameters}
_SIGNATURES = {
    "lpWSPAccept": "s spppup", "lpWSPAddressToString": "i pdpppp", "lpWSPAsyncSelect": "i shdip",
    "lpWSPBind": "i spip", "lpWSPCancelBlockingCall": "i p", "lpWSPCleanup": "i p", "lpWSPCloseSocket": "i sp",
    "lpWSPConnect": "i spippppp", "lpWSPDuplicateSocket": "i sdpp", "lpWSPEnumNetworkEvents": "i shpp",
    "lpWSPEventSelect": "i ship", "lpWSPGetOverlappedResult": "b sppbpp", "lpWSPGetPeerName": "i sppp",
    "lpWSPGetSockName": "i sppp", "lpWSPGetSockOpt": "i siippp", "lpWSPGetQOSByName": "b sppp",
    "lpWSPIoctl": "i sdpdpdppppp", "lpWSPJoinLeaf": "s spippppdp", "lpWSPListen": "i sip",
    "lpWSPRecv": "i spdpppppp", "lpWSPRecvDisconnect": "i spp", "lpWSPRecvFrom": "i spdpppppppp",
    "lpWSPSelect": "i ippppp", "lpWSPSend": "i spdpdpppp", "lpWSPSendDisconnect": "i spp",
    "lpWSPSendTo": "i spdpdpipppp", "lpWSPSetSockOpt": "i siipip", "lpWSPShutdown": "i sip",
    "lpWSPSocket": "s iiipddp", "lpWSPStringToAddress": "i pipppp",
    "lpWPUCloseEvent": "b hp", "lpWPUCloseSocketHandle": "i sp", "lpWPUCreateEvent": "h p",
    "lpWPUCreateSocketHandle": "s dup", "lpWPUFDIsSet": "i sp", "lpWPUGetProviderPath": "i pppp",
    "lpWPUModifyIFSHandle": "s dsp", "lpWPUPostMessage": "b hdul", "lpWPUQueryBlockingCallback": "i dppp",
    "lpWPUQuerySocketHandleContext": "i spp", "lpWPUQueueApc": "i ppup", "lpWPUResetEvent": "b hp",
    "lpWPUSetEvent": "b hp", "lpWPUOpenCurrentThread": "i pp", "lpWPUCloseThread": "i pp",
}  # fmt: skip

PROTOTYPES: dict[str, Any] = {
    member: ctypes.CFUNCTYPE(_TYPES[signature[0]], *(_TYPES[letter] for letter in signature[2:]))
    for member, signature in _SIGNATURES.items()
}
