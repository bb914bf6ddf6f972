"""`check_provider`: what keeps the contract passes everywhere, what breaks a rule is caught by that rule's clause."""

import os
from collections.abc import Callable
from typing import Any

import pytest

import support.broken_calls  # noqa: F401 - registers its cases
from support.all_kinds import AllKinds
from support.broken import CASES
from ws2spi import ws2_32
from ws2spi._abi.constants import AF_INET, AF_INET6
from ws2spi.layers.log import Log
from ws2spi.layers.throttle import Throttle
from ws2spi.providers.layer import Layer
from ws2spi.testing.conformance import ConformanceError, check_provider, clauses, run_clauses
from ws2spi.testing.conformance.neighbours import NEIGHBOURS


class Xor(Layer):
    """Changes every byte, and back."""

    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(bytes(byte ^ 0x55 for byte in data))

    async def recv(self, conn: Any, size: int) -> bytes:
        return bytes(byte ^ 0x55 for byte in await conn.below.recv(size))


class Upper(Layer):
    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data.upper())


@pytest.mark.parametrize("family", [AF_INET, AF_INET6], ids=["v4", "v6"])
def test_the_base_provider_keeps_the_contract(family: int) -> None:
    report = check_provider(lambda: None, families=[family])
    assert report.tried == len(clauses())


def test_throttle_keeps_the_contract() -> None:
    check_provider(lambda: Throttle(rate=1e9), arrangements=["alone", "over lazy", "under ahead"])


def test_log_keeps_the_contract() -> None:
    check_provider(lambda: Log(file=os.devnull), arrangements=["alone"])


def test_a_layer_that_changes_bytes_and_back_keeps_the_contract() -> None:
    check_provider(Xor, kinds=["stream"], arrangements=["twice", "over lazy", "under ahead", "under watcher"])


def test_a_layer_that_changes_bytes_for_good_says_how() -> None:
    report = run_clauses(Upper, kinds=["stream"], arrangements=["alone"], only=["receive_returns_what_is_there"])
    assert report.broken_clauses() == {"receive_returns_what_is_there"}, "through= was not given"
    check_provider(Upper, kinds=["stream"], through=bytes.upper, arrangements=["alone", "over dribble"])


@pytest.mark.parametrize("neighbour", NEIGHBOURS, ids=lambda layer: layer.name)
def test_the_neighbours_are_awkward_and_keep_the_contract(neighbour: type[Layer]) -> None:
    check_provider(neighbour, arrangements=["alone"])


def test_a_hand_written_provider_keeps_the_contract() -> None:
    check_provider(
        AllKinds,
        kinds=["stream"],
        arrangements=["alone", "twice", "over ahead", "over lazy"],
    )


@pytest.mark.parametrize("neighbour", NEIGHBOURS, ids=lambda layer: layer.name)
def test_layers_over_a_hand_written_provider_keep_the_contract(neighbour: type[Layer]) -> None:
    check_provider(AllKinds, arrangements=[f"under {neighbour.name}"])


@pytest.mark.parametrize("arrangement", ["alone", "under lazy", "over watcher"])
def test_a_hand_written_provider_of_all_kinds_keeps_the_contract_for_ipv6(arrangement: str) -> None:
    check_provider(AllKinds, arrangements=[arrangement], families=[AF_INET6])


@pytest.mark.parametrize("name", CASES)
def test_what_breaks_a_rule_is_caught(name: str) -> None:
    make, clause = CASES[name]
    report = run_clauses(make, only=[clause], arrangements=["alone"], patience=0.25)
    assert report.broken_clauses() == {clause}, f"{name} was not caught"


def test_most_clauses_have_caught_somebody() -> None:
    caught = {case.clause for case in CASES.values()}
    assert caught <= {one.name for one in clauses()}
    assert len(caught) * 2 >= len(clauses()), f"only {len(caught)} of {len(clauses())} clauses have caught anybody"


# -- the report --------------------------------------------------------------------------------------------------------


@pytest.fixture
def broken() -> Callable[[], Layer]:
    return CASES["ForgetsShutdown"].make


def test_an_error_lists_what_was_broken_and_where(broken: Callable[[], Layer]) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_provider(broken, only=["shutdown_ends_one_direction"], arrangements=["alone"], patience=0.2)
    assert "forgetsshutdown: 1 of 1 clauses broken" in str(caught.value)
    assert "shutdown_ends_one_direction [alone] (WSPShutdown): FAILED" in str(caught.value)


def test_known_clauses_are_skipped_and_named(broken: Callable[[], Layer]) -> None:
    report = check_provider(
        broken,
        only=["shutdown_ends_one_direction", "connect_is_refused"],
        known=["shutdown_ends_one_direction"],
        arrangements=["alone"],
    )
    assert [(one.clause, bool(one.skipped)) for one in report] == [
        ("connect_is_refused", False),
        ("shutdown_ends_one_direction", True),
    ]


def test_a_report_can_be_printed(broken: Callable[[], Layer], capsys: pytest.CaptureFixture[str]) -> None:
    run_clauses(
        broken, only=["shutdown_ends_one_direction", "connect_is_refused"], arrangements=["alone"], patience=0.2
    ).print()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[-1] == "forgetsshutdown: 2 tried, 1 broken"


def test_progress_is_told_as_it_comes() -> None:
    seen: list[str] = []
    run_clauses(
        lambda: None, only=["connect_is_refused"], arrangements=["alone"], progress=lambda one: seen.append(one.clause)
    )
    assert seen == ["connect_is_refused"]


def test_nothing_tried_is_not_success() -> None:
    with pytest.raises(ConformanceError):
        check_provider(lambda: None, kinds=["stream"], only=["boundaries_are_kept"])


@pytest.mark.parametrize("keyword", ["only", "known", "arrangements"])
def test_unknown_names_are_refused(keyword: str) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        run_clauses(lambda: None, **{keyword: ["nonsense"]})  # type: ignore[arg-type]


def test_something_that_is_no_provider_is_refused() -> None:
    with pytest.raises(TypeError, match="not a Layer"):
        run_clauses(lambda: 7, only=["connect_is_refused"])


def test_the_process_must_not_be_started() -> None:
    ws2_32.WSAStartup(0x0202, ws2_32.WSADATA())
    try:
        with pytest.raises(RuntimeError, match="WSAStartup"):
            run_clauses(lambda: None, only=["connect_is_refused"])
    finally:
        ws2_32.WSACleanup()


def test_a_provider_that_hangs_is_told_and_not_waited_for() -> None:
    class Hangs(Layer):
        async def recv(self, conn: Any, size: int) -> bytes:
            await conn.event().wait()
            return b""

    report = run_clauses(Hangs, only=["bytes_arrive_in_order_both_ways"], arrangements=["alone"], patience=0.1)
    assert report.broken[0].problem == "recv never came back"


def test_every_clause_says_what_it_asks_for_and_where_it_is_written() -> None:
    for one in clauses():
        assert one.text.endswith("."), one.name
        assert one.source, one.name
