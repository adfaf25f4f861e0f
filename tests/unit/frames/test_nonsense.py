"""Snapshots whose tables and notes say what cannot be, all hashes right: one typed refusal."""

import numpy as np

import sauerkraut as skt
from sauerkraut.frames import aftermath, container
from tests.nonsense import changes, sealed, sections

COUNT = 300


def arrays():
    field, mask = np.zeros((100, 100)), np.ones(70_000, bool)
    snapshot = skt.capture()
    return snapshot or float(field.sum() + mask.sum())


def with_changed(data, kind):
    """Containers with another section of one kind."""
    found = sections(data)
    (text,) = [each for k, each in found if k == kind]
    for changed in changes(text, COUNT):
        yield sealed([(k, changed if k == kind else each) for k, each in found])


def outcomes(containers, read):
    """How many could be read, and how many were refused as they must be."""
    refused = []
    for each in containers:
        try:
            read(each)
        except skt.ResumeError as error:
            refused.append(str(error))
    assert all("\n" not in each for each in refused)
    return COUNT - len(refused), len(refused)


def test_a_sealed_container_is_what_was_written():
    data = skt.call(arrays).to_bytes()
    assert sealed(sections(data)) == data


def test_block_tables_that_cannot_be_are_refused():
    data = skt.call(arrays).to_bytes()

    def resume(each):
        snapshot = skt.Snapshot.from_bytes(each)
        assert skt.Snapshot.from_bytes(snapshot.to_bytes()).resume() == 70_000

    read, refused = outcomes(with_changed(data, container.BLOCK_TABLE), resume)
    assert refused > COUNT // 4
    assert read > 0  # another name of an array is as good


def in_a_function():
    place = "here"
    frame = skt.copy_current_frame()
    return frame if isinstance(frame, skt.seed_api.CapturedFrame) else place


def test_notes_that_cannot_be_are_refused():
    data = skt.serialize_frame(in_a_function(), capture_module_source=True)

    def run(each):
        assert skt.deserialize_frame(each, run=True, reconstruct_module=False) == "here"

    read, refused = outcomes(with_changed(data, container.NOTES), run)
    assert refused > COUNT // 4
    assert read > 0


def fails():
    field, limits = np.zeros(100_000), {"low": 1}
    raise ValueError(f"of {field.size} and {limits}")


def test_rows_of_a_post_mortem_that_cannot_be_are_refused():
    try:
        fails()
    except ValueError as error:
        found = aftermath.freeze(error.__traceback__, lambda module: module == "pytest")
    stream = bytes(found.frozen.stream)

    def read(rows):
        for frame in aftermath.read(rows, stream):
            assert isinstance(frame["line"], int)
            assert all(local["name"].strip(local["type"]) is not None for local in frame["locals"])

    read, refused = outcomes(changes(found.rows, COUNT), read)
    assert read > 0
    assert refused > COUNT // 8
