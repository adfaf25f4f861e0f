"""A pipeline's file whose hashes are right, and whose text is not: passed over, or one error."""

from sauerkraut.errors import CorruptCheckpoint
from sauerkraut.flow import journal
from sauerkraut.flow.local import LocalFile
from sauerkraut.storage import hashes
from tests.nonsense import changes
from tests.unit.flow.pipelines import Pipeline

COUNT = 100


def test_frames_that_cannot_be(path):
    Pipeline(path, "ab").run({"x": 1})
    whole = LocalFile(path).read().newest
    data = path.read_bytes()
    magic, length, nbytes = journal._HEAD.unpack_from(data)
    text = data[journal._TEXT :][:length]
    told, *steps = text.split(b"\n")
    others = 0
    for changed in changes(told, COUNT):
        text = b"\n".join([changed, *steps])
        head = journal._HEAD.pack(magic, len(text), nbytes)
        body = (head + hashes.of_table(head + text, None) + text).ljust(nbytes, b"\0")
        path.write_bytes(body[:nbytes] + data[nbytes:])
        try:
            others += LocalFile(path).read().newest != whole
        except CorruptCheckpoint:
            others += 1
    assert others > COUNT // 10
