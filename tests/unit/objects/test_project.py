"""What belongs to the user's program: not what is installed, wherever that is."""

import sys

import pytest

from tests.processes import run_python

RECORD = "some/__init__.py,,\nsome/part.py,,\nalone.py,,\nsome-1.0.dist-info/RECORD,,\n"
LOOK = (
    "import importlib, sys\nfrom sauerkraut.objects.project import is_project\n"
    "for name in sys.argv[1:]:\n    importlib.import_module(name)\n"
    "    print(name, is_project(name))\n"
)


@pytest.mark.parametrize("folder", ["lib/python3/site-packages", "anywhere"])
def test_packages_that_pythonpath_leads_to(tmp_path, folder):
    place = tmp_path / folder
    for each in ("some", "some-1.0.dist-info", "ours"):
        (place / each).mkdir(parents=True)
    for each in ("some/__init__.py", "some/part.py", "alone.py", "ours/__init__.py", "own.py"):
        (place / each).touch()
    (place / "some-1.0.dist-info/RECORD").write_text(RECORD)
    names = ["some", "some.part", "alone", "ours", "own"]

    path = ":".join([str(place), *filter(None, sys.path)])
    said = run_python("-c", LOOK, *names, environment={"PYTHONPATH": path}).stdout

    beside = folder == "anywhere"  # what pip did not put there is the program
    expected = [False, False, False, beside, beside]
    assert said.splitlines() == [f"{n} {e}" for n, e in zip(names, expected, strict=True)]
