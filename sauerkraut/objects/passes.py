"""The passes over one object graph: the C pickler, then dill's, then one that names the culprit."""

from __future__ import annotations

import builtins
import contextlib
import functools
import io
import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sauerkraut._native import persistent_id
from sauerkraut.errors import CaptureError, SauerkrautError
from sauerkraut.objects import failure, own_attributes
from sauerkraut.objects.freezing import Freezing, Handles
from sauerkraut.objects.standard_streams import standard_streams

if TYPE_CHECKING:
    from sauerkraut._native import Generators

logger = logging.getLogger(__name__)

_warned: set[tuple[str, ...]] = set()

Values = Sequence[object]
Names = Callable[[int], str]


class Attempt:
    """To freeze a graph; see `graph.freeze` for the arguments.

    Attributes:
        anchored: what is written by name.
        parts: the kinds of what follows the values in the stream, in order.
    """

    def __init__(
        self,
        values: Values,
        names: Names,
        anchors: Mapping[str, object],
        threshold: int,
        *,
        carry_main: bool,
        generators: Generators | None,
        handles: Handles | None = None,
    ) -> None:
        self.values = list(values)
        self.names = names
        self.anchors: dict[int, object] = {**standard_streams()}
        self.anchors[id(vars(builtins))] = "module builtins"
        self.anchors |= {id(obj): f"anchor {name}" for name, obj in anchors.items()}
        self.anchored = list(anchors.values())
        attributes = own_attributes.instances(self.values)
        self.instances = {id(instance) for _, instance in attributes.values()}
        self.anchors = attributes | self.anchors
        self.threshold = threshold
        self.carry_main = carry_main
        self.carried: set[str] = set()
        self.generators = generators
        self.handles = handles
        self.parts = ""

    def run(self) -> tuple[io.BytesIO, Freezing]:
        """Write the stream, but for its table.

        Raises:
            CaptureError: see `graph.freeze`.
        """
        try:
            return self._passes()
        except CaptureError as error:
            if not self.carried:
                raise
            told = str(error)
        # If something of a definition is in the way, all is well when definitions go by name.
        self.carry_main = False
        done = self._passes()
        _warn_once(
            "what __main__ defines is captured by name, for programs that define it as well: %s",
            told,
        )
        return done

    def _passes(self) -> tuple[io.BytesIO, Freezing]:
        try:
            return self._once(_Pickler)
        except MemoryError:
            raise
        except SauerkrautError as error:
            raise self._explained(error) from error.__cause__
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            first = error
        except (Exception, RecursionError) as error:
            raise self._explained(error) from error
        try:
            done = self._once(_dill_pickler())
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - the error to tell is that of the first pass
            raise self._explained(first) from first
        finally:
            reason = str(first)
            del first  # its traceback leads here: a circle would keep what the program gives up
        _warn_once("the whole graph is pickled by dill, many times slower: %s", reason)
        return done

    def _once(self, pickler: Callable[..., Any]) -> tuple[io.BytesIO, Freezing]:
        freezing = self._new_freezing()
        stream, memo = self._write(pickler, freezing)
        owners = self._owners(freezing, memo) if freezing.memories else {}
        if freezing.weak_targets or owners:
            # Weak references were written as dead; now it is known which are not. And who owns the
            # memory of arrays that do not tell.
            again = self._new_freezing()
            again.strong = frozenset(memo().keys())
            again.owners = owners
            stream, _ = self._write(pickler, again)
            freezing = again
        return stream, freezing

    def _owners(self, freezing: Freezing, memo: Callable[[], dict[int, Any]]) -> dict[int, object]:
        from sauerkraut.objects import common_memory

        if not common_memory.borrows(freezing):
            return {}
        return common_memory.owners(
            freezing, [*(obj for _, obj in memo().values()), *self.anchored]
        )

    def _new_freezing(self) -> Freezing:
        if self.generators is not None:
            self.generators.clear()
        if self.handles is not None:
            self.handles.clear()
        return Freezing(
            threshold=self.threshold,
            name_of=self._name_of,
            anchored=self.anchors,
            carried=self.carried if self.carry_main else None,
            generators=self.generators,
            handles=self.handles,
            instances=self.instances,
        )

    def _write(
        self, pickler: Callable[..., Any], freezing: Freezing
    ) -> tuple[io.BytesIO, Callable[[], dict[int, Any]]]:
        stream = io.BytesIO()
        writer = pickler(stream, freezing, self.anchors)
        with _room_for_recursion():
            writer.dump(self.values)
            self.parts = ""
            for kind, _, contents in freezing.further_parts():
                self.parts += kind
                writer.dump(contents)
        return stream, lambda: dict(writer.memo.copy())

    def _name_of(self, address: int) -> str | None:
        return self._array_names.get(address)

    @functools.cached_property
    def _array_names(self) -> dict[int, str]:
        return names_of(self.values, self.names)

    def _explained(self, error: BaseException) -> CaptureError:
        freezing = self._new_freezing()
        return failure.explain(self.values, self.names, self.anchors, freezing, error)


def names_of(values: Values, names: Names) -> dict[int, str]:
    """Names of values and of what their attributes and items hold, by address."""
    found: dict[int, str] = {}
    for index, value in enumerate(values):
        name = names(index)
        found.setdefault(id(value), name)
        held = value if type(value) is dict else getattr(value, "__dict__", None)
        if type(held) is dict:
            for key, item in held.items():
                dotted = f"{name}[{key!r}]" if held is value else f"{name}.{key}"
                found.setdefault(id(item), dotted)
    return found


def _warn_once(text: str, *told: str) -> None:
    if (text, *told) not in _warned:
        _warned.add((text, *told))
        logger.warning(text, *told)


def _warn_of_order() -> None:
    """Say once that a set of strings has another order in every process that hashes at random."""
    if os.environ.get("PYTHONHASHSEED", "random") == "random":
        _warn_once(
            "a set of strings is captured, whose order will be another after a restart: "
            "start Python with PYTHONHASHSEED=0"
        )


@contextlib.contextmanager
def _room_for_recursion() -> Iterator[None]:
    """On 3.11 a nested object counts like a nested call: a deep stack must leave room for both."""
    if sys.version_info >= (3, 12):
        yield
        return
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 1000)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, freezing: Freezing, anchors: dict[int, object]) -> None:
        super().__init__(file, protocol=5)
        name = persistent_id(anchors, freezing.name_of_globals, _warn_of_order)
        self.persistent_id = name  # type: ignore[method-assign]
        self.reducer_override = freezing.reduce  # type: ignore[method-assign]


def _dill_pickler() -> Callable[..., Any]:
    import dill

    class Pickler(dill.Pickler):  # type: ignore[misc]
        def __init__(
            self, file: io.BytesIO, freezing: Freezing, anchors: dict[int, object]
        ) -> None:
            super().__init__(file, protocol=5)
            self.persistent_id = persistent_id(anchors, freezing.name_of_globals, _warn_of_order)
            self.reducer_override = freezing.reduce

    return Pickler
