"""Serving a program that has been started: its calls, its end, the signals that come for it."""

import gc
import os
import resource
import select
import signal
from typing import Final

from ws2spi._engine.epoll import Engine
from ws2spi.providers.stack import Stack
from ws2spi.redirect import orphans, seccomp, signals
from ws2spi.redirect.launch import Program
from ws2spi.redirect.supervisor import Supervisor

KILLED: Final = 128  # + the signal's number, as shells show it


class Session:
    """Serving a started program."""

    def __init__(self, program: Program, stack: Stack, verbose: int) -> None:
        self._program = program
        self._status: int | None = None
        self._served = False
        self._engine = Engine()
        self._supervisor = Supervisor(
            self._engine,
            program.machine,
            seccomp.Listener(program.listener),
            stack,
            self._all_served,
            killable=program.killable,
            simultaneous=program.simultaneous,
            verbose=verbose,
        )

    def serve(self) -> int:
        """Returns the status to leave with."""
        engine, program = self._engine, self._program
        _calm_collector()
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # a report of ours must not stop us in the background
        raise_descriptor_limit()
        seccomp.Listener(program.listener).speed_up()
        self._signals = signals.open_descriptor()
        self._pidfd = os.pidfd_open(program.pid)
        engine.watch(self._pidfd, select.EPOLLIN, self._program_ended)
        engine.watch(self._signals, select.EPOLLIN, self._signalled)
        self._supervisor.start()
        engine.run()
        engine.close()
        for descriptor in (self._signals, self._pidfd, program.listener):
            os.close(descriptor)
        assert self._status is not None
        return self._status

    def _program_ended(self, _: int) -> None:
        self._engine.unwatch(self._pidfd)
        _, status = os.waitpid(self._program.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self._status = code if code >= 0 else KILLED - code
        self._stop_if_over()

    def _all_served(self) -> None:
        self._served = True
        self._stop_if_over()

    def _stop_if_over(self) -> None:
        if self._served and self._status is not None:
            self._engine.stop()

    def _signalled(self, _: int) -> None:
        received = signals.read(self._signals)
        if received is None:
            return
        if received.number == signal.SIGCHLD:
            orphans.reap(self._program.pid)
        elif self._status is not None:
            # The program has ended; what is left is its children, and what it has sent. The user wants out.
            if received.number in signals.ENDING and not self._served:
                self._supervisor.cut_short()
        elif not received.from_terminal:
            os.kill(self._program.pid, received.number)


def _calm_collector() -> None:
    """What is there by now stays for good: looking through it again and again took a fifth of a connect (measured)."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def raise_descriptor_limit() -> None:
    """Two descriptors for each relayed connection: as many as we may have. The program keeps its own limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        pass
