"""Objects of the libraries that programs use: each comes back and works."""

import argparse
import configparser
import csv
import ctypes
import datetime as dt
import decimal
import functools
import io
import logging
import operator
import os
import os.path
import pathlib
import random
import sys
import types
import uuid

import numpy as np
import pytest

from sauerkraut.errors import CaptureError
from tests.unit.objects.crossing import round_trip as rt


def test_logger():
    held, _h = rt(logging.getLogger("a.b"), logging.StreamHandler())
    assert held is logging.getLogger("a.b")


def test_argp():
    p = argparse.ArgumentParser()
    p.add_argument("--x", type=int, default=3)
    (n,) = rt(p.parse_args([]))
    assert n.x == 3
    (q,) = rt(p)
    assert q.parse_args(["--x", "5"]).x == 5


def test_config():
    c = configparser.ConfigParser()
    c["a"] = {"b": "1"}
    (d,) = rt(c)
    assert d["a"]["b"] == "1"


def test_deepcopyable():
    (d,) = rt(decimal.Context(prec=3))
    assert d.prec == 3


def test_opers():
    _a, _b, _c, d = rt(
        operator.itemgetter(1),
        operator.attrgetter("a.b"),
        operator.methodcaller("x", 1, k=2),
        functools.partial(int, base=2),
    )
    assert d("11") == 3


def test_gens():
    _r, s = rt(random.SystemRandom(), np.random.Generator(np.random.Philox(3)))
    s.random()


def test_rngshare():
    bg = np.random.PCG64(1)
    a, b = np.random.Generator(bg), np.random.Generator(bg)
    c, d, e = rt(a, b, bg)
    assert c.bit_generator is d.bit_generator is e


def test_seedseq():
    (_a,) = rt(np.random.SeedSequence(5).spawn(2))


def test_uf():
    _a, b = rt(np.add, np.add.reduce)
    assert b([1, 2]) == 3


def test_poly():
    rt(np.poly1d([1, 2]), np.polynomial.Chebyshev([1, 2]))


def test_finfo():
    rt(np.finfo(float), np.iinfo(int))


def test_nptypes():
    rt(np.float64, np.dtype("f4,i4"), np.newaxis, np.s_[1:2])


def test_excgroup():
    try:
        raise ExceptionGroup("a", [ValueError(1)])
    except* ValueError as e:
        x = e
    (_y,) = rt(x)


def test_nested_modules():

    a, _b = rt(os.path, sys.modules["os.path"])
    assert a is os.path


def test_timers():
    rt(
        dt.datetime.now(dt.UTC),
        dt.UTC,
        dt.timedelta(1),
        uuid.uuid4(),
        pathlib.Path("a"),
    )


def test_cfg():
    rt(types.SimpleNamespace(f=lambda x: x, n=None))


def test_environ():
    import os

    (_e,) = rt(os.environ)


def test_stdcopy():
    (o,) = rt({"out": sys.stdout, "err": sys.stderr})
    assert o["out"] is sys.stdout


def test_csv():
    lines = iter(["a,b\n", '"c\n', 'd";e,f\n', "g\n"])
    reader = csv.reader(lines, delimiter=";", strict=True)
    assert [next(reader), next(reader)] == [["a,b"], ["c\nd", "e,f"]]
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    rows = csv.DictReader(io.StringIO("x,y\n1,2\n3,4\n"))
    next(rows)
    back, source, out, held, named, dialect = rt(reader, lines, writer, text, rows, reader.dialect)
    assert back.line_num == 3
    assert next(back) == ["g"]
    assert next(source, None) is None
    out.writerow([1, "a"])
    assert held.getvalue() == '"1","a"\n'
    assert next(named) == {"x": "3", "y": "4"}
    assert named.line_num == 3
    assert dialect.delimiter == ";"


def test_csv_writer_of_what_is_not_found_again():
    class Printing:
        write = staticmethod(print)

    with pytest.raises(CaptureError, match=r"_csv\.writer cannot be captured; keep the file"):
        rt(csv.writer(Printing()))


def test_the_environment_is_that_of_the_process():
    back, get = rt(os.environ, os.environ.get)
    assert back is os.environ
    assert get.__self__ is os.environ


c_library = ctypes.CDLL(None)
getpid = c_library.getpid


def test_a_library_in_c_is_that_of_a_global():
    back, function = rt(c_library, getpid)
    assert back is c_library
    assert function is getpid
    for unknown in (ctypes.CDLL(None), ctypes.CDLL(None).getppid):
        with pytest.raises(CaptureError, match="keep it in a global"):
            rt(unknown)
