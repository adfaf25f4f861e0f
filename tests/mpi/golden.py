"""Golden epochs of ranks, `tests/data/<kind>-<n>/<CPython>`, and the programs that wrote them."""

import sys
import types
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[1] / "data"


def program(folder, name):
    """The module of a program, whose file has the same name on every machine."""
    module = sys.modules[name] = types.ModuleType(name)
    source = (folder / f"{name}.py").read_text()
    exec(compile(source, f"{name}.py", "exec"), vars(module))
    return module


def fixture(kind):
    """A fixture: each epoch of this kind that this CPython wrote."""
    name = f"golden_{kind}"
    found = sorted(DATA.glob(f"{kind}-*/{sys.implementation.cache_tag}"))

    @pytest.fixture(params=found or [None], ids=lambda path: path and path.parent.name)
    def golden(request):
        if request.param is None:
            pytest.skip(
                f"missing: a golden epoch of {sys.implementation.cache_tag}: "
                f"the head of tests/mpi/test_{name}.py says how to write one"
            )
        yield request.param
        sys.modules.pop(name, None)

    return golden
