"""The image of the Dockerfile: the demo, the verbs, other users, a container that is killed."""

import re
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from sauerkraut.cli.main import VERBS
from sauerkraut.testing import events
from tests.container import images

pytestmark = [pytest.mark.container, pytest.mark.timeout(3000)]

ROOT = Path(__file__).resolve().parents[2]
FROM = re.compile(r"^FROM (\S+)", re.MULTILINE)
IMAGE = "localhost/sauerkraut"
HEAT = """mpiexec --oversubscribe --mca mpi_yield_when_idle 1 -n 2
  python /opt/examples/heat2d.py --size=128 --steps=12000 --dir=ckpt"""
STARTED_AGAIN = ["--user=4321:4321", "--env=SAUERKRAUT_SUPERVISOR=tests"]  # no user of its passwd


@pytest.fixture(scope="module")
def engine(request):
    """Where the image is, built; says what it was built from, into the log."""
    capturing = request.config.pluginmanager.getplugin("capturemanager")
    if (lacking := images.missing()) is not None:
        pytest.fail(f"no images here: {lacking}")
    directory = Path(tempfile.mkdtemp(prefix="images-"))
    try:
        with images.Images(directory) as made:
            (base,) = set(FROM.findall((ROOT / "Dockerfile").read_text()))
            said = made.base(base)
            with capturing.global_and_fixture_disabled():
                print(f"\n{said}", flush=True)
            print(made.build(IMAGE, ROOT))
            yield made
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def volume():
    """A directory that every user may write to, for /work."""
    directory = Path(tempfile.mkdtemp(prefix="work-"))
    directory.chmod(0o777)
    yield directory
    shutil.rmtree(directory)


def test_demo_is_identical_not_as_root_and_in_a_read_only_root(engine, volume):
    options = ["--read-only", "--volume", f"{volume}:/work"]
    demo = engine.run(IMAGE, "demo", "--size=192", "--steps=4000", "--seed=3", options=options)
    assert demo.stdout.rstrip().endswith("PASS: killed, resumed, and not a byte is different")
    killed, reference = (volume / "demo-output" / name for name in ("killed", "reference"))
    assert (killed / "heat2d.npy").read_bytes() == (reference / "heat2d.npy").read_bytes()
    assert (killed / "heat2d.npy").stat().st_uid == 1000

    options[-1] += ":ro"
    listed = engine.run(IMAGE, "ls", "demo-output/killed/ckpt", options=options)
    assert re.search(r"\b4000\b", listed.stdout)
    engine.run(IMAGE, "verify", "demo-output/killed/ckpt", options=options)


def test_a_container_that_is_killed_goes_on_in_the_next(engine, volume):
    def directory(name):
        (volume / name).mkdir()
        (volume / name).chmod(0o777)
        return [*STARTED_AGAIN, "--volume", f"{volume / name}:/work"]

    options, job = directory("killed"), [*HEAT.split(), "--interval=0.3s"]
    engine.run(IMAGE, *job, options=["--detach", "--name=killed", "--rm=false", *options])
    checkpoints = volume / "killed" / "ckpt"
    deadline = time.monotonic() + 120
    while not any(event["event"] == "commit" for event in events(checkpoints)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    engine.command("podman", "kill", "--signal=KILL", "killed")
    assert engine.command("podman", "wait", "killed").stdout.strip() == "137"
    assert not (checkpoints / "COMPLETE").exists()

    engine.run(IMAGE, *job, options=options)
    assert any(event["event"] == "restart" for event in events(checkpoints))
    engine.run(IMAGE, *HEAT.split(), "--interval=1h", options=directory("undisturbed"))
    for file in ("heat2d.npy", "heat2d.log"):
        same = (volume / "killed" / file, volume / "undisturbed" / file)
        assert same[0].read_bytes() == same[1].read_bytes()


def test_every_verb_is_a_command_of_the_image(engine):
    assert "usage: sauerkraut" in engine.run(IMAGE, "--help").stdout
    for verb in (verb.__name__.rpartition(".")[2] for verb in VERBS):
        assert f"usage: sauerkraut {verb}" in engine.run(IMAGE, verb, "--help").stdout
    assert "starts one world" in engine.run(IMAGE, "doctor").stdout


def test_other_words_are_programs(engine):
    said = engine.run(IMAGE, "python", "-c", "import sauerkraut; print(sauerkraut.__file__)")
    assert said.stdout.startswith("/opt/sauerkraut/lib/")
    ranks = "from mpi4py import MPI; print('size', MPI.COMM_WORLD.size)"
    said = engine.run(IMAGE, "mpiexec", "--oversubscribe", "-n", "2", "python", "-c", ranks)
    assert said.stdout.count("size 2") == 2
    assert engine.run(IMAGE, "no-such-program", check=False).returncode == 127


def test_it_is_slim_and_not_root(engine):
    look = "id -u; ls -d /wheels /src; command -v c++ flatc"
    said = engine.run(IMAGE, "sh", "-c", look, check=False)
    assert said.stdout.split() == ["1000"]
