"""Stored values changed with care, their hashes put right: what says they are sound is no proof."""

import json
import random
from dataclasses import replace

from sauerkraut.frames import container
from sauerkraut.storage import Shard, Stream, Trust, layout, manifest, shard

_OTHERS = (None, True, -1, 2**70, 1e308, float("inf"), "", "x", "\ud800", [], {}, [[]], {"x": 1})


def changes(text, count):
    """JSON changed in ``count`` ways: a value in another kind's place, or a byte in another's."""
    for seed in range(count):
        rng = random.Random(seed)
        if rng.random() < 0.25:
            changed = bytearray(text)
            for _ in range(rng.choice((1, 1, 3))):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            yield bytes(changed[: rng.choice((len(text), len(text), rng.randrange(len(text))))])
            continue
        values = [json.loads(text)]
        _change(rng, values)
        yield json.dumps(values[0]).encode()


def _change(rng, values):
    """Change one of all the values below ``values``."""
    places, pending = [], [values]
    while pending:
        each = pending.pop()
        for key in each if isinstance(each, dict) else range(len(each)):
            places.append((each, key))
            if isinstance(each[key], (dict, list)):
                pending.append(each[key])
    within, key = rng.choice(places)
    if within is not values and rng.random() < 0.2:
        del within[key]
    elif within is not values and rng.random() < 0.2:
        other, place = rng.choice(places[1:])
        within[key] = json.loads(json.dumps(other[place]))
    else:
        within[key] = rng.choice(_OTHERS)


def sections(data):
    """The sections of a container: kind and bytes of each."""
    parts = container.read(memoryview(data))
    described = [{"dtype": b.dtype, "shape": b.shape, "path": b.path} for b in parts.blocks]
    return [
        (container.CONTROL, parts.control),
        (container.OBJECTS, parts.objects),
        (container.BLOCK_TABLE, json.dumps(described).encode()),
        *((container.BLOCK, bytes(block.memory)) for block in parts.blocks),
        *((container.NOTES, notes) for notes in [parts.notes] if notes),
        *((container.GLOBALS, stream) for stream in [parts.globals] if stream),
    ]


def sealed(sections):
    """A container of any sections."""
    table = container._native.section_table(sections)
    body = b"".join(data + bytes(-len(data) % container.ALIGNMENT) for _, data in sections)
    total = container.ALIGNMENT + len(table) + len(body)
    head = container._HEADER.pack(container.MAGIC, container.VERSION, len(sections), total)
    return head + container._seal(head + table) + table + body


def reseal(epoch, change, ranks=None):
    """Write the shards of an epoch, and its manifest, anew; ``change`` is given each stream."""
    found = manifest.read(epoch)
    seals = list(found.seals)
    for rank in range(len(seals)) if ranks is None else ranks:
        path = epoch / seals[rank].file
        with Shard.open(path) as opened:
            piece, header = opened.piece(), opened._file.header
        streams = tuple(Stream(s.name, change(s.name, bytes(s.data))) for s in piece.streams)
        path.unlink()
        piece = replace(piece, streams=streams)
        seals[rank] = shard.write_file(path, piece, header, Trust(), 0o600)
    (epoch / layout.MANIFEST).unlink()
    changed = replace(found, seals=tuple(seals))
    manifest.write(epoch / layout.MANIFEST, changed, share=None, key=None)
