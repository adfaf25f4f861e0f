"""When a supervisor ends a start itself."""

import sys

from sauerkraut.launch import supervisor
from sauerkraut.launch.command import Command
from sauerkraut.launch.log import Log
from sauerkraut.launch.supervisor import Options, Supervisor

# Killed after an epoch; the next start takes its time before it comes to its Checkpointer.
SLOW = """
import os, time
import sauerkraut as skt

if os.path.exists("killed"):
    time.sleep(4)
ckpt = skt.Checkpointer("ckpt", interval=None)


def work():
    ckpt.poll()
    ckpt.checkpoint()
    if not os.path.exists("killed"):
        open("killed", "w").close()
        os.kill(os.getpid(), 9)


ckpt.run(work)
"""


def test_a_start_has_all_time_to_set_out_after_one_that_was_killed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(supervisor, "LINGERING", 1.0)
    program = tmp_path / "slow.py"
    program.write_text(SLOW)
    command = Command.of([sys.executable, str(program)])
    job = Supervisor(command, tmp_path / "ckpt", Log(), Options(end_silent=2.0))

    assert (job.run(), job.starts) == (0, 2), capsys.readouterr().err
