"""Where tasks are, as far as this rank knows; see `post` for how messages find them."""

from __future__ import annotations

from collections import Counter

from sauerkraut.mpi.tasks.task import Letter, Luggage
from sauerkraut.wording import counted


class Whereabouts:
    """What a rank knows of where tasks are: each with the number of moves it had made then."""

    def __init__(self, rank: int, size: int) -> None:
        self._rank = rank
        self._size = size
        self._known: dict[int, tuple[int, int]] = {}
        self._kept: dict[int, list[Letter]] = {}

    def home(self, task: int) -> int:
        """The rank that always knows, sooner or later."""
        return task % self._size

    def here(self, luggage: Luggage) -> None:
        """A task is here."""
        self.learn(luggage.id, self._rank, luggage.moves)

    def learn(self, task: int, rank: int, moves: int) -> None:
        """A task was at ``rank`` after ``moves`` moves; older news are ignored."""
        if moves >= self._known.get(task, (0, -1))[1]:
            self._known[task] = rank, moves

    def known(self, task: int) -> tuple[int, int]:
        """The rank and the moves of what is known; at first its home."""
        return self._known.get(task, (self.home(task), -1))

    def next(self, task: int) -> int | None:
        """Where to send what is for a task that is not here; None: wait for news of it."""
        rank, _ = self.known(task)
        return None if rank == self._rank else rank

    def keep(self, letter: Letter) -> None:
        """Keep a letter until there is news."""
        self._kept.setdefault(letter.dest, []).append(letter)

    def kept(self, task: int) -> list[Letter]:
        """Letters that were kept, and are no more."""
        return self._kept.pop(task, [])

    def astray(self) -> list[str]:
        """Who sent how much to a task that is not known here, its home: one text for each two."""
        sent = Counter((each.source, each.dest) for each in self.letters())
        return [
            f"task {source} sent {counted(number, 'message')} to task {dest}"
            for (source, dest), number in sorted(sent.items())
        ]

    def letters(self) -> list[Letter]:
        """All letters that are kept."""
        return [letter for letters in self._kept.values() for letter in letters]
