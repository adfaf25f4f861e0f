"""Generators, coroutines and async generators.

Their frames lie in the control section and pass its checks; the stream holds only which generator
stands where, and, after everything else, the objects that each frame refers to.
"""

from __future__ import annotations

import sys
import types
from collections.abc import AsyncGenerator, Generator
from typing import Any

from sauerkraut.objects import thawing
from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse


@reduces(types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
def _reduce_generator(generator: Any, freezing: Freezing) -> Reduced:
    if freezing.generators is None:
        name = f"{generator.__qualname__}()"
        raise refuse(generator, f"nothing keeps the frame of {name} here; keep a list of its items")
    place = freezing.generators.place_of(generator)
    if place is None:
        return (make_ended, (type(generator).__name__, generator.__name__, generator.__qualname__))
    return (make_generator, (place, freezing.generators.globals(place)))


def make_generator(place: int, namespace: dict[str, Any]) -> Any:
    """The generator that the control section describes in this place, its frame to be filled."""
    shells = thawing.current().shells
    if shells is None:
        raise ValueError("the stream holds generators, and there is no control section for them")
    return shells.make(place, namespace)


def make_ended(kind: str, name: str, qualname: str) -> Any:
    """A generator that has run to its end; it has no frame any more, and not its own code."""
    ended = _KINDS[kind]()
    _end(ended)
    ended.__name__ = name
    ended.__qualname__ = qualname
    return ended


def _generator() -> Generator[None]:
    yield


async def _coroutine() -> None:
    pass


async def _async_generator() -> AsyncGenerator[None]:
    yield


_KINDS: dict[str, Any] = {
    "generator": _generator,
    "coroutine": _coroutine,
    "async_generator": _async_generator,
}


def _end(generator: Any) -> None:
    if not isinstance(generator, types.AsyncGeneratorType):
        generator.close()
        return
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)  # no event loop is to hear of it
    try:
        generator.aclose().send(None)
    except StopIteration:
        pass
    finally:
        sys.set_asyncgen_hooks(*hooks)
