"""``python -m sauerkraut`` is the ``sauerkraut`` command."""

from __future__ import annotations

import sys

from sauerkraut.cli import main

sys.exit(main())
