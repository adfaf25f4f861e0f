"""`sauerkraut slurm script` prints scripts that bash takes; `sauerkraut doctor` looks around."""

import os
import subprocess

import pytest

from sauerkraut.slurm.script import KINDS, template


@pytest.fixture
def ran(tmp_path):
    """Run a script with commands that say how they were called; `sauerkraut` ends with `status`."""

    def ran(text, *words, status=0, **variables):
        for name in ("sauerkraut", "scontrol", "sbatch", "scancel"):
            command = tmp_path / name
            ends = status if name == "sauerkraut" else int(name == "scontrol")
            said = f'echo {name} "$*" ${{SAUERKRAUT_TAKE_OVER:-}} >>calls\nexit {ends}\n'
            command.write_text("#!/bin/bash\n" + said)
            command.chmod(0o755)
        path = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
        done = subprocess.run(
            ["bash", "-s", *words],
            input=text,
            text=True,
            capture_output=True,
            cwd=tmp_path,
            env={**path, **variables},
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return (tmp_path / "calls").read_text().splitlines()

    return ran


def lines(text):
    """The words of what the script runs, with commands that print theirs."""
    done = subprocess.run(
        ["bash", "-n"], input=text, text=True, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return text.splitlines()


@pytest.mark.parametrize("kind", KINDS)
def test_a_script_is_filled_in(sauerkraut, kind):
    words = ["--kind", kind, "--time=1:00", "--partition", "low", "--sbatch", "qos=cheap"]
    done = sauerkraut("slurm", "script", *words, "heat.py", "--dir", "a b", "--n", "3")

    assert done.status == 0, done.err
    text = lines(done.out)
    assert text[0] == "#!/bin/bash"
    assert text.count("#SBATCH --time=1:00") == 1
    assert {"#SBATCH --partition=low", "#SBATCH --qos=cheap"} <= set(text)
    options = [index for index, line in enumerate(text) if line.startswith("#SBATCH")]
    assert max(options) < text.index("set -- python heat.py --dir 'a b' --n 3")
    assert any(line.startswith("#SBATCH --signal=B:USR1@") for line in text)


@pytest.mark.parametrize("kind", ["preemptible", "loop"])
def test_where_the_program_does_not_tell_its_directory(sauerkraut, kind):
    assert sauerkraut("slurm", "script", "--kind", kind, "heat.py").status == 2

    done = sauerkraut("slurm", "script", "--kind", kind, "--checkpoints", "x y", "heat.py")

    assert "sauerkraut launch --dir 'x y' " in done.out
    lines(done.out)


def test_the_chain_looks_into_the_directory(sauerkraut):
    done = sauerkraut("slurm", "script", "--kind=chain", "--checkpoints", "x y", "heat.py")

    assert "dir='x y' previous=" in lines(done.out)


def test_another_launcher(sauerkraut):
    done = sauerkraut("slurm", "script", "--launcher", "mpirun -q", "heat.py", "--dir=ckpt")

    assert 'read -ra launcher <<<"${LAUNCHER:-mpirun -q}"' in lines(done.out)


def test_what_is_filled_in_leaves_the_program_as_it_is(sauerkraut):
    words = ["x.py", "--outdir=ckpt", "srun --mpi=pmix"]
    options = ["--kind=chain", "--checkpoints=a", "--launcher=mpirun"]
    done = sauerkraut("slurm", "script", *options, *words)

    assert "set -- python x.py --outdir=ckpt 'srun --mpi=pmix'" in lines(done.out)


@pytest.mark.parametrize("words", [["--dir", "a"], ["--dir=a"]])
def test_the_chain_takes_over_from_the_job_before(ran, tmp_path, words):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "OWNER").write_text('{\n "incarnation": "abc",\n "job_id": "6"\n}\n')

    calls = ran(template("chain"), "python", "x.py", *words, CHAIN_BEFORE="6", CHAIN_SCRIPT="me")

    launched = f"sauerkraut launch --dir a -- srun --mpi=pmix python x.py {' '.join(words)} abc"
    assert launched in calls


def test_the_loop_takes_all_nodes_but_one(ran):
    size = {"SLURM_JOB_NUM_NODES": "9", "SLURM_NTASKS_PER_NODE": "8"}

    assert "--nodes=8 --ntasks=64 python x.py" in ran(template("loop"), "python", "x.py", **size)[0]


@pytest.mark.parametrize("kind", ["preemptible", "loop", "array"])
def test_a_job_is_requeued_so_many_times(ran, kind):
    variables = {"SLURM_JOB_NUM_NODES": "3", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}
    for status in (85, 86):
        calls = ran(template(kind), "python", "x.py", status=status, **variables)
        assert calls[-1].startswith("scontrol requeue 7")

    variables |= {"SLURM_RESTART_COUNT": "4", "MOST_REQUEUES": "4"}
    calls = ran(template(kind), "python", "x.py", status=86, **variables)
    assert calls[-1].startswith("sauerkraut launch ")


def test_usage(sauerkraut):
    assert sauerkraut("slurm", "script").status == 2
    words = ("--kind=loop", "--launcher=mpirun", "x.py", "--dir=a")
    assert sauerkraut("slurm", "script", *words).status == 2
    for option in ("--ntasks=64", "--sbatch=ntasks=64"):
        words = ("--kind=loop", option, "x.py", "--dir=a")
        assert sauerkraut("slurm", "script", *words).status == 2
    words = ("--kind=array", "--checkpoints=a", "x.py")
    assert sauerkraut("slurm", "script", *words).status == 2
    assert sauerkraut("slurm", "script", "--sbatch", "qos", "x.py", "--dir=a").status == 2


def checked(done):
    return {each["name"]: each["state"] for each in done.json["checks"]}


def test_doctor_finds_settings_that_do_not_exist(sauerkraut, monkeypatch):
    monkeypatch.setenv("SAUERKRAUT_PATIENT", "3")
    done = sauerkraut("doctor", "--json", "--launcher", "no-such-mpiexec")

    assert done.status == 1
    assert checked(done)["SAUERKRAUT_PATIENT"] == "bad"
    assert done.json["settings"]["patience"] == 60.0


def test_doctor_says_that_a_launcher_starts_singletons(sauerkraut, tmp_path):
    singletons = tmp_path / "mpiexec"
    singletons.write_text("#!/bin/sh\necho size 1\necho size 1\n")
    singletons.chmod(0o755)

    done = sauerkraut("doctor", "--json", "--launcher", singletons)

    assert (done.status, checked(done)["launcher"]) == (1, "bad")


def test_doctor_for_people(sauerkraut, checkpoints, monkeypatch):
    monkeypatch.setenv("SAUERKRAUT_PATIENCE", "soon")
    done = sauerkraut("doctor", "--dir", checkpoints, "--launcher", "no-such-mpiexec")

    assert done.status == 1
    assert "bad   settings: SAUERKRAUT_PATIENCE='soon' is not a number" in done.out
    assert "SAUERKRAUT_OWNER_WAIT" in done.out
