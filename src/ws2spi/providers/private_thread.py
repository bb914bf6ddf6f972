"""The thread on which the ends of calls to a hand-written provider are told: the engine's, as a WSATHREADID."""

import threading

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import WSATHREADID
from ws2spi._runtime import threads, upcalls
from ws2spi._runtime.process import runtime
from ws2spi._runtime.threads import ActingFor, Own, ThreadId, own


class PrivateThread:
    """The WSATHREADID of the engine's thread, opened there once and closed when the provider is done."""

    def __init__(self) -> None:
        self._identities: list[WSATHREADID] = []  # one; more when several threads came first, which is as good
        self._owner: Own | None = None
        self._closed = False
        self.asynchronous: set[int] = set()  # {id of a table whose provider has answered WSA_IO_PENDING}

    def identity(self) -> WSATHREADID:
        """The structure to pass as lpThreadId."""
        if not self._identities:
            opened: list[ThreadId] = []
            there = threading.Event()

            def open_there() -> None:
                try:
                    self._owner = own()
                    opened.append(upcalls.open_current_thread())
                except WinsockError:  # the process has cleaned up, as whoever waits is told
                    pass
                finally:
                    there.set()

            runtime.engine.run_on_loop(open_there)
            there.wait()
            if not opened:
                raise WinsockError(WSAError.WSANOTINITIALISED, "the process has cleaned up")
            identity = WSATHREADID(*opened[0])
            self._identities.append(identity)
            if self._closed:  # by a clean-up that came meanwhile
                self.close()
                raise WinsockError(WSAError.WSANOTINITIALISED, "the process has cleaned up")
            return identity
        return self._identities[0]

    def acting(self) -> ActingFor:
        """A context in which calls below are made in the name of that thread.

        What a thread has started is cancelled when it ends; here it is whoever happens to run the layers.
        """
        self.identity()
        assert self._owner is not None
        return ActingFor(self._owner)

    def close(self) -> None:
        """Give the identities back, for good; those that are being opened are closed by who opens them."""
        self._closed = True
        while self._identities:
            threads.close(self._identities.pop())  # not the upcall: it may be after the last WSACleanup
