"""Descriptors on their way to another process: what stands behind WSPDuplicateSocket.

WSAPROTOCOL_INFO has room for one number of the provider's, so an offer is known by a random token of 32 bits, which
names an abstract Unix socket. Who connects to it, is the process that was meant, and belongs to the same user, gets a
descriptor and some words of state; then the name is gone, so a token works once. A thread of its own hands out, as the
engine may be busy with a layer and the other process waits. What nobody fetches goes with the process it was meant for.

Never: what the words of state mean.
"""

import json
import os
import secrets
import select
import socket
import struct
import threading
from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError

_PATIENCE = 10.0  # seconds that an import waits for the other process
_ROOM = 1 << 16  # bytes of state
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class Offer:
    """One descriptor for one process. `door` listens, `target` is a pidfd, `gift` the descriptor."""

    __slots__ = ("door", "gift", "pid", "state", "target")

    def __init__(self, door: socket.socket, target: int, pid: int, gift: int, state: bytes) -> None:
        self.door = door
        self.target = target
        self.pid = pid
        self.gift = gift
        self.state = state

    def close(self) -> None:
        self.door.close()
        os.close(self.target)
        os.close(self.gift)


_offers: dict[int, Offer] = {}  # {descriptor of the door, and of the target: offer}
_lock = threading.Lock()  # between those who offer; the thread takes out by single calls
_poll = select.poll()
_wake: list[int] = []  # the eventfd that the thread polls beside the doors


def offer(descriptor: int, pid: int, state: dict[str, Any]) -> int:
    """Offer a copy of `descriptor` to the process `pid`. Returns the token.

    Parameters:
        state: what `fetch` gives there; of JSON.
    Errors:
        WSAEINVAL: no such process. WSAEMFILE, WSAENOBUFS.
    """
    opened: list[int] = []
    try:
        try:
            opened.append(os.pidfd_open(pid))
        except (ProcessLookupError, OverflowError, ValueError):
            raise WinsockError(WSAError.WSAEINVAL, f"process {pid}") from None
        opened.append(os.dup(descriptor))
        door, token = _door()
    except OSError as error:
        for one in opened:
            os.close(one)
        if isinstance(error, WinsockError):
            raise
        if error.errno == 22:  # EINVAL: a thread, or no number of a process
            raise WinsockError(WSAError.WSAEINVAL, f"process {pid}") from None
        raise WinsockError.from_errno(error.errno or 0, "duplicating a socket") from None
    made = Offer(door, opened[0], pid, opened[1], json.dumps(state).encode())
    with _lock:
        _offers[door.fileno()] = _offers[made.target] = made
        _poll.register(door.fileno(), select.POLLIN)
        _poll.register(made.target, select.POLLIN)
        if not _wake:
            _wake.append(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
            _poll.register(_wake[0], select.POLLIN)
            threading.Thread(target=_hand_out, name="ws2spi-duplicates", daemon=True).start()
        else:
            os.eventfd_write(_wake[0], 1)  # poll() looks at what was registered when it began
    return token


def _name(token: int) -> str:
    return f"\0ws2spi/duplicate/{token:08x}"


def _door() -> tuple[socket.socket, int]:
    while True:
        token = secrets.randbits(32)
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if token:
                door.bind(_name(token))
                door.listen(1)
                return door, token
            door.close()
        except FileExistsError:
            door.close()
        except OSError as error:
            door.close()
            if error.errno != 98:  # EADDRINUSE: somebody else's token
                raise


def _hand_out() -> None:
    while True:
        for descriptor, _ in _poll.poll():
            if _wake and descriptor == _wake[0]:
                os.eventfd_read(descriptor)
                continue
            made = _offers.get(descriptor)
            if made is not None and (descriptor == made.target or _given(made)):
                _withdraw(made)


def _given(made: Offer) -> bool:
    """Whether the one who has knocked was the one who was meant, and has got it."""
    try:
        visitor, _ = made.door.accept()
        with visitor:
            pid, uid, _ = _credentials(visitor)
            if pid != made.pid or uid not in (os.getuid(), 0):
                return False
            socket.send_fds(visitor, [made.state], [made.gift])
            return True
    except OSError:
        return False  # it left; the offer stands


def _withdraw(made: Offer) -> None:
    with _lock:
        for descriptor in (made.door.fileno(), made.target):
            _offers.pop(descriptor, None)
            _poll.unregister(descriptor)
        made.close()


def _credentials(peer: socket.socket) -> tuple[int, int, int]:
    pid, uid, gid = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid, gid


def fetch(token: int) -> tuple[int, dict[str, Any]]:
    """Take what another process has offered to this one: (descriptor, state).

    Errors:
        WSAEINVAL: there is no such offer for this process, or no longer. WSAEMFILE.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        visitor.settimeout(_PATIENCE)
        try:
            visitor.connect(_name(token))
            _, uid, _ = _credentials(visitor)
            if uid not in (os.getuid(), 0):
                raise WinsockError(WSAError.WSAEINVAL, "the duplicate is another user's")
            data, descriptors, _, _ = socket.recv_fds(visitor, _ROOM, 1)
        except WinsockError:
            raise
        except OSError:
            data, descriptors = b"", []
    if not descriptors:
        raise WinsockError(
            WSAError.WSAEMFILE if data else WSAError.WSAEINVAL, "no such duplicate, or it was used already"
        )
    os.set_inheritable(descriptors[0], False)
    return descriptors[0], json.loads(data)


def _forget() -> None:
    """In a forked child: the offers are the parent's, and so is its thread."""
    global _lock, _poll
    _lock, _poll = threading.Lock(), select.poll()
    for made in set(_offers.values()):
        made.close()
    _offers.clear()
    for descriptor in _wake:
        os.close(descriptor)
    _wake.clear()


os.register_at_fork(after_in_child=_forget)
