"""What a directory may hold after a power cut, from a record of the calls that were made on it.

POSIX promises little: bytes not fsynced may be there, be zero, or be torn at pages; names not
fsynced in their directory may be there or not. SIGKILL shows none of this, because the page cache
outlives the process; so the calls are recorded, and directories built from every prefix of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sauerkraut.storage.disk import Call

PAGE = 4096

Image = dict[str, bytes | None]
"""Relative path to content; None for a directory."""


@dataclass(eq=False)
class _File:
    now: bytearray = field(default_factory=bytearray)
    durable: bytes = b""

    def variants(self) -> Iterator[bytes]:
        """Contents after a cut: as fsynced; as written; with zeros, or torn, where not fsynced."""
        now, old = bytes(self.now), self.durable
        yield old
        if now == old:
            return
        yield now
        padded = old.ljust(len(now), b"\0")[: len(now)]
        yield padded
        for parity in (0, 1):
            torn = bytearray(padded)
            for start in range(parity * PAGE, len(now), 2 * PAGE):
                torn[start : start + PAGE] = now[start : start + PAGE]
            yield bytes(torn)


@dataclass(eq=False)
class _Directory:
    now: dict[str, _File | _Directory] = field(default_factory=dict)
    durable: dict[str, _File | _Directory] = field(default_factory=dict)
    pending: list[dict[str, _File | _Directory | None]] = field(default_factory=list)
    """Changes of names since the last fsync: each what the names stand for after it."""

    def change(self, **names: _File | _Directory | None) -> None:
        self.pending.append(names)
        _apply(self.now, names)

    def variants(self) -> Iterator[dict[str, _File | _Directory]]:
        """Names after a cut: any prefix of the changes, or any one of them alone."""
        for length in range(len(self.pending) + 1):
            names = dict(self.durable)
            for change in self.pending[:length]:
                _apply(names, change)
            yield names
        for change in self.pending[1:]:
            names = dict(self.durable)
            _apply(names, change)
            yield names


def _apply(
    names: dict[str, _File | _Directory], change: dict[str, _File | _Directory | None]
) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


class Machine:
    """Replays recorded calls below ``root`` and tells what a power cut may leave."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._top = _Directory()
        self._open: dict[Path, _File] = {}

    def replay(self, call: Call) -> None:
        """Let one recorded call happen."""
        data = b"" if call.data is None else bytes(call.data)
        match call.operation:
            case "mkdir":
                self._parent(call.path).change(**{call.path.name: _Directory()})
            case "create" | "append" | "open":
                self._open_file(call)
            case "allocate":
                file = self._open[call.path]
                file.now.extend(bytes(max(0, call.offset - len(file.now))))
            case "write":
                file = self._open[call.path]
                file.now.extend(bytes(max(0, call.offset - len(file.now))))
                file.now[call.offset : call.offset + len(data)] = data
            case "fsync":
                self._sync(call.path)
            case "rename":
                assert call.other is not None
                parent = self._parent(call.path)
                assert parent is self._parent(call.other)
                node = parent.now.get(call.path.name)
                if node is None:  # the call failed
                    return
                parent.change(**{call.path.name: None, call.other.name: node})
            case "unlink" | "rmdir":
                node = self._parent(call.path).now[call.path.name]
                if isinstance(node, _Directory) and node.now:  # the call failed
                    return
                self._parent(call.path).change(**{call.path.name: None})

    def would_change(self, call: Call) -> bool:
        """Whether an fsync has anything to make durable."""
        node = self._open.get(call.path)
        if node is not None:
            return bytes(node.now) != node.durable
        return bool(self._find(call.path).pending)

    def _open_file(self, call: Call) -> None:
        parent = self._parent(call.path)
        node = parent.now.get(call.path.name)
        if node is None and call.operation != "open":
            node = _File()
            parent.change(**{call.path.name: node})
        if isinstance(node, _File):
            self._open[call.path] = node

    def _sync(self, path: Path) -> None:
        node = self._open.get(path)
        if node is not None:
            node.durable = bytes(node.now)
            return
        directory = self._find(path)
        directory.durable, directory.pending = dict(directory.now), []

    def _parent(self, path: Path) -> _Directory:
        return self._find(path.parent)

    def _find(self, path: Path) -> _Directory:
        node = self._top
        for name in path.relative_to(self._root).parts:
            child = node.now[name]
            assert isinstance(child, _Directory)
            node = child
        return node

    def images(self) -> Iterator[Image]:
        """What may be left if the power is cut now.

        One directory or one file at a time takes each of its variants, beside the four plain
        answers to "what of that which was not fsynced is there": nothing, names only, names with
        zeros for bytes, all.
        """
        for names_now in (False, True):
            for content in (0, 1, 2, 3, 4):
                yield self._image(self._top, names_now=names_now, content=content)
        for directory in self._directories(self._top):
            if len(directory.pending) > 1:
                for names in directory.variants():
                    yield self._image(self._top, names_now=True, content=1, own=(directory, names))
                    yield self._image(self._top, names_now=False, content=1, own=(directory, names))

    def _directories(self, top: _Directory) -> Iterator[_Directory]:
        yield top
        for node in {**top.durable, **top.now}.values():
            if isinstance(node, _Directory):
                yield from self._directories(node)

    def _image(
        self,
        top: _Directory,
        *,
        names_now: bool,
        content: int,
        own: tuple[_Directory, dict[str, _File | _Directory]] | None = None,
        prefix: str = "",
    ) -> Image:
        image: Image = {}
        names = (
            own[1] if own is not None and own[0] is top else top.now if names_now else top.durable
        )
        for name, node in names.items():
            if isinstance(node, _File):
                variants = list(node.variants())
                image[prefix + name] = variants[min(content, len(variants) - 1)]
            else:
                image[prefix + name] = None
                image |= self._image(
                    node, names_now=names_now, content=content, own=own, prefix=f"{prefix}{name}/"
                )
        return image


def images(calls: Sequence[Call], root: Path, since: int = 0) -> Iterator[tuple[int, Image]]:
    """Yield every different directory that a power cut may leave, and after how many calls.

    Args:
        calls: As recorded, in order.
        root: Directory under which they all were; empty before the first.
        since: The power is not cut before so many calls.
    """
    machine = Machine(root)
    seen: set[bytes] = set()
    for count in range(len(calls) + 1):
        if count:
            machine.replay(calls[count - 1])
        if count < since:
            continue
        for image in machine.images():
            digest = hashlib.blake2b(digest_size=16)
            for path, content in sorted(image.items()):
                digest.update(repr((path, content)).encode())
            key = digest.digest() + count.to_bytes(4)
            if key not in seen:
                seen.add(key)
                yield count, image


def build(image: Image, directory: Path) -> None:
    """Make the directory that an image describes."""
    directory.mkdir(parents=True)
    for path, content in sorted(image.items()):
        if content is None:
            (directory / path).mkdir(mode=0o700, exist_ok=True)
        else:
            (directory / path).write_bytes(content)
            (directory / path).chmod(0o600)
