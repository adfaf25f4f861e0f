"""Settings that hold for a while: context variables, decimal and NumPy contexts, redirection."""

import contextlib
import contextvars
import decimal
import io
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

from scenarios.pausing import pause


def do_redirected_streams():
    folder = Path(tempfile.mkdtemp())
    path = folder / "log"
    with path.open("w") as log, contextlib.redirect_stdout(log):
        print("one")
        pause()
        print("two")
        with contextlib.redirect_stdout(io.StringIO()) as text:
            print("three")
            pause()
            print("four")
        log.write("five\n")
        pause()
        print("six")
    pause()
    got = path.read_text()
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        pause()
        print("seven", file=sys.stderr)
    if sys.stdout is not None:
        sys.stdout.flush()  # open as before
    return got, text.getvalue(), errors.getvalue(), log.closed


def do_directories_and_warnings():
    here, folder = Path.cwd(), Path(tempfile.gettempdir()).resolve()
    with contextlib.chdir(folder):
        pause()
        got = [Path.cwd() == folder]
        with contextlib.chdir("/"):
            pause()
        got.append(pause(Path.cwd() == folder))
    got.append(Path.cwd() == here)
    with warnings.catch_warnings(record=True) as outer:
        warnings.simplefilter("always")
        pause()
        warnings.warn("first", stacklevel=1)
        with warnings.catch_warnings(record=True) as inner:
            warnings.simplefilter("ignore", UserWarning)
            pause()
            warnings.warn("never", stacklevel=1)
            warnings.warn("second", RuntimeWarning, stacklevel=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pause()
            try:
                warnings.warn("third", stacklevel=1)
            except UserWarning as error:
                got.append(str(error))
        pause()
        warnings.warn("fourth", stacklevel=1)
    return got, [str(each.message) for each in outer], [str(each.message) for each in inner]


depth = contextvars.ContextVar("depth")
unit = contextvars.ContextVar("unit", default="m")


def third():
    return str(decimal.Decimal(1) / 3)


def do_decimal_contexts():
    got = [pause(third())]
    manager = decimal.localcontext()
    with manager as outer:
        outer.prec = 5
        pause()
        with decimal.localcontext(decimal.Context(prec=3)) as inner:
            got.append(pause(third()))
            inner.prec = 2
            got.append((third(), decimal.getcontext() is inner))
            pause()
            outer.prec = 6
        got.append((pause(third()), decimal.getcontext() is outer))
        later = decimal.localcontext(inner)
        pause()
        with later as again:
            got.append((third(), again is inner, pause(again.prec)))
    return got, pause(third())


def handling():
    return np.geterr()["divide"], np.geterr()["over"], np.geterrcall()


def told(kind, flag):
    return None


def do_numpy_error_handling():
    got = [pause(handling())]
    with np.errstate(divide="ignore", over="raise"):
        pause()
        got.append((handling(), float(np.float64(1) / 0)))
        with np.errstate(divide="call", call=told):
            pause()
            got.append((handling()[0], np.geterrcall() is told, float(np.float64(1) / 0)))
        got.append(pause(handling()))
    with np.printoptions(precision=2):
        got.append((pause(str(np.array([1.2345]))), str(np.array([1.2345]))))
    return got, handling(), pause(str(np.array([1.2345])))


def values():
    return depth.get("none"), unit.get()


def do_tokens_of_context_variables():
    got = [pause(values())]
    first = depth.set(1)
    other = unit.set("km")
    got.append(pause(values()))
    second = depth.set([2])
    second_value = depth.get()
    pause()
    got.append((values(), depth.get() is second_value))
    depth.reset(second)
    pause()
    got.append(values())
    try:
        depth.reset(second)
    except RuntimeError:
        got.append((pause("used"), second.old_value, second.var is depth))
    depth.reset(first)
    unit.reset(other)
    got.append((pause(values()), first.old_value is contextvars.Token.MISSING, other.old_value))
    return got, values()


if sys.version_info >= (3, 14):
    WITH = """
def do_tokens_in_a_with():
    got = []
    with depth.set(1):
        with unit.set("km"):
            got.append((pause(values()), values()))
        got.append((pause(values()), values()))
    return got, values()
"""
    exec(compile(WITH, __file__, "exec"))
