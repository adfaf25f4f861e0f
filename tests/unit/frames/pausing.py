"""Programs that capture from where C code stands between two frames."""

import sauerkraut as skt


def pause(value=None, kept=None):
    """Captures up to the innermost `skt.call`; what cannot be captured ends the program."""
    snapshot = skt.capture()
    if snapshot and kept is not None:
        kept.append(snapshot)
    return value


class Steps:
    def __init__(self):
        self.left = 3

    def __iter__(self):
        return self

    def __next__(self):
        pause()
        self.left -= 1
        if not self.left:
            raise StopIteration
        return self.left


def looped(iterator):
    for _ in iterator:
        pass
