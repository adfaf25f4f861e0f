"""Runs that end at their first checkpoint, for tests that resume them in the same process."""

import sauerkraut as skt


class CrashError(Exception):
    """What ends a run in the middle."""


def again():
    """Checkpoint, and end the run there; go on after the restart."""
    if isinstance(skt.current().checkpoint(), skt.Epoch):
        raise CrashError
