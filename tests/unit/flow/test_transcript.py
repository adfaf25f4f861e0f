"""The notebook of Gumly's CheckpointFlow, cell by cell: what it printed there is printed here."""

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "flow.py"
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


pipeline = runpy.run_path(str(EXAMPLE))["pipeline"]


def test_the_notebook_word_for_word(tmp_path, capsys):
    path = tmp_path / "checkpoint.pkl"

    def printed():
        return capsys.readouterr().out

    cp = pipeline(path, broken=True)
    initial_state = {"a": "value of A"}
    with pytest.raises(RuntimeError, match="This thing broke!"):
        cp.run(initial_state)
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
