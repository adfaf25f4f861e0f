"""Epochs whose hashes are right, and whose records are not: one typed refusal, nothing touched."""

import json
import shutil

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.checkpoint.beginning import Beginning
from tests.nonsense import changes, reseal
from tests.unit.checkpoint.crashing import CrashError

RECORD = {
    "arguments": {"n": "3", "path": "path '/x'"},
    "providers": ["fields"],
    "roots": ["argument 'model'"],
    "interpreter": ["cpython", "3.11.2"],
    "environment": {"python": "3.11.2"},
    "function": {"function": "work"},
    "program": {
        "functions": {"": "00", "work": "01"},
        "path": ["/x"],
        "environment": {"A": "1", "B": None},
    },
}


def test_a_record_comes_back():
    text = json.dumps(RECORD).encode()
    assert json.loads(Beginning.of_json(text).to_json()) == RECORD


def test_a_record_that_cannot_be_is_refused():
    refused = []
    for text in changes(json.dumps(RECORD).encode(), 500):
        try:
            found = Beginning.of_json(text)
        except skt.ResumeError as error:
            refused.append(str(error))
        else:
            assert Beginning.of_json(found.to_json()) == found
    assert len(refused) > 200
    assert all(each.startswith("the epoch does not say how its run began") for each in refused)


def work(values, crash):
    kept = np.arange(20_000.0)
    if isinstance(skt.current().checkpoint(), skt.Epoch) and crash:
        raise CrashError
    return len(values) + kept.sum()


@pytest.fixture
def crashed(make, directory):
    """A directory with one epoch of a run that has a provider."""
    with pytest.raises(CrashError):
        provided(make()).run(work, [1, 2], True)
    (epoch,) = directory.glob("epoch-????????")
    return epoch


def provided(ckpt):
    ckpt.provide("more", lambda: {"field": np.ones(20_000)}, lambda data: None)
    return ckpt


@pytest.mark.parametrize("stream", ["run", "objects", "control", "providers/more/objects"])
def test_a_start_refuses_what_cannot_be(crashed, make, directory, stream):
    whole = directory.with_name("whole")
    directory.rename(whole)
    with_json = [b"[]", b"{}", b"\xff", b'{"interpreter": ["cpython"]}', b"[" * 100_000]
    for changed in [*with_json, b"", b"\0" * 64]:
        shutil.copytree(whole, directory)
        change = {stream: changed}
        reseal(directory / crashed.name, lambda name, data, to=change: to.get(name, data))
        with pytest.raises((skt.ResumeError, skt.RankError)) as refused:
            provided(make()).run(work, [1, 2], True)
        assert isinstance(refused.value, skt.ResumeError), refused.value
        assert (directory / crashed.name).is_dir()
        shutil.rmtree(directory)
    shutil.copytree(whole, directory)
    reseal(directory / crashed.name, lambda _, data: data)
    assert provided(make()).run(work, [1, 2], True) == 2 + 199_990_000.0
