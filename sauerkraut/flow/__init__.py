"""CheckpointFlow: a pipeline of heavy steps that starts again at the step that did not finish."""

from __future__ import annotations

from sauerkraut.flow.flow import CheckpointFlow
from sauerkraut.flow.local import LocalStateHandler

__all__ = ["CheckpointFlow", "LocalStateHandler"]
