"""What a supervisor remembers."""

from ws2spi.redirect.desk import Memory


def test_memory_forgets_the_oldest() -> None:
    memory: Memory[int] = Memory(3)
    for number in range(5):
        memory.put(number, number * 10)
    assert len(memory) == 3
    assert [memory.get(number) for number in range(5)] == [None, None, 20, 30, 40]


def test_memory_put_again_is_young_again() -> None:
    memory: Memory[int] = Memory(2)
    memory.put("a", 1)
    memory.put("b", 2)
    memory.put("a", 3)
    memory.put("c", 4)
    assert (memory.get("a"), memory.get("b"), memory.get("c")) == (3, None, 4)


def test_memory_pop_takes_out() -> None:
    memory: Memory[int] = Memory(2)
    memory.put("a", 1)
    assert memory.pop("a") == 1
    assert memory.pop("a") is None
