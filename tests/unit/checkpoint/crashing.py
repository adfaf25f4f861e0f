"""What the tests of runs that end in the middle share."""

import json


class CrashError(Exception):
    """What ends a run in the middle."""


class Notes(list):
    """What frames of all starts noted: captured by name, so it is not brought back."""

    def __reduce__(self):
        return "notes"


notes = Notes()


def epochs(directory):
    return sorted(path.name for path in directory.glob("epoch-????????"))


def events(directory):
    lines = (directory / "events.jsonl").read_text().splitlines()
    return [json.loads(line)["event"] for line in lines]
