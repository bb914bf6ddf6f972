"""Several accepts in flight: a peer that stalls in a layer's handshake holds up nobody (accepting.py, rules 1 to 5)."""

import gc
from collections.abc import Callable
from typing import Any

import pytest

from support.engines import INTERRUPTED, Outcome, Rig, code, exactly, submitted
from support.listening import Answers, Listening, Shakes
from support.threads import LONG, Running, until
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine import accepting
from ws2spi._engine.connection import Connection
from ws2spi._engine.mailbox import Lodging
from ws2spi.providers.layer import Layer
from ws2spi.testing import FakeEngine


def silent(server: Listening) -> Connection:
    """A peer that connects and says nothing."""
    client, connecting = server.connect()
    server.rig.settle()
    assert connecting.result() is None
    return client


def ended(rig: Rig, client: Connection) -> bool:
    """Whether the peer's connection comes to its end or a reset."""
    result = rig.recv(client, 1).result()
    return result == b"" or code(result) == WSAError.WSAECONNRESET


def in_flight(server: Listening, count: int) -> None:
    """Wait until so many handshakes are open."""
    server.rig.settle()
    until(lambda: len(server.connection._handshakes) == count)


def keep(rig: Rig, connection: Any) -> Connection:
    assert isinstance(connection, Connection), connection
    if rig.name != "fake":
        rig.connections.append(connection)  # type: ignore[attr-defined]
    return connection


# -- rule 1: nobody is held up -----------------------------------------------------------------------------------------


def test_rule_1_a_silent_peer_does_not_hold_up_the_next(rig: Rig) -> None:
    server = Listening(rig, Answers())
    mute = silent(server)
    polite, connecting = server.connect(Shakes())
    accepted = server.accept()
    assert isinstance(accepted, Connection), accepted
    rig.settle()
    assert connecting.result() is None
    rig.send(polite, b"x").result()
    assert rig.recv(accepted, 1).result() == b"x"
    assert not submitted(mute.submit_recv, 1).done, "and it is not sent away for it"


def test_rule_1_many_silent_peers_and_one_that_speaks_up_later(rig: Rig) -> None:
    server = Listening(rig, Answers())
    mutes = [silent(server) for _ in range(5)]
    waiting = rig.recv(server.connection, 0)
    in_flight(server, 5)
    assert not waiting.done
    rig.send(mutes[3], b"HI").result()
    assert rig.recv(mutes[3], 2).result() == b"OK"
    keep(rig, waiting.result())
    in_flight(server, 4)


def test_rule_1_a_poll_finds_who_comes_behind_a_silent_peer(rig: Rig) -> None:
    """Readiness, for accepts that do not block: asked once, it goes on looking."""
    server = Listening(rig, Answers())
    silent(server)
    assert not server.connection.readable()
    silent(server)
    in_flight(server, 2)
    _, polite = server.connect(Shakes())
    rig.settle()
    until(lambda: len(server.connection._inbox) == 1)  # nobody has asked again
    assert polite.result() is None
    assert server.connection.readable()
    keep(rig, server.connection.recv_nowait(0))
    with pytest.raises(WinsockError) as caught:
        server.connection.recv_nowait(0)
    assert caught.value.code == WSAError.WSAEWOULDBLOCK


def test_rule_1_one_who_waits_for_readiness_hears_of_the_one_behind(rig: Rig) -> None:
    server = Listening(rig, Answers())
    silent(server)
    told: list[Any] = []
    server.connection.submit_readable(told.append)
    in_flight(server, 1)
    assert not told
    server.connect(Shakes())
    rig.settle()
    until(lambda: told)
    keep(rig, server.connection.recv_nowait(0))


def test_rule_1_nothing_is_taken_that_nobody_asks_for(rig: Rig) -> None:
    """The listen backlog keeps what comes, but for the one that was begun while the accept before still waited."""
    server = Listening(rig, Answers())
    server.connect(Shakes())
    keep(rig, server.accept())
    for _ in range(3):
        silent(server)
    rig.settle()
    assert len(server.connection._handshakes) <= 1


def test_rule_1_an_accept_that_is_withdrawn_leaves_the_handshake(rig: Rig) -> None:
    """Heart 2: the client leaves, the layer does not notice; the next accept gets the connection."""
    server = Listening(rig, Answers())
    client = silent(server)
    request = server.connection.submit_recv(0)
    in_flight(server, 1)
    server.connection.cancel(request)
    assert request.error is not None
    assert request.error.code == WSAError.WSA_OPERATION_ABORTED
    rig.send(client, b"HI").result()
    assert rig.recv(client, 2).result() == b"OK"
    keep(rig, server.accept())


# -- rule 2: order -----------------------------------------------------------------------------------------------------


def test_rule_2_connections_are_handed_out_as_their_handshakes_end(rig: Rig) -> None:
    server = Listening(rig, Answers())
    first, second, third = (silent(server) for _ in range(3))
    accepts = [submitted(server.connection.submit_recv, 0) for _ in range(3)]
    in_flight(server, 3)
    for count, client in enumerate((third, first, second)):
        rig.send(client, b"HI").result()
        rig.settle()
        keep(rig, accepts[count].result())
        client.send(b"%d" % count)
    for count, accept in enumerate(accepts):
        assert rig.recv(accept.result(), 1).result() == b"%d" % count


def test_rule_2_layers_that_do_not_wait_keep_the_kernels_order(rig: Rig) -> None:
    """One run at a time, nothing set aside."""
    runs: list[int] = []

    class Counts(Layer):
        async def accept(self, conn: Any) -> Any:
            runs.append(len(server.connection._handshakes))
            accepted = await conn.below.accept()
            accepted.state.peer = await accepted.below.getpeername()
            return accepted

    server = Listening(rig, Counts())
    clients = [silent(server) for _ in range(5)]
    accepted = [keep(rig, server.accept()) for _ in clients]
    names = [client.perform("getsockname") for client in clients]
    assert [one.view(0).state.peer for one in accepted] == names
    assert runs == [0] * len(runs)


# -- rule 3: bounds ----------------------------------------------------------------------------------------------------


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "HANDSHAKES", 2)


@pytest.mark.usefixtures("two_at_once")
def test_rule_3_at_the_bound_the_next_waits_for_a_handshake_to_end(rig: Rig) -> None:
    server = Listening(rig, Answers())
    mutes = [silent(server) for _ in range(2)]
    waiting = rig.recv(server.connection, 0)
    in_flight(server, 2)
    polite, connecting = server.connect(Shakes())
    rig.settle()
    until(lambda: server.connection._vacancy is not None)  # it is at the door
    assert not waiting.done
    rig.send(mutes[1], b"HI").result()
    keep(rig, waiting.result())
    rig.settle()
    until(lambda: polite.transport is not None and connecting.done)
    assert connecting.result() is None
    keep(rig, server.accept())


@pytest.mark.parametrize("rig", ["fake"], indirect=True)
@pytest.mark.usefixtures("two_at_once")
def test_rule_3_the_oldest_makes_room_when_it_has_had_its_time(rig: Rig, reported: list[str]) -> None:
    engine: FakeEngine = rig.engine  # type: ignore[attr-defined]
    server = Listening(rig, Answers())
    first = silent(server)
    waiting = submitted(server.connection.submit_recv, 0)
    engine.advance(1)
    second = silent(server)
    in_flight(server, 2)
    _, polite = server.connect(Shakes())
    engine.settle()
    engine.advance(accepting.PATIENCE - 1.5)
    assert not polite.done
    engine.advance(0.5)
    assert polite.result() is None
    assert isinstance(waiting.result(), Connection), "who made room is nobody's error"
    assert ended(rig, first)
    assert not submitted(second.submit_recv, 1).done, "only the oldest"
    assert len(reported) == 1
    assert "a peer's handshake has lasted 10 s" in reported[0]
    assert not server.connection.readable(), "no error is left for the next accept"


@pytest.mark.parametrize("rig", ["fake"], indirect=True)
@pytest.mark.usefixtures("two_at_once")
def test_rule_3_without_others_that_wait_a_handshake_may_take_its_time(rig: Rig, reported: list[str]) -> None:
    engine: FakeEngine = rig.engine  # type: ignore[attr-defined]
    server = Listening(rig, Answers())
    mutes = [silent(server) for _ in range(2)]
    waiting = submitted(server.connection.submit_recv, 0)
    in_flight(server, 2)
    engine.advance(accepting.PATIENCE * 100)
    rig.send(mutes[0], b"HI").result()
    assert isinstance(waiting.result(), Connection)
    assert not reported


@pytest.mark.usefixtures("two_at_once")
def test_rule_3_closing_the_listener_ends_the_one_at_the_door(rig: Rig) -> None:
    server = Listening(rig, Answers())
    clients = [silent(server) for _ in range(3)]
    waiting = rig.recv(server.connection, 0)
    rig.settle()
    until(lambda: server.connection._vacancy is not None)
    told: list[Any] = []
    server.connection.close(told.append)
    rig.settle()
    until(lambda: told)
    assert code(waiting.result()) == INTERRUPTED[rig.name]
    assert all(ended(rig, client) for client in clients)


# -- rule 4: failures and ends -----------------------------------------------------------------------------------------


def test_closing_the_listener_ends_every_handshake(rig: Rig) -> None:
    server = Listening(rig, Answers())
    clients = [silent(server) for _ in range(4)]
    waiting = rig.recv(server.connection, 0)
    in_flight(server, 4)
    told: list[Any] = []
    server.connection.close(told.append)
    rig.settle()
    until(lambda: told)
    assert code(waiting.result()) == INTERRUPTED[rig.name]
    assert all(ended(rig, client) for client in clients)
    assert not server.connection._handshakes
    gc.collect()


Break = Callable[[Rig, Connection], object]


class Chokes(Answers):
    """A handshake layer with a bug that some peers find."""

    async def accept(self, conn: Any) -> Any:
        accepted = await conn.below.accept()
        if await exactly(accepted, 2) != b"HI":
            raise LookupError("what is that")
        await accepted.below.send(b"OK")
        return accepted


@pytest.mark.parametrize(
    ("layer", "rude"),
    [
        (Answers, lambda rig, client: client.abort()),
        (Answers, lambda rig, client: rig.send(client, b"no").result()),
        (Chokes, lambda rig, client: rig.send(client, b"no").result()),
    ],
    ids=["reset", "refused", "bug"],
)
def test_rule_4_a_failure_ends_its_own_connection_only(
    rig: Rig, layer: type[Layer], rude: Break, reported: list[str]
) -> None:
    """Not the listener, and not the other handshakes."""
    server = Listening(rig, layer())
    bad, slow = silent(server), silent(server)
    accept = rig.recv(server.connection, 0)
    in_flight(server, 2)
    rude(rig, bad)
    rig.settle()
    assert code(accept.result()) in (WSAError.WSAECONNABORTED, WSAError.WSAECONNRESET)
    rig.send(slow, b"HI").result()
    assert rig.recv(slow, 2).result() == b"OK"
    accepted = keep(rig, server.accept())
    rig.send(slow, b"x").result()
    assert rig.recv(accepted, 1).result() == b"x"
    assert bool(reported) == (layer is Chokes)
    assert server.connection.failure is None


@pytest.mark.parametrize("result", [None, "another"])
def test_rule_4_a_layer_that_passes_up_what_it_has_not_got_is_told_so(
    rig: Rig, reported: list[str], result: str | None
) -> None:
    class Confused(Layer):
        first: Any = None

        async def accept(self, conn: Any) -> Any:
            accepted = await conn.below.accept()
            first, self.first = self.first, accepted
            return accepted if first is None else first if result else None

    server = Listening(rig, Confused())
    clients = [silent(server) for _ in range(2)]
    accepted = keep(rig, server.accept())
    assert code(server.accept()) == WSAError.WSAECONNABORTED
    assert "accept must give what below.accept gave, not" in reported[0]
    assert "'confused'" in reported[0]
    assert any(ended(rig, client) for client in clients[1:])
    rig.send(clients[0], b"x").result()
    assert rig.recv(accepted, 1).result() == b"x", "the one that it was given before is not hurt"
    assert server.connection.failure is None


def test_a_connection_that_a_layer_refuses_is_closed_when_it_asks_for_the_next(rig: Rig) -> None:
    """Not only when it has found one to its liking."""

    class Bouncer(Layer):
        async def accept(self, conn: Any) -> Any:
            while True:
                accepted = await conn.below.accept()
                if await exactly(accepted, 1) == b"+":
                    return accepted

    server = Listening(rig, Bouncer())
    refused, other = silent(server), silent(server)
    waiting = rig.recv(server.connection, 0)
    in_flight(server, 2)
    rig.send(refused, b"-").result()
    assert ended(rig, refused)
    assert not waiting.done
    rig.send(other, b"+").result()
    keep(rig, waiting.result())


# -- rule 5: mailboxes -------------------------------------------------------------------------------------------------


def test_rule_5_a_connection_has_a_mailbox_of_its_own_when_it_is_handed_out(rig: Rig) -> None:
    server = Listening(rig, Answers())
    server.connect(Shakes())
    accepted = keep(rig, server.accept())
    house = server.connection.mailbox
    assert type(accepted.mailbox) is type(house)
    assert accepted.mailbox.steps is not house.steps
    assert accepted.mailbox.occupant is not house.occupant


def test_rule_5_what_was_posted_before_the_move_runs_in_the_new_mailbox(fake: FakeEngine) -> None:
    """Heart 3: never in the old one beside the steps of the new."""

    class Keeps(Layer):
        lodging: Any = None

        async def accept(self, conn: Any) -> Any:
            accepted = await conn.below.accept()
            moved.append(accepted._connection)
            Keeps.lodging = moved[0].mailbox
            assert Keeps.lodging.held_by_me(), "until then it is the listener's"
            Keeps.lodging.leave(seen, "left")
            return accepted

    ran: list[tuple[str, bool]] = []
    moved: list[Any] = []

    def seen(what: str) -> None:
        ran.append((what, moved[0].mailbox.held_by_me()))

    class Fake(Rig):
        name = "fake"
        engine = fake

    server = Listening(Fake(), Keeps())
    server.connection.submit_recv(0)
    server.connect()
    fake.settle()
    assert isinstance(Keeps.lodging, Lodging)
    Keeps.lodging.post(seen, "posted late")
    assert ran == [("left", True), ("posted late", True)]


@pytest.mark.parametrize("rig", ["thread", "epoll"], indirect=True)
def test_a_crowd_half_of_it_silent(rig: Rig) -> None:
    """Real sockets: each that speaks gets through, whoever accepts, and nothing stays behind."""
    server = Listening(rig, Answers())
    mutes: list[Connection] = []
    greeted: list[Outcome] = []
    accepting_thread = Running(lambda: [server.connection.recv(0, LONG) for _ in range(20)])
    for _ in range(20):
        mutes.append(silent(server))
        greeted.append(server.connect(Shakes())[1])
    for accepted in accepting_thread.result():
        keep(rig, accepted)
    for outcome in greeted:
        assert outcome.result() is None
    assert len(server.connection._handshakes) <= 20
    assert not server.connection._inbox
