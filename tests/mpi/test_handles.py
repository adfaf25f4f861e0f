"""Handles of MPI in a captured graph: predefined ones by name, others refused."""

import pytest

from sauerkraut.errors import CaptureError
from sauerkraut.objects import graph

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))


def test_predefined_handles_come_back(comm):
    from mpi4py import MPI

    values = [MPI.COMM_WORLD, MPI.COMM_SELF, MPI.COMM_NULL, MPI.DOUBLE, MPI.SUM, MPI.REQUEST_NULL]
    back = graph.thaw(graph.freeze([{"held": values}, *values]))
    assert back[1:] == values
    assert back[0]["held"][0] is back[1]


def test_other_handles_are_refused_by_variable(comm):
    import numpy as np
    from mpi4py import MPI

    request = MPI.COMM_SELF.Irecv(np.zeros(1), source=0, tag=7)
    window = MPI.Win.Create(np.zeros(1), comm=MPI.COMM_SELF)
    try:
        for handle, advice in [
            (comm, "mpi4py.MPI.Intracomm cannot be captured; make it inside a function"),
            (request, "mpi4py.MPI.Request cannot be captured; complete it"),
            (window, "mpi4py.MPI.Win cannot be captured; free it"),
        ]:
            with pytest.raises(CaptureError) as raised:
                graph.freeze([{"h": handle}], names=lambda _: "simulate() -> local 'mpi'")
            assert str(raised.value).startswith(f"simulate() -> local 'mpi' -> item 'h': {advice}")
    finally:
        window.Free()
        MPI.COMM_SELF.Send(np.zeros(1), dest=0, tag=7)
        request.Wait()
