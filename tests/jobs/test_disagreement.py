"""Ranks that do unlike things end with one error on all of them, never in a hang."""

import re
import sys

import pytest

from tests.jobs.conftest import LIMIT, SOON
from tests.processes import run

pytestmark = pytest.mark.job


@pytest.mark.parametrize(
    ("scenario", "named"),
    [
        ("unlike_steps", r"rank 1: poll (\d+) in unlike_steps \(stepping.py:\d+\), step \1 "),
        ("unlike_places", r"rank 1: poll 1 in unlike_places \(stepping.py:\d+\), step 0"),
        ("unlike_kinds", r"rank 1: checkpoint in unlike_kinds"),
        ("unlike_counts", r"rank 1: poll \d+ in unlike_counts"),
    ],
)
def test_unlike_calls_are_named_on_all_ranks(step, scenario, named):
    done = step(scenario)
    assert done.status == 1, done.said
    lines = [line for line in done.said.splitlines() if "RankError: ranks disagree" in line]
    assert len(lines) == 4, done.said
    assert all(re.search(named, line) for line in lines), lines
    assert all("ranks 0, 2, 3: " in line for line in lines), lines


def test_a_rank_that_leaves_early_makes_polls_free_and_the_run_ends_well(step, tmp_path):
    done = step("leaving_early", interval="0.1s")
    assert done.status == 0, done.said
    assert done.values == {0: "40", 1: "left", 2: "40", 3: "40"}
    assert done.said.count("no further checkpoint in this run") == 1
    assert (tmp_path / "ckpt" / "COMPLETE").exists()
    assert sorted(p.name for p in (tmp_path / "ckpt").glob("epoch-????????")) == ["epoch-00000001"]


def test_a_stop_asked_for_when_a_rank_has_left_ends_with_the_run(step, tmp_path):
    done = step("leaving_early", signal="SIGUSR1")
    assert done.status == 0, done.said
    assert done.values == {0: "40", 1: "left", 2: "40", 3: "40"}
    assert done.said.count("a stop was asked for when some ranks had returned") == 1
    assert (tmp_path / "ckpt" / "COMPLETE").exists()


def test_a_checkpoint_that_a_rank_has_left_is_refused_on_the_others(step):
    done = step("leaving_then_checkpoint")
    assert done.status == 0, done.said
    values = done.values
    assert values.pop(1) == "left"
    assert all(each.startswith("refused: checkpoint: some ranks") for each in values.values())


def test_an_exception_on_one_rank_ends_the_job_with_its_traceback(step, tmp_path):
    done = step("raising", interval="0.1s", environment={"SAUERKRAUT_POSTMORTEM": "1"})
    assert done.status not in (0, 85, 87), done.said
    assert "sauerkraut: rank 1 failed:" in done.said
    assert "ArithmeticError: it diverged" in done.said
    assert "in raising" in done.said
    assert done.values == {}
    trace, _, others = done.said.partition("where the others are:\n")
    assert "ArithmeticError" in trace, done.said
    stacks = dict(re.findall(r"^rank (\d) on \S+:\n((?:  .*\n)+)", others, re.MULTILINE))
    assert stacks.keys() == {"0", "2", "3"}, done.said
    assert stacks["0"].endswith(
        "in in_c_code\n    seconds = ctypes.PyDLL(None).sleep(seconds)\n"
    ), done.said
    assert "in in_mpi\n    comm.recv(source=options.rank)\n" in stacks["2"], done.said
    assert stacks["3"].endswith("in raising\n    ckpt.poll(step)\n"), done.said
    assert not (tmp_path / "ckpt" / "COMPLETE").exists()
    assert "post-mortem: sauerkraut inspect ckpt/postmortem-1" in done.said
    assert [path.name for path in tmp_path.glob("ckpt/postmortem-1/*")] == ["shard-00001.h5"]


@pytest.mark.thorough
def test_ranks_that_fail_together_leave_one_post_mortem(step, tmp_path):
    done = step("raising_on_most", environment={"SAUERKRAUT_POSTMORTEM": "1"})
    assert done.status == 1, done.said
    assert [path.name for path in tmp_path.glob("ckpt/postmortem-*")] == ["postmortem-1"]
    left = {path.name for path in tmp_path.glob("ckpt/postmortem-1/*")}
    assert left  # who is done first ends the job
    assert left <= {f"shard-0000{rank}.h5" for rank in (1, 2, 3)}


def test_an_exception_on_all_ranks_propagates_and_can_be_caught(step):
    done = step("raising_everywhere")
    assert done.status == 0, done.said
    assert done.values == dict.fromkeys(range(4), "caught")


@pytest.mark.thorough
def test_sys_exit_on_one_rank_ends_the_job(step):
    done = step("exiting")
    assert done.status == 3, done.said
    assert "sys.exit(3) on this rank only" in done.said


def test_an_exception_on_one_rank_before_run_ends_the_job(step):
    done = step("failing_before_run")
    assert done.status not in (0, 85, 87), done.said
    assert "ArithmeticError: before run" in done.said


def test_the_end_of_the_program_on_one_rank_before_run_is_an_error_on_the_others(step):
    done = step("ending_before_run")
    assert done.status == 1, done.said
    lines = [line for line in done.said.splitlines() if "RankError: ranks disagree" in line]
    assert len(lines) == 3, done.said
    assert all("ranks 0, 2, 3: run; rank 1: close or end of program" in line for line in lines)


def test_the_end_of_the_program_is_as_good_as_close(step):
    done = step("ending_before_close")
    assert done.status == 0, done.said
    assert len(done.values) == 4


def test_a_rank_that_is_gone_ends_the_job(launcher, stepping, tmp_path):
    if launcher.name != "openmpi":  # MPICH's -disable-auto-cleanup lets them live now and then
        pytest.skip(
            "missing: Open MPI, whose launcher can let the others live: "
            "`.ci/setup python3 .venv-openmpi openmpi`"
        )
    first, *words = launcher.command(4)
    # to a file: a launcher that lets them live may not read their last lines
    to_file = ["sh", "-c", 'exec "$@" 2>>said', "sh"]
    done = run(
        *(first, "--enable-recovery", *words, *to_file, sys.executable, stepping, "dying", "ckpt"),
        cwd=tmp_path,
        environment={**launcher.environment, **SOON, "SAUERKRAUT_PATIENCE": "0.5"},
        check=False,
        timeout=LIMIT,
    )
    said = (tmp_path / "said").read_text()
    assert done.returncode == 86, done.stderr
    assert re.search(r"rank \d: rank 1 is gone; ending the job", said), said
    assert not (tmp_path / "ckpt" / "COMPLETE").exists()


def test_a_rank_that_does_not_come_is_named_and_given_up_when_asked_to(step):
    soon = {"SAUERKRAUT_PATIENCE": "0.5", "SAUERKRAUT_GIVE_UP": "4"}
    done = step("absent", environment=soon)
    assert done.status == 86, done.said
    assert re.search(r"rank 0: waited \d+ s; missing ranks: 1; waiting: rank 0 at poll", done.said)
    assert re.search(r"rank 3 at poll \d+ in absent \(stepping.py:\d+\), step \d+", done.said)
    assert re.search(
        r"where they are now:\nrank 1 on \S+:\n(  .*\n)*.*in absent\n    time.sleep\(120\)\n",
        done.said,
    )
    assert re.search(r"gave up after \d+ s", done.said)  # 4 s, or more where all is slow
