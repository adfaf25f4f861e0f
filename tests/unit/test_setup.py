"""`.ci/setup` where something is missing: it says what to type, and mends what is half made."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("cat", "dirname", "env", "find", "head", "sh", "tr")
PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def checkout(tmp_path):
    """As much of this repository as the script looks at before it installs."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "setup", tmp_path / ".ci" / "setup")
    for name in ("pyproject.toml", "CMakeLists.txt"):
        (tmp_path / name).touch()
    for name in ("schema", "native"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def machine(tmp_path):
    """A PATH with few commands, and more by name and text; returns the folder."""
    path = tmp_path / "path"
    path.mkdir()
    for name in TOOLS:
        (path / name).symlink_to(shutil.which(name))

    def machine(commands):
        for name, text in commands.items():
            command = path / name
            command.write_text(f"#!/bin/sh\n{text}\n")
            command.chmod(0o755)
        return path

    return machine


def setup(checkout, path, python=sys.executable, **environment):
    return subprocess.run(
        [checkout / ".ci" / "setup", python],
        env={**environment, "PATH": str(path), "HOME": str(checkout)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def without(text):
    """A Python that lacks something, as a shell command."""
    return f'[ "$1" = -c ] && exec {sys.executable} -c "{text}\n$2" $3; exec {sys.executable} "$@"'


NO_HEADERS = without("import sysconfig; sysconfig.get_path = lambda _: '/nowhere'")
NO_PIP = without("import importlib.util; importlib.util.find_spec = lambda _: None")


@pytest.mark.parametrize(
    ("commands", "says"),
    [
        ({"id": "echo 1000", "apt-get": "exit 1"}, "setup: missing; type: sudo apt-get install -y"),
        ({"id": "echo 0", "apt-get": "exit 1"}, "setup: missing; type: apt-get install -y"),
        ({}, "setup: missing, by the names of their packages in Debian:"),
    ],
    ids=["a user", "root in vain", "no apt-get"],
)
def test_one_line_says_what_is_missing(checkout, machine, commands, says):
    done = setup(checkout, machine({"python": NO_HEADERS, **commands}), python="python")
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"{says} g++ {PYTHON}-dev")
    assert not (checkout / ".venv").exists()


def test_a_python_without_ensurepip_or_none_at_all(checkout, machine):
    path = machine({"c++": "", "python": NO_PIP})
    done = setup(checkout, path, python="python")
    assert (done.returncode, f" {PYTHON}-venv" in done.stderr) == (1, True)
    done = setup(checkout, path, python="python9")
    assert (done.returncode, ": python9" in done.stderr) == (1, True)


def test_root_installs_what_is_missing(checkout, machine):
    path = machine({"id": "echo 0", "apt-get": 'echo "$@" >> installed'})
    setup(checkout, path)
    update, install = (checkout / "installed").read_text().splitlines()
    assert (update, install.startswith("install -y -qq g++")) == ("update -qq", True)


@pytest.mark.thorough
def test_an_environment_without_pip_is_made_anew(checkout):
    """As `python -m venv` leaves one where ensurepip is missing."""
    venv = checkout / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    done = setup(checkout, os.environ["PATH"], PIP_NO_INDEX="1")  # so it ends before it installs
    assert done.returncode != 0
    pip = [venv / "bin" / "python", "-m", "pip", "--version"]
    assert subprocess.run(pip, stdin=subprocess.DEVNULL, check=False).returncode == 0
    assert not list(venv.glob(".sauerkraut-*"))
