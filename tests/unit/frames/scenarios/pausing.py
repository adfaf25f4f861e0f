"""The pause that programs make, at one of which the stack is captured."""

import sauerkraut as skt

count = 0
at = 0
base = None
kept = None


def pause(value=None):
    """Returns `value`."""
    global count, kept
    count += 1
    if count == at:
        snapshot = skt.capture(base=base)
        if snapshot:
            kept = snapshot
    return value


def begin(program, pause_at):
    """The next program is `program`; its stack is captured at the `pause_at`-th pause."""
    global count, at, base, kept
    count, at, base, kept = 0, pause_at, program, None
