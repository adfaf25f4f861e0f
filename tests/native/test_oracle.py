"""What the native core says about frames and bytecode agrees with what CPython itself says."""

import dis
import importlib
import opcode
import sys
import types
from pathlib import Path

import pytest

from sauerkraut import _native

MODULES = [
    "argparse",
    "ast",
    "asyncio.base_events",
    "collections",
    "contextlib",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "dis",
    "email.message",
    "enum",
    "fractions",
    "functools",
    "gettext",
    "heapq",
    "http.client",
    "inspect",
    "json.decoder",
    "logging",
    "multiprocessing.pool",
    "optparse",
    "pathlib",
    "pdb",
    "pickle",
    "random",
    "shutil",
    "statistics",
    "subprocess",
    "tarfile",
    "textwrap",
    "threading",
    "tokenize",
    "typing",
    "unittest.case",
    "urllib.parse",
    "xml.dom.minidom",
    "zipfile",
]


def codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def library():
    """Every code object of a part of the standard library: a few thousand."""
    for name in MODULES:
        module = importlib.import_module(name)
        yield from codes(compile(Path(module.__file__).read_text(), module.__file__, "exec"))


def test_every_opcode_of_this_python_has_an_entry():
    specialised = set(getattr(opcode, "_specialized_instructions", ())) | set(
        getattr(opcode, "_specialized_opmap", ())
    )
    known = _native.opcode_names()
    never_in_a_code_object = {
        *("RESERVED", "ENTER_EXECUTOR", "EXIT_INIT_CHECK", "TRACE_RECORD"),
    }
    missing = [
        name
        for name, number in dis.opmap.items()
        if number < 256
        and name not in known
        and name not in specialised | never_in_a_code_object
        and not name.startswith("INSTRUMENTED_")
    ]
    assert missing == []


def test_depth_never_exceeds_what_the_compiler_reserved_and_every_call_is_a_call_site():
    """Analysing raises when two paths meet at different depths or a stack under- or overflows."""
    seen = calls = 0
    for code in library():
        sites = {unit: (depth, kept) for unit, depth, kept in _native.call_sites(code)}
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("CALL", "CALL_KW", "CALL_FUNCTION_EX"):
                site = sites.get(instruction.offset // 2)
                if site is not None:  # unreachable code has none
                    calls += 1
                    assert 0 <= site[1] < site[0] <= code.co_stacksize
        seen += 1
    assert seen > 1500
    assert calls > 10_000


def at_every_depth(depth, base):
    if depth:
        return [depth, *[at_every_depth(depth - 1, base or sys._getframe()) for _ in "1"]][1]
    return depth_of_stack(base)


def depth_of_stack(base):
    """Capturing compares the analysed depth of each frame with the one CPython saved."""
    return len(_native.capture(sys._getframe(1), base, ()))


def test_analysed_depth_is_the_saved_depth():
    # Up to 3.11 a comprehension has a frame of its own, the outermost of which is the base here.
    assert at_every_depth(5, None) == (10 if sys.version_info < (3, 12) else 6)


def test_probe_is_f_code_and_f_lasti():
    def inner():
        outer = sys._getframe(1)
        assert _native.probe(outer) == (outer.f_code, outer.f_lasti // 2)

    inner()
    [inner() for _ in range(3)]


@pytest.mark.parametrize("wrong", [None, 5, "x"])
def test_wrong_types_are_type_errors(wrong):
    with pytest.raises(TypeError):
        _native.capture(wrong, None, ())
    with pytest.raises(TypeError):
        _native.probe(wrong)
    with pytest.raises(TypeError):
        _native.call_sites(wrong)
