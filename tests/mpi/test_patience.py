"""Ranks that wait for each other at unlike operations, which no collective call of ours does."""

import time

import pytest

from sauerkraut.mpi.patience import LOST, Patience
from sauerkraut.settings import Settings

pytestmark = pytest.mark.mpi(ranks=2)


def test_waits_that_can_never_meet_end_the_job(comm, capfd):
    ended = []
    patience = Patience(comm, Settings(patience=0.1), None, ended.append)
    kind, where = [("consensus", "poll 3 in relax (heat2d.py:81)"), ("bcast", "")][comm.rank]
    began = time.monotonic()
    both = None
    while both is None or not both.Test():  # the other one answers until this one has heard it
        patience.waiting(kind, where, time.monotonic() - began)
        if both is None and ended:
            both = comm.Ibarrier()
        assert time.monotonic() - began < 30
    patience.close()
    assert set(ended) == {LOST}
    told = [
        "rank 0: rank 1 waits at bcast, this one at poll 3 in relax (heat2d.py:81): they can never",
        "rank 1: rank 0 waits at poll 3 in relax (heat2d.py:81), this one at bcast: they can never",
    ]
    assert f"sauerkraut: {told[comm.rank]} meet; ending the job" in capfd.readouterr().err
