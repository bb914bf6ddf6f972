"""Parking on the calling thread: a blocked client drives the operation it waits for.

The thread polls the descriptor of the operation beside its own wake descriptor, so that another thread's completion, an
APC or a close ends the sleep. Poll is only a hint: when it fires, the step is posted to the mailbox, where bytes move.
Blocked calls are alertable: APCs that come while the call really waits run here, outside the mailbox; so does the
thread's own `idle`, if it has one. `thread.blocked` ends the call.
"""

import errno
import select
from functools import partial
from typing import TYPE_CHECKING

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.operations import Kind, Request

if TYPE_CHECKING:
    from ws2spi._engine.driving import Driving

_INPUT = select.POLLIN | select.POLLRDHUP
_OUTPUT = select.POLLOUT
IDLE_INTERVAL = 0.01  # seconds between two calls of a thread's `idle`


def block(connection: "Driving", request: Request, timeout: float | None, alertable: bool = True) -> None:
    """Return when `request` is done.

    Parameters:
        timeout: seconds; afterwards the request is withdrawn and fails with WSAETIMEDOUT (unless it is done first).
        alertable: whether APCs of this thread run meanwhile.
    """
    if request.done:
        return
    thread = request.owner
    assert thread is not None
    engine = connection.engine
    mailbox = connection.mailbox
    deadline = None if timeout is None else engine.now() + timeout
    # The park that was told already: while its mailbox is taken, polling would only repeat it. Of that task only: each
    # counts its own parks, and a listener's pump is often another one by the next look.
    posted: tuple[object, int] = (None, -1)
    outer, idle = thread.blocked, thread.idle if alertable else None
    was = thread.begin_park()
    try:
        thread.blocked = partial(mailbox.post, connection.withdraw, request, WSAError.WSAEINTR)
        if was:  # an APC or a signal handler calls in while its thread waits further up the stack
            mailbox.post(connection.entrust, thread, request)
        while not request.done:
            if alertable and thread.pending:
                thread.run_apcs()
                continue
            if idle is not None and not idle():
                idle = None
                mailbox.post(connection.withdraw, request, WSAError.WSAEINTR)
                continue
            descriptor, events, until = -1, 0, deadline
            task = connection.driven_for(request)
            want = task.want if task is not None and task.owner is thread else None
            if task is not None and task is posted[0] and task.generation == posted[1]:
                want = None
            if want is not None:
                if want.kind is Kind.READ:
                    descriptor, events = want.source.fd, _INPUT
                elif want.kind is Kind.WRITE:
                    descriptor, events = want.source.fd, _OUTPUT
                elif want.kind is Kind.TIME:
                    assert task is not None
                    until = task.deadline if deadline is None else min(task.deadline, deadline)
            pause = None
            if until is not None:
                pause = until - engine.now()
                if pause <= 0:
                    if until is deadline:
                        deadline = None  # say it once; the mailbox answers when it is free
                        mailbox.post(connection.withdraw, request, _TIMED_OUT)
                    else:
                        assert task is not None
                        posted = (task, task.generation)
                        mailbox.post(connection.resume, task, want)
                    continue
            if idle is not None:
                pause = IDLE_INTERVAL if pause is None else min(pause, IDLE_INTERVAL)
            if thread.park(descriptor, events, pause) and want is not None:
                assert task is not None
                posted = (task, task.generation)
                mailbox.post(connection.resume, task, want)
    except BaseException:
        # Ctrl-C, or an exception out of an APC: the request goes, the operation does not.
        mailbox.post(connection.withdraw, request, WSAError.WSAEINTR)
        raise
    finally:
        # Without a call first: an interrupt must not leave the thread parked.
        thread.blocked, thread._parked = outer, was
        if was:
            thread.wake()


_TIMED_OUT = WSAError.WSAETIMEDOUT


def interrupted(why: str = "the socket was closed") -> WinsockError:
    """What a blocked call ends with when its socket is closed under it."""
    return WinsockError(WSAError.WSAEINTR, why, errno=errno.EINTR)
