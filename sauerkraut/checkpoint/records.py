"""What a program is told about a checkpoint it took or came back from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sauerkraut.storage import Epoch, Manifest

__all__ = ["Epoch", "Restart"]


@dataclass(frozen=True, slots=True)
class Restart:
    """What the very call of ``poll`` or ``checkpoint`` returns in which a restart came back."""

    epoch: int
    """Number of the epoch it came from."""
    count: int
    """Restarts of this timeline, 1 at the first."""
    when: datetime
    """When that epoch was committed, in UTC."""
    step: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Manifest) -> Restart:
        """Describe a restart from the epoch of ``manifest``."""
        epoch = manifest.epoch
        return cls(
            epoch.number, manifest.about.restarts + 1, epoch.when, epoch.step, dict(epoch.metrics)
        )
