"""``python -m sauerkraut.testing RANKS PROGRAM ...``: run it under the ``mpiexec`` that works here.

The launcher is the one of `find_launcher`; it replaces this process.
"""

from __future__ import annotations

import os
import sys

from sauerkraut.launch.mpiexec import find_launcher

launcher = find_launcher()
words = [*launcher.command(int(sys.argv[1])), *sys.argv[2:]]
os.execve(launcher.mpiexec, words, {**os.environ, **launcher.environment})
