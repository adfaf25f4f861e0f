"""Several "hosts" on one machine: namespaces for network, names, IPC, mounts and processes.

They are joined by a bridge in a namespace of its own, so the machine's network is not touched, and
any number of runs at once have theirs. Without an IPC namespace MPI would quietly use shared memory
between them; without one for processes a supervisor would see, and end, those of other hosts. None
can enter that of another, so who logs in from one to another is let in from outside. Needs root
and iproute2.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

PROGRAMS = ("ip", "nsenter", "unshare", "mount", "hostname")
NETWORK = "10.77.0"
SETUP = """set -e; hostname "$1"; mount --bind "$2/hosts" /etc/hosts; mount -t tmpfs shm /dev/shm
touch "$2/$1.ready"; exec sleep infinity"""
AGENT = """#!{python} -IS
# stands in for ssh
import socket, sys
words = sys.argv[1:]
while words[0].startswith("-"):
    del words[0]
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
    door.connect("{door}")
    text = "\\0".join([socket.gethostname(), words[0], " ".join(words[1:])])
    socket.send_fds(door, [text.encode()], [0, 1, 2])
    sys.exit((door.recv(1) or b"\\xff")[0])
"""
NAMESPACES = ("--net", "--uts", "--ipc", "--mount", "--pid")
LONGEST = 1 << 16  # bytes of a command
UNREACHABLE = 255  # as ssh says it
SWITCHES = ("br0", "br1")


def missing():
    """What this machine lacks for hosts: one line, or None."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)}: apt-get install iproute2 util-linux"
    return None if os.getuid() == 0 else "root, to make namespaces"


class Machines:
    """Hosts ``<prefix>1`` to ``<prefix>N`` at 10.77.0.1 to 10.77.0.N.

    Args:
        directory: Empty; for their files.
        count: N.
    """

    def __init__(self, directory, count):
        self.directory = Path(directory)
        self.prefix = f"sk{os.getpid()}x"
        self.names = [f"{self.prefix}{index}" for index in range(1, count + 1)]
        self.agent = self.directory / "agent"
        self._holders = {}
        self._switch = {}
        self._door = None

    def __enter__(self):
        try:
            self._up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self._door is not None:
            self._door.shutdown(socket.SHUT_RDWR)
            self._door.close()
        for name in self.names:
            self.kill(name)
        for name in (f"{self.prefix}0", *self.names):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def on(self, name, *words):
        """The words that run a command on a host, with temporary files of its own."""
        pid = (self.directory / f"{name}.pid").read_text()
        temporary = f"TMPDIR={self.directory / name}"
        return ["nsenter", "-t", pid, *NAMESPACES, "--", "env", temporary, *map(str, words)]

    def cut(self, name):
        """Pull the cable of a host."""
        self._set(name, "down")
        self._switch[name] = None

    def plug_in(self, name):
        """Put the cable back."""
        self._set(name, "up")
        self._switch[name] = SWITCHES[0]

    def part(self, names):
        """The link between two switches fails: these hosts reach each other, and no others."""
        self._join(names, SWITCHES[1])

    def rejoin(self, names):
        """The link is there again."""
        self._join(names, SWITCHES[0])

    def traffic(self, name):
        """Bytes that a host has received and sent over its cable."""
        words = ["ip", "-n", f"{self.prefix}0", "-json", "-stats", "link", "show", self._port(name)]
        counted = json.loads(output(words))[0]["stats64"]  # of the other end of the cable
        return counted["tx"]["bytes"], counted["rx"]["bytes"]

    def processes(self, name):
        """Words of each process on a host, by PID as it is seen here."""
        found = {}
        for pid in map(int, output(["ip", "netns", "pids", name]).split()):
            with contextlib.suppress(OSError):  # it has ended
                line = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0")
                words = line.decode(errors="replace").split("\0")
                if words[0] not in ("nsenter", "unshare", "sleep"):  # ours
                    found[pid] = words
        return found

    def kill(self, name):
        """Power failure: everything on a host ends."""
        holder = self._holders.pop(name, None)
        if holder is None:
            return
        inside = subprocess.run(
            ["ip", "netns", "pids", name], capture_output=True, text=True, check=False
        )
        for pid in map(int, inside.stdout.split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        holder.wait(30)

    def _up(self):
        bridge = f"{self.prefix}0"
        ip("netns", "add", bridge)
        for switch in SWITCHES:
            ip("-n", bridge, "link", "add", switch, "type", "bridge")
            ip("-n", bridge, "link", "set", switch, "up")
        hosts = ["127.0.0.1 localhost"]
        hosts += [f"{NETWORK}.{i} {name}" for i, name in enumerate(self.names, 1)]
        (self.directory / "hosts").write_text("\n".join(hosts) + "\n")
        door = self.directory / "door"
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._door.bind(str(door))
        self._door.listen()
        threading.Thread(target=self._admit, daemon=True).start()
        self.agent.write_text(AGENT.format(python=sys.executable, door=door))
        self.agent.chmod(0o755)
        for index, name in enumerate(self.names):
            self._add(bridge, index, name)

    def _add(self, bridge, index, name):
        port = f"p{index}"
        (self.directory / name).mkdir()
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", bridge, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("-n", bridge, "link", "set", port, "up")
        self._join([name], SWITCHES[0])
        ip("-n", name, "addr", "add", f"{NETWORK}.{index + 1}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ready = self.directory / f"{name}.ready"
        new = ["unshare", "--uts", "--ipc", "--mount", "--propagation", "private"]
        new += ["--pid", "--fork", "--kill-child", "--mount-proc"]
        script = ["sh", "-c", SETUP, "sh", name, self.directory]
        holder = subprocess.Popen(
            list(map(str, ["ip", "netns", "exec", name, *new, *script])),
            stdin=subprocess.DEVNULL,
        )
        self._holders[name] = holder
        deadline = time.monotonic() + 30
        while not (ready.exists() and self._is_running(name)):
            assert holder.poll() is None, f"{name} did not come up"
            assert time.monotonic() < deadline, f"{name} did not come up"
            time.sleep(0.02)
        (first,) = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        (self.directory / f"{name}.pid").write_text(first)

    def _is_running(self, name):
        """Whether its network is up: the kernel says so a little later, and UCX goes by that."""
        words = ["ip", "-n", name, "-json", "link", "show", "eth0"]
        return json.loads(output(words))[0]["operstate"] == "UP"

    def _port(self, name):
        return f"p{self.names.index(name)}"

    def _set(self, name, *words):
        ip("-n", f"{self.prefix}0", "link", "set", self._port(name), *words)

    def _join(self, names, switch):
        for name in names:
            self._set(name, "master", switch)
            self._switch[name] = switch

    def _admit(self):
        """Serve each login in a thread of its own."""
        while True:
            try:
                login, _ = self._door.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(login,), daemon=True).start()

    def _serve(self, login):
        """Run a command of one host on another, in a clean environment."""
        with login, contextlib.ExitStack() as open_here:
            text, streams, *_ = socket.recv_fds(login, LONGEST, 3)
            for stream in streams:
                open_here.callback(os.close, stream)
            if not text:  # who asked has ended
                return
            here, there, command = text.decode().split("\0")
            status = UNREACHABLE
            if there in self._holders and None is not self._switch[here] == self._switch[there]:
                words = self.on(there, "sh", "-c", f"cd /; {command}")
                process = subprocess.Popen(
                    words,
                    env={"PATH": os.environ["PATH"], "HOME": "/root"},
                    **dict(zip(("stdin", "stdout", "stderr"), streams, strict=True)),
                )
                open_here.close()  # so that a reader sees the end
                status = process.wait() & 0xFF
            with contextlib.suppress(OSError):
                login.send(bytes([status]))


def ip(*words):
    output(["ip", *words])


def output(words):
    return subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=30
    ).stdout
