"""The numbers a program gives to poll and checkpoint."""

import fractions

import numpy as np
import pytest

import sauerkraut as skt


@pytest.mark.parametrize("poll", [0, 1, 5])
@pytest.mark.parametrize("value", ["high", None, [1.0], 1j])
def test_a_metric_that_is_no_number_is_refused_at_that_poll(make, poll, value):
    reached = []

    def work():
        for step in range(10):
            reached.append(step)
            skt.current().poll(step, loss=value if step == poll else 0.5)

    with pytest.raises(TypeError, match="loss must be a number"):
        make().run(work)
    assert reached[-1] == poll


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("a",), TypeError, "step must be a number, not str"),
        ((1, "b"), TypeError, "of must be a number, not str"),
        ((fractions.Fraction(10**400),), ValueError, "step must be a number"),
        ((np.zeros(3),), TypeError, "step must be a number"),
    ],
)
def test_a_step_that_is_no_number_is_refused_by_name(make, arguments, error, text):
    with pytest.raises(error, match=text):
        make().run(lambda: skt.current().poll(*arguments))


def test_a_checkpoint_refuses_what_is_no_number_and_stores_nothing(make, directory):
    def work():
        with pytest.raises(TypeError, match="loss must be a number, not str"):
            skt.current().checkpoint(loss="0.5")
        with pytest.raises(ValueError, match="loss must be a number: "):
            skt.current().checkpoint(loss=fractions.Fraction(10**400))
        return skt.current().last

    assert make().run(work) is None


def test_numbers_of_other_libraries_are_kept_as_plain_ones(make):
    def work():
        return skt.current().checkpoint(
            loss=np.float32(0.5), n=np.int64(3), part=fractions.Fraction(1, 4), good=True
        )

    metrics = dict(make().run(work).metrics)
    assert metrics == {"loss": 0.5, "n": 3, "part": 0.25, "good": 1}
    assert {type(value) for value in metrics.values()} == {float, int}
