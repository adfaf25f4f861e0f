"""The notebook of Gumly's CheckpointFlow, cell by cell: what it printed there is printed here."""

import pytest

from sauerkraut.flow import CheckpointFlow

FIRST = """\
loader
f1 printing state: {'a': 'value of A'}
f1 printing data: {'x': [1, 2, 3]}
saver printing data={'x': [1, 2, 3]}
"""
SECOND = """\
f2 printing state: {'a': 'value of A', 'd': 'D', 'checkpoint_index': 1}
f2 printing data: {}
f3 printing state: {'a': 'value of A', 'd': 'D', 'checkpoint_index': 2}
f3 printing data: {}
saver3 printing data={}
"""
THIRD = """\
loader
f1 printing state: {'a': 'value of A', 'd': 'D', 'checkpoint_index': 1}
f1 printing data: {'x': [1, 2, 3]}
saver printing data={'x': [1, 2, 3]}
f2 printing state: {'a': 'value of A', 'd': 'D', 'checkpoint_index': 1}
f2 printing data: {'x': [1, 2, 3]}
f3 printing state: {'a': 'value of A', 'd': 'D', 'checkpoint_index': 2}
f3 printing data: {'x': [1, 2, 3]}
saver3 printing data={'x': [1, 2, 3]}
"""
FOURTH = """\
loader
f1 printing state: {'a': 'value of A', 'd': 'D', 'checkpoint_index': 0, 'c': 4.5}
f1 printing data: {'x': [1, 2, 3]}
saver printing data={'x': [1, 2, 3]}
f2 printing state: {'a': 'value of A', 'd': 'D', 'checkpoint_index': 1, 'c': 4.5}
f2 printing data: {'x': [1, 2, 3]}
loader3
f3 printing state: {'a': 'value of A', 'd': 'D', 'checkpoint_index': 2, 'c': 4.5}
f3 printing data: {'x': [1, 2, 3], 'z': ['A', 'B', 'C']}
saver3 printing data={'x': [1, 2, 3], 'z': ['A', 'B', 'C']}
"""
FIFTH = """\
f2 printing state: {'a': 'value of A', 'd': 'D', 'checkpoint_index': 0, 'c': 4.5}
f2 printing data: {}
f3 printing state: {'a': 'value of A', 'd': 'D', 'checkpoint_index': 2, 'c': 4.5}
f3 printing data: {}
saver3 printing data={}
"""


def loader(state):
    print("loader")
    return {"x": [1, 2, 3]}


def saver(state, data):
    print(f"saver printing data={data}")


def loader3(state):
    print("loader3")
    return {"z": ["A", "B", "C"]}


def saver3(state, data):
    print(f"saver3 printing data={data}")


def pipeline(path, *, broken):
    cp = CheckpointFlow(path, handler="local")

    @cp.add_step(load=loader, save=saver)
    def f1(state, data):
        print(f"f1 printing state: {state}")
        print(f"f1 printing data: {data}")
        state["d"] = "D"

    if broken:

        @cp.add_step()
        def f2(state, data):
            raise Exception("This thing broke!")  # noqa: TRY002 - the words of the notebook

    else:

        @cp.add_step()
        def f2(state, data):
            print(f"f2 printing state: {state}")
            print(f"f2 printing data: {data}")

    @cp.add_step(load=loader3, save=saver3)
    def f3(state, data):
        print(f"f3 printing state: {state}")
        print(f"f3 printing data: {data}")
        state["c"] = 4.5

    return cp


def test_the_notebook_word_for_word(tmp_path, capsys):
    path = tmp_path / "checkpoint.pkl"

    def printed():
        return capsys.readouterr().out

    cp = pipeline(path, broken=True)
    initial_state = {"a": "value of A"}
    with pytest.raises(Exception, match="This thing broke!") as raised:
        cp.run(initial_state)
    assert type(raised.value) is Exception
    assert printed() == FIRST

    pipeline(path, broken=False).run(initial_state)
    assert printed() == SECOND

    cp = pipeline(path, broken=False)
    cp.run(initial_state)
    assert printed() == THIRD

    cp.run(initial_state, load_policy="always")
    assert printed() == FOURTH

    cp.run(initial_state, checkpoint=1)
    assert printed() == FIFTH
