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
