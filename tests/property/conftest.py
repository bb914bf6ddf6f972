"""How far the machines of this folder run: a short way in the suite, `make property STEPS=n SEED=n` a long one."""

import pytest

from support.machines import Length


@pytest.fixture
def length(request: pytest.FixtureRequest) -> Length:
    """Steps and seed; without a seed of its own, a run takes the one that orders the suite."""
    option = request.config.getoption
    seed = option("property_seed")
    if seed is None:
        seed = option("randomly_seed", 0)
    return Length(option("property_steps"), int(seed) if str(seed).isdigit() else 0)
