"""`sauerkraut launch` of programs without MPI: how it judges their end."""

import os
import sys
import time
from pathlib import Path

import pytest

from sauerkraut import storage
from sauerkraut.launch import identity
from sauerkraut.storage import Incarnation, Ownership, Process
from tests.processes import run_python


@pytest.fixture
def launch(sauerkraut, tmp_path, monkeypatch):
    """Launch a program given as text; its starts are counted in the file `starts`."""
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "program.py"

    def launch(text, *options):
        program.write_text(f"open('starts', 'a').write('x')\n{text}\n")
        done = sauerkraut("launch", *options, "--", sys.executable, program, "--dir", "ckpt")
        done.starts = len(Path("starts").read_text()) if Path("starts").exists() else 0
        return done

    return launch


@pytest.mark.parametrize("status", [0, 1])
def test_a_program_that_never_checkpoints_is_given_up(launch, status):
    done = launch(f"raise SystemExit({status})", "--max-restarts", "1")

    assert (done.status, done.starts) == (87, 2)
    assert done.err.count(f" s with status {status}\n") == 2
    assert "nothing was ever stored in ckpt: is it the one (--dir)?" in done.err


def test_a_refusal_is_not_started_again(launch):
    done = launch("raise SystemExit(87)")

    assert (done.status, done.starts) == (87, 1)


def test_a_program_killed_by_a_signal(launch):
    done = launch("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "--max-restarts=0")

    assert (done.status, done.starts) == (87, 1)
    assert "with status 137" in done.err


def test_a_run_that_ends_is_done(launch):
    done = launch(
        "import sauerkraut\n"
        "def f():\n"
        "    return 7\n"
        "sauerkraut.Checkpointer('ckpt', quiet=True).run(f)"
    )

    assert (done.status, done.starts) == (0, 1)
    assert "complete; newest epoch 1; exit status 0" in done.err


def test_restarts_that_bring_an_epoch_do_not_count(launch):
    done = launch(
        "import os, sauerkraut\n"
        "def f():\n"
        "    for step in range(3):\n"
        "        if isinstance(ckpt.checkpoint(), sauerkraut.Epoch):\n"
        "            os._exit(9)\n"
        "ckpt = sauerkraut.Checkpointer('ckpt', quiet=True)\n"
        "ckpt.run(f)",
        "--max-restarts=1",
    )

    assert (done.status, done.starts) == (0, 4), done.err


@pytest.mark.parametrize(("left", "ended"), [(20, (85, 1)), (3600, (87, 2))])
def test_a_stop_at_the_end_of_the_job_s_time_is_not_started_again(launch, monkeypatch, left, ended):
    monkeypatch.setenv("SAUERKRAUT_END_TIME", str(time.time() + left))
    done = launch(
        "import os, sauerkraut\n"
        "def f():\n"
        "    if isinstance(ckpt.checkpoint(), sauerkraut.Epoch):\n"
        "        os._exit(85)\n"
        "    os._exit(87)\n"
        "ckpt = sauerkraut.Checkpointer('ckpt', quiet=True)\n"
        "ckpt.run(f)",
    )

    assert (done.status, done.starts) == ended, done.err


def test_what_follows_the_run_gets_another_chance(launch):
    done = launch(
        "import os, sauerkraut\n"
        "def f():\n"
        "    return 7\n"
        "value = sauerkraut.Checkpointer('ckpt', quiet=True).run(f)\n"
        "if not os.path.exists('failed'):\n"
        "    open('failed', 'w')\n"
        "    raise SystemExit('the disk is full')\n"
        "open('saved', 'w').write(str(value))"
    )

    assert (done.status, done.starts) == (0, 2)
    assert Path("saved").read_text() == "7"


def test_every_start_has_the_same_hash_seed_and_reads_the_same_input(tmp_path):
    text = "import os, sys; open('seen', 'a').write(os.environ['PYTHONHASHSEED'] + input())"
    (tmp_path / "input").write_text("read by somebody\nline\n")
    words = ["-m", "sauerkraut", "launch", "--max-restarts=1", "--dir=ckpt", "--"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}

    with (tmp_path / "input").open() as stdin:
        os.lseek(stdin.fileno(), len("read by somebody\n"), os.SEEK_SET)
        run_python(
            *(*words, sys.executable, "-c", text),
            cwd=tmp_path,
            env=environment,
            input=None,
            stdin=stdin,
            check=False,
        )

    assert (tmp_path / "seen").read_text() == "0line0line"


def test_the_recorded_hash_seed_wins(launch, commit, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("OMPI_MCA_oob_tcp_keepalive_time", "9")
    commit(hash_seed="5")
    (commit(hash_seed="6") / "manifest.h5").write_bytes(b"damaged")

    launch(
        "import os\n"
        "names = 'PYTHONHASHSEED', *(f'{m}_MCA_oob_tcp_keepalive_time' for m in ('OMPI', 'PRTE'))\n"
        "print(*map(os.environ.get, names), file=open('seen', 'w'))",
        "--max-restarts=0",
    )

    assert Path("seen").read_text() == "5 9 2\n"


def test_what_cannot_be_read_is_said_once(launch):
    Path("ckpt").mkdir()
    Path("ckpt", "COMPLETE").write_text("nonsense")

    done = launch("pass", "--max-restarts=1")

    assert (done.status, done.starts) == (87, 2)
    assert done.err.count("ckpt/COMPLETE does not name an epoch") == 1


def test_a_directory_that_cannot_be_read_ends_it(launch):
    Path("ckpt").write_text("a file")

    done = launch("pass")

    assert (done.status, done.starts) == (1, 0)
    assert "Not a directory: 'ckpt'" in done.err


def test_a_checkpoint_that_cannot_be_asked_for(launch):
    text = "import os, signal, time; os.kill(os.getppid(), signal.SIGUSR2); time.sleep(2)"
    done = launch(text, "--max-restarts=0")

    assert "they cannot be asked: " in done.err


def test_what_outlives_the_program_is_ended(launch):
    text = "import subprocess; print(subprocess.Popen(['sleep', '300']).pid, file=open('pid', 'w'))"
    done = launch(text, "--max-restarts", "0")

    pid = Path("pid").read_text().strip()
    assert f"processes that outlived it were ended: {pid}" in done.err
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()


def test_no_two_supervisors_at_once(launch, tmp_path, monkeypatch):
    parent = Process.this()
    me = identity.of_this_process()
    monkeypatch.setenv("SAUERKRAUT_SUPERVISOR", me)
    Ownership.take(tmp_path / "ckpt", Incarnation.of_this_job()).close()

    done = launch("pass")

    assert (done.status, done.starts) == (87, 0)
    assert f"supervised by pid {parent.pid}" in done.err


def test_json_tells_what_came_of_it(launch):
    done = launch("print('said by the program')", "--json", "--max-restarts", "0")

    assert (done.json["status"], done.json["starts"]) == (87, 1)


def test_the_log_also_goes_to_a_file(launch):
    done = launch("pass", "--max-restarts=0", "--log=launch.log")

    assert Path("launch.log").read_text() == done.err


def test_a_log_that_cannot_be_written_is_an_error(launch):
    done = launch("pass", "--log=no/such/launch.log")

    assert (done.status, done.starts) == (1, 0)
    assert "cannot write the log no/such/launch.log: No such file or directory" in done.err


def test_a_program_that_is_not_there(sauerkraut):
    done = sauerkraut("launch", "--dir", "x", "--", "no-such-program")

    assert done.status == 1
    assert "cannot start no-such-program" in done.err


@pytest.mark.parametrize(
    "words", [[], ["--"], ["--", "python", "x.py"], ["--dir=x", "--max-restarts=-1", "--", "true"]]
)
def test_usage(sauerkraut, words):
    assert sauerkraut("launch", *words).status == 2


def test_an_epoch_of_another_start_is_no_progress(launch, checkpoints):
    newest = storage.catalog.committed(checkpoints)[0].name.number

    done = launch("raise SystemExit(1)", "--max-restarts", "1")

    assert (done.status, done.starts) == (87, 2)
    assert f"newest epoch {newest}, none new" in done.err
