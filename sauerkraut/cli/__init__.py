"""``sauerkraut <verb>``: look at checkpoints, check them, start their job again."""

from __future__ import annotations

from sauerkraut.cli.main import main

__all__ = ["main"]
