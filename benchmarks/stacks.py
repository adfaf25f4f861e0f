"""The stacks that `engine.py` measures: a module, as the functions of a program are in one.

Functions of ``__main__`` would take their code along.
"""

import sys

import numpy as np

at_the_end = None  # called with the innermost frame; a global, so that it is none of the locals


def three_ints():
    a, b, c = 1000, 2000, 3000
    return at_the_end(sys._getframe()), a, b, c


def twenty_locals():
    a, b, c, d, e = 1000, 2.5, "text", b"bytes", None
    f, g, h, i, j = [1, 2, 3], {"k": 1.5}, (4, 5), True, 10**20
    k, m, n, o, p = "more", 7.25, [0.5] * 8, {"x": [1], "y": [2]}, range(5)
    q, r, s, t, u = 2001, 2002, 2003, 2004, 2005
    return at_the_end(sys._getframe()), a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u


def ten_kilobytes():
    numbers, names = [float(i) for i in range(600)], [f"name {i}" for i in range(300)]
    return at_the_end(sys._getframe()), numbers, names


def nested(depth):
    numbers, table, text, a, b, c = [0.5, 1.5, 2.5, 3.5], {"k": depth}, "text", 1000, 2000, 3000
    result = nested(depth - 1) if depth > 1 else at_the_end(sys._getframe())
    return result, numbers, table, text, a, b, c


def one_array(size):
    data = np.ones(size // 8)
    return at_the_end(sys._getframe()), data
