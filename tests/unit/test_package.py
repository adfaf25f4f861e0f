"""What `import sauerkraut` gives, and what it leaves for later."""

import subprocess
import sys

import sauerkraut

AT_START = """
import sys
import sauerkraut
names = [name.removeprefix("sauerkraut.").partition(".")[0] for name in sys.modules
         if name.startswith("sauerkraut.")]
assert not {"checkpoint", "storage", "mpi", "flow", "seed_api", "liveness", "cli"} & {*names}, names
assert not {"h5py", "numpy", "mpi4py", "dill"} & {*sys.modules}
from sauerkraut import *
assert Checkpointer is sauerkraut.Checkpointer and liveness is sys.modules["sauerkraut.liveness"]
assert not {"h5py", "mpi4py", "dill"} & {*sys.modules}
"""


def test_an_import_loads_the_engine_and_the_rest_comes_when_it_is_used():
    done = subprocess.run(
        [sys.executable, "-c", AT_START],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there_and_no_other():
    assert all(hasattr(sauerkraut, name) for name in sauerkraut.__all__)
    assert {*sauerkraut.__all__} <= {*dir(sauerkraut)}
    assert not hasattr(sauerkraut, "no_such_name")
