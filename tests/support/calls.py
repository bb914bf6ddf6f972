"""Calling the upcalls as a provider in C would, and doing things in other threads."""

import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ws2spi import ws2_32
from ws2spi._abi.types import INT
from ws2spi._executive.waits import wait

IO_COMPLETION = 0xC0
TIMEOUT = 0x102
UNTOUCHED = -77


def code_of(function: Callable[..., Any], *arguments: Any) -> tuple[Any, int]:
    """(result, `*lpErrno`) of an upcall; UNTOUCHED where it stored nothing."""
    errno = INT(UNTOUCHED)
    result = function(*arguments, ctypes.byref(errno))
    return result, errno.value


def open_thread() -> ws2_32.WSATHREADID:
    """A structure that WPUOpenCurrentThread filled in."""
    identity = ws2_32.WSATHREADID()
    assert code_of(ws2_32.WPUOpenCurrentThread, ctypes.byref(identity)) == (0, UNTOUCHED)
    return identity


def copy_of(identity: ws2_32.WSATHREADID) -> ws2_32.WSATHREADID:
    """A bitwise copy."""
    return ws2_32.WSATHREADID.from_buffer_copy(identity)


def queue(identity: Any, routine: Any, context: Any = 0) -> tuple[int, int]:
    """(result, code) of WPUQueueApc."""
    return code_of(ws2_32.WPUQueueApc, ctypes.byref(identity), routine, context)


def close(identity: Any) -> tuple[int, int]:
    """(result, code) of WPUCloseThread."""
    return code_of(ws2_32.WPUCloseThread, ctypes.byref(identity))


def alertable(timeout: float = 0) -> int:
    """An alertable wait for nothing."""
    return wait((), timeout=timeout, alertable=True)


class Worker:
    """A thread that runs what it is given, one thing after the other; `with` ends it."""

    def __init__(self) -> None:
        self._todo: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._more = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Worker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _run(self) -> None:
        while True:
            self._more.acquire()
            function, future = self._todo.pop(0)
            if function == self.end:
                return
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

    def start(self, function: Callable[[], Any]) -> "Future[Any]":
        """Begin to run `function` there."""
        future: Future[Any] = Future()
        self._todo.append((function, future))
        self._more.release()
        return future

    def do(self, function: Callable[[], Any]) -> Any:
        """Run `function` there and return its result."""
        return self.start(function).result(10)

    def end(self) -> None:
        """Let the thread end, and wait for it."""
        if self._thread.is_alive():
            self._todo.append((self.end, Future()))
            self._more.release()
            self._thread.join(10)
        assert not self._thread.is_alive()
