"""Reads where the numbers of a control section lie, so that a test can change them in place.

A minimal reader of FlatBuffers (https://flatbuffers.dev/internals/): a table starts with the
distance to its vtable, which holds the distance to each field.
"""

import struct


class Table:
    def __init__(self, buffer, at):
        self.buffer, self.at = buffer, at
        self.vtable = at - struct.unpack_from("<i", buffer, at)[0]

    def field(self, index):
        """Position of a field's value; None when it is not stored."""
        size = struct.unpack_from("<H", self.buffer, self.vtable)[0]
        entry = 4 + 2 * index
        offset = (
            struct.unpack_from("<H", self.buffer, self.vtable + entry)[0] if entry < size else 0
        )
        return self.at + offset if offset else None

    def vector(self, index):
        """(position of the first element, number of elements) of a vector field."""
        at = self.field(index)
        if at is None:
            return 0, 0
        start = at + struct.unpack_from("<I", self.buffer, at)[0]
        return start + 4, struct.unpack_from("<I", self.buffer, start)[0]

    def table(self, index):
        at = self.field(index)
        return Table(self.buffer, at + struct.unpack_from("<I", self.buffer, at)[0])

    def tables(self, index):
        start, count = self.vector(index)
        for place in range(start, start + 4 * count, 4):
            yield Table(self.buffer, place + struct.unpack_from("<I", self.buffer, place)[0])


# Field numbers of schema/snapshot.fbs.
FRAMES, HANDLED, GENERATORS = 1, 2, 4
CODE, UNIT, CONTINUATION, LOCAL_COUNT, SLOTS, PENDING, GLOBALS, LOCALS = 0, 1, 2, 3, 4, 5, 7, 8
GENERATOR = 17
EMBEDDED = 4
STAGE, FRAME, OBJECTS, HANDLED_IN, FLAGS = 0, 1, 2, 3, 6


def frames(buffer):
    """Those of the stack, then those of generators."""
    return [
        *snapshot(buffer).tables(FRAMES),
        *(generator.table(FRAME) for generator in generators(buffer)),
    ]


def generators(buffer):
    return list(snapshot(buffer).tables(GENERATORS))


def embedded_code(buffer):
    """Where code itself lies, in ranges of positions: it is run as it is, like the stream."""
    found = []
    for frame in frames(buffer):
        start, count = frame.table(CODE).vector(EMBEDDED)
        found.append(range(start, start + count))
    return found


def snapshot(buffer):
    return Table(buffer, struct.unpack_from("<I", buffer, 0)[0])


def slots(buffer):
    """Positions of the slots of each frame, each a u64."""
    found = []
    for frame in frames(buffer):
        start, count = frame.vector(SLOTS)
        found.append([start + 8 * i for i in range(count)])
    return found
