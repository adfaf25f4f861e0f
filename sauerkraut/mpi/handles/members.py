"""Members of groups and communicators, as ranks of the Checkpointer's communicator."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from mpi4py import MPI

from sauerkraut.objects.freezing import refuse


class Members:
    """Translates between groups and ranks of ``comm``.

    Args:
        comm: The Checkpointer's private duplicate.
    """

    def __init__(self, comm: MPI.Intracomm) -> None:
        self.comm = comm

    @functools.cached_property
    def all(self) -> MPI.Group:
        """The group of ``comm``."""
        return self.comm.Get_group()

    @functools.cached_property
    def world(self) -> dict[int, int]:
        """Rank in ``COMM_WORLD`` -> rank in ``comm``; empty: not all have one there."""
        world = MPI.COMM_WORLD.Get_group()
        ranks = self.all.Translate_ranks(None, world)
        world.Free()
        return {} if MPI.UNDEFINED in ranks else {there: rank for rank, there in enumerate(ranks)}

    @functools.cached_property
    def hold_world(self) -> bool:
        """Whether all ranks of ``COMM_WORLD`` are in ``comm``."""
        world = MPI.COMM_WORLD.Get_group()
        ranks = self.of(world)
        world.Free()
        return ranks is not None

    def of(self, group: MPI.Group) -> tuple[int, ...] | None:
        """Ranks of the members of ``group``, in its order; None: not all are in ``comm``."""
        ranks = group.Translate_ranks(None, self.all)
        return None if MPI.UNDEFINED in ranks else tuple(ranks)

    def holding(self, handle: MPI.Win | MPI.File) -> tuple[int, ...]:
        """Ranks of the members of a window or file. Raises CaptureError for others than ours."""
        group = handle.Get_group()
        ranks = self.of(group)
        group.Free()
        if ranks is None:
            raise refuse(handle, "it has members outside of the Checkpointer's communicator")
        return ranks

    def group(self, ranks: Sequence[int]) -> MPI.Group:
        """A group of these ranks, to be freed by the caller."""
        return self.all.Incl(ranks)

    def close(self) -> None:
        """Free what is held."""
        if "all" in vars(self):
            self.all.Free()
