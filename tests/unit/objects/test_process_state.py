"""State of the process: in another one the same numbers come next."""

import contextvars
import decimal
import os
import random
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

from sauerkraut.errors import ResumeError
from sauerkraut.objects import graph, process_state
from tests.unit.objects import crossing


@pytest.fixture
def restored():
    """Leave the process as it was."""
    frozen = graph.freeze([process_state.capture()])
    limit = sys.getrecursionlimit()
    yield
    process_state.restore(graph.thaw(frozen)[0])
    sys.setrecursionlimit(limit)


def test_random_streams_in_another_process(restored):
    random.seed(3)
    np.random.seed(4)  # noqa: NPY002
    np.random.standard_normal()  # noqa: NPY002 - leaves half of a pair behind
    captured = process_state.capture()
    result = crossing.elsewhere(
        [captured],
        "import random, numpy as np\nfrom sauerkraut.objects import process_state\n"
        "process_state.restore(values[0])\n"
        "result = random.random(), random.gauss(), np.random.standard_normal(), np.random.rand()",
    )
    assert result == (
        random.random(),
        random.gauss(),
        np.random.standard_normal(),  # noqa: NPY002
        np.random.rand(),  # noqa: NPY002
    )


def test_print_options_in_another_process(restored):
    np.set_printoptions(precision=3, formatter={"int": hex})
    result = crossing.elsewhere(
        [process_state.capture()],
        "import numpy as np\nfrom sauerkraut.objects import process_state\n"
        "process_state.restore(values[0])\n"
        "result = str(np.array([1.23456])), str(np.array([10]))",
    )
    assert result == ("[1.235]", "[0xa]")


def test_contexts_directory_umask_and_filters(restored, tmp_path, monkeypatch):
    module = types.ModuleType("some_project")
    module.__file__ = str(tmp_path / "some_project.py")
    module.variable = contextvars.ContextVar("variable")
    monkeypatch.setitem(sys.modules, "some_project", module)
    module.variable.set([1])
    decimal.getcontext().prec = 7
    old_error = np.geterr()
    np.seterr(over="raise")
    monkeypatch.chdir(tmp_path)
    os.umask(0o027)
    warnings.filterwarnings("ignore", "some text", UserWarning)
    sys.setrecursionlimit(sys.getrecursionlimit() + 123)
    limit = sys.getrecursionlimit()
    (captured,) = graph.thaw(graph.freeze([process_state.capture()]))

    module.variable.set([2])
    decimal.getcontext().prec = 9
    np.seterr(over="ignore")
    os.chdir("/")
    os.umask(0o022)
    warnings.resetwarnings()
    sys.setrecursionlimit(limit - 100)
    process_state.restore(captured)

    assert module.variable.get() == [1]
    assert decimal.getcontext().prec == 7
    assert np.geterr()["over"] == "raise"
    assert Path.cwd().samefile(tmp_path)
    assert os.umask(0o027) == 0o027
    assert any(f[1] is not None and f[1].pattern == "some text" for f in warnings.filters)
    assert sys.getrecursionlimit() == limit
    np.seterr(**old_error)


def test_the_decimal_context_that_a_frame_holds_stays_the_current_one(restored):
    held = decimal.getcontext()
    captured, back = graph.thaw(graph.freeze([process_state.capture(), held]))
    process_state.restore(captured)
    assert decimal.getcontext() is back


def test_a_missing_directory_is_refused_and_nothing_set(restored, tmp_path):
    captured = process_state.capture()
    captured["directory"] = str(tmp_path / "gone")
    captured["random"] = random.Random(99).getstate()
    before = random.getstate()
    with pytest.raises(ResumeError, match="working directory"):
        process_state.restore(captured)
    assert random.getstate() == before


def test_capture_changes_nothing():
    before = random.getstate(), os.umask(0o022), Path.cwd(), len(warnings.filters)
    os.umask(before[1])
    process_state.capture()
    mask = os.umask(0o022)
    os.umask(mask)
    assert (random.getstate(), mask, Path.cwd(), len(warnings.filters)) == before


def test_environment_is_compared():
    facts = process_state.environment()
    assert facts["python"] == sys.version.split()[0]
    assert facts["numpy"] == np.__version__
    assert process_state.compare(facts, facts) == []
    assert process_state.compare({"numpy": "1.0", "mpi4py": "4"}, {"numpy": "2.0", "MPI": "x"}) == [
        "numpy: 1.0 at the capture, 2.0 now",
        "MPI: absent at the capture, x now",
    ]
