"""Copies of frames, as the tests of the table of limits take and run them."""

import sys

import sauerkraut as skt

taken = []


def take(value=None, **options):
    """Copies the caller; the first time returns ``value``, in a run what run_frame gives."""
    frame = skt.copy_frame(sys._getframe(), exclude_dead_locals=False, **options)
    if not isinstance(frame, skt.seed_api.CapturedFrame):
        return frame
    taken[:] = [frame]
    return value


def again(value=None, **options):
    """Runs what was copied last, through bytes, as another process would read it."""
    data = skt.serialize_frame(taken[0])
    return skt.deserialize_frame(data, run=True, value=value, **options)
