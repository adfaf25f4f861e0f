"""JSON of a checkpoint directory changed in hundreds of ways: what reads it says so, typed."""

import json

import pytest

from sauerkraut import storage
from sauerkraut.checkpoint import requests
from sauerkraut.errors import CorruptCheckpoint, DirectoryOwned
from sauerkraut.storage import catalog, layout, manifest, owner, sealed, table
from tests.nonsense import changes

COUNT = 100


def test_owners_that_cannot_be(directory, job, monkeypatch):
    monkeypatch.setattr(owner.time, "sleep", lambda _: None)  # its owner may be rewriting it
    running = job(directory).start()
    path = directory / layout.OWNER
    refused = 0
    for text in changes(path.read_bytes().strip(), COUNT):
        path.write_bytes(text)
        try:
            found = owner.read(directory)
        except DirectoryOwned:
            refused += 1
            continue
        owner.why_free(found, running.ownership.incarnation, None)
        str(owner.refusal(directory, found))
        found.encode()
    assert refused > COUNT // 4


def test_completions_that_cannot_be(directory, job):
    running = job(directory).start()
    running.checkpoint(final=True)
    running.finish()
    path = directory / layout.COMPLETE
    refused = 0
    for text in changes(path.read_bytes().strip(), COUNT):
        path.write_bytes(text)
        try:
            catalog.completion(directory)
        except CorruptCheckpoint:
            refused += 1
    assert refused > COUNT // 4


def test_requests_that_cannot_be(directory):
    directory.mkdir()
    path = requests.write(directory, requests.Request("a1", False, "me"))
    passed_over = 0
    for text in changes(path.read_bytes().strip(), COUNT):
        path.write_bytes(text)
        passed_over += not requests.pending(directory, ())
    assert passed_over > COUNT // 4


def test_lines_of_the_log_that_cannot_be(directory, job):
    job(directory).start().checkpoint()
    path = directory / layout.EVENTS
    lines = path.read_bytes().splitlines()
    for text in changes(lines[-1], COUNT):
        path.write_bytes(b"\n".join([lines[0], text, b"[" * 100_000, lines[0]]))
        found = storage.events.read(directory)
        assert found[0] == found[-1] == json.loads(lines[0])


@pytest.mark.parametrize("name", [layout.MANIFEST, layout.shard(1)])
def test_tables_that_cannot_be(epoch, name):
    """Of a shard and of a manifest, the digest of the table put right."""
    path = epoch / name
    data = path.read_bytes()
    head = table.Head.decode(data[: table.HEAD_SIZE], len(data))
    text = data[table.HEAD_SIZE :][: head.text]
    digests = data[table.HEAD_SIZE + head.text :][: head.digests * table.hashes.SIZE]
    refused = 0
    for changed in changes(text, COUNT):
        start = bytearray(data[: table.HEAD_SIZE])
        start[table._HEAD.size - 48 : table._HEAD.size - 40] = len(changed).to_bytes(8, "little")
        body = (bytes(start) + changed + digests).ljust(head.size - table.hashes.TABLE_SIZE, b"\0")
        path.write_bytes(body + table.hashes.of_table(body, None) + data[head.size :])
        try:
            if name == layout.MANIFEST:
                manifest.read(epoch)
            else:
                with storage.Shard.open(path) as shard:
                    shard.piece()
        except CorruptCheckpoint:
            refused += 1
        catalog.verify(epoch)
    assert refused > COUNT // 4


def test_manifests_that_cannot_be(epoch):
    path = epoch / layout.MANIFEST
    with sealed.SealedFile.open(path, None, kind="manifest") as file:
        text, header = bytes(file.read("manifest")), file.header
    refused = 0
    for changed in changes(text, COUNT):
        path.unlink()
        sealed.write(path, [sealed.Content("manifest", changed)], header, key=None, mode=0o600)
        try:
            manifest.read(epoch)
        except CorruptCheckpoint:
            refused += 1
        catalog.verify(epoch)
    assert refused > COUNT // 4


@pytest.mark.parametrize("back", [1, "", "ab", [], [1], [1, 2], ["1", "a"], [1.5, "a"], {"a": 1}])
def test_epochs_to_go_back_to_that_cannot_be(back):
    with pytest.raises((TypeError, ValueError)):
        storage.About.of_json({"more": {"back": back}})
