"""For authors of layers and providers: a network without sockets on a clock of its own, and the contract to be held to.

`FakeEngine` parks coroutines where nothing really waits: time jumps to the next timer when nothing else can happen, so
a test of a layer that sleeps for an hour takes no time, and runs the same way every time. `FakeTransport` pairs stand
in for sockets, `FakeDatagrams` pairs for datagram sockets; `over` puts layers on one. `check_provider` holds a provider
against the rules of the SPI, on real sockets.

Never: anything that a shipped layer needs at run time.
"""

from ws2spi.testing.conformance import ConformanceError, Report, check_provider, clauses
from ws2spi.testing.datagrams import FakeDatagrams
from ws2spi.testing.fake import DeadlockError, FakeEngine, FakeTransport, over

__all__ = [
    "ConformanceError",
    "DeadlockError",
    "FakeDatagrams",
    "FakeEngine",
    "FakeTransport",
    "Report",
    "check_provider",
    "clauses",
    "over",
]
