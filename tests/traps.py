"""An object that tells whether something of a checkpoint was run."""

from pathlib import Path


class Trap:
    """Leaves the file ``path`` when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (spring, (self.path,))


def spring(path):
    """Make that file; the trap again."""
    Path(path).write_text("sprung")
    return Trap(path)
