"""`sauerkraut ls` tells what a restart may choose from."""

import math

import sauerkraut as skt
from sauerkraut.cli.main import VERBS


def test_newest_first_with_step_size_and_metrics(sauerkraut, checkpoints):
    done = sauerkraut("ls", checkpoints)

    assert done.status == 0
    head, *rows = done.out.splitlines()
    assert head.split()[:3] == ["epoch", "state", "step"]
    assert [row.split()[0] for row in rows] == ["3", "2", "1"]
    assert "30 of 100" in rows[0]
    assert rows[0].endswith("heat=0.75")


def test_json_has_every_epoch(sauerkraut, checkpoints):
    document = sauerkraut("ls", "--json", checkpoints).json

    assert document["complete"] is None
    newest, *_, oldest = document["epochs"]
    assert (newest["epoch"], newest["step"], newest["of"], newest["ranks"]) == (3, 30, 100, 2)
    assert newest["parent"] == document["epochs"][1]["attempt"]
    assert oldest["parent"] is None


def test_a_manifest_that_cannot_be_read_is_shown_as_that(sauerkraut, checkpoints):
    (checkpoints / "epoch-00000003" / "manifest.h5").write_bytes(b"")

    document = sauerkraut("ls", "--json", checkpoints).json

    assert [epoch["state"] for epoch in document["epochs"]] == [
        "unreadable",
        "committed",
        "committed",
    ]


def test_no_directory_is_one_line_and_status_1(sauerkraut, tmp_path):
    done = sauerkraut("ls", tmp_path / "nothing")

    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("sauerkraut ls: ")
    assert done.err.count("\n") == 1


def test_usage_is_status_2(sauerkraut):
    assert sauerkraut("ls").status == 2
    assert sauerkraut("no-such-verb").status == 2


def test_every_verb_has_help(sauerkraut):
    shown = sauerkraut("--help").out
    assert len(VERBS) == 10
    for module in VERBS:
        verb = module.__name__.rpartition(".")[2]
        assert f"\n    {verb} " in shown
        assert "--json" in sauerkraut(verb, "--help").out


def test_numbers_that_json_has_not_are_text(sauerkraut, tmp_path):
    directory = tmp_path / "ckpt"
    ckpt = skt.Checkpointer(directory, interval=None, quiet=True)
    ckpt.run(lambda: skt.current().checkpoint(loss=math.nan, best=math.inf) and None)

    assert "loss=nan best=inf" in sauerkraut("ls", directory).out
    done = sauerkraut("ls", "--json", directory)
    assert done.json["epochs"][1]["metrics"] == {"loss": "nan", "best": "inf"}
