"""Run the tests in parts, each in the virtual environment it needs: `make test`, `make test-all`.

Needs nothing but Python 3.11 and a compiler. Every command is printed before it runs, all parts
run even when one fails, and the last lines say how long each took, what this machine lacks and how
many tests there were. Exit status 0: all of them passed.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 2400  # seconds that one command may take
QUIETLY = ["-q", "--color=no", "-p", "no:cacheprovider"]
ALONE = "not mpi and not job and not slurm and not hosts and not foreign and not container"
UNIT = ["-m", ALONE, "--dist", "worksteal"]
UNIT += ["-n", str(min(4, len(os.sched_getaffinity(0))))]  # most wait for programs they started
PATIENT = ["-o", "faulthandler_timeout=900", "--durations=12"]  # a chain of kills takes minutes
JOBS = ["-m", "job and not thorough", *PATIENT]
SIDE_BY_SIDE = ["-n", "2", "--dist", "loadfile"]  # files of jobs, which wait half of their time
COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?|xfailed)")
NEWER = ("3.14", "3.15")  # versions that few systems have
SANITIZED = ("3.12", "3.14")  # versions whose native core is also fuzzed under sanitizers
FUZZED = "20000"  # changed snapshots there
WHOLE_SANITIZED = "3.14"  # of them the one that also runs the engine's tests so
ENGINE = [
    "tests/native",
    "tests/unit/frames",
    "tests/unit/code",
    "tests/unit/objects",
    "tests/unit/seed",
    "tests/unit/test_golden_stacks.py",
    "tests/unit/test_interpreters.py",
    "tests/unit/test_liveness.py",
    "tests/unit/built",
]
FUZZ = {"SAUERKRAUT_FUZZ": "20000"}  # the same without sanitizers
LONG = {**FUZZ, "SAUERKRAUT_ROUND_TRIPS": "20000"}
KILLS = ["tests/jobs/test_kill_and_resume.py"]
PACKAGES = {  # what a folder of tests needs of the system
    "hosts": ["iproute2"],
    "slurm": ["slurm-wlm", "munge", "libpmix-dev"],
    "container": ["buildah", "podman", "runc", "mmdebstrap"],
}
CHAINS = {"openmpi": "heat2d-all or nbody-rank", "mpich": "nbody-mpiexec"}
"""Of the chains of kills those that are repeated on CPython 3.12 and 3.13."""
BOTH = [
    f"tests/jobs/test_{name}.py"
    for name in ("many_ranks", "handles", "endurance", "kill_and_resume", "tasks", "task_kills")
]
"""What takes long and is repeated on Open MPI."""
SLOWLY = ["-o", "faulthandler_timeout=1200"]  # schedulers and time limits take minutes


class Run:
    """What has been run so far, and how it went."""

    def __init__(self):
        self.counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
        self.broken = []
        self.missing = []
        self.took = []
        self.running = set()
        self.ended = False
        self.began = time.monotonic()

    def command(self, *words, **environment):
        """Run one command, showing its output, and return it; a failing one is remembered.

        That of one beside the main thread's is shown when it has ended.
        """
        shown = [f"{name}={value}" for name, value in environment.items()]
        beside = threading.current_thread() is not threading.main_thread()
        if self.ended:
            raise SystemExit("ended")
        began, lines = time.monotonic(), []
        if not beside:
            print("+", *shown, *words, flush=True)
        process = subprocess.Popen(
            [str(word) for word in words],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.running.add(process)
        limit = threading.Timer(LIMIT, os.killpg, (process.pid, signal.SIGKILL))
        limit.start()
        try:
            for line in process.stdout:
                lines.append(line)
                if not beside:
                    print(line, end="", flush=True)
            status = process.wait()
        except BaseException:  # Ctrl-C
            self.end()
            raise
        finally:
            limit.cancel()
            self.running.discard(process)
        said = " ".join([*shown, *map(str, words)]).replace(f"{ROOT}/", "")
        if status:
            self.broken.append(f"{said} (exit status {status})")
        self.took.append((time.monotonic() - began, said))
        if beside:
            print(f"\n+ beside: {said}\n{''.join(lines)}", end="")
        print(f"  {self.took[-1][0]:.0f} s", flush=True)
        return status == 0, lines

    def end(self):
        """End what still runs, and begin nothing else."""
        self.ended = True
        for process in [*self.running]:
            os.killpg(process.pid, signal.SIGKILL)

    def pytest(self, python, *words, under=(), **environment):
        """Run pytest and count its tests; 5 (nothing collected) is a failure too."""
        _, lines = self.command(*under, python, "-m", "pytest", *QUIETLY, *words, **environment)
        last = next((line for line in reversed(lines) if COUNT.search(line)), "")
        for number, what in COUNT.findall(last):
            kind = {"error": "failed", "errors": "failed", "xfailed": "passed"}.get(what, what)
            self.counts[kind] += int(number)

    def summary(self):
        """Print it; the exit status."""
        print()
        for seconds, what in self.took:
            print(f"{seconds:6.0f} s  {what}")
        print(f"{time.monotonic() - self.began:6.0f} s  in all")
        for what in self.missing:
            print(f"missing: {what}")
        for what in self.broken:
            print(f"failed: {what}")
        broken = max(self.counts["failed"], len(self.broken))
        print(f"{self.counts['passed']} passed, {broken} failed, {self.counts['skipped']} skipped")
        return 1 if broken else 0


def find_python(version):
    """A CPython of `version` ("3.12"): on PATH, or under pyenv; None where there is none."""
    names = [shutil.which(f"python{version}")]
    roots = {os.environ.get("PYENV_ROOT"), str(Path.home() / ".pyenv")} - {None}
    names += sorted(
        str(path) for root in roots for path in Path(root).glob(f"versions/{version}.*/bin/python3")
    )
    for name in filter(None, names):  # pyenv's shims are there also for versions not chosen
        said = subprocess.run(
            [name, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if said.returncode == 0 and said.stdout.strip() == version:
            return name
    return None


def existing(paths):
    return [path for path in paths if (ROOT / path).exists()]


def environment_of(run, python, venv, mpi="mpich", group="test", under=(), **environment):
    """Python of the virtual environment `venv`, made where needed; None when that failed."""
    made, _ = run.command(*under, ".ci/setup", python, venv, mpi, group, **environment)
    interpreter = ROOT / venv / "bin" / "python"
    for library in ("pandas", "xarray", "scipy") if made else ():
        words = [*under, interpreter, "-c", f"import {library}"]
        if subprocess.run(words, stdin=subprocess.DEVNULL, check=False).returncode:
            run.missing.append(f"{library} in {venv}: no wheel; its objects are not tested there")
    return interpreter if made else None


def ranks(run, python, counts=(1, 2, 4), under=()):
    """The tests that every rank runs, on several numbers of ranks."""
    for count in counts:
        launch = [*under, python, "-m", "sauerkraut.testing", count]
        run.pytest(python, "-m", "mpi", "tests/mpi", under=launch)


def install():
    """What `hosts`, `clusters` and `containers` need, from the system where we may.

    At once and before they begin: two at a time are refused.
    """
    if os.getuid() == 0 and shutil.which("apt-get"):
        quietly = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        for words in (
            ["apt-get", "update", "-qq"],
            *([*quietly, *each] for each in PACKAGES.values()),
        ):
            print("+", *words, flush=True)  # where that fails, `beyond` says what is missing
            noninteractive = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
            subprocess.run(words, env=noninteractive, check=False, **quiet)


def beyond(run, python, folder, module, what):
    """The tests of `folder`, which need more of a system than most have; its module can say what.

    Where that is missing, the tests are not run, and named.
    """
    look = [python, "-c", f"from tests.{folder}.{module} import missing; print(missing() or '')"]
    told = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    lacking = subprocess.run(look, **told, check=True).stdout.strip()
    if lacking:
        run.missing.append(f"{what}: {lacking}; tests/{folder} were not run")
        return
    run.pytest(python, "-m", folder, *SLOWLY, f"tests/{folder}")


def clusters(run, python):
    """The scripts of jobs/ on a Slurm of our own."""
    beyond(run, python, "slurm", "cluster", "Slurm")


def hosts(run, python):
    """A cable cut and mended, a host or a daemon lost, on hosts made of namespaces."""
    beyond(run, python, "hosts", "machines", "several hosts")


def containers(run, python):
    """The image of the Dockerfile, built and run without an engine."""
    beyond(run, python, "container", "images", "images")


def foreign(run, python):
    """Programs of others, unmodified, where they can be had."""
    look = [python, "-c", "from tests.compatibility import programs; programs.tell_missing()"]
    told = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    run.missing.extend(subprocess.run(look, **told, check=True).stdout.splitlines())
    run.pytest(python, "-m", "foreign", *SLOWLY, "tests/compatibility")


def newer(run, version):
    """The engine and the main job on a CPython that few systems have, the engine also with its JIT.

    Where this system does not have it, in a root of its own, which .ci/newer-python makes.
    """
    under, options, found = [], {}, find_python(version)
    if found is None:
        under, options = [ROOT / ".ci/newer-python"], {"VENV_OPTIONS": "--system-site-packages"}
        found = f"python{version}"
        tried = subprocess.run(
            [*under, found, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if tried.returncode:
            why = (tried.stderr.strip().splitlines() or ["no reason given"])[-1]
            run.missing.append(f"CPython {version}: {why}; not tested")
            return
    python = environment_of(run, found, f".venv-{version}", under=under, **options)
    if python is None:
        return
    parts = [*UNIT, *existing(ENGINE)]
    first = {"SAUERKRAUT_BUILT_FROM": f"{version.replace('.', '')}0000"}
    first |= LONG if version in SANITIZED else FUZZ
    run.pytest(python, *parts, "tests/unit/checkpoint", under=under, **first)
    has_jit = "import sys; sys.exit(not sys._jit.is_available())"
    words = [*under, python, "-c", has_jit]
    if subprocess.run(words, stdin=subprocess.DEVNULL, check=False).returncode:
        run.missing.append(f"the JIT of CPython {version}: this build has none; not tested")
    else:
        run.pytest(python, *parts, under=under, PYTHON_JIT="1")
    ranks(run, python, counts=(2,), under=under)
    run.pytest(python, *JOBS, *KILLS, "-k", "heat2d-all or nbody-mpiexec", under=under)
    if version in SANITIZED:
        sanitized(run, found, version, under, **options)


def sanitized(run, python, version, under=(), **options):
    """Fuzz with the native core under ASan and UBSan; on one version what that covers, and all so.

    The children of a fuzz leave no counters, so a shorter one in one process shows the lines.
    """
    venv = f".venv-{version}-sanitized"
    build = (
        "-C cmake.build-type=RelWithDebInfo "
        "-C cmake.define.SAUERKRAUT_SANITIZE=address,undefined "
        "-C cmake.define.SAUERKRAUT_COVERAGE=ON"
    )
    interpreter = environment_of(run, python, venv, under=under, BUILD_OPTIONS=build, **options)
    if interpreter is None:
        return
    libraries = [
        subprocess.run(
            [*under, "c++", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    checked = [  # set by env, since what enters a root is not of it
        *under,
        "env",
        f"LD_PRELOAD={' '.join(libraries)}",
        "ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1",
        "PYTHONMALLOC=malloc",
    ]
    fuzz = [*checked, interpreter, "tests/unit/frames/fuzz.py"]
    run.command(*fuzz, FUZZED)
    if version != WHOLE_SANITIZED:
        return
    if not run.command(*under, interpreter, "-m", "pip", "install", "-q", "gcovr")[0]:
        return
    for counted in (ROOT / "build" / venv).rglob("*.gcda"):
        counted.unlink()
    run.command(*fuzz, "5000", "--here")
    gcovr = [*under, interpreter, "-m", "gcovr", "--exclude-throw-branches", "--filter"]
    run.command(*gcovr, "native/(wire|resume)/", f"build/{venv}")
    greenlets = "tests/unit/seed/test_greenlets.py"
    run.missing.append(
        f"{greenlets} under ASan on {version}: they copy the C stack, which it refuses"
    )
    run.pytest(interpreter, *UNIT, f"--ignore={greenlets}", *existing(ENGINE), under=checked)


def openmpi(run):
    """CPython 3.12 with Open MPI; the first CPython with it where there is no 3.12."""
    found = find_python("3.12")
    if found is None:
        run.missing.append("CPython 3.12: not on PATH, not under pyenv; not tested")
    venv = ".venv-3.12" if found else ".venv-openmpi"
    return found, environment_of(run, found or sys.executable, venv, "openmpi")


def in_short(run, python):
    """What `make test` runs."""
    run.pytest(python, *UNIT, "tests")
    ranks(run, python)
    run.pytest(
        python, *JOBS, *SIDE_BY_SIDE, "tests", "-k", "not chain_of_kills or heat2d", KILLS="9"
    )
    found, python = openmpi(run)
    if python:
        if found:
            run.pytest(python, *UNIT, *existing(ENGINE), SAUERKRAUT_BUILT_FROM="3120000")
        ranks(run, python, counts=(2,))
        run.pytest(python, *JOBS, *KILLS, "-k", CHAINS["openmpi"])
    if python := mpich(run):
        run.pytest(python, *UNIT, *existing(ENGINE), SAUERKRAUT_BUILT_FROM="3130000")
        ranks(run, python, counts=(2,))
        run.pytest(python, *JOBS, *KILLS, "-k", CHAINS["mpich"])


def in_full(run, python):
    """What `make test-all` runs: what mostly waits goes on beside the rest."""
    QUIETLY.extend(["-o", "faulthandler_timeout=1800"])
    install()
    found, of_openmpi = openmpi(run)

    def waiting():
        if of_openmpi:
            clusters(run, of_openmpi)
            hosts(run, of_openmpi)
        hosts(run, python)
        containers(run, python)
        if None in map(find_python, NEWER):  # what `newer` enters
            made = [ROOT / ".ci/newer-python", "true"]
            subprocess.run(made, stdin=subprocess.DEVNULL, check=False)

    with ThreadPoolExecutor(1) as aside:
        waited = aside.submit(waiting)
        run.pytest(python, *UNIT, "tests", **FUZZ)
        ranks(run, python)
        jobs = ["-m", "job", *PATIENT, *SIDE_BY_SIDE]
        run.pytest(python, *jobs, "tests", KILLS="60", FLOW_KILLS="40")
        foreign(run, python)
        if of_openmpi:
            ranks(run, of_openmpi)
            jobs[1] = "job and not thorough"
            run.pytest(of_openmpi, *jobs, "tests", KILLS="18")
            jobs[1] = "job and thorough"
            run.pytest(of_openmpi, *jobs, *BOTH)
        if found and of_openmpi:
            run.pytest(of_openmpi, *UNIT, "tests", SAUERKRAUT_BUILT_FROM="3120000")
            sanitized(run, found, "3.12")
        if of_mpich := mpich(run):
            malloc = {"PYTHONMALLOC": "debug", "SAUERKRAUT_BUILT_FROM": "3130000"}
            run.pytest(of_mpich, *UNIT, "tests", **malloc, **FUZZ)
            ranks(run, of_mpich, counts=(4,))
            run.pytest(of_mpich, *JOBS, *KILLS, "-k", CHAINS["mpich"])
        for version in NEWER:
            newer(run, version)
        waited.result()


def mpich(run):
    """CPython 3.13; None where there is none."""
    if found := find_python("3.13"):
        return environment_of(run, found, ".venv-3.13")
    run.missing.append("CPython 3.13: not on PATH, not under pyenv; not tested")
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--all", action="store_true", help="the long form")
    everything = parser.parse_args().all
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each rank would compile all of it again
    run = Run()

    python = environment_of(run, sys.executable, ".venv", group="dev")
    if python is None:
        return run.summary()
    run.command(".ci/lint", ".venv")
    told = run.command(python, "-m", "tests.unit.objects.gpu")[1]
    run.missing.extend(line.rstrip() for line in told)
    (in_full if everything else in_short)(run, python)
    return run.summary()


if __name__ == "__main__":
    sys.exit(main())
