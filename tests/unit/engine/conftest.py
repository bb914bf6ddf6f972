"""A rig for each driver, and the reports that a test provoked."""

from collections.abc import Iterator

import pytest

from support.engines import RIGS, FakeRig, RealRig, Rig, ThreadRig
from ws2spi._engine import reports
from ws2spi.testing import FakeEngine


@pytest.fixture(params=list(RIGS))
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """The same test under the calling thread, the epoll engine and the fake."""
    made = RIGS[request.param]()
    yield made
    made.close()


@pytest.fixture
def real() -> Iterator[RealRig]:
    """Connections over real sockets; blocking calls on threads."""
    made = ThreadRig()
    yield made
    made.close()


@pytest.fixture
def fake() -> FakeEngine:
    return FakeRig().engine


@pytest.fixture
def reported() -> Iterator[list[str]]:
    """What was reported during the test."""
    texts: list[str] = []
    before = reports.set_sink(texts.append)
    yield texts
    reports.set_sink(before)
