"""For authors of layers: a network without sockets on a clock of its own.

`FakeEngine` parks coroutines where nothing really waits: time jumps to the next timer when nothing else can happen, so
a test of a layer that sleeps for an hour takes no time, and runs the same way every time. `FakeTransport` pairs stand
in for sockets, `FakeDatagrams` pairs for datagram sockets; `over` puts layers on one.

Never: threads, or anything that a shipped layer needs at run time.
"""

from ws2spi.testing.datagrams import FakeDatagrams
from ws2spi.testing.fake import DeadlockError, FakeEngine, FakeTransport, over

__all__ = ["DeadlockError", "FakeDatagrams", "FakeEngine", "FakeTransport", "over"]
