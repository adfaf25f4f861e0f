"""Starts of a program that changed since its epoch, each a process of its own."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import run_python

STACKS = Path(__file__).resolve().parents[2] / "data" / "stacks-1"

PROGRAM = """
import sys
import sauerkraut as skt

def helper(x):
    return x + 1

class Model:
    def step(self, x):
        return x * 2

def work(n):
    chosen, model = helper, Model()
    if isinstance(skt.current().checkpoint(), skt.Epoch):
        sys.exit(3)
    return model.step(chosen(n))

other = skt.Checkpointer("elsewhere", quiet=True)
ckpt = skt.Checkpointer("ckpt", quiet=True, **eval(sys.argv[1]))
print(ckpt.run(work, 1), other is not ckpt)
"""


@pytest.fixture
def start(tmp_path):
    """Run PROGRAM, with one text replaced, in the test's directory."""

    def start(old="", new="", python=(sys.executable,), seed="0", **options):
        (tmp_path / "program.py").write_text(PROGRAM.replace(old, new) if old else PROGRAM)
        return subprocess.run(
            [*python, "program.py", repr(options)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert start().returncode == 3
    return start


def assert_one_line(done, error, told):
    assert done.returncode == 87
    assert done.stderr.startswith(f"sauerkraut: {error}: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_unchanged_program_goes_on(start):
    done = start()
    assert (done.returncode, done.stdout) == (0, "4 True\n"), done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize(("old", "new", "name"), [("x + 1", "x + 10", "helper")])
def test_a_function_off_the_stack_that_changed_is_warned_of(start, old, new, name):
    done = start(old, new)
    assert done.returncode == 0, done.stderr
    assert f"changed since the epoch: __main__:{name}" in done.stderr


def test_it_is_refused_when_all_code_must_be_the_same(start):
    done = start("x + 1", "x + 10", code_changes="all")
    assert_one_line(done, "CodeChanged", "__main__:helper")


def test_a_function_on_the_stack_that_changed_is_refused_always(start):
    done = start("step(chosen(n))", "step(chosen(n + 5))")
    assert done.returncode == 87
    assert done.stderr.startswith("sauerkraut: CodeChanged: ")
    assert "work has changed since the capture\n--- " in done.stderr
    assert (
        "\n-    return model.step(chosen(n))\n+    return model.step(chosen(n + 5))\n"
        in done.stderr
    )
    assert start().returncode == 0  # nothing was lost


def test_an_argument_that_changed_is_refused_in_one_line(start):
    done = start("ckpt.run(work, 1)", "ckpt.run(work, 2)")
    assert_one_line(done, "ArgumentsChanged", "n: 1 then, 2 now")


def test_an_epoch_that_others_may_write_is_refused_in_one_line(start, tmp_path):
    (epoch,) = (tmp_path / "ckpt").glob("epoch-*")
    epoch.chmod(0o770)
    done = start()
    assert_one_line(done, "UntrustedCheckpoint", f"chmod go-w {epoch}")
    epoch.chmod(0o700)
    assert start().returncode == 0


def test_another_function_is_refused_in_one_line(start):
    done = start("ckpt.run(work, 1)", "ckpt.run(helper, 1)")
    assert_one_line(done, "ArgumentsChanged", "it is of a run of work(), this start gives helper()")


def test_an_error_that_is_caught_leaves_the_status_to_the_program(start):
    done = start(
        "print(ckpt.run(work, 1), other is not ckpt)",
        "try:\n    ckpt.run(work, 2)\nexcept skt.ResumeError:\n    sys.exit(4)",
    )
    assert done.returncode == 4, done.stderr


def test_another_environment_is_warned_of_and_refused_when_it_must_be_the_same(start):
    refused = start(seed="1", strict=True)
    assert refused.returncode == 87
    assert refused.stderr.startswith("sauerkraut: ResumeError: ")
    assert "hash seed: 0 at the capture, 1 now" in refused.stderr
    assert refused.stderr.count("\n") == 1
    warned = start(seed="1")
    assert warned.returncode == 0, warned.stderr
    assert "hash seed: 0 at the capture, 1 now" in warned.stderr


def test_the_same_environment_passes_where_it_must_be_the_same(start):
    done = start(strict=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_epoch_of_another_minor_version_of_python_is_refused_naming_both(tmp_path):
    shutil.copy(STACKS / "program.py", tmp_path)
    other = max({*STACKS.glob("cpython-*")} - {STACKS / sys.implementation.cache_tag})
    shutil.copytree(other / "ckpt", tmp_path / "ckpt")
    for each in (tmp_path / "ckpt", *(tmp_path / "ckpt").rglob("*")):
        each.chmod(0o700 if each.is_dir() else 0o600)
    done = run_python("program.py", "run", cwd=tmp_path, check=False)
    assert done.returncode == 87, done.stderr
    assert done.stderr.startswith("sauerkraut: InterpreterMismatch: ")
    minor = other.name.removeprefix("cpython-3")
    assert f"cpython 3.{minor}." in done.stderr
    assert f"wrote it, this is cpython {platform.python_version()}: start it" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [each.name for each in (tmp_path / "ckpt").glob("epoch-*")] == ["epoch-00000002"]
