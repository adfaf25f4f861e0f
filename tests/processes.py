"""Programs that tests start in processes of their own."""

import subprocess
import sys


def run_python(*words, **options):
    """Run this Python with ``words`` and nothing to read; returns when it has ended, as text.

    ``options`` are those of `subprocess.run`; unless ``check`` is False, a status other than 0 is
    an error that shows what the program wrote.
    """
    check = options.pop("check", True)
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    settings = {"capture_output": True, "text": True, "timeout": 60, **options}
    done = subprocess.run([sys.executable, *map(str, words)], check=False, **settings)
    if check:
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done
