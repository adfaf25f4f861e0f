"""Several "hosts" on one machine: namespaces for network, names, IPC and mounts.

They are joined by a bridge in a namespace of its own, so the machine's network is not touched.
Without an IPC namespace MPI would quietly use shared memory between them. Processes are seen from
all of them: none can enter a process namespace beside its own. Needs root and iproute2.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

PROGRAMS = ("ip", "nsenter", "unshare", "mount", "hostname")
NETWORK = "10.77.0"
SETUP = """set -e; hostname "$1"; mount --bind "$2/hosts" /etc/hosts; mount -t tmpfs shm /dev/shm
touch "$2/$1.ready"; exec sleep infinity"""
AGENT = """#!/bin/sh
# stands in for ssh: a clean environment on the other host
while [ "${{1#-}}" != "$1" ]; do shift; done
name=$1; shift
exec nsenter -t "$(cat "{directory}/$name.pid")" {namespaces} -- \\
  env -i PATH="$PATH" HOME=/root sh -c "cd /; $*"
"""
NAMESPACES = ("--net", "--uts", "--ipc", "--mount")


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
        self.prefix = f"sk{os.getpid() % 10000}x"
        self.names = [f"{self.prefix}{index}" for index in range(1, count + 1)]
        self.agent = self.directory / "agent"
        self._holders = {}

    def __enter__(self):
        try:
            self._up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in self.names:
            self.kill(name)
        for name in (f"{self.prefix}0", *self.names):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def on(self, name, *words):
        """The words that run a command on a host."""
        pid = (self.directory / f"{name}.pid").read_text()
        return ["nsenter", "-t", pid, *NAMESPACES, "--", *map(str, words)]

    def cut(self, name):
        """Pull the cable of a host."""
        ip("-n", f"{self.prefix}0", "link", "set", f"p{self.names.index(name)}", "down")

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
        ip("-n", bridge, "link", "add", "br0", "type", "bridge")
        ip("-n", bridge, "link", "set", "br0", "up")
        hosts = ["127.0.0.1 localhost"]
        hosts += [f"{NETWORK}.{i} {name}" for i, name in enumerate(self.names, 1)]
        (self.directory / "hosts").write_text("\n".join(hosts) + "\n")
        text = AGENT.format(directory=self.directory, namespaces=" ".join(NAMESPACES))
        self.agent.write_text(text)
        self.agent.chmod(0o755)
        for index, name in enumerate(self.names):
            self._add(bridge, index, name)

    def _add(self, bridge, index, name):
        port = f"p{index}"
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", bridge, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("-n", bridge, "link", "set", port, "master", "br0", "up")
        ip("-n", name, "addr", "add", f"{NETWORK}.{index + 1}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ready = self.directory / f"{name}.ready"
        new = ["unshare", "--uts", "--ipc", "--mount", "--propagation", "private"]
        script = ["sh", "-c", SETUP, "sh", name, self.directory]
        holder = subprocess.Popen(
            list(map(str, ["ip", "netns", "exec", name, *new, *script])),
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert holder.poll() is None, f"{name} did not come up"
            assert time.monotonic() < deadline, f"{name} did not come up"
            time.sleep(0.02)
        self._holders[name] = holder
        (self.directory / f"{name}.pid").write_text(str(holder.pid))


def ip(*words):
    subprocess.run(["ip", *words], stdin=subprocess.DEVNULL, check=True, timeout=30)
