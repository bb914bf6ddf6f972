"""The files that TransmitFile and TransmitPackets send: a handle is the number of an open descriptor.

The descriptor is duplicated when the call starts, so the client may close its own while the operation is pending.
"""

import os
import stat
from typing import TypeAlias

from ws2spi._abi.errors import WinsockError, WSAError, wsa_from_errno


class FilePart:
    """Some bytes of an open file.

    Attributes:
        fd: a descriptor of our own, -1 once it is closed.
        start, size: where they begin and how many they are.
        moves: whether the file's own position follows what was sent.
    """

    __slots__ = ("fd", "moves", "size", "start")

    def __init__(self, fd: int, start: int, size: int, moves: bool) -> None:
        self.fd = fd
        self.start = start
        self.size = size
        self.moves = moves

    def __len__(self) -> int:
        return self.size

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` of this part on; b"" at its end, or where the file has become shorter."""
        try:
            return os.pread(self.fd, min(size, self.size - offset), self.start + offset)
        except OSError as error:
            raise WinsockError(wsa_from_errno(error.errno or 0), f"read: {error.strerror}") from None

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def sent(self, count: int) -> None:
        """`count` bytes are gone."""
        if self.moves and self.fd >= 0:
            os.lseek(self.fd, self.start + count, os.SEEK_SET)


Part: TypeAlias = "memoryview | FilePart"


def opened(handle: int, offset: int | None, count: int) -> FilePart:
    """A part of the file of a handle.

    Parameters:
        offset: where it begins; None for the file's current position, which then moves on.
        count: bytes, 0 for all that follow.
    Errors:
        WSA_INVALID_HANDLE: no open descriptor. WSAEINVAL: no file that has positions, or an offset behind its end.
    """
    try:
        fd = os.dup(handle)
    except (OSError, OverflowError):
        raise WinsockError(WSAError.WSA_INVALID_HANDLE, f"file handle {handle}") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise WinsockError(WSAError.WSAEINVAL, f"handle {handle} is no regular file")
        start = os.lseek(fd, 0, os.SEEK_CUR) if offset is None else offset
        if not 0 <= start <= status.st_size:
            raise WinsockError(WSAError.WSAEINVAL, f"offset {start} of a file of {status.st_size} bytes")
        left = status.st_size - start
    except BaseException:
        os.close(fd)
        raise
    return FilePart(fd, start, min(count, left) if count else left, offset is None)
