"""The thread that watches: what it makes of datagrams, of silence and of being stopped."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from sauerkraut import _native

KEY = bytes(range(16))
LIMIT = 60  # seconds
TIMEOUT = 1.5  # seconds of silence after which a node is lost
BEAT, PART = 3, 4
MAGIC = 0x31574B53

# Rank 0 watches nodes a (itself) and b (ranks 1 and 2), in C code that holds the GIL.
OBSERVER = """
import ctypes, sys
from sauerkraut import _native
watch = _native.Watch()
here = (["127.0.0.1"], watch.port)
watch.beat(float(sys.argv[1]), here, [], [("a", [0]), ("b", [1, 2])])
watch.start(bytes(range(16)), 0, (-1, 0, 0))
print(watch.port, flush=True)
ctypes.PyDLL(None).sleep(120)
"""


def sealed(kind=BEAT, *, key=KEY, to=0, body=b""):
    """A datagram as rank 1 sends it."""
    text = struct.pack("<IIIIIIQ", MAGIC, kind, 1, to, 0, 0, 0) + body
    return text + struct.pack("<Q", _native.siphash(key, text))


def halted(**states):
    """The body of a beat: ranks that do not run."""
    return b"".join(struct.pack("<Ic", int(rank[1:]), state) for rank, state in states.items())


class Observer:
    """A process that watches; what it said."""

    def __init__(self, stderr=subprocess.PIPE):
        self._process = subprocess.Popen(
            [sys.executable, "-c", OBSERVER, str(TIMEOUT)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        self._place = ("127.0.0.1", int(self._process.stdout.readline()))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._said = []
        said = self._process.stderr or ()
        self._reader = threading.Thread(target=lambda: self._said.extend(said))
        self._reader.start()

    @property
    def said(self):
        return "".join(self._said)

    def send(self, datagram):
        self._socket.sendto(datagram, self._place)

    def signal(self, number):
        self._process.send_signal(number)

    def beat_until(self, words, body=b""):
        """Beat until it has said so."""
        self.wait_for(words, lambda: self.send(sealed(body=body)))

    def beat_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.send(sealed())
            time.sleep(0.05)

    def wait_for(self, words, meanwhile=lambda: None):
        deadline = time.monotonic() + LIMIT
        while words not in self.said:
            assert self._process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            meanwhile()
            time.sleep(0.05)

    def ends(self):
        """Its exit status."""
        status = self._process.wait(LIMIT)
        self._reader.join()
        return status

    def close(self):
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._socket.close()


@pytest.fixture
def observer():
    made = Observer()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("length", "hashed"),
    [(0, 0x726FDB47DD0E0E31), (1, 0x74F839C593DC67FD), (15, 0xA129CA6149BE45E5)],
)
def test_the_seal_is_siphash_as_published(length, hashed):
    assert _native.siphash(KEY, bytes(range(length))) == hashed


def test_a_silent_node_is_reported_and_ends_the_process_with_86(observer):
    observer.beat_for(0.5)
    assert observer.ends() == 86
    assert "watchdog: no beats from node b (ranks 1, 2) since " in observer.said
    assert "watchdog: node b (ranks 1, 2) has been silent for " in observer.said
    assert observer.said.count("\n") == 2, observer.said


def test_datagrams_that_nobody_of_the_job_sealed_mean_nothing(observer):
    good = sealed()
    stray = [
        b"",
        b"\0",
        b"x" * 60_000,
        good[:-1],
        good + b"\0",
        sealed(to=1),
        sealed(key=KEY[::-1]),
    ]
    for bit in range(8 * len(good)):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        stray.append(bytes(flipped))
    for datagram in stray:
        observer.send(datagram)
    observer.wait_for("no beat ever came from node b (ranks 1, 2)")
    observer.beat_until("node b (ranks 1, 2) beats: it is watched")


def test_sealed_datagrams_of_unknown_kinds_and_lengths_are_survived(observer):
    for kind in (0, 1, 2, 4, 2**32 - 1):
        for length in (0, 1, 4, 5, 7, 1280):
            observer.send(sealed(kind, body=b"\xff" * length))
    observer.send(sealed(body=b"\xff" * 1280))
    observer.beat_until("rank 2 on b has ended since", halted(r2=b"g"))


def test_a_node_that_ends_in_good_order_is_not_missed(observer):
    observer.beat_for(0.5)
    observer.send(sealed(PART))
    time.sleep(2 * TIMEOUT)
    observer.beat_until("rank 2 on b is stopped by a signal", halted(r1=b"g", r2=b"s"))
    assert "silent" not in observer.said
    assert "rank 1 on b has ended" not in observer.said


def test_time_in_which_it_was_stopped_itself_counts_as_none(observer):
    observer.beat_for(0.5)
    observer.signal(signal.SIGSTOP)
    time.sleep(2 * TIMEOUT)
    observer.signal(signal.SIGCONT)
    observer.beat_for(TIMEOUT)
    observer.beat_until("rank 1 on b is stopped by a signal", halted(r1=b"s"))
    assert "silent" not in observer.said


def test_a_time_beyond_the_clock_is_no_time_at_all():
    watch = _native.Watch()
    watch.beat(float("inf"), (["127.0.0.1"], watch.port), [], [("a", [0]), ("b", [1])])
    watch.start(KEY, 0, (-1, 0, 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(sealed(), ("127.0.0.1", watch.port))
    time.sleep(0.5)
    lost = watch.lost
    watch.stop()
    assert not lost


READING = """
import ctypes, os, threading
from sauerkraut import _native
from sauerkraut.mpi import stacks

KEY = bytes(16)
watch = _native.Watch()
watch.start(KEY, 1, stacks.signals())
libc = ctypes.CDLL(None)
read_end, write_end = os.pipe()


def ask():
    place = {1: (["127.0.0.1"], watch.port)}
    for _ in range(5):
        answers = _native.ask_stacks(KEY, 0, place, False, 5.0)
        assert b"in <module>" in answers[1], answers
    os.write(write_end, b"x")


asking = threading.Thread(target=ask)
asking.start()
print(libc.read(read_end, ctypes.create_string_buffer(1), 1))
asking.join()
watch.stop()
"""


def test_asking_where_a_rank_is_interrupts_no_system_call_of_its_program():
    done = subprocess.run(
        [sys.executable, "-c", READING], capture_output=True, text=True, timeout=LIMIT, check=True
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


FORKING = """
import os, signal
from sauerkraut import _native
from sauerkraut.mpi import stacks

KEY = bytes(16)


def asked(rank):
    watch = _native.Watch()
    watch.start(KEY, rank, stacks.signals())
    told = _native.ask_stacks(KEY, 9, {rank: (["127.0.0.1"], watch.port)}, False, 5.0)
    watch.stop()
    return told[rank]


assert b"in <module>" in asked(1)
ours = stacks.signals()
os.pwrite(ours.descriptor, b"the parent's", 0)

if not (child := os.fork()):
    assert b"in <module>" in asked(2)  # through handlers of its own
    os.kill(os.getpid(), signal.SIGKILL)
assert os.waitpid(child, 0)[1] == signal.SIGKILL

if not (child := os.fork()):
    os.kill(os.getpid(), ours.one_thread)
    os._exit(0)
assert os.waitpid(child, 0)[1] == ours.one_thread

assert os.pread(ours.descriptor, 12, 0) == b"the parent's"
assert b"in <module>" in asked(1)
"""


def test_a_forked_child_does_not_answer_for_its_parent():
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def full_pipe():
    """Both ends of a pipe that takes nothing more."""
    ends = os.pipe()
    os.set_blocking(ends[1], False)
    for size in (4096, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(ends[1], b"." * size)
    os.set_blocking(ends[1], True)
    with os.fdopen(ends[0], errors="replace") as read_end, os.fdopen(ends[1], "wb") as write_end:
        yield read_end, write_end


def test_an_output_that_nobody_reads_holds_nothing_up(full_pipe):
    observer = Observer(stderr=full_pipe[1])
    try:
        observer.beat_for(0.5)
        assert observer.ends() == 86  # though it could not say so
    finally:
        observer.close()


@pytest.mark.thorough
def test_what_could_not_be_said_is_said_when_it_is_read(full_pipe):
    read_end, write_end = full_pipe
    observer = Observer(stderr=write_end)
    write_end.close()
    try:
        observer.beat_for(0.5)
        time.sleep(0.6 * TIMEOUT)  # it has something to say
        said = read_end.read()
        assert "watchdog: no beats from node b (ranks 1, 2) since " in said
        assert "watchdog: node b (ranks 1, 2) has been silent for " in said
        assert observer.ends() == 86
    finally:
        observer.close()


# As fast as it can: datagrams that only their seal tells apart from an answer to rank 0.
FLOOD = """
import ctypes, socket, struct, sys

class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("size", ctypes.c_size_t)]

class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint), ("iov", ctypes.c_void_p),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p),
                ("controllen", ctypes.c_size_t), ("flags", ctypes.c_long),
                ("sent", ctypes.c_long)]

to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
to.connect(("127.0.0.1", int(sys.argv[1])))
data = struct.pack("<IIIIIIQ", 0x31574B53, 2, 1, 0, 0, 9000, 0) + b"x" * 1280
vector = Vector(data, len(data))
messages = (Message * 1000)()
for each in messages:
    each.iov, each.iovlen = ctypes.addressof(vector), 1
print(flush=True)
while True:
    ctypes.CDLL(None).sendmmsg(to.fileno(), messages, 1000, 0)
"""


@pytest.mark.thorough
def test_a_flood_of_strangers_holds_nobody_up_who_asks():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        floods = []

        def flood():
            _, (_, port) = silent.recvfrom(2048)
            words = [sys.executable, "-c", FLOOD, str(port)]
            floods.extend(
                subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
                for _ in range(2)
            )
            for each in floods:
                each.stdout.readline()

        flooding = threading.Thread(target=flood)
        flooding.start()
        try:
            place = {1: (["127.0.0.1"], silent.getsockname()[1])}
            assert _native.ask_stacks(KEY, 0, place, False, 2.0) == {}
        finally:
            flooding.join()
            for each in floods:
                each.kill()
                each.wait()
                each.stdout.close()
