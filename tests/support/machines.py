"""State machines by the number of their steps: examples are run until so many steps have been taken."""

from typing import Any, NamedTuple

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

SHORT = 2000  # steps of a machine in the suite
_EXAMPLE = 50  # steps of one example, at most
_EXAMPLES = 10  # in one go


class Length(NamedTuple):
    """`steps` of one machine, from `seed`."""

    steps: int
    seed: int


class Counted(RuleBasedStateMachine):
    """A machine that counts its steps."""

    steps = 0

    @invariant()
    def count(self) -> None:
        type(self).steps += 1


def run(machine: type[Counted], length: Length) -> int:
    """Run examples of `machine` until `length.steps` steps were taken; returns how many it were."""
    taken = turn = 0
    while taken < length.steps:
        once: Any = type(machine.__name__, (machine,), {"steps": 0})
        hypothesis.seed(length.seed * 1000 + turn)(once)
        run_state_machine_as_test(
            once,
            settings=settings(
                max_examples=min(_EXAMPLES, 1 + (length.steps - taken) // _EXAMPLE),
                stateful_step_count=_EXAMPLE,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert once.steps, "a machine without steps"
        taken += once.steps
        turn += 1
    return taken
