"""Heart rule 9: a layer may override a WSP function itself, with its C signature, and a chain may mix all kinds."""

from collections.abc import Iterator
from typing import Any

import pytest

from support import winsock
from ws2spi import Layer, Stack, install, ws2_32
from ws2spi._abi.constants import SOCKET_ERROR
from ws2spi._abi.errors import WSAError


class Spy(Layer):
    """Sees every bind, by the C function, and every send, by the coroutine."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self.label = name
        self.seen = seen

    def WSPBind(self, below: Any, s: int, name: Any, namelen: int, lpErrno: Any) -> int:
        self.seen.append(f"{self.label} binds {name.contents.sa_family}")
        result: int = below.lpWSPBind(s, name, namelen, lpErrno)
        return result

    async def send(self, conn: Any, data: bytes) -> None:
        self.seen.append(f"{self.label} sends")
        await conn.below.send(data)


class Refuses(Layer):
    def WSPListen(self, below: Any, s: int, backlog: int, lpErrno: Any) -> int:
        lpErrno.contents.value = WSAError.WSAEACCES
        return SOCKET_ERROR


@pytest.fixture(autouse=True)
def _started() -> Iterator[None]:
    winsock.start()
    yield
    winsock.stop()


def test_functions_and_coroutines_of_the_same_layers_top_first() -> None:
    seen: list[str] = []
    with install(Stack([Spy("upper", seen), Spy("lower", seen)])):
        client, server = winsock.connected()
        binds, seen[:] = list(seen), []
        assert ws2_32.send(client, b"x", 1, 0) == 1
        winsock.close(client)
        winsock.close(server)
    assert binds == ["upper binds 2", "lower binds 2"]
    assert seen == ["upper sends", "lower sends"]


def test_a_function_may_refuse_and_its_code_reaches_the_client() -> None:
    with install(Stack([Refuses()])):
        s = winsock.made()
        winsock.bound(s)
        assert ws2_32.listen(s, 5) == SOCKET_ERROR
        assert winsock.error() == WSAError.WSAEACCES
        winsock.close(s)


def test_a_stack_over_one_with_functions_of_its_own_goes_through_them() -> None:
    seen: list[str] = []
    with install(Stack([Spy("below", seen)])), install(Stack([Layer()])):
        client, server = winsock.connected()
        assert ws2_32.send(client, b"x", 1, 0) == 1
        winsock.close(client)
        winsock.close(server)
    assert seen == ["below binds 2", "below sends"]
