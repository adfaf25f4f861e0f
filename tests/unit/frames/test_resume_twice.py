"""A snapshot stays what it was, however often and from whatever memory it is resumed."""

import numpy as np

import sauerkraut as skt


def work(snapshots):
    field = np.zeros((100, 100))
    for step in range(3):
        field += step
        if step == 1 and (snapshot := skt.capture(base=work, exclude=["snapshots"])):
            snapshots.append(snapshot)
    return float(field.sum())


def test_resuming_does_not_change_the_snapshot():
    snapshots = []
    expected = work(snapshots)
    stored = snapshots[0].to_bytes()
    # Memory that the arrays could take over as it is: writable and aligned.
    room = np.empty(len(stored) + 64, np.uint8)
    skip = -room.__array_interface__["data"][0] % 64
    memory = room[skip : skip + len(stored)]
    memory[:] = np.frombuffer(stored, np.uint8)
    for snapshot in (snapshots[0], skt.Snapshot.from_bytes(memory)):
        assert [snapshot.resume(), snapshot.resume()] == [expected, expected]
    again = skt.Snapshot.from_buffers([bytearray(part) for part in snapshots[0].to_buffers()])
    assert [again.resume(), again.resume()] == [expected, expected]
    assert memory.tobytes() == stored
