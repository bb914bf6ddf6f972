"""Trying one clause: on a thread of its own, under a watch, in an arrangement made for it; nothing may stay behind."""

import gc
import os
import sys
import threading
from collections.abc import Callable
from types import FrameType

import ws2spi
from ws2spi import kernel32, mswsock, ws2_32
from ws2spi._engine import reports
from ws2spi._executive import threads
from ws2spi._runtime.process import runtime
from ws2spi.testing.conformance.client import BrokenClauseError, Net, NotTriedError
from ws2spi.testing.conformance.client import patience as watch
from ws2spi.testing.conformance.rules import Clause
from ws2spi.testing.conformance.subject import Arrangement, Make, arranged

# The first use of a process makes the engine (an epoll set and an eventfd) and the eventfds on which threads park.
_SHARED = ("anon_inode:[eventfd]", "anon_inode:[eventpoll]")
_OURS = os.path.dirname(ws2spi.__file__)
_HERE = os.path.join(os.path.dirname(__file__), "")
_FACES = ws2_32, kernel32, mswsock
_PYTHONS = os.path.dirname(os.__file__)


class StuckError(Exception):
    """WSACleanup did not come back: this process can try no other clause."""


def problem_of(one: Clause, make: Make, place: Arrangement, family: int, through: Callable[[bytes], bytes]) -> str:
    """Try one clause in one arrangement: what was wrong, or "".

    Errors:
        NotTriedError: this machine has not what the clause needs. StuckError: as it says.
    """
    blamed: list[str] = []
    outcome: list[str | NotTriedError] = []
    net = Net(family, through)

    def run() -> None:
        try:
            one.check(net)
            outcome.append("")
        except BrokenClauseError as broken:
            outcome.append(str(broken))
        except NotTriedError as reason:
            outcome.append(reason)
        except BaseException as error:
            outcome.append(f"{type(error).__name__} came out of an exact face: {error}")
        finally:
            net.end()
            pending = len(threads.current().pending)
            if pending and outcome == [""]:
                outcome[:] = [f"left {pending} APCs to the calling thread"]

    if runtime.starts:
        raise RuntimeError("check_provider needs the process for itself: somebody has called WSAStartup")
    before = _descriptors()
    ws2_32.WSAStartup(0x0202, ws2_32.WSADATA())
    reports.set_sink(blamed.append)
    left = stuck = ""
    try:
        with arranged(make, place):
            # The watch: a provider that never answers must not hang who checks it.
            thread = _watched(run, f"clause {one.name}", 2 * watch.seconds)
            if thread.is_alive():
                stuck = _where(thread)
                # Closing its sockets may free it. That may block, too.
                _watched(net.end, "the end of a clause", watch.seconds)
                thread.join(watch.seconds)
            else:
                left = _left_sockets()
    finally:
        ending = _watched(_clean_up, "clean-up", 2 * watch.seconds)
        reports.set_sink(None)
    if ending.is_alive():
        raise StuckError("; ".join(filter(None, [stuck, _where(ending)])))
    if stuck:
        return stuck
    for beside in net.threads:
        beside.join(watch.seconds)
        if beside.is_alive():
            return str(outcome[0]) or f"on another thread, {_where(beside)}"
    result = outcome[0]
    if isinstance(result, NotTriedError):
        raise result
    if blamed:  # by the runtime: a provider that raised, a layer that gave nonsense
        return f"{result} ({blamed[0]})" if result else f"reported: {blamed[0]}"
    return result or left or _leaked(before)


def _watched(function: Callable[[], object], name: str, seconds: float) -> threading.Thread:
    """Run a function on a thread of its own, and wait for it so long."""
    thread = threading.Thread(target=function, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    return thread


def _clean_up() -> None:
    while runtime.starts:
        ws2_32.WSACleanup()


def _where(thread: threading.Thread) -> str:
    """Which call of the exact faces a thread is in, and the line of the provider's at which it, or the engine, is."""
    frames = sys._current_frames()
    call, line, inside = "a call", "", ""
    frame = frames.get(thread.ident or 0)
    while frame is not None:
        name, file = frame.f_code.co_name, frame.f_code.co_filename
        found = ""
        if file.startswith(_HERE):
            break  # the clause
        if name == "_called":  # an extension function, from C
            found = str(frame.f_locals.get("name", call))
        elif file.startswith(_OURS) and any(hasattr(face, name) for face in _FACES):
            found = name
        if found:  # what was met so far is within it; what lies outside is the clause's and its caller's
            call, line, inside = found, line or inside, ""
        else:
            inside = inside or _place(frame)
        frame = frame.f_back
    for other in threading.enumerate():
        if not line and other is not threading.current_thread() and other.ident in frames:
            line = _line(frames[other.ident])
    return f"{call} never came back{line and f' (something is at {line})'}"


def _line(frame: FrameType) -> str:
    """The innermost line of a thread, but for Python's library, if it is the provider's."""
    at: FrameType | None = frame
    while at is not None and at.f_code.co_filename.startswith((_PYTHONS, "<")):
        at = at.f_back
    return "" if at is None else _place(at)


def _place(frame: FrameType) -> str:
    """A frame's file, line and function, if it is neither ours nor Python's."""
    file = frame.f_code.co_filename
    if file.startswith((_OURS, _PYTHONS, "<")):
        return ""
    return f"{os.path.relpath(file)}:{frame.f_lineno}, {frame.f_code.co_name}"


def _left_sockets() -> str:
    """Handles that are still registered after all have been closed; ends that are on their way get their time."""
    pause = threading.Event()
    for _ in range(watch.milliseconds):
        if not runtime.sockets.entries:
            return ""
        pause.wait(0.001)
    return f"left {len(runtime.sockets.entries)} handles behind: closesocket succeeded, WPUCloseSocketHandle never came"


def _descriptors() -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            pass
    return found


def _leaked(before: list[str]) -> str:
    pause = threading.Event()
    new: list[str] = []
    for attempt in range(200):
        new = _descriptors()
        for link in before:
            if link in new:
                new.remove(link)
        new = [link for link in new if link not in _SHARED and not link.startswith("/proc")]
        if not new:
            return ""
        # A cycle is no leak. First the young ones: all of a large process, after every clause, would take minutes.
        if attempt == 1:
            gc.collect(1)
        elif attempt in (20, 100):
            gc.collect()
        pause.wait(0.005)
    return f"left {len(new)} descriptors behind: {', '.join(sorted(set(new)))}"
