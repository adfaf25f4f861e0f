"""Objects of the libraries that programs use: each comes back and works."""

import argparse
import configparser
import csv
import ctypes
import datetime as dt
import decimal
import functools
import io
import json
import logging
import operator
import os
import os.path
import pathlib
import queue
import random
import re
import struct
import sys
import tempfile
import types
import uuid
import weakref

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import CaptureError
from sauerkraut.objects import graph
from tests.unit.objects.crossing import round_trip as rt


def test_logger():
    held, _h = rt(logging.getLogger("a.b"), logging.StreamHandler())
    assert held is logging.getLogger("a.b")


def test_a_scanner_of_re():
    actions = [("[a-c]+", lambda _, text: text.upper()), ("d", None)]
    (back,) = rt(re.Scanner(actions, re.IGNORECASE))
    assert back.scan("aBDcd!") == (["AB", "C"], "!")


def test_loggers_that_no_name_leads_to():
    logger = logging.getLoggerClass()("a.b", logging.INFO)  # no name leads to it
    logger.addHandler(logging.NullHandler())
    logger.itself = logger
    child, back, root = rt(logging.LoggerAdapter(logger, {"x": 1}), logger, logging.getLogger())
    assert child.logger is back.itself is back
    assert back is not logging.getLogger("a.b")
    assert (back.name, back.level, len(back.handlers)) == ("a.b", logging.INFO, 1)
    assert back.isEnabledFor(logging.INFO)
    assert not back.isEnabledFor(logging.DEBUG)
    assert root is logging.root


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


def test_business_days():
    calendar = np.busdaycalendar("1111100", ["2026-01-01"])
    (back,) = rt(calendar)
    assert (back.weekmask == calendar.weekmask).all()
    assert np.busday_count("2026-01-01", "2026-01-09", busdaycal=back) == 5


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


def test_what_sys_says_of_the_interpreter():
    names = ("version_info", "flags", "hash_info", "float_info", "int_info", "thread_info")
    held = [getattr(sys, name) for name in names]
    for before, after in zip(held, rt(*held), strict=True):
        assert after is before
    (back,) = rt(sys.implementation)
    assert back == sys.implementation


def test_a_json_decoder():
    decoder = json.JSONDecoder(parse_float=decimal.Decimal, object_hook=dict, strict=False)
    back, scanner, plain = rt(decoder, decoder.scan_once, json.JSONDecoder())
    assert back.scan_once is scanner
    assert back.decode('[{"a": 1.5}, "\t"]') == [{"a": decimal.Decimal("1.5")}, "\t"]
    assert plain.decode("[1.5]") == [1.5]
    with pytest.raises(json.JSONDecodeError):
        plain.decode('"\t"')
    pairs, _ = rt(json.JSONDecoder(object_pairs_hook=list), json.JSONEncoder(indent=1))
    assert pairs.decode('{"b": 1, "a": 2}') == [("b", 1), ("a", 2)]


class Watched:
    pass


def an_entry():
    with os.scandir("/") as entries:
        return next(entries)


REFUSED = {
    "scandir": (lambda: os.scandir(), "ScandirIterator cannot be captured; iterate over a list"),
    "scandir entry": (an_entry, "DirEntry cannot be captured; keep its path"),
    "iter_unpack": (lambda: struct.iter_unpack("b", b"ab"), "iterate over a list of it"),
    "cmp_to_key": (lambda: functools.cmp_to_key(operator.sub), "keep the function, and call"),
    "a key of it": (lambda: functools.cmp_to_key(operator.sub)(1), "keep the function, and call"),
    "text over bytes": (lambda: io.TextIOWrapper(io.BytesIO()), "TextIOWrapper cannot be captured"),
    "buffer over bytes": (lambda: io.BufferedReader(io.BytesIO()), "BufferedReader cannot be"),
    "pointer": (lambda: ctypes.pointer(ctypes.c_int(3)), "it holds an address: keep what"),
    "byref": (lambda: ctypes.byref(ctypes.c_int(3)), "it holds an address: keep what"),
    "char pointer": (lambda: ctypes.c_char_p(b"a"), "containing pointers cannot be pickled"),
    "finalize": (lambda: weakref.finalize(Watched, int), "finalize cannot be captured; make it"),
    "folder": (lambda: tempfile.TemporaryDirectory(), "finalize cannot be captured; make it anew"),
    "module": (lambda: types.ModuleType("x"), "keep what a program makes for itself in a "),
    "flags": (lambda: np.ones(2).flags, "flagsobj cannot be captured; keep the array"),
    "newlines": (
        lambda: io.IncrementalNewlineDecoder(None, translate=True),
        "IncrementalNewlineDecoder cannot be captured; keep the text",
    ),
    "queue": (lambda: queue.SimpleQueue(), "SimpleQueue cannot be captured; keep a collections"),
}


@pytest.mark.parametrize("make", [make for make, _ in REFUSED.values()], ids=REFUSED)
def test_what_is_refused_by_name(make, request):
    value = make()
    told = REFUSED[request.node.callspec.id][1]
    try:
        with pytest.raises(CaptureError, match=rf"item 'held'.*{told}"):
            graph.freeze([{"held": value}], names=lambda _: "f() -> local 'state'")
    finally:
        for end in ("close", "cleanup"):
            getattr(value, end, lambda: None)()


def test_a_ctypes_structure_of_a_function_is_refused_by_name():
    class Local(ctypes.Structure):
        _fields_ = (("a", ctypes.c_int),)

    with pytest.raises(CaptureError, match=r"item 'held'.*Local"):
        graph.freeze([{"held": Local(3)}], names=lambda _: "f() -> local 'state'")


def test_a_walk_that_pauses_says_what_to_do_instead(tmp_path):
    def program(walk):
        found = []
        for folder, _, files in walk(tmp_path):
            snapshot = skt.capture(base=program)
            if snapshot:
                return snapshot
            found.append((folder, files))
        return found

    (tmp_path / "file").touch()
    with pytest.raises(skt.CaptureError, match=r"for os.walk, (iterate )?over list\(os.walk"):
        program(os.walk)
    assert program(lambda top: list(os.walk(top))).resume() == [(str(tmp_path), ["file"])]
