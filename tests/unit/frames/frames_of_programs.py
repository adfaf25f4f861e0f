"""Functions as programs have them in modules, for `test_control`."""

pause = None
"""What they call in the middle."""


def three_ints():
    a, b, c = 1000, 2000, 3000
    return pause(), a, b, c


def nested(depth):
    return 1 + (nested(depth - 1) if depth > 1 else pause())


def holding(held):
    return pause(), held


def sizes():
    text, data = "x" * 7, b"y" * 300
    result = pause()
    later = result
    return later, text, data
