"""Being told that the catalog has changed: what is behind WSAProviderConfigChange.

A change is a new serial in the file, or an installation that this process makes for itself. One thread per process
watches the file's folder (inotify), as long as somebody waits; it looks at the serial itself, so nobody is told of a
change that was undone, and a change between the call and the first look is seen too.
"""

import ctypes
import os
import select
import struct
import threading
from collections.abc import Callable

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog import place
from ws2spi._runtime.catalog.store import StoredCatalog

_IN_MODIFY, _IN_MOVED_FROM, _IN_MOVED_TO, _IN_CREATE, _IN_DELETE = 0x2, 0x40, 0x80, 0x100, 0x200
_EVENTS = _IN_MODIFY | _IN_MOVED_FROM | _IN_MOVED_TO | _IN_CREATE | _IN_DELETE
_IN_IGNORED = 0x8000  # the folder itself has gone
_IN_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK
_UNREADABLE = -1  # the serial of a file that cannot be read: becoming so is a change, and being mended too

# (serial in the file, changes of this process alone)
State = tuple[int, int]


class Waiting:
    """One call that waits for a change after `since`. `told` is called once, with 0 or a code, from any thread."""

    __slots__ = ("since", "told")

    def __init__(self, since: State, told: Callable[[int], None]) -> None:
        self.since = since
        self.told = told


class Watch:
    """Who waits for a change of the catalog, and the thread that looks."""

    def __init__(self) -> None:
        self._waiting: dict[Waiting, None] = {}
        self._own_changes = 0
        # Guards the beginning and the end of the thread; nothing of others runs under it. Reentrant: a signal handler
        # may close a handle, or wait, while its thread is in here.
        self._lock = threading.RLock()
        self._wake = self._inotify = -1
        self._running = False

    def state(self) -> State:
        """Return what changes with every change."""
        try:
            return StoredCatalog().serial(), self._own_changes
        except WinsockError:
            return _UNREADABLE, self._own_changes

    def changed_here(self) -> None:
        """This process has installed or removed something for itself alone."""
        self._own_changes += 1
        with self._lock:
            self._poke()

    def wait(self, waiting: Waiting) -> None:
        """Begin to wait.

        Errors:
            WSAEOPNOTSUPP: changes cannot be watched here: the folder cannot be made, or inotify is exhausted.
        """
        with self._lock:
            self._waiting[waiting] = None
            try:
                if not self._running:
                    self._begin()
                self._poke()
            except OSError as error:
                del self._waiting[waiting]
                detail = f"the folder of {place.path()} cannot be watched: {error.strerror}"
                raise WinsockError(WSAError.WSAEOPNOTSUPP, detail) from error

    def cancel(self, waiting: Waiting, code: int = WSAError.WSA_OPERATION_ABORTED) -> None:
        """End a wait with a code; nothing if it has ended."""
        with self._lock:
            there = self._waiting.pop(waiting, waiting) is None
            self._poke()
        if there:
            waiting.told(code)

    def forget(self) -> None:
        """In a forked child: who waited is the parent's."""
        if self._running:
            os.close(self._wake)
            os.close(self._inotify)
        self.__init__()  # type: ignore[misc]

    def _poke(self) -> None:
        if self._running and self._wake >= 0:  # else it is about to take its first look
            os.eventfd_write(self._wake, 1)

    def _begin(self) -> None:
        folder = os.path.dirname(place.path())
        self._running = True  # first: who interrupts this must not begin another one
        self._wake = -1
        try:
            os.makedirs(folder, 0o700, exist_ok=True)
            self._inotify = _inotify(folder)
            try:
                self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            except OSError:
                os.close(self._inotify)
                raise
        except BaseException:
            self._running = False
            raise
        threading.Thread(target=self._look, name="ws2spi-catalog", daemon=True).start()

    def _look(self) -> None:
        inotify, wake = self._inotify, self._wake
        poller = select.poll()
        poller.register(inotify, select.POLLIN)
        poller.register(wake, select.POLLIN)
        folder_gone = False
        while True:
            now = self.state()
            ended = [one for one in tuple(self._waiting) if folder_gone or one.since != now]
            with self._lock:
                # What a cancel has ended in between is no longer there.
                ended = [one for one in ended if self._waiting.pop(one, one) is None]
                over = not self._waiting
                if over:
                    self._running, self._wake = False, -1
                    os.close(inotify)
                    os.close(wake)
            for waiting in ended:
                waiting.told(0)
            if over:
                return
            poller.poll()
            _drain(wake)
            folder_gone = _in_ignored(_drain(inotify))


def _drain(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""


def _in_ignored(events: bytes) -> bool:
    """Tell whether inotify events (wd, mask, cookie, length, name) say that nothing is watched any more."""
    position = 0
    while position < len(events):
        _, mask, _, length = struct.unpack_from("iIII", events, position)
        if mask & _IN_IGNORED:
            return True
        position += 16 + length
    return False


def _inotify(folder: str) -> int:
    """Return an inotify descriptor that watches a folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.inotify_init1(_IN_FLAGS)
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if libc.inotify_add_watch(descriptor, os.fsencode(folder), ctypes.c_uint32(_EVENTS)) < 0:
        number = ctypes.get_errno()
        os.close(descriptor)
        raise OSError(number, os.strerror(number), folder)
    return descriptor


watch = Watch()
os.register_at_fork(after_in_child=watch.forget)
