"""The handle table: numbers, kinds, closing (witness D13, D14, C6, C7)."""

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule

from ws2spi._executive.events import Event
from ws2spi._executive.handles import FIRST_HANDLE, HandleTable
from ws2spi._executive.ports import CompletionPort


def test_handles_are_multiples_of_four_above_descriptors() -> None:
    """D13."""
    table = HandleTable()
    made = [table.insert(Event(True)) for _ in range(5)]
    assert made == list(range(FIRST_HANDLE, FIRST_HANDLE + 20, 4))


def test_low_two_bits_are_ignored() -> None:
    """D13."""
    table = HandleTable()
    event = Event(True)
    handle = table.insert(event)
    assert all(table.get(handle | bits, Event) is event for bits in range(4))
    assert table.close(handle | 1)
    assert table.get(handle, Event) is None


def test_kind_is_checked() -> None:
    table = HandleTable()
    assert table.get(table.insert(Event(True)), CompletionPort) is None


def test_closed_handle_is_not_given_out_again() -> None:
    """D14: no early reuse."""
    table = HandleTable()
    first = table.insert(Event(True))
    assert table.close(first)
    assert not table.close(first)
    assert table.insert(Event(True)) != first


def test_duplicate_outlives_the_original() -> None:
    """D14, C7."""
    table = HandleTable()
    event = Event(True)
    first = table.insert(event)
    second = table.duplicate(first)
    assert second not in (None, first)
    table.close(first)
    assert second is not None
    assert table.get(second, Event) is event
    assert table.duplicate(first) is None


def test_last_handle_of_a_port_closes_it() -> None:
    table = HandleTable()
    port = CompletionPort()
    first = table.insert(port)
    second = table.duplicate(first)
    assert second
    table.close(first)
    assert not port.closed
    table.close(second)
    assert port.closed


class Model(RuleBasedStateMachine):
    """Any order of insert, duplicate and close keeps the table equal to a plain dict."""

    handles = Bundle("handles")

    def __init__(self) -> None:
        super().__init__()
        self.table = HandleTable()
        self.model: dict[int, Event] = {}

    @rule(target=handles)
    def insert(self) -> int:
        event = Event(False)
        handle = self.table.insert(event)
        assert handle not in self.model
        self.model[handle] = event
        return handle

    @rule(target=handles, source=handles)
    def duplicate(self, source: int) -> int:
        made = self.table.duplicate(source)
        assert (made is None) == (source not in self.model)
        if made is None:
            return source
        self.model[made] = self.model[source]
        return made

    @rule(handle=consumes(handles), bits=st.integers(0, 3))
    def close(self, handle: int, bits: int) -> None:
        assert self.table.close(handle | bits) == (self.model.pop(handle, None) is not None)

    @rule(handle=handles)
    def look(self, handle: int) -> None:
        assert self.table.get(handle, Event) is self.model.get(handle)
        assert len(self.table) == len(self.model)


TestModel = Model.TestCase
