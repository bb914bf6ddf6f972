"""What the pump has brought and nobody has taken yet."""

from ws2spi._engine.inbox import ByteInbox, ItemInbox


def test_bytes_are_taken_in_any_sizes_and_in_order() -> None:
    inbox = ByteInbox()
    assert not inbox
    inbox.put(b"abc")
    inbox.put(b"def")
    assert inbox
    assert inbox.total() == 6
    assert inbox.get(2) == b"ab"
    assert inbox.peek(3) == b"cde"
    assert inbox.get(100) == b"cdef"
    assert not inbox


def test_what_is_taken_does_not_change_afterwards() -> None:
    inbox = ByteInbox()
    inbox.put(b"abc")
    peeked = inbox.peek(3)
    taken = inbox.get(3)
    inbox.put(b"xyz")
    assert (peeked, taken) == (b"abc", b"abc")
    assert type(taken) is bytes


def test_items_are_taken_one_at_a_time_whatever_the_size() -> None:
    inbox = ItemInbox()
    inbox.put((b"one", "here"))
    inbox.put((b"four", "there"))
    assert inbox.total() == 7
    assert inbox.peek(1) == (b"one", "here")
    assert inbox.get(1) == (b"one", "here")
    assert inbox.get(1) == (b"four", "there")
    assert not inbox


def test_connections_have_no_bytes() -> None:
    inbox = ItemInbox()
    inbox.put(object())
    assert inbox.total() == 0
