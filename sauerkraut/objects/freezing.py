"""What reducers share while one object graph is written, and the table that finds them."""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from sauerkraut.code import carried, reference
from sauerkraut.errors import CaptureError
from sauerkraut.objects import own_attributes
from sauerkraut.objects.stream import GENERATOR, NAMESPACE

if TYPE_CHECKING:
    from sauerkraut._native import Generators
    from sauerkraut.objects.arrays import Memory

Reduced = str | tuple[Any, ...]
"""What ``__reduce__`` may return, or NotImplemented for the pickler's own way."""
Reducer = Callable[[Any, "Freezing"], Any]


class Handles(Protocol):
    """Takes the handles of MPI that a graph leads to; they mean nothing in another process."""

    def clear(self) -> None:
        """Forget what was met: the graph is written anew."""
        ...

    def reduce(self, handle: Any, freezing: Freezing) -> Any:
        """What ``__reduce__`` may return. Raises CaptureError for what cannot come back."""
        ...

    def takes(self, value: object) -> bool:
        """Whether ``value`` is a handle of MPI."""
        ...

    def owner_of(self, root: Any, base: Any) -> tuple[Any, Any]:
        """What `arrays.root_of` gives, or the array whose memory a window looks at as well."""
        ...

    def owns(self, value: object) -> bool:
        """Whether ``value`` is a handle that a restarted program does not have by itself."""
        ...


_by_type: dict[type, Reducer] = {}
_by_subclass: dict[type, Reducer] = {}
_by_name: dict[str, Reducer] = {}
_of_static: dict[type, Reducer | None] = {}
"""What was chosen for types written in C, which neither change nor go away."""
_PY_TPFLAGS_HEAPTYPE = 1 << 9
_user_by_type: dict[type, Callable[[Any], Reduced]] = {}
_user_by_subclass: dict[type, Callable[[Any], Reduced]] = {}


def reduces(*types: type | str, subclasses: bool = False) -> Callable[[Reducer], Reducer]:
    """Decorate a reducer: it serves exactly ``types``, or also what derives from them.

    A type of a library that may not be imported is given as "module.name", subclasses included.
    """

    def register(reduce: Reducer) -> Reducer:
        for cls in types:
            if isinstance(cls, str):
                _by_name[cls] = reduce
            else:
                (_by_subclass if subclasses else _by_type)[cls] = reduce
        _of_static.clear()
        return reduce

    return register


def register_reducer(cls: type, reduce: Callable[[Any], Reduced], *, by: str = "type") -> None:
    """Say how instances of ``cls`` are captured.

    Args:
        cls: Any class but the built-in atoms and containers, which the pickler writes itself.
        reduce: Called with the instance; returns what ``__reduce__`` may return. It wins over
            every other way. A second registration replaces the first.
        by: "type": instances of exactly ``cls``; "subclass": of classes derived from it as well,
            the nearest registration first.

    Raises:
        ValueError: ``by`` is something else.
        TypeError: ``cls`` is no class, or one the pickler never asks about.
    """
    if by not in ("type", "subclass"):
        raise ValueError(f'by={by!r} is neither "type" nor "subclass"')
    if not isinstance(cls, type):
        raise TypeError(f"cls={cls!r} is not a class")
    if cls in _WRITTEN_BY_PICKLER and by == "type":
        raise TypeError(f"{cls.__name__} is written by the pickler itself; derive a class from it")
    (_user_by_type if by == "type" else _user_by_subclass)[cls] = reduce
    _of_static.clear()


def has_registered(classes: Collection[type]) -> bool:
    """Whether a registration of the user, here or with `copyreg`, serves one of ``classes``."""
    for cls in classes:
        if copyreg.dispatch_table.get(cls) is not _OF_PYTHON.get(cls):
            return True
    return bool(_user_by_type or _user_by_subclass) and any(
        cls in _user_by_type or not _user_by_subclass.keys().isdisjoint(cls.__mro__)
        for cls in classes
    )


_OF_PYTHON: dict[type, Any] = {complex: vars(copyreg)["pickle_complex"]}
"""What `copyreg` says by itself."""


_WRITTEN_BY_PICKLER = frozenset(
    (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple, type(None))
)


class Freezing:
    """The state of writing one graph: what reducers found and what must be kept alive.

    Attributes:
        threshold: bytes from which the memory of an array leaves the stream.
        anchored: ids of the objects that are written by name.
        carried: names of the definitions of ``__main__`` that are written for another program
            as well; None: they go by name alone.
        name_of: how a person finds an object that is a value or an attribute of one.
        memories: root owner's id -> its memory, in order of first use.
        owners: what arrays are written as views of, by the id of what they say they borrow from;
            empty in the first pass. See `common_memory.owners`.
        shells: stand-ins by id of the object they stand for, see `shell_of`.
        namespaces: globals dicts of no module, by id, in order of first use.
        globals_of: globals that a code object runs with, by its id.
        class_of: class written by value, by the id of the dict behind its ``__dict__``.
        code: name of a project function or class met by reference -> fingerprint.
        weak_targets: objects that weak references looked at, by id.
        strong: ids of what is strongly reachable; None in the first pass.
        generators: those met, with their frames; None where nothing keeps their frames.
        handles: takes the handles of MPI; None: they are refused.
        instances: ids of those whose ``__dict__`` is written as that, see `own_attributes`.
        dead: names of the types of objects that only weak references reach.
        singletons: objects that modules hold, with their names, by id; None: not looked for yet.
    """

    def __init__(
        self,
        *,
        threshold: int,
        name_of: Callable[[int], str | None],
        anchored: Collection[int] = (),
        carried: set[str] | None = None,
        generators: Generators | None = None,
        handles: Handles | None = None,
        instances: Collection[int] = (),
    ) -> None:
        self.threshold = threshold
        self.anchored = anchored
        self.carried = carried
        self.name_of = name_of
        self.generators = generators
        self.handles = handles
        self.instances = instances
        self.memories: dict[int, Memory] = {}
        self.owners: dict[int, object] = {}
        self.shells: dict[int, tuple[object, Shell]] = {}
        self.namespaces: dict[int, dict[str, object]] = {}
        self.globals_of: dict[int, dict[str, Any]] = {}
        self.class_of: dict[int, type] = {}
        self.code: dict[str, bytes] = {}
        self.weak_targets: dict[int, object] = {}
        self.strong: frozenset[int] | None = None
        self.dead: list[str] = []
        self.singletons: dict[int, tuple[object, tuple[str, str]]] | None = None
        self._written: set[int] = set()
        self._chosen: dict[type, Reducer | None] = {}

    def reduce(self, obj: object) -> Any:
        """`reducer_override` of the pickler: NotImplemented, or what ``__reduce__`` returns."""
        cls = type(obj)
        try:
            reducer = self._chosen[cls]
        except KeyError:
            reducer = self._chosen[cls] = reducer_for(cls)
        if self.instances and id(obj) in self.instances:
            return own_attributes.reduce(obj, reducer, self)
        return NotImplemented if reducer is None else reducer(obj, self)

    def shell_of(self, obj: object, make: Callable[..., Any], *arguments: object) -> Shell:
        """A stand-in written as ``make(*arguments)``: ``obj`` while its state is not yet written.

        Lets an object that must be an argument of another's construction exist before its own
        state, which may lead back to the other.
        """
        entry = self.shells.get(id(obj))
        if entry is None:
            entry = self.shells[id(obj)] = (obj, Shell(make, arguments))
        return entry[1]

    def name_of_globals(self, namespace: dict[str, object]) -> str | None:
        """Persistent id of a dict that code runs in."""
        if carried.is_carried(namespace):
            return "program"  # its contents are a value beside the frames, see `module_data`
        if (name := reference.module_of(namespace)) is not None:
            return f"module {name}"
        self.namespaces.setdefault(id(namespace), namespace)
        return f"namespace {list(self.namespaces).index(id(namespace))}"

    def further_parts(self) -> Iterator[tuple[str, int, list[Any]]]:
        """What is written after the values, as it comes up: (kind, its number, contents)."""
        namespaces = generators = 0
        while True:
            if namespaces < len(self.namespaces):
                namespace = list(self.namespaces.values())[namespaces]
                yield NAMESPACE, namespaces, self.contents_of(namespace)
                namespaces += 1
            elif self.generators is not None and generators < len(self.generators):
                yield GENERATOR, generators, self.generators.objects(generators)
                generators += 1
            else:
                return

    def contents_of(self, namespace: dict[str, object]) -> list[tuple[str, object]]:
        """What a globals dict of no module holds: once, then and for modules nothing."""
        self.name_of_globals(namespace)
        if id(namespace) not in self.namespaces or id(namespace) in self._written:
            return []
        self._written.add(id(namespace))
        return list(namespace.items())


class Shell:
    """See `Freezing.shell_of`."""

    __slots__ = ("arguments", "make")

    def __init__(self, make: Callable[..., Any], arguments: tuple[object, ...]) -> None:
        self.make = make
        self.arguments = arguments


@reduces(Shell)
def _reduce_shell(shell: Shell, _: Freezing) -> Reduced:
    return (shell.make, shell.arguments)


def same(obj: object) -> object:
    """Return ``obj``: an object written as its shell, then its state."""
    return obj


def reducer_for(cls: type) -> Reducer | None:
    """The reducer that serves ``cls``; None: the pickler's own way."""
    try:
        return _of_static[cls]
    except KeyError:
        reducer = _choose(cls)
        if not cls.__flags__ & _PY_TPFLAGS_HEAPTYPE:
            _of_static[cls] = reducer
        return reducer


def _choose(cls: type) -> Reducer | None:
    if (of_user := _user_by_type.get(cls)) is not None:
        return _calling(of_user)
    for base in cls.__mro__:
        if (of_user := _user_by_subclass.get(base)) is not None:
            return _calling(of_user)
    _load_reducers_for(cls)
    if (found := _by_type.get(cls)) is not None:
        return found
    for base in cls.__mro__:
        if (found := _by_subclass.get(base)) is not None:
            return found
    for base in cls.__mro__:
        if (found := _by_name.get(f"{base.__module__}.{base.__qualname__}")) is not None:
            return found
    from sauerkraut.objects.reducers import classes, containers, devices, plain

    if devices.is_device_array(cls):
        return devices.reduce_unknown
    if containers.is_made_past_new(cls):
        return containers.reduce_past_new
    if classes.sets_its_own_state(cls):
        return classes.reduce_with_own_state
    return plain.reduce_with_getattr if plain.asks_getattr(cls) else None


def _calling(reduce: Callable[[Any], Reduced]) -> Reducer:
    return lambda obj, _: reduce(obj)


def _load_reducers_for(cls: type) -> None:
    """Import the reducers of a library that only some programs use."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and (
        issubclass(cls, (numpy.ndarray, numpy.flatiter, numpy.broadcast))
        or cls.__name__ == "ArrayState"
    ):
        import sauerkraut.objects.array_classes
        import sauerkraut.objects.memory_maps  # noqa: F401


def describe(cls: type) -> str:
    """The name of a class as messages show it."""
    module = cls.__module__
    return cls.__qualname__ if module == "builtins" else f"{module}.{cls.__qualname__}"


def refuse(obj: object, advice: str) -> CaptureError:
    """The error for an object that cannot be captured; the caller raises it."""
    return CaptureError(f"{describe(type(obj))} cannot be captured; {advice}")
