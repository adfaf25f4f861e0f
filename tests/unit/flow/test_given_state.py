"""A restart ignores the state that it is given, and says so when that is another one."""

import pytest

from sauerkraut.flow import CheckpointFlow
from tests.unit.flow.pipelines import BrokenError


class Unequal:
    """Has no ``__eq__``."""


def warns(path, caplog, *values):
    for value in values:
        caplog.clear()
        flow = CheckpointFlow(path, quiet=True)
        flow.add_step(name="a")(lambda state, data: None)

        @flow.add_step()
        def breaks(state, data):
            raise BrokenError

        with pytest.raises(BrokenError):
            flow.run({"w": value})
    return "the given state is not the one that run 1 began with" in caplog.text


class Raises:
    """Cannot be compared."""

    def __init__(self, told=1):
        self.told = told

    def __eq__(self, other):
        raise ArithmeticError

    __hash__ = None


MAKERS = {
    "object": Unequal,
    "raises": Raises,
    "nan": lambda: float("nan"),
    "function": lambda: [lambda: 1],
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_values_that_equal_no_copy_of_theirs_do_not_tell(path, caplog, make):
    assert not warns(path, caplog, make(), make())


def test_another_one(path, caplog):
    assert warns(path, caplog, 1, 2)


def test_another_one_that_cannot_be_compared(path, caplog):
    assert warns(path, caplog, Raises(1), Raises(2))
