"""Heart rule 3, a mailbox, not a lock: who finds it free runs what is in it; who finds it taken leaves the step."""

import threading
from collections import deque
from pathlib import Path
from typing import Any

import pytest

import ws2spi
from support.interrupts import at_every_bytecode
from support.threads import LONG, Running
from ws2spi._engine.mailbox import Mailbox

MAILBOX = str(Path(ws2spi.__file__).parent / "_engine" / "mailbox.py")


def test_heart_rule_3_a_free_mailbox_runs_the_step_at_once() -> None:
    ran: list[int] = []
    Mailbox().post(ran.append, 1)
    assert ran == [1]


def test_heart_rule_3_a_step_posted_from_inside_waits_for_the_one_before() -> None:
    box, order = Mailbox(), []

    def outer() -> None:
        box.post(order.append, "inner")
        order.append("outer")

    box.post(outer)
    assert order == ["outer", "inner"]


def test_heart_rule_3_who_finds_it_taken_leaves_the_step_and_does_not_wait() -> None:
    box, order = Mailbox(), []
    inside, leave = threading.Event(), threading.Event()

    def busy() -> None:
        inside.set()
        assert leave.wait(LONG)
        order.append(threading.get_ident())

    holder = Running(box.post, busy)
    assert inside.wait(LONG)
    box.post(lambda: order.append(threading.get_ident()))  # returns although the box is taken
    assert order == []
    leave.set()
    holder.result()
    assert order == [holder.executive.ident] * 2, "the holder looks again after its own step"


def test_announcements_run_when_the_mailbox_is_free_and_in_order() -> None:
    box, seen = Mailbox(), []

    def step() -> None:
        box.later(lambda: seen.append(("first", box.is_taken())))
        box.later(lambda: seen.append(("second", box.is_taken())))
        seen.append(("step", box.is_taken()))

    box.post(step)
    assert seen == [("step", True), ("first", False), ("second", False)]


def test_an_announcement_may_post_and_is_not_entered_again_by_what_it_causes() -> None:
    box, seen = Mailbox(), []

    def announce(number: int) -> None:
        if number < 3:
            box.post(box.later, announce, number + 1)
        seen.append(number)

    box.post(box.later, announce, 0)
    assert seen == [0, 1, 2, 3], "each returned before the next began"


def test_two_thousand_announcements_that_cause_each_other_make_no_deep_stack() -> None:
    box, count = Mailbox(), [0]

    def announce() -> None:
        count[0] += 1
        if count[0] < 2000:
            box.post(box.later, announce)

    box.post(box.later, announce)
    assert count == [2000]


def test_held_by_me_only_inside_and_only_here() -> None:
    box, seen = Mailbox(), []

    def step() -> None:
        seen.append(box.held_by_me())
        seen.append(Running(box.held_by_me).result())

    box.post(step)
    assert seen == [True, False]
    assert not box.held_by_me()


def test_no_step_is_lost_or_run_twice_when_many_threads_post() -> None:
    box, runs, overlaps = Mailbox(), deque[tuple[int, int]](), []
    inside = threading.Lock()

    def step(thread: int, number: int) -> None:
        overlaps.append(not inside.acquire(False))
        runs.append((thread, number))
        inside.release()

    def post_all(thread: int) -> None:
        for number in range(2000):
            box.post(step, thread, number)

    threads = [Running(post_all, number) for number in range(4)]
    for thread in threads:
        thread.result()
    box.drain()
    assert not any(overlaps), "two steps at once"
    for number in range(4):
        assert [n for t, n in runs if t == number] == list(range(2000))


@pytest.mark.parametrize("where", ["step", "announcement"])
def test_what_follows_an_exception_is_still_run(where: str) -> None:
    """Ctrl-C leaves through whoever is inside; steps and announcements of others must not wait for the next visitor."""
    box, ran = Mailbox(), []

    def first() -> None:
        box.post(ran.append, "next step")
        box.later(interrupt if where == "announcement" else ran.append, *[] if where == "announcement" else ["told"])
        box.later(ran.append, "next told")
        if where == "step":
            interrupt()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        box.post(first)
    assert ran == ["next step", *(["told"] if where == "step" else []), "next told"]
    assert not box.is_taken()
    assert not box.steps
    assert not box.announcements


def test_heart_rule_3_posting_is_safe_at_every_bytecode_of_posting() -> None:
    """A signal handler, weakref callback or `__del__` that posts while its thread is anywhere inside a post."""

    class Box:
        def __init__(self) -> None:
            self.mailbox = Mailbox()
            self.ran: list[str] = []

        def step(self, name: str) -> None:
            self.ran.append(name)
            self.mailbox.later(self.ran.append, name + " told")

    def check(box: Box, _: Any) -> None:
        assert sorted(box.ran) == ["handler", "handler told", "plain", "plain told"]
        assert not box.mailbox.is_taken()
        assert not box.mailbox.held_by_me()

    points = at_every_bytecode(
        Box,
        lambda box: box.mailbox.post(box.step, "plain"),
        lambda box: box.mailbox.post(box.step, "handler"),
        check,
        watched=(MAILBOX,),
    )
    assert points > 50
