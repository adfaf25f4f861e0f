"""Digests of values: the same for equal ones, in every process."""

import numpy as np
import pytest

from sauerkraut.errors import CaptureError
from sauerkraut.flow import digest
from tests.processes import run_python

VALUES = """
import functools, sys
import numpy as np
class Plain:
    def __init__(self, **values): vars(self).update(values)
def made(by):
    return lambda x: x * by
loop = [1]
loop.append({"loop": loop})
values = [
    {"a", "b", "c", "d", "e"}, frozenset("abcdef"), {"x": 1, "y": {"p", "q", "r"}},
    Plain(x={"a", "b", "c"}), made(2), np.arange(6.0).reshape(2, 3), np.float64(2), loop,
    [None, True, 1, 1.0, 1j, "a", b"a", ("b",)],
]
if __name__ == "__main__":
    from sauerkraut.flow import digest
    print(*map(digest.of, values))
"""


def test_they_are_the_same_in_every_process(tmp_path):
    (tmp_path / "values.py").write_text(VALUES)
    told = {
        run_python(tmp_path / "values.py", env={"PYTHONHASHSEED": seed}).stdout for seed in "123"
    }
    assert len(told) == 1
    assert len(set(told.pop().split())) == 9


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": 1, "y": 2}, {"y": 2, "x": 1}),
        (["abc", "abc"], ["abc", "".join("abc")]),
        ([one := [1, {}], one], [[1, {}], [1, {}]]),
        (np.asfortranarray(np.ones((2, 3))), np.ones((2, 3))),
        (np.arange(6)[::2], np.array([0, 2, 4])),
    ],
)
def test_equal_values(one, other):
    assert digest.of(one) == digest.of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        ([1], (1,)),
        ({1}, frozenset({1})),
        ({"x": 1, "y": 2}, {"x": 2, "y": 1}),
        (["ab", "c"], ["a", "bc"]),
        ([["a"], "b"], [["a", "b"]]),
        (np.zeros(2), np.zeros(2, "f4")),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros(1), 0.0),
        (np.array(["a", None]), np.array(["b", None])),
        (range(2), range(3)),
        (np.zeros(2, "M8[s]"), np.zeros(2, "M8[D]")),
    ],
)
def test_other_values(one, other):
    assert digest.of(one) != digest.of(other)


def test_functions_count_by_code_defaults_and_closures(program):
    def of(text):
        return digest.of(program(f"def h(): return 1\n{text}").f)

    assert of("f = lambda x: x") == of("# a comment\nf = (\n  lambda x: x)")
    assert of("f = lambda x: x") != of("f = lambda x: -x")
    assert of("f = lambda x=1: x") != of("f = lambda x=2: x")
    made = "def make(n): return lambda: n\nf = make({})"
    assert of(made.format(1)) == of(made.format(1))
    assert of(made.format(1)) != of(made.format(2))


def test_instances_count_by_their_class_and_attributes(program):
    text = "class C:\n  def __init__(self, x): self.x = x\n  def f(self): return 1{}\nc = C({})"

    def of(comment, x, name="pipeline"):
        module = program(text.format(comment, x))
        module.C.__module__ = name
        return digest.of(module.c)

    assert of("", "{'a', 'b', 'c'}") == of("  # a comment", "{'c', 'b', 'a'}")
    assert of("", 1) != of("", 2)
    assert of("", 1) != of(" + 1", 1)


class Bare:
    __slots__ = ()


@pytest.mark.parametrize("kind", [object, Bare])
def test_objects_without_attributes(kind):
    assert digest.of([kind()]) == digest.of([kind()])


def test_what_is_too_deep_to_be_stored():
    value = []
    for _ in range(500_000):  # 3.14 goes as deep as the C stack lets it
        value = [value]
    with pytest.raises(CaptureError, match="nested too deeply"):
        digest.of(value)
