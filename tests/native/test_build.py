"""What CMake decides about how the core is compiled."""

import platform
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def configure(tmp_path):
    """Configure the core; the commands that would compile it."""
    beside = str(Path(sys.executable).parent)
    cmake, ninja = (shutil.which(each, path=beside) for each in ("cmake", "ninja"))
    if cmake is None or ninja is None:
        pytest.skip("missing: cmake and ninja beside this Python: `pip install --group build`")

    def configure(*options):
        words = [cmake, "-S", ROOT, "-B", tmp_path, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
        words += [f"-DPython_EXECUTABLE={sys.executable}"]
        words += [f"-DCMAKE_PREFIX_PATH={site.getsitepackages()[0]}", *options]
        subprocess.run(words, check=True, capture_output=True, timeout=100)
        return (tmp_path / "compile_commands.json").read_text()

    return configure


@pytest.mark.parametrize("options", [(), ("-DCMAKE_SYSTEM_NAME=Linux",)], ids=["host", "no name"])
def test_hashes_for_avx_are_compiled_where_they_are_looked_for(configure, options):
    """A toolchain file that says the system only leaves the processor without a name."""
    commands = configure(*options)
    wanted = platform.machine() in ("x86_64", "AMD64")
    assert [flag in commands for flag in ("-mavx2", "-mavx512f")] == [wanted] * 2
    assert ("-DSAUERKRAUT_XXH3_AVX " in commands) == wanted
