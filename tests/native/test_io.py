"""Bytes through descriptors: all of them, hashed, whatever the system does in between."""

import errno
import os
import random
import shutil
import subprocess
import sys
import textwrap
import threading

import pytest

import sauerkraut as skt
from sauerkraut import _native
from tests.processes import run_python

BLOCK = 1 << 16


@pytest.fixture
def descriptor(tmp_path):
    opened = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 7, 3 << 20])
def test_what_is_written_is_read_with_the_same_hashes(descriptor, size):
    data = random.Random(size).randbytes(size)
    _native.allocate(descriptor, size)
    assert os.fstat(descriptor).st_size == size
    digests = _native.write_hashed(descriptor, 0, data, BLOCK)
    assert len(digests) == 16 * -(-size // BLOCK)
    assert digests == _native.hash(data, BLOCK)
    memory = _native.Memory(size)
    assert _native.read_hashed(descriptor, 0, memory, BLOCK) == (size, digests)
    assert bytes(memoryview(memory)) == data
    assert _native.hash_file(descriptor, 0, size, BLOCK) == (size, digests)
    plain = bytearray(size)
    assert _native.read(descriptor, 0, plain) == size
    assert bytes(plain) == data


def test_hashes_are_xxh3_128_of_each_block():
    # the value that the xxHash specification gives for no seed and no input, and for "a"
    assert _native.hash(b"", BLOCK) == b""
    assert _native.hash(b"a", BLOCK).hex() == "a96faf705af16834e6c632b61e964e1f"
    assert _native.hash(b"aa", 1) == 2 * _native.hash(b"a", BLOCK)


@pytest.mark.parametrize("size", [1, 16, 17, 128, 129, 240, 241, 1024, 1025, BLOCK, 3 * BLOCK + 5])
def test_every_implementation_gives_the_same_hashes(size):
    data = random.Random(size).randbytes(size)
    ways = _native.hash_in_every_way(data, BLOCK)
    assert "xxh3_baseline" in ways
    assert set(ways.values()) == {_native.hash(data, BLOCK)}


def test_the_end_of_the_file_is_told(descriptor):
    os.pwrite(descriptor, b"12345", 0)
    memory = bytearray(10)
    assert _native.read(descriptor, 2, memory) == 3
    assert memory[:3] == b"345"
    assert _native.read_hashed(descriptor, 2, memory, 4) == (3, _native.hash(b"345", 4))
    assert _native.hash_file(descriptor, 2, 10, 4) == (3, _native.hash(b"345", 4))


@pytest.mark.parametrize("size", [0, 1, 63, 4096, (4 << 20) - 1, 4 << 20, (32 << 20) - 1, 32 << 20])
def test_memory_is_aligned_writable_and_as_large_as_asked(size):
    memory = _native.Memory(size)
    view = memoryview(memory)
    assert (view.nbytes, view.readonly, view.format) == (size, False, "B")
    if size:
        import numpy as np

        address = np.frombuffer(memory, "u1").ctypes.data
        assert address % (64 if size < 32 << 20 else 2 << 20) == 0
        view[0] = view[-1] = 7


def test_memory_lives_as_long_as_a_view():
    view = memoryview(_native.Memory(1 << 16))
    view[:] = bytes(range(256)) * 256
    assert view[257] == 1


def test_what_was_never_made_is_refused():
    with pytest.raises(BufferError):
        memoryview(_native.Memory.__new__(_native.Memory))

    def stack_of(frame):
        return _native.capture(frame, None, (skt.call.__code__,))

    stack = skt.call(lambda: stack_of(sys._getframe()))
    with pytest.raises(TypeError):
        stack.objects([_native.CodeLabel.__new__(_native.CodeLabel)] * len(stack))


def test_memory_that_cannot_be_is_a_memory_error():
    with pytest.raises(MemoryError):
        _native.Memory(1 << 62)


@pytest.mark.parametrize(
    "call",
    [
        lambda: _native.write(-1, 0, b"x"),
        lambda: _native.write_hashed(-1, 0, bytes(2 << 20), BLOCK),
        lambda: _native.read(-1, 0, bytearray(1)),
        lambda: _native.hash_file(-1, 0, 1, BLOCK),
        lambda: _native.allocate(-1, 1),
    ],
    ids=["write", "write_hashed", "read", "hash_file", "allocate"],
)
def test_errors_carry_the_errno(call):
    with pytest.raises(OSError, match="Bad file descriptor") as error:
        call()
    assert error.value.errno == errno.EBADF


def test_wrong_arguments_are_python_errors(descriptor):
    with pytest.raises(TypeError):
        _native.write(descriptor, 0, "text")
    with pytest.raises((TypeError, BufferError)):
        _native.read(descriptor, 0, b"read-only")
    with pytest.raises((TypeError, BufferError)):
        _native.write(descriptor, 0, memoryview(b"abcdef")[::2])
    with pytest.raises(ValueError, match="block"):
        _native.hash(b"x", 0)


def test_other_threads_run_meanwhile(descriptor):
    data, ticks, done = bytes(64 << 20), 0, threading.Event()

    def work():
        _native.hash(data, BLOCK)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        ticks += 1
    thread.join()
    assert ticks > 0


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* Interrupts every other call and moves at most 1000 bytes in the rest. */
static int calls;

static int interrupted(void) { return ++calls % 2 ? (errno = EINTR, 1) : 0; }

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset)
{
  static ssize_t (*real)(int, const void*, size_t, off_t);
  if (!real) real = dlsym(RTLD_NEXT, "pwrite");
  if (interrupted()) return -1;
  return real(fd, data, size < 1000 ? size : 1000, offset);
}

ssize_t pread(int fd, void* data, size_t size, off_t offset)
{
  static ssize_t (*real)(int, void*, size_t, off_t);
  if (!real) real = dlsym(RTLD_NEXT, "pread");
  if (interrupted()) return -1;
  return real(fd, data, size < 1000 ? size : 1000, offset);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
  errno = getenv("INTERRUPTED_FOR_EVER") ? EINTR : EOPNOTSUPP;
  return -1;
}

ssize_t pwrite64(int fd, const void* d, size_t n, off_t o) { return pwrite(fd, d, n, o); }
ssize_t pread64(int fd, void* d, size_t n, off_t o) { return pread(fd, d, n, o); }
int fallocate64(int fd, int m, off_t o, off_t n) { return fallocate(fd, m, o, n); }
"""

PROGRAM = """
import os, sys
from sauerkraut import _native
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
data = os.urandom(3_000_001)
assert _native.allocate(descriptor, len(data)) is False
assert os.fstat(descriptor).st_size == len(data)
digests = _native.write_hashed(descriptor, 0, data, 1 << 16)
memory = _native.Memory(len(data))
assert _native.read_hashed(descriptor, 0, memory, 1 << 16) == (len(data), digests)
assert bytes(memoryview(memory)) == data
print("whole")
"""


@pytest.mark.parametrize("more", [{}, {"INTERRUPTED_FOR_EVER": "1"}], ids=["", "fallocate"])
def test_interrupted_and_short_calls_are_carried_on(tmp_path, more):
    compiler = shutil.which("cc") or shutil.which("c++")
    assert compiler, "the project needs a compiler anyway"
    source, shim = tmp_path / "shim.c", tmp_path / "shim.so"
    source.write_text(textwrap.dedent(SHIM))
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-x", "c", str(source), "-o", str(shim), "-ldl"], check=True
    )
    ran = run_python(
        "-c",
        PROGRAM,
        tmp_path / "file",
        env={**os.environ, "LD_PRELOAD": f"{os.environ.get('LD_PRELOAD', '')} {shim}", **more},
        check=False,
    )
    assert ran.stdout == "whole\n", ran.stderr
