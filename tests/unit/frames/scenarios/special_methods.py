"""Methods that the interpreter calls itself: properties, items, operators, managers."""

from scenarios.pausing import pause


class Shelf:
    def __init__(self, items):
        self.items = items

    @property
    def size(self):
        return len(pause(self.items))

    def __getitem__(self, place):
        return self.items[pause(place)]


def do_property_and_item():
    shelf = Shelf([3, 4, 5])
    got = [(shelf.size, shelf[i], shelf[i] + shelf.size) for i in range(3)]
    for i in range(20):  # until CPython has specialised it
        got.append(shelf[i % 3])
    return got, shelf.size


class PausingManager:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        pause()
        self.left = True


def do_pause_in_normal_exit():
    with PausingManager() as a, PausingManager() as b:
        pause()
    return a.left, b.left
