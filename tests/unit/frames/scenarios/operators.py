"""Operators written in Python: which method is asked, and what NotImplemented leads to."""

import functools

from scenarios.pausing import pause


class Number:
    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        pause()
        if not isinstance(other, Number):
            return NotImplemented
        return Number(self.value + other.value)

    def __mul__(self, other):
        return Number(self.value * pause(other))

    __rmul__ = __mul__

    def __sub__(self, other):
        return pause(self.value) - other

    def __rsub__(self, other):
        return other - pause(self.value)

    def __iadd__(self, other):
        pause()
        if other == "no":
            return NotImplemented
        self.value += other
        return self

    def __pow__(self, other):
        return pause(self.value) ** other

    def __matmul__(self, other):
        return pause(self.value), other

    def __truediv__(self, other):
        return pause(self.value) / other

    def __floordiv__(self, other):
        return pause(self.value) // other

    def __mod__(self, other):
        return pause(self.value) % other

    def __lshift__(self, other):
        return pause(self.value) << other

    def __rshift__(self, other):
        return pause(self.value) >> other

    def __and__(self, other):
        return pause(self.value) & other

    def __or__(self, other):
        return pause(self.value) | other

    def __xor__(self, other):
        return pause(self.value) ^ other

    def __neg__(self):
        return Number(-pause(self.value))

    def __pos__(self):
        return pause(self.value)

    def __invert__(self):
        return ~pause(self.value)

    def __abs__(self):
        return abs(pause(self.value))

    def __round__(self, digits=None):
        return round(pause(self.value), digits)


def do_binary_operators():
    n = Number(6)
    got = [(n + Number(1)).value, (n * 2).value, (3 * n).value, n - 1, 10 - n, n**2, n @ "x"]
    got += [n / 4, n // 4, n % 4, n << 1, n >> 1, n & 3, n | 9, n ^ 5]
    got += [(-n).value, +n, ~n, abs(-n), round(n), round(n, 1)]
    return got, 1 + (n - 2) * (Number(2) - pause(1))


def do_in_place_operators():
    n = same = Number(1)
    n += 5
    n *= 2
    table = {"n": Number(3)}
    table["n"] += 4
    table["n"] -= 1
    return n.value, same.value, table


class Reflected(Number):
    """A subclass on the right: its reflected method comes first."""

    def __radd__(self, other):
        pause()
        return NotImplemented if other.value == 0 else ("radd", other.value)

    def __rsub__(self, other):
        return "rsub", pause(other.value)


class Other:
    def __init__(self, log):
        self.log = log

    def __add__(self, other):
        self.log.append("add")
        return pause(NotImplemented)

    def __radd__(self, other):
        self.log.append("radd")
        pause()
        return NotImplemented if other == "never" else ["other", str(type(other).__name__)]

    def __rmul__(self, other):
        self.log.append("rmul")
        return pause(NotImplemented)


def caught(operation):
    try:
        return operation()
    except TypeError as error:
        return str(error)


def do_operators_that_refuse():
    log = []
    n, o = Number(1), Other(log)
    got = [
        caught(lambda: n + o),
        caught(lambda: o + n),
        caught(lambda: n + 1),
        caught(lambda: 1 + n),
        caught(lambda: "never" + o),
        caught(lambda: [1] + o),
        caught(lambda: 1 + o),
        caught(lambda: (1,) * o),
        caught(lambda: o * 3),
        caught(lambda: Number(0) + Reflected(2)),
        caught(lambda: Number(3) + Reflected(2)),
        caught(lambda: Number(3) - Reflected(2)),
        caught(lambda: Reflected(2) + Number(3)),
    ]

    def in_place(left, right):
        left += right
        return left

    got += [caught(lambda: in_place(n, "no")), caught(lambda: in_place(o, n))]
    got += [caught(lambda: in_place([1], o)), log]
    return [each.value if isinstance(each, Number) else each for each in got]


class Items(list):
    """Its __iadd__ refuses, so that of list does it."""

    def __iadd__(self, other):
        return pause(NotImplemented)

    def __mul__(self, other):
        return pause(NotImplemented)


def do_sequences_that_refuse():
    def in_place(left, right):
        left += right
        return left

    items = Items([1])
    got = [caught(lambda: in_place(items, [2])), caught(lambda: in_place(items, (2, 3)))]
    return got, items, caught(lambda: items * 2), caught(lambda: items * "x")


class Version:
    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        pause()
        return self.number == other.number if isinstance(other, Version) else NotImplemented

    def __lt__(self, other):
        pause()
        return self.number < other.number if isinstance(other, Version) else NotImplemented

    def __ge__(self, other):
        return [pause(self.number), type(other).__name__]

    __hash__ = None


class Newer(Version):
    def __gt__(self, other):
        pause()
        return "newer" if other.number else NotImplemented

    def __ne__(self, other):
        return ("ne", pause(self.number))


class Shy:
    def __eq__(self, other):
        return pause(NotImplemented)

    def __gt__(self, other):
        return pause(NotImplemented)

    __hash__ = None


def do_comparisons():
    a, b, n = Version(1), Version(2), Newer(0)
    got = [a == b, a != b, a == Version(1), a != Version(1), a < b, a > b, b >= 3, a == 1, 1 != a]
    got += [a < Newer(3), Version(0) < n, n != a, a != n, Shy() == a, a == Shy(), Shy() != Shy()]
    got += [caught(lambda: a < 1), caught(lambda: Shy() > a), caught(lambda: a <= b)]
    if a < b and not b < a:
        got.append("branch")
    while b < a:
        got.append("never")
    got.append(0 if a == b else 1)
    got.append([Version(0) < x < Version(3) for x in (a, b)])
    assert a < b, "message"
    return got


@functools.total_ordering
class Ordered:
    def __init__(self, n):
        self.n = n

    def __eq__(self, other):
        return pause(self.n) == other.n

    def __lt__(self, other):
        return pause(self.n) < other.n

    __hash__ = None


def do_total_ordering():
    a, b = Ordered(1), Ordered(2)
    return a <= b, a > b, a >= b, a != b
