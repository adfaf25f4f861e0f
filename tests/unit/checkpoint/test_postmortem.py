"""What an error leaves in postmortem-N: frames to look at, nothing that a restart would read."""

import json
import socket
from errno import ENOSPC

import numpy as np
import pytest

from sauerkraut.cli import main
from sauerkraut.errors import StorageError
from sauerkraut.frames import aftermath
from sauerkraut.storage import About, Piece, Stream, Trust, catalog, disk, postmortem
from tests.unit.checkpoint.crashing import CrashError, epochs


def simulate(ckpt, steps):
    field = np.arange(20_000.0)
    secret = "password"
    for step in range(steps):
        ckpt.poll(step)
    with socket.socket() as connection:
        diverge(field, {"steps": steps}, connection)
    return secret


def diverge(field, parameters, connection):
    shared = [field, parameters]
    raise CrashError(f"after {parameters['steps']} steps, {len(shared)}")


@pytest.fixture
def failed(make, directory):
    """A run that failed after it had committed an epoch."""

    def fail(**options):
        ckpt = make(interval=1e-9, exclude=("secret",), **options)
        with pytest.raises(CrashError):
            ckpt.run(simulate, ckpt, 4)
        return directory

    return fail


def inspected(capsys, *words):
    assert main(["inspect", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_the_frames_of_an_error_are_stored_for_people(failed, capsys):
    directory = failed(postmortem=True)
    assert "post-mortem: sauerkraut inspect " in capsys.readouterr().err
    told = json.loads(inspected(capsys, directory / "postmortem-1", "--json"))
    (rank,) = told["ranks"]
    assert (rank["rank"], rank["error"]) == (0, "CrashError: after 4 steps, 2")
    assert rank["epoch"] >= 1
    assert [frame["function"] for frame in rank["frames"]] == ["simulate", "diverge"]
    outer, inner = ({local["name"]: local for local in f["locals"]} for f in rank["frames"])
    assert rank["frames"][0]["excluded"] == ["secret"]
    assert outer["step"]["value"] == "3"
    assert (outer["field"]["shape"], outer["field"]["bytes"]) == ("(20000,)", 160_000)
    assert "socket" in outer["connection"]["refused"]
    assert inner["parameters"]["value"] == "{'steps': 4}"
    said = inspected(capsys, directory / "postmortem-1")
    assert "in diverge" in said
    assert "(not stored: " in said
    assert said.endswith("CrashError: after 4 steps, 2\n")
    assert "password" not in said


def test_the_body_of_a_program_is_shown_with_its_data_alone(make, directory, capsys):
    body = compile("import math\nsize = 3\nraise CrashError(size)", "program.py", "exec")
    ckpt = make(postmortem=True)
    with pytest.raises(CrashError):
        ckpt.run(exec, body, {"CrashError": CrashError, "__name__": "program"})
    told = json.loads(inspected(capsys, directory / "postmortem-1", "--json"))
    (frame,) = told["ranks"][0]["frames"]
    assert frame["function"] == "<module>"
    assert [(local["name"], local["value"]) for local in frame["locals"]] == [("size", "3")]


def test_it_is_no_epoch_and_nothing_restarts_from_it(failed, directory, make):
    failed(postmortem=True)
    assert catalog.others(directory) == []
    before = epochs(directory)
    again = make()
    with pytest.raises(CrashError):
        again.run(simulate, again, 4)
    assert again.restarted.epoch == int(before[-1][-8:])
    assert postmortem.numbers(directory) == [1]


def test_only_the_newest_are_kept(failed, directory):
    for _ in range(postmortem.MOST + 2):
        failed(postmortem=True)
    assert postmortem.numbers(directory) == [3, 4, 5]
    assert all(postmortem.shards(path) for path in directory.glob("postmortem-*"))


def left_by(rank, directory, **options):
    piece = Piece(rank, (Stream("frames", b"x" * 1000),))
    return postmortem.write(directory, piece, About(), Trust(), epoch=1, world_size=4, **options)


def test_ranks_that_fail_together_leave_one_and_keep_those_of_the_others(tmp_path):
    for rank in range(postmortem.MOST):
        left_by(rank, tmp_path)
    together = postmortem.next_number(tmp_path)
    for rank in range(4):
        assert left_by(rank, tmp_path, number=together).name == f"postmortem-{together}"
    assert postmortem.numbers(tmp_path) == [2, 3, together]
    assert len(postmortem.shards(tmp_path / f"postmortem-{together}")) == 4
    # another run of the same number, which it agreed on before that one was there
    assert left_by(3, tmp_path, number=together).name == f"postmortem-{together + 1}"


def test_one_of_an_earlier_number_does_not_remove_itself(tmp_path):
    for number in range(2, 2 + postmortem.MOST):
        left_by(0, tmp_path, number=number)
    left_by(0, tmp_path, number=1)
    assert postmortem.numbers(tmp_path) == [1, 2, 3, 4]


def test_the_space_of_the_next_epoch_is_not_taken(tmp_path):
    free = disk.free_bytes(tmp_path)
    with pytest.raises(StorageError, match="for the next epoch are more than") as met:
        left_by(0, tmp_path, leave_free=2 * free)
    assert met.value.errno == ENOSPC
    assert postmortem.numbers(tmp_path) == []


def test_space_that_others_take_meanwhile_is_not_taken_from_the_next_epoch(tmp_path, monkeypatch):
    left_by(1, tmp_path)

    def others_fill_it(call):
        if call.operation == "allocate":
            monkeypatch.setattr(disk, "free_bytes", lambda _: 10)

    monkeypatch.setattr(disk, "hook", others_fill_it)
    with pytest.raises(StorageError, match="500 for the next epoch are more than the 10 that"):
        left_by(0, tmp_path, number=1, leave_free=500)
    assert [path.name for path in postmortem.shards(tmp_path / "postmortem-1")] == [
        "shard-00001.h5"
    ]


def test_a_run_says_that_there_is_only_space_for_its_epochs(failed, directory, monkeypatch, capsys):
    monkeypatch.setattr(disk, "free_bytes", lambda _: 300_000)  # an epoch has more than half of it
    failed(postmortem=True)
    said = capsys.readouterr().err
    assert "no post-mortem was stored: StorageError: " in said
    assert "for the next epoch are more than the 300000 that are free" in said
    assert postmortem.numbers(directory) == []


def test_what_a_rank_was_ended_in_does_not_hide_the_others(failed, directory, capsys):
    failed(postmortem=True)
    (directory / "postmortem-1" / "shard-00003.h5").write_bytes(bytes(4096))
    said = inspected(capsys, directory / "postmortem-1")
    assert "in diverge" in said
    assert "shard-00003.h5: cannot be read: " in said
    ranks = json.loads(inspected(capsys, directory / "postmortem-1", "--json"))["ranks"]
    assert [(each["rank"], "refused" in each) for each in ranks] == [(0, False), (3, True)]
    (directory / "postmortem-1" / "shard-00000.h5").unlink()
    assert main(["inspect", str(directory / "postmortem-1")]) == 1
    assert "shard-00003.h5" in capsys.readouterr().err


def test_none_is_stored_unless_asked_for(failed, monkeypatch):
    assert postmortem.numbers(failed()) == []
    monkeypatch.setenv("SAUERKRAUT_POSTMORTEM", "1")
    assert postmortem.numbers(failed(postmortem=False)) == []
    assert postmortem.numbers(failed()) == [1]


def test_that_none_can_be_stored_hides_no_error(failed, directory, monkeypatch, capsys):
    def full(call):
        if "postmortem-" in str(call.path):
            raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(disk, "hook", full)
    failed(postmortem=True)
    assert "no post-mortem was stored: StorageError: " in capsys.readouterr().err


def test_what_could_not_be_stored_takes_no_space(failed, directory, monkeypatch):
    def full(call):
        if "postmortem-" in str(call.path) and call.operation == "fsync":
            raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(disk, "hook", full)
    failed(postmortem=True)
    assert postmortem.numbers(directory) == []


def test_looking_for_what_can_be_stored_ends_soon(failed, directory, monkeypatch, capsys):
    monkeypatch.setattr(aftermath, "SEARCH_TIME", -1.0)
    failed(postmortem=True)
    assert "not tried: those before it took" in inspected(capsys, directory / "postmortem-1")
