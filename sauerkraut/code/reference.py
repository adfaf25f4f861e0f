"""Code objects by reference: module, qualified name, path through nested constants, fingerprint."""

from __future__ import annotations

import functools
import importlib
import inspect
import marshal
import sys
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from types import CodeType, FunctionType, MethodType, ModuleType

from sauerkraut._native import KnownCode
from sauerkraut.code import carried, fingerprint
from sauerkraut.errors import CodeChanged, ResumeError

_DIGEST = 16
_HOLDERS = (functools.cached_property, functools.partial, functools.partialmethod)


@dataclass(frozen=True, slots=True)
class CodeReference:
    """How the code object of a captured frame or function is found again; plain values only."""

    module: str
    """Name of the module to look in; empty: only ``embedded`` holds it."""
    qualname: str
    """Where in the module: ``f``, ``Class.method``; the outermost function of nested code."""
    path: tuple[int, ...]
    """Indices into nested ``co_consts``, from the code of ``qualname`` inwards."""
    fingerprint: bytes
    """16 bytes, see `fingerprint.of`."""
    embedded: bytes | None = None
    """BLAKE2b-128 of the code by marshal, then that: always without ``module``, and for
    ``__main__``, which the process that resumes may not have."""
    layout: bytes = b""
    """16 bytes, see `fingerprint.layout_free`; empty: not recorded."""

    def __str__(self) -> str:
        inner = "".join(f"[{index}]" for index in self.path)
        return f"{self.module}.{self.qualname}{inner}" if self.module else self.qualname


def of(code: CodeType, namespace: Mapping[str, object], *, embed: bool = False) -> CodeReference:
    """Refer to ``code``, which runs with the globals ``namespace``.

    By name when the name finds this very code object in the module that owns ``namespace``,
    otherwise (or with ``embed``) by value. Never imports and never raises.
    """
    exact = fingerprint.of(code)
    if not embed and (found := _name_of(code, namespace)) is not None:
        module, qualname, path = found
        embedded = _embed(code) if module == "__main__" else None
        return CodeReference(module, qualname, path, exact, embedded, fingerprint.layout_free(code))
    return CodeReference("", code.co_qualname, (), exact, _embed(code), b"")


def module_of(namespace: Mapping[str, object]) -> str | None:
    """Name under which the module whose globals ``namespace`` is was imported; None: of none.

    A program that is carried whole (`carried`) counts as none, as does the one of `runpy.run_path`,
    whose module only exists while it runs.
    """
    if carried.is_carried(namespace) or is_run_by_path(namespace):
        return None
    # _collections_abc says that its name is collections.abc; its import specification knows better.
    for name in (namespace.get("__name__"), getattr(namespace.get("__spec__"), "name", None)):
        module = sys.modules.get(name) if isinstance(name, str) else None
        if isinstance(module, ModuleType) and vars(module) is namespace:
            return str(name)
    return None


def is_run_by_path(namespace: Mapping[str, object]) -> bool:
    """Whether ``namespace`` is what `runpy.run_path` runs a program in, under a name of its own."""
    # What is made by hand has no file, what is imported has a loader.
    return (
        namespace.get("__spec__") is None
        and namespace.get("__loader__") is None
        and "__file__" in namespace
        and namespace.get("__name__") != "__main__"
    )


def resolve(ref: CodeReference) -> CodeType:
    """The local code object that ``ref`` stands for; imports its module if need be.

    Raises:
        CodeChanged: the name leads to code with another fingerprint.
        ResumeError: the name leads nowhere, or embedded bytes are no code object.
    """
    if not ref.module:
        return embedded(ref)
    if (known := resolved.get(_key(ref))) is not None and (code := known.find()) is not None:
        return code
    for code in _codes_at(_namespace(ref), ref.qualname, ref.path):
        if fingerprint.of(code) == ref.fingerprint:
            _remember(ref, code)
            return code
    closest = nearest(ref)
    if closest is None:
        # A function of __main__, in a process whose __main__ is another program.
        if ref.embedded is not None and ref.module == "__main__":
            return embedded(ref)
        raise CodeChanged(
            f"{ref} is no longer there: no function of that name in module {ref.module!r}"
        )
    raise CodeChanged(f"{ref} has changed since the capture{_only_layout(ref, closest)}")


resolved: dict[bytes, KnownCode] = {}
"""What names of functions led to, by module, name and fingerprint with zeros between them."""


def _key(ref: CodeReference) -> bytes:
    # Nothing is kept of code inside of a function: no key has this one's form.
    names = f"{ref.module}\0{ref.qualname}\0".encode(errors="replace")
    return b"" if ref.path else names + ref.fingerprint


def _remember(ref: CodeReference, code: CodeType) -> None:
    if key := _key(ref):
        gone = weakref.ref(code, lambda _: resolved.pop(key, None))
        resolved[key] = KnownCode(gone, ref.module, tuple(ref.qualname.split(".")))


def nearest(ref: CodeReference) -> CodeType | None:
    """The code that ``ref``'s name leads to here, whatever its fingerprint; None: nothing."""
    try:
        codes = list(_codes_at(_namespace(ref), ref.qualname, ref.path))
    except ResumeError:
        return None
    # a decorator's function has the name of what it wraps, but not its code
    named = (code for code in codes if code.co_qualname.startswith(ref.qualname))
    return next(named, codes[0] if codes else None)


def outermost(ref: CodeReference) -> CodeType | None:
    """The code of the function that ``ref.qualname`` names, around the code ``ref`` stands for."""
    for code in _codes_at(_namespace(ref), ref.qualname, ()) if ref.module else ():
        inner: object = code
        for index in ref.path:
            constants = inner.co_consts if isinstance(inner, CodeType) else ()
            inner = constants[index] if index < len(constants) else None
        if isinstance(inner, CodeType) and fingerprint.of(inner) == ref.fingerprint:
            return code
    return None


def only_layout_changed(ref: CodeReference, code: CodeType) -> bool:
    """Whether ``code`` differs from what ``ref`` stands for by its layout only."""
    return (
        bool(ref.layout)
        and fingerprint.of(code) != ref.fingerprint
        and fingerprint.layout_free(code) == ref.layout
    )


def _only_layout(ref: CodeReference, code: CodeType) -> str:
    return " (only the layout changed)" if only_layout_changed(ref, code) else ""


def embedded(ref: CodeReference) -> CodeType:
    """The code that ``ref`` carries itself. Raises ResumeError when it is damaged."""
    digest, data = (ref.embedded or b"")[:_DIGEST], (ref.embedded or b"")[_DIGEST:]
    if _digest(data) != digest:
        # What marshal makes of other bytes, down to the size of a frame, nothing could check.
        raise ResumeError(f"the embedded code of {ref} is damaged: its checksum differs")
    try:
        code = marshal.loads(data)
    except (ValueError, EOFError, TypeError) as error:
        raise ResumeError(f"the embedded code of {ref} is damaged: {error}") from error
    if not isinstance(code, CodeType):
        raise ResumeError(f"the embedded code of {ref} is a {type(code).__name__}")
    if fingerprint.of(code) != ref.fingerprint:
        raise ResumeError(f"the embedded code of {ref} is not what its fingerprint says")
    return code


def _embed(code: CodeType) -> bytes:
    data = marshal.dumps(code)
    return _digest(data) + data


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST).digest()


def _namespace(ref: CodeReference) -> Mapping[str, object]:
    try:
        return vars(importlib.import_module(ref.module))
    except (ImportError, TypeError, ValueError) as error:  # the name itself may be nonsense
        raise ResumeError(f"{ref} cannot be found: {error}") from error


def _name_of(
    code: CodeType, namespace: Mapping[str, object]
) -> tuple[str, str, tuple[int, ...]] | None:
    """(module, qualified name, path) that leads to this very code object, or None."""
    module = module_of(namespace)
    if module is None:
        return None
    outer = code.co_qualname.partition(".<locals>.")[0]
    if (path := _path_from(namespace, outer, code)) is not None:
        return module, outer, path
    if "<" not in outer:
        return None
    # A lambda or comprehension at module level, reachable through the variable it is bound to.
    scope, _, _ = outer.rpartition(".")
    for name, value in list(_attributes(namespace, scope).items()):
        if isinstance(value, (FunctionType, staticmethod, classmethod, property, *_HOLDERS)):
            found = f"{scope}.{name}" if scope else name
            if (path := _path_from(namespace, found, code)) is not None:
                return module, found, path
    return None


def _path_from(
    namespace: Mapping[str, object], qualname: str, code: CodeType
) -> tuple[int, ...] | None:
    for start in _codes_at(namespace, qualname, ()):
        path = _path_between(start, code)
        if path is None:
            continue
        # Resolving takes the first code with this fingerprint; it must be this very one.
        wanted = fingerprint.of(code)
        for other in _codes_at(namespace, qualname, path):
            if other is code:
                return path
            if fingerprint.of(other) == wanted:
                return None
    return None


def _path_between(outer: CodeType, inner: CodeType) -> tuple[int, ...] | None:
    if outer is inner:
        return ()
    for index, constant in enumerate(outer.co_consts):
        if isinstance(constant, CodeType):
            rest = _path_between(constant, inner)
            if rest is not None:
                return (index, *rest)
    return None


def _codes_at(
    namespace: Mapping[str, object], qualname: str, path: tuple[int, ...]
) -> Iterator[CodeType]:
    """The codes that a name leads to, in a fixed order: the function itself, then what it wraps."""
    scope, _, name = qualname.rpartition(".")
    attributes = _attributes(namespace, scope)
    if name.startswith("__") and not name.endswith("__") and scope:
        name = f"_{scope.rpartition('.')[2].lstrip('_')}{name}"
    if name not in attributes:
        return
    for function in _functions_in(attributes[name], set()):
        code: object = function.__code__
        for index in path:
            constants = code.co_consts if isinstance(code, CodeType) else ()
            code = constants[index] if index < len(constants) else None
        if isinstance(code, CodeType):
            yield code


def _attributes(namespace: Mapping[str, object], scope: str) -> Mapping[str, object]:
    """The variables of the class ``scope`` (dotted) of a module, or of the module itself."""
    for name in scope.split(".") if scope else ():
        holder = namespace.get(name)
        if not isinstance(holder, type):
            return {}
        namespace = vars(holder)
    return namespace


def _functions_in(value: object, seen: set[int]) -> Iterator[FunctionType]:
    """Python functions in ``value``: itself, then what descriptors and decorators hold."""
    if id(value) in seen or len(seen) > 64:
        return
    seen.add(id(value))
    held: list[object] = []
    if isinstance(value, FunctionType):
        yield value
        held.append(value.__dict__.get("__wrapped__"))
        for cell in value.__closure__ or ():
            try:
                held.append(cell.cell_contents)
            except ValueError:  # still empty
                continue
    elif isinstance(value, (staticmethod, classmethod, MethodType)):
        held.append(value.__func__)
    elif isinstance(value, property):
        held += [value.fget, value.fset, value.fdel]
    elif isinstance(value, _HOLDERS):
        held.append(value.func)
    elif not isinstance(value, (type, ModuleType)):
        # functools.lru_cache and callable objects made by functools.wraps
        held.append(inspect.getattr_static(value, "__wrapped__", None))
    for inner in held:
        if inner is not None:
            yield from _functions_in(inner, seen)
