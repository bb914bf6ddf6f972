"""Small questions to the kernel about a descriptor."""

import _socket
import os
import select
import socket
import sys


def number_of(result: bytes) -> int:
    return int.from_bytes(result, sys.byteorder)


def inode_of(number: int) -> int:
    try:
        return os.fstat(number).st_ino
    except OSError:
        return -1


def shown_events(sock: _socket.socket, events: int) -> int:
    """What poll shows of the hidden end; one that was closed meanwhile, on another thread, has hung up."""
    poll = select.poll()
    try:
        poll.register(sock, events)
        ready = poll.poll(0)
    except (ValueError, OSError):
        return select.POLLHUP
    return ready[0][1] & ~select.POLLNVAL if ready else 0


def write_now(number: int, data: bytes) -> None:
    """Write to a socket that somebody else owns; what does not fit is lost."""
    sock = socket.socket(fileno=number)
    try:
        sock.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError:
        pass
    finally:
        sock.detach()
