"""The two objects that stand for something: an excluded local, and the second return."""

from __future__ import annotations

import sys
from typing import Any, Final, NoReturn, final


@final
class _Excluded:
    """What an excluded local comes back as; test with ``is``, any other use raises NameError."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "sauerkraut.EXCLUDED"

    def __reduce__(self) -> str:
        return "EXCLUDED"

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        frame = sys._getframe(1)
        while frame.f_globals is globals() and frame.f_back is not None:
            frame = frame.f_back  # to the user's frame, past __getattr__
        names = [name for name, value in frame.f_locals.items() if value is self]
        shown = " or ".join(repr(name) for name in names) or "a local"
        raise NameError(
            f"{shown} was excluded from the snapshot this stack was resumed from; "
            "give it a value after the resume, or with resume(replace={...})"
        )

    def __getattr__(self, name: str) -> NoReturn:
        # Protocols look for optional methods with getattr(): to them it has none.
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        self._refuse()

    __bool__ = __call__ = __iter__ = __len__ = __contains__ = __getitem__ = __setitem__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _refuse
    __rtruediv__ = __floordiv__ = __mod__ = __pow__ = __neg__ = __enter__ = __exit__ = _refuse
    __float__ = __int__ = __index__ = __next__ = __str__ = __matmul__ = __rmatmul__ = _refuse
    __hash__ = object.__hash__


@final
class _Resumed:
    """What `capture` returns in a resumed stack unless told otherwise; falsy."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "sauerkraut.Resumed"

    def __reduce__(self) -> str:
        return "Resumed"

    def __bool__(self) -> bool:
        return False


EXCLUDED: Final = _Excluded()
Resumed: Final = _Resumed()
