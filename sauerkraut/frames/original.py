"""The live stack that a snapshot was made of: it is ended where it goes on elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from sauerkraut import _native


class Original:
    """A captured stack that still lives, in a suspended greenlet; see ``capture_stack``.

    It holds all that the frames hold, so let it go, or `end` it, soon.
    """

    def __init__(self) -> None:
        self._held: tuple[_native.Stack, _native.Generators] | None = None

    def take(self, stack: _native.Stack, generators: _native.Generators) -> None:
        """Keep what was captured."""
        self._held = stack, generators

    def forget(self) -> None:
        """Let go of what is held: the stack goes on here."""
        self._held = None

    def end(self, throw: Callable[[], object]) -> None:
        """Leave all captured frames; of them no ``except``, ``finally`` or ``with`` block runs.

        The same holds for generators that only they held. All other objects of theirs are
        finalized as ever, and their memory is free when this returns. A second call does nothing.

        Args:
            throw: Raises what no code catches, in the greenlet, and lets nothing run after that.
        """
        if self._held is not None:
            stack, generators = self._held
            self._held = None
            _native.abandon(stack, generators, throw)
