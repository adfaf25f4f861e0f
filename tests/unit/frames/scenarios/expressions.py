"""A pause in the middle of an expression."""

import operator

from scenarios.pausing import pause


def do_expressions():
    d, o = {"k": [1, 2, 3, 4, 5, 6]}, type("O", (), {})()
    o.x = 5
    a = 1 + pause(2) * pause(3) - (4 + pause(5))
    b = [0, pause(1), *pause([2, 3]), pause(4)]
    c = {pause("a"): pause(1), **pause({"b": 2}), "c": pause(3)}
    e = {pause(1), *pause([2]), 3}
    f = f"{pause(1)!r:>4}{pause('x')}{a:{pause(6)}}|"
    g = 0 < pause(1) < pause(2) < 9, 0 < pause(1) > pause(2) < 9
    h = d["k"][pause(1) : pause(4) : pause(2)]
    i = (pause(0) or pause(1)) and pause(2), not pause(0), pause(1) if pause(1) else pause(2)
    d["k"][pause(0)] += pause(10)
    o.x += pause(1)
    d[pause("n")] = o.y = pause(8)
    (p, *q), r = pause(((1, 2, 3), 4))
    if (w := pause(5)) > 3:
        w += 1
    assert pause(1), pause(2)
    s = [pause(1) for _ in range(2)], {k: pause(k) for k in "ab"}, {pause(n) for n in range(2)}
    t = tuple(x for x in [pause(1), pause(2)])
    u = max(pause(1), pause(2), key=operator.neg), print(end="", file=pause(None))
    v = pause(d)["k"][0], pause(o).x, (pause(1), (pause(2), pause(3))), [*range(pause(3))]
    return a, b, c, e, f, g, h, i, o.x, o.y, p, q, r, s, t, u, v, w, d["k"], d["n"]


def do_display_under_two_names():
    table = {}
    a = table[pause("list")] = []
    b = table[pause("dict")] = {}
    c = table[pause("set")] = {1}
    a.append(1)
    b["x"] = 2
    c.add(3)
    d = (e := [0]), pause(1), e.append(4)
    f = [(g := {}), pause(2), g.setdefault("y", 5)]
    return table, d, f, a is table["list"], d[0] is e, f[0] is g


def do_many_locals_and_long_code():
    x0 = x1 = x2 = x3 = x4 = x5 = x6 = x7 = x8 = x9 = 1
    total = 0
    for i in range(2):
        if i:
            x0 += x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9
            x1 += x0 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9
            x2 += x1 + x0 + x3 + x4 + x5 + x6 + x7 + x8 + x9
            x3 += x1 + x2 + x0 + x4 + x5 + x6 + x7 + x8 + x9
            x4 += x1 + x2 + x3 + x0 + x5 + x6 + x7 + x8 + x9
            x5 += x1 + x2 + x3 + x4 + x0 + x6 + x7 + x8 + x9
            x6 += x1 + x2 + x3 + x4 + x5 + x0 + x7 + x8 + x9
            x7 += x1 + x2 + x3 + x4 + x5 + x6 + x0 + x8 + x9
            x8 += x1 + x2 + x3 + x4 + x5 + x6 + x7 + x0 + x9
            x9 += x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x0
        total += pause(x9)
        for j in range(2):
            total += x0 + j + pause(j)
    return total
