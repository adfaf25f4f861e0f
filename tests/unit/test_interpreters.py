"""Which interpreters are refused, before anything of them is relied on."""

import sys

import pytest

import sauerkraut as skt
from sauerkraut.frames import snapshot
from tests.processes import run_python


def test_a_free_threaded_build_is_refused_at_import():
    done = run_python("-c", "import sys; sys.abiflags = 't'; import sauerkraut", check=False)
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: sauerkraut needs a CPython with the GIL")


SUB_INTERPRETER = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

FIRST
name = interpreters.create()
told = interpreters.run_string(name, f'''
import sys
sys.path[:] = {sys.path!r}
try:
    import sauerkraut
except ImportError as error:
    assert "sauerkraut cannot be used in a sub-interpreter" in str(error), error
else:
    raise AssertionError("imported")
assert "sauerkraut._native" not in sys.modules
''')
assert told is None, told
interpreters.destroy(name)

import sauerkraut

def program():
    here = 1
    return sauerkraut.capture() or here

assert sauerkraut.call(program).resume(0) == 1
"""


@pytest.mark.parametrize("first", ["", "import sauerkraut"])
def test_a_sub_interpreter_is_refused_at_import_and_the_main_one_goes_on(first):
    run_python("-c", SUB_INTERPRETER.replace("FIRST", first))


BY_PATH = """
import sauerkraut as skt

class Kept:
    here = 2

def inner(kept):
    return skt.capture(base=outer) or kept.here + there

def outer():
    return inner(Kept())

there = 5
made = outer()
"""


def test_a_program_of_run_path_comes_back_where_its_module_is_not(tmp_path):
    program, stored = tmp_path / "program.py", tmp_path / "stored"
    program.write_text(BY_PATH)
    run_path = "import runpy, sys; made = runpy.run_path(sys.argv[1])['made']\n"
    store = "open(sys.argv[2], 'wb').write(made.to_bytes()); assert made.resume(0) == 7"
    run_python("-c", run_path + store, program, stored)
    back = "import sauerkraut, sys; data = open(sys.argv[1], 'rb').read()\n"
    run_python("-c", f"{back}assert sauerkraut.Snapshot.from_bytes(data).resume(0) == 7", stored)


COMPILED = """
import sys
import sauerkraut as skt

active = []

def leaf(turn, turns):
    compiled = sys._jit.is_active()  # in the last turn as in all others
    if turn < turns - 1:
        return turn
    active.append(compiled)
    return skt.capture(base=hot) or turn

def hot(turns):
    total, last = 0, {}
    for turn in range(turns):
        made = leaf(turn, turns)
        if not isinstance(made, int):
            return made
        total += made
        last[turn % 7] = total
    return total, sorted(last.items())
"""
STORE = """
import sys, compiled
compiled.hot(60000)
compiled.active.clear()
made = compiled.hot(60001)
assert compiled.active == [True], compiled.active
open(sys.argv[1], "wb").write(made.to_bytes())
print(made.resume(0))
"""
RESUME = """
import sys, sauerkraut
print(sauerkraut.Snapshot.from_bytes(open(sys.argv[1], "rb").read()).resume(0))
"""


@pytest.mark.skipif(
    not getattr(getattr(sys, "_jit", None), "is_available", bool)(),
    reason="missing: a CPython with a JIT compiler, as Debian's 3.14: .ci/newer-python",
)
def test_a_capture_in_compiled_code_is_resumed_elsewhere(tmp_path):
    (tmp_path / "compiled.py").write_text(COMPILED)
    stored = tmp_path / "stored"
    jit = {"PYTHON_JIT": "1", "PYTHONPATH": str(tmp_path)}
    told = run_python("-c", STORE, stored, environment=jit).stdout
    assert run_python("-c", RESUME, stored, environment=jit).stdout == told
    turns = 60001
    last = sorted((n % 7, n * (n + 1) // 2) for n in range(turns - 7, turns))
    assert told.split() == str((turns * (turns - 1) // 2, last)).split()


def capture():
    return skt.capture()


@pytest.mark.parametrize(
    ("version", "magic"),
    [("3.11.7", 3495), ("3.12.1", 3531), ("3.13.0", 3571), ("3.14.10", 3627), ("3.15.2", 3666)],
)
def test_a_snapshot_of_another_minor_version_is_refused_naming_both(version, magic, monkeypatch):
    if magic == snapshot.MAGIC:
        version, magic = "3.10.0", 3439
    here = sys.version.split()[0]
    stored = skt.call(capture).to_bytes()
    monkeypatch.setattr("sauerkraut.frames.snapshot.MAGIC", magic)
    monkeypatch.setattr("platform.python_version", lambda: version)
    with pytest.raises(skt.InterpreterMismatch) as refused:
        skt.Snapshot.from_bytes(stored).resume()
    assert f"written by cpython {here}, this is cpython {version}" in str(refused.value)
