"""`interval="auto"`: a job checkpoints and stops before its time is over."""

import time

import pytest

from sauerkraut.testing import events

pytestmark = [pytest.mark.job, pytest.mark.thorough]

PROGRAM = """\
import sys
import time
import sauerkraut as skt

comm = None
if "ranks" in sys.argv:
    from mpi4py.MPI import COMM_WORLD as comm


def work(steps):
    for step in range(steps):
        ckpt.poll(step)
        time.sleep(0.005)
    return step


ckpt = skt.Checkpointer("ckpt", comm, interval="auto", budget="5%")
value = ckpt.run(work, 3000)
if comm is None or comm.rank == 0:
    print(value)
"""


@pytest.mark.parametrize("ranks", [0, 2])
def test_a_job_stops_before_its_end_and_goes_on(on_ranks, tmp_path, ranks):
    (tmp_path / "program.py").write_text(PROGRAM)
    soon = {"SAUERKRAUT_SIGNAL_LATENCY": "0.1", "SAUERKRAUT_RESERVE": "20", "PYTHONHASHSEED": "0"}

    def start(**environment):
        words = ["program.py", *(["ranks"] if ranks else [])]
        return on_ranks(ranks, *words, environment={**soon, **environment}, timeout=60)

    stopped = start(SAUERKRAUT_END_TIME=str(time.time() + 30))
    assert (stopped.returncode, stopped.stdout) == (85, ""), stopped.stderr
    assert [each["event"] for each in events(tmp_path / "ckpt")][-2:] == ["commit", "stop"]

    done = start()
    assert (done.returncode, done.stdout) == (0, "2999\n"), done.stderr
    assert "restart 1" in done.stderr
