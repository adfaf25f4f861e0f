"""A real Slurm on this machine, in a directory of its own: munged, slurmctld and several slurmd.

Everything stays in the foreground as a child of the caller and ends by PID. Needs root, for
namespaces in which each node has a temporary directory of its own: the PMIx plugin names its files
there without the node.
"""

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "scontrol", "unshare")
LIMIT = 60


def missing():
    """What this machine lacks for a cluster: one line, or None."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=search_path()) is None]
    if not any(Path("/").glob("usr/lib*/**/libpmix.so")):  # Slurm's plugin loads it by that name
        absent.append("libpmix.so")
    if absent:
        return f"{', '.join(absent)}: apt-get install slurm-wlm munge libpmix-dev"
    return None if os.getuid() == 0 else "root, to make namespaces"


def search_path():
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


class Cluster:
    """Nodes n1, n2, ... of two processors each, with a partition `low` that `high` preempts.

    Args:
        directory: Where everything is kept.
        nodes: How many.
        user_signal: Whether a preemption sends the job's own signal first.
        grace: Seconds between a preemption and the end.
    """

    def __init__(self, directory, nodes=3, *, user_signal=False, grace=20):
        self.directory = Path(directory)
        self.nodes = [f"n{index}" for index in range(1, nodes + 1)]
        self.environment = {
            **os.environ,
            "PATH": search_path(),
            "SLURM_CONF": str(self.directory / "slurm.conf"),
        }
        self._running = {}
        for name in ("state", "log", "run", "munge", "tmp", *map(self._tmp, self.nodes)):
            (self.directory / name).mkdir(parents=True, mode=0o755)
        self._configure(user_signal, grace)

    def __enter__(self):
        munge = self.directory / "munge"
        (munge / "key").write_bytes(secrets.token_bytes(128))
        (munge / "key").chmod(0o400)
        files = [f"--{name}-file={munge / name}" for name in ("key", "pid", "log", "seed")]
        try:
            self._start("munged", "munged", "-F", "--force", f"--socket={munge / 'sock'}", *files)
            self._until(lambda: self.succeeds("munge", "-S", munge / "sock", "-n"))
            self._start("slurmctld", "slurmctld", "-D", "-c")
            self._until(lambda: "UP" in self.run("scontrol", "ping", check=False))
            for node in self.nodes:
                self.start_node(node)
            self.wait_idle()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            self.run("scancel", "--user=root", "--signal=KILL", "--full", check=False)
            self.run("scancel", "--user=root", check=False)
            self._until(lambda: not self.run("squeue", "-h", check=False).strip(), 20)
        for name in reversed(list(self._running)):
            process = self._running.pop(name)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        for pid in self._left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def start_node(self, name):
        """Start a node's daemon."""
        tmp = self.directory / self._tmp(name)
        script = 'mount --bind "$1" "$2" && exec slurmd -D -N "$3"'
        words = ["sh", "-c", script, "sh", tmp, self.directory / "tmp", name]
        self._start(name, "unshare", "--mount", "--propagation", "private", *words)

    def kill_node(self, name):
        """SIGKILL a node's daemon: what it started runs on."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def wait_idle(self):
        """Wait until every node takes jobs."""
        self._until(
            lambda: (
                self.run("sinfo", "-h", "-N", "-p", "low", "-o", "%t").split()
                == ["idle"] * len(self.nodes)
            )
        )

    def run(self, *words, check=True, cwd=None, **environment):
        """Run a command of Slurm; its output."""
        done = subprocess.run(
            [str(word) for word in words],
            cwd=cwd,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def succeeds(self, *words):
        done = subprocess.run(
            [str(word) for word in words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
        return done.returncode == 0

    def job(self, number):
        """What `scontrol show job` says of a job, by name."""
        said = self.run("scontrol", "show", "job", number, check=False)
        return dict(word.partition("=")[::2] for word in said.split() if "=" in word)

    def logs(self):
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in sorted((self.directory / "log").iterdir())
        )

    def _configure(self, user_signal, grace):
        base, host, port = self.directory, socket.gethostname().partition(".")[0], _free_port()
        settings = {
            "ClusterName": "test",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "AuthType": "auth/munge",
            "CredType": "cred/munge",
            # cred_expire is also the time before a requeued job may start: 120 s otherwise
            "AuthInfo": f"socket={base}/munge/sock,cred_expire=5",
            "SlurmctldPort": port,
            "SlurmdPort": port + 1,
            "StateSaveLocation": f"{base}/state",
            "SlurmdSpoolDir": f"{base}/spool.%n",
            "TmpFS": f"{base}/tmp",
            "SlurmctldPidFile": f"{base}/run/slurmctld.pid",
            "SlurmdPidFile": f"{base}/run/slurmd.%n.pid",
            "SlurmctldLogFile": f"{base}/log/slurmctld",
            "SlurmdLogFile": f"{base}/log/slurmd.%n",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core",
            "SchedulerType": "sched/backfill",
            "SchedulerParameters": "bf_interval=2,sched_interval=2,batch_sched_delay=0",
            "PriorityType": "priority/basic",
            "AccountingStorageType": "accounting_storage/none",
            "JobAcctGatherType": "jobacct_gather/none",
            "MpiDefault": "none",
            "SwitchType": "switch/none",
            "JobRequeue": 1,
            "PreemptType": "preempt/partition_prio",
            "PreemptMode": "REQUEUE",
            "KillWait": 10,
            "SlurmctldTimeout": 30,
            "SlurmdTimeout": 20,
            "MessageTimeout": 20,
            "InactiveLimit": 0,
            "ReturnToService": 2,
            "SlurmdParameters": "config_overrides",
            "PropagateResourceLimitsExcept": "MEMLOCK",
            "MailProg": "/bin/true",
        }
        if user_signal:
            settings["SlurmctldParameters"] = "preempt_send_user_signal"
        lines = [f"{name}={value}" for name, value in settings.items()]
        for index, node in enumerate(self.nodes):
            lines.append(
                f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port + 2 + index} "
                "CPUs=2 Sockets=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=1000 State=UNKNOWN"
            )
        every = f"Nodes={','.join(self.nodes)} MaxTime=INFINITE DefaultTime=5 State=UP"
        lines += [
            f"PartitionName=low Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime={grace} "
            + every,
            f"PartitionName=high Default=NO PriorityTier=10 PreemptMode=OFF {every}",
        ]
        (base / "slurm.conf").write_text("\n".join(lines) + "\n")

    def _tmp(self, node):
        return f"tmp.{node}"

    def _start(self, name, *words):
        with (self.directory / "log" / f"{name}.out").open("ab") as out:
            self._running[name] = subprocess.Popen(
                [str(word) for word in words],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=_end_with_the_caller,
            )

    def _until(self, condition, limit=LIMIT):
        deadline = time.monotonic() + limit
        while not condition():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.1)

    def _left(self):
        """Processes of this cluster's jobs, told by its configuration in their environment."""
        wanted = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        for entry in os.scandir("/proc"):
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if wanted in Path(entry.path, "environ").read_bytes().split(b"\0"):
                        yield int(entry.name)


def _end_with_the_caller():
    ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0)  # PR_SET_PDEATHSIG


def _free_port():
    """The first of a dozen ports in a row of which the first two are free."""
    for port in range(17000, 20000, 20):
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for each in (port, port + 1, port + 2):
                held.enter_context(socket.socket()).bind(("127.0.0.1", each))
            return port
    raise AssertionError("no free ports")
