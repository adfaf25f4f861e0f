"""Generators, coroutines and async generators, and the awaitables that step into them.

Their frames lie in the control section and pass its checks; the stream holds only which generator
stands where, and, after everything else, the objects that each frame refers to.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import types
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any

from sauerkraut._native import awaitable_stage, set_awaitable_stage
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
    with _unknown_to_event_loops(), contextlib.suppress(StopIteration):
        generator.aclose().send(None)


@contextlib.contextmanager
def _unknown_to_event_loops() -> Iterator[None]:
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _awaitable_types() -> tuple[type, type, type]:
    """Those of `coroutine.__await__()`, `asend()`, and `athrow()` and `aclose()`."""
    coroutine, generator = _coroutine(), _async_generator()
    wrapper = coroutine.__await__()
    wrapper.close()
    with _unknown_to_event_loops():
        sent, thrown = generator.asend(None), generator.aclose()
        for awaitable in (sent, thrown):  # Python warns of one that nobody awaited
            with contextlib.suppress(StopIteration):
                awaitable.send(None)
    return type(wrapper), type(sent), type(thrown)


_Wrapper, _Asend, _Athrow = _awaitable_types()


@reduces(_Wrapper)
def _reduce_wrapper(wrapper: Any, _: Freezing) -> Reduced:
    return (wrap, tuple(gc.get_referents(wrapper)))


def wrap(coroutine: types.CoroutineType[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """What `await` steps through where an `__await__` returns that of a coroutine."""
    return coroutine.__await__()


@reduces(_Asend, _Athrow)
def _reduce_awaitable(awaitable: Any, _: Freezing) -> Reduced:
    generator, *given = gc.get_referents(awaitable)
    stage = awaitable_stage(awaitable)
    if isinstance(awaitable, _Asend):
        method = "asend"
        given = given if stage == 0 else []
    else:
        method = "athrow" if given else "aclose"
        if given and stage == 0:
            raise refuse(awaitable, "await it before the checkpoint")
    if stage < 0:
        raise refuse(awaitable, "this Python lays it out in its own way; await it first")
    return (make_awaitable, (generator, method, given[0] if given and stage == 0 else None, stage))


def make_awaitable(generator: Any, method: str, sent: Any, stage: int) -> Any:
    """An `asend()`, `athrow()` or `aclose()` of an async generator that has come so far."""
    arguments = {"asend": (sent,), "athrow": (GeneratorExit,), "aclose": ()}[method]
    awaitable = getattr(generator, method)(*arguments)
    set_awaitable_stage(awaitable, stage)
    return awaitable
