"""A module of the program, found only by the path that the program adds."""

calls = 0
strength = 1.0


def pull(x):
    global calls
    calls += 1
    return strength * (0.5 - x)
