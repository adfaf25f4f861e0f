"""Capture on all ranks, let nothing be in flight between them, and store one epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sauerkraut.checkpoint import blocks
from sauerkraut.checkpoint.agreement import shared, together
from sauerkraut.checkpoint.blocks import Held
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.checkpoint.state import Captured
from sauerkraut.checkpoint.store import Store
from sauerkraut.errors import RankError
from sauerkraut.group import Group, Handles
from sauerkraut.storage import About, Epoch
from sauerkraut.storage.epoch import NUMBERS


class Epochs:
    """Takes the epochs of one run. The methods are collective.

    Args:
        group: The ranks.
        store: The directory, taken.
        reports: Told what a restart might miss.
    """

    def __init__(self, group: Group, store: Store, reports: Reports) -> None:
        self._group = group
        self._store = store
        self._reports = reports
        self._handles: Handles | None = None

    def take(self, capture: Callable[[Handles | None], Captured], about: About) -> Epoch:
        """Store what ``capture`` returns on each rank. When the program goes on, `go_on` follows.

        Args:
            capture: Of this rank; may be called several times.
            about: What the manifest says of the epoch.

        Raises:
            Superseded: another incarnation owns the directory.
            RankError: on every rank; no epoch was committed, and the program goes on.
        """
        captured: Captured | None = None
        self._handles = handles = self._group.handles()

        def work() -> tuple[int, object, tuple[Mapping[str, Held], Mapping[str, float]]]:
            nonlocal captured
            self._store.wait_swept()
            if captured is not None:
                captured.release()
            captured = capture(handles)
            told = None if handles is None else handles.told()
            return captured.piece.nbytes, told, (captured.held, captured.numbers)

        try:
            done = together(self._group, "capture", work)
            if handles is not None and any(told is not None for _, told, _ in done):
                while handles.settle([told for _, told, _ in done]):
                    done = together(self._group, "capture", work)
                assert captured is not None, "all ranks captured"
                captured.add("handles", handles.stream())
                if (unseen := handles.unseen()) is not None:
                    self._reports.warn(unseen, once="unseen")
            assert captured is not None, "all ranks captured"
            held = [each for _, _, (each, _) in done]
            if any(held):
                shared(self._group, "capture", lambda: blocks.refuse_misfits(held))
                captured.place(blocks.places(held, self._group.rank))
            if numbers := blocks.alike([each for _, _, (_, each) in done]):
                about = replace(about, more={**about.more, NUMBERS: numbers})
            total = sum(nbytes for nbytes, *_ in done) + (0 if handles is None else handles.nbytes)
            return self._store.write(captured.piece, about, total)
        except RankError:
            self.go_on()
            raise
        finally:
            if captured is not None:
                captured.release()

    def go_on(self) -> None:
        """Send again what was in flight between ranks, as the program goes on."""
        handles, self._handles = self._handles, None
        if handles is not None:
            handles.go_on()
