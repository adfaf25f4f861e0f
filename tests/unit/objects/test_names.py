"""What stored streams name stays where it is: a name that goes makes every epoch unreadable."""

from pathlib import Path

from tests.processes import run_python

NAMES = Path(__file__).resolve().parents[2] / "data" / "names.txt"
FIND = """
import importlib, sys
import mpi4py
mpi4py.rc.initialize = False
for line in open(sys.argv[1]):
    module, *names = line.split()
    for name in names:
        found = getattr(importlib.import_module(module), name, None)
        # an object goes by the name that its reducer gives, all others by their own
        own = getattr(found, "__module__", None), getattr(found, "__qualname__", name)
        if found is None or own != (module, name):
            print(module, name)
"""


def test_every_promised_name_leads_to_what_is_stored_by_it():
    """Never take a name out of the list: leave a function of that name where it was."""
    assert run_python("-c", FIND, NAMES).stdout == ""
