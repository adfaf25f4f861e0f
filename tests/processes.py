"""Programs that tests start in processes of their own."""

import os
import subprocess
import sys


def run_python(*words, **options):
    """Run this Python with ``words`` and nothing to read; returns when it has ended, as text.

    ``options`` are those of `subprocess.run`; unless ``check`` is False, a status other than 0 is
    an error that shows what the program wrote.
    """
    return run(sys.executable, *words, **options)


def run(*words, **options):
    """Run a command as `run_python` does its own; ``environment``: set beside this process's."""
    check = options.pop("check", True)
    if "environment" in options:
        options["env"] = {**os.environ, **options.pop("environment")}
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    captured = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    settings = {**captured, "text": True, "timeout": 60, **options}
    done = subprocess.run([*map(str, words)], check=False, **settings)
    if check:
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done
