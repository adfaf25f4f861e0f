"""The file of handler "local": look into it, and damage it."""

from sauerkraut.flow import journal
from sauerkraut.storage import Trust


def frames(path):
    return journal.read(path, Trust()).frames


def damage(path, offset):
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
