"""A module that only a function of the program imports."""

number = 0
log = []


def size(x):
    return float(x)
