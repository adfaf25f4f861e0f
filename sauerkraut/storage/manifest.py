"""The file ``manifest.h5`` of an epoch: one tree over all shards, and who wrote what when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from errno import ENOENT
from pathlib import Path
from typing import Any

from sauerkraut.errors import CorruptCheckpoint, StorageError
from sauerkraut.nonsense import NONSENSE, wrong
from sauerkraut.storage import disk, layout, sealed
from sauerkraut.storage.epoch import About, Block, Epoch, GlobalArray, Manifest, Seal
from sauerkraut.storage.layout import Modes
from sauerkraut.storage.sealed import Content, SealedFile
from sauerkraut.storage.skeleton import Source, Virtual
from sauerkraut.storage.table import place_of
from sauerkraut.storage.trust import Trust

_TEXT = "manifest"


def write(path: Path, manifest: Manifest, *, share: str | None, key: bytes | None) -> None:
    """Write and seal a manifest under a name that was not there; two fsyncs.

    Raises:
        StorageError: it could not be written; what is left of it has no seal.
    """
    epoch = manifest.epoch
    text = json.dumps(
        {
            "when": epoch.when.isoformat(),
            "seconds": epoch.seconds,
            "about": manifest.about.to_json(),
            "incarnation": manifest.incarnation,
            "host": manifest.host,
            "user": manifest.user,
            "shards": [_described(seal) for seal in manifest.seals],
        }
    ).encode()
    sealed.write(
        path,
        [Content(_TEXT, text)],
        {
            "kind": "manifest",
            "epoch": epoch.number,
            "attempt": epoch.attempt,
            "parent": manifest.parent,
            "world_size": manifest.world_size,
        },
        links=[(layout.rank_group(seal.rank), seal.file) for seal in manifest.seals],
        virtual=[_virtual(array, manifest) for array in manifest.arrays().values()],
        key=key,
        mode=Modes.of(share).file,
    )


def _described(seal: Seal) -> dict[str, Any]:
    values = asdict(seal)
    if not seal.blocks:
        del values["blocks"]
    return values


def _virtual(array: GlobalArray, manifest: Manifest) -> Virtual:
    """What shows an array, of which ranks stored blocks, as one."""
    sources = tuple(
        Source(
            manifest.seals[rank].file,
            f"{layout.rank_group(rank)}/{block.name}",
            block.place.start,
            block.shape,
        )
        for rank, block in array.blocks.items()
    )
    return Virtual(f"{layout.ARRAYS}/{array.name}", array.dtype, array.shape, sources)


def read(epoch: Path, trust: Trust | None = None) -> Manifest:
    """Read and check the manifest in the directory of a committed epoch.

    Raises:
        UntrustedCheckpoint: owner, permissions or key; not with ``trust=None``.
        CorruptCheckpoint: it is missing or its bytes are wrong.
        StorageError: it could not be read.
    """
    path = epoch / layout.MANIFEST
    if trust is not None:
        trust.check(disk.status(epoch), epoch)
    try:
        file = SealedFile.open(path, trust, kind="manifest")
    except StorageError as error:
        if error.errno != ENOENT:
            raise
        raise CorruptCheckpoint(f"{path} is missing") from error
    with file:
        text = file.read(_TEXT) if _TEXT in file.extents else b""
        try:
            return _parse(epoch, file.header, json.loads(bytes(text)))
        except NONSENSE as error:
            raise CorruptCheckpoint(f"{path} does not describe an epoch: {wrong(error)}") from error


def problems(epoch: Path, trust: Trust) -> list[tuple[str | None, str]]:
    """Check every byte of a manifest that `read` accepted; returns what is wrong."""
    with SealedFile.open(epoch / layout.MANIFEST, trust, kind="manifest") as file:
        return file.problems()


def _parse(path: Path, header: Mapping[str, Any], values: Mapping[str, Any]) -> Manifest:
    about = About.of_json(values["about"])
    seals = tuple(
        Seal(int(s["rank"]), str(s["file"]), int(s["nbytes"]), str(s["digest"]), _blocks(s))
        for s in values["shards"]
    )
    if len(seals) != header["world_size"]:
        raise ValueError("the shards are not one per rank")
    if any((s.rank, s.file) != (rank, layout.shard(rank)) for rank, s in enumerate(seals)):
        raise ValueError("a shard is not that of its rank")
    epoch = Epoch(
        number=int(header["epoch"]),
        attempt=str(header["attempt"]),
        step=about.step,
        when=datetime.fromisoformat(values["when"]),
        seconds=float(values["seconds"]),
        bytes=sum(seal.nbytes for seal in seals),
        metrics=about.metrics,
        path=path,
    )
    return Manifest(
        epoch,
        header["parent"],
        int(header["world_size"]),
        about,
        seals,
        str(values["incarnation"]),
        str(values["host"]),
        str(values["user"]),
    )


def _blocks(seal: Mapping[str, Any]) -> tuple[Block, ...]:
    found = []
    for block in seal.get("blocks", ()):
        shape = tuple(map(int, block["shape"]))
        place = place_of(block["place"], shape)
        if place is None:
            raise ValueError("a block is no part of an array")
        found.append(Block(str(block["name"]), str(block["dtype"]), shape, place))
    return tuple(found)
