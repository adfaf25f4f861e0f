"""A frame is written by one program and run by another, which never saw its source."""

import textwrap

import pytest

from tests.processes import run_python


@pytest.fixture
def program(tmp_path):
    """Runs a script of its own in a process of its own; returns what it printed."""

    def run(source, name="program.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(source))
        done = run_python(path, cwd=tmp_path, timeout=120)
        return done.stdout

    return run


CONSUMER = """
import sauerkraut as skt

calls = 99
with open("frame.bin", "rb") as file:
    print(skt.deserialize_frame(file.read(), run=True), calls)
"""


def test_a_frame_of_main_brings_the_globals_it_names(program):
    producer = """
        import numpy as np
        import sauerkraut as skt

        calls = 0
        table = {"scale": 2}

        class Point:
            def __init__(self, x):
                self.x = x

            def scaled(self):
                return self.x * table["scale"]

        def helper(x):
            return np.full(2, x).sum() + table["scale"]

        def work(c):
            global calls
            calls += 1
            g = 4
            point = Point(21)
            shown = lambda: g
            for i in range(3):
                if i == 0:
                    frame = skt.copy_frame()
                if calls == 1:
                    g = 5
                    calls += 1
                    return frame
                print(f"calls={calls}, c={c}, g={g} {shown()} {helper(i)} {point.scaled()}")
            calls = 0
            return 3

        frame = work(13)
        with open("frame.bin", "wb") as file:
            file.write(skt.serialize_frame(frame))
        if __name__ == "__main__":
            print(skt.run_frame(skt.deserialize_frame(skt.serialize_frame(frame))), calls)
        """
    lines = "".join(f"calls=2, c=13, g=4 4 {2 * i + 2} 42\n" for i in range(3))
    assert program(producer) == lines + "3 0\n"
    assert program(CONSUMER, "consumer.py") == lines + "3 99\n"


def test_a_frame_refers_to_globals_of_a_module(program):
    program(
        """
        import numpy as np
        import sauerkraut as skt

        K = 18

        def work(n):
            a = np.ones(n)
            data = skt.copy_current_frame(serialize=True)
            if data:
                return data
            return np.concatenate([a, a]).sum() + K

        with open("frame.bin", "wb") as file:
            file.write(work(4))
        """,
    )
    assert program(CONSUMER, "consumer.py") == "26.0 99\n"
    # A program with globals of the same names keeps its own, and the frame its own.
    assert program("K = 107\ncalls = 1\n" + CONSUMER, "other.py") == "26.0 99\n"


def test_the_same_program_sees_its_own_globals(program):
    source = """
        import pathlib
        import sauerkraut as skt

        def work():
            data = skt.copy_current_frame(serialize=True)
            return data or K

        file = pathlib.Path("frame.bin")
        K = 1
        if file.exists():
            K = 2
            print(skt.deserialize_frame(file.read_bytes(), run=True))
        else:
            file.write_bytes(work())
        """
    assert program(source) == ""
    assert program(source) == "2\n"


def test_definitions_that_locals_hold_in_the_same_program(program):
    source = """
        import sauerkraut as skt

        def helper(x):
            return x + 1

        class Point:
            n = 1

        def work():
            held, cls, point = helper, Point, Point()
            frame = skt.copy_current_frame(exclude_dead_locals=False)
            if frame is not None:
                return frame
            return held is helper, held(1), cls is Point, type(point) is cls, point.n, helper(1)

        def run():
            print(*skt.run_frame(frame), *skt.deserialize_frame(data, run=True))

        frame = work()
        data = skt.serialize_frame(frame)
        run()

        def helper(x):
            return x + 100

        class Point:
            n = 7

        run()
        """
    same = "True 2 True True 1 2 True 2 True True 1 2\n"
    redefined = "False 2 False True 1 101 False 2 False True 1 101\n"
    assert program(source) == same + redefined


def test_a_module_goes_along_to_a_program_without_it(program, tmp_path):
    module = tmp_path / "travels.py"
    module.write_text(
        "import sauerkraut as skt\n"
        "print('imported')\n"
        "STEP = 1\n"
        "def work(n):\n"
        "    data = skt.copy_current_frame(serialize=True, capture_module_source=True)\n"
        "    return data or n + STEP\n"
    )
    producer = "import travels\nopen('frame.bin', 'wb').write(travels.work(41))\n"
    assert program(producer) == "imported\n"
    module.unlink()
    assert program(CONSUMER, "consumer.py") == "imported\n42 99\n"


def test_main_with_its_source_is_run_under_a_name_of_its_own(program):
    program(
        """
        import sauerkraut as skt

        print("main")
        state = []

        def work(n):
            state.append(n)
            data = skt.copy_current_frame(serialize=True, capture_module_source=True)
            return data or (state, other(n), __name__ == "__main__")

        def other(n):
            return n + 1

        if __name__ == "__main__":
            with open("frame.bin", "wb") as file:
                file.write(work(5))
        """
    )
    assert program(CONSUMER, "consumer.py") == "main\n([], 6, False) 99\n"


def test_objects_that_locals_and_globals_share(program):
    program(
        """
        import sauerkraut as skt

        shared = [1]

        def work():
            mine = shared
            data = skt.copy_current_frame(serialize=True)
            if data:
                return data
            mine.append(2)
            return shared, mine is shared

        with open("frame.bin", "wb") as file:
            file.write(work())
        """
    )
    assert program(CONSUMER, "consumer.py") == "([1, 2], True) 99\n"


def test_a_frame_goes_on_to_a_third_program(program):
    program(
        """
        import sauerkraut as skt

        count = 0

        def work(files):
            global count
            for file in files:
                count += 1
                data = skt.copy_current_frame(serialize=True)
                if data:
                    with open(file, "wb") as out:
                        out.write(data)
                    return file
            return count

        work(["frame.bin", "next.bin", "last.bin"])
        """
    )
    assert program(CONSUMER, "second.py") == "next.bin 99\n"
    assert program(CONSUMER.replace("frame.bin", "next.bin"), "third.py") == "last.bin 99\n"
    assert program(CONSUMER.replace("frame.bin", "last.bin"), "fourth.py") == "3 99\n"


def test_a_greenlet_goes_on_in_another_program(program):
    program(
        """
        import greenlet
        import numpy as np
        import sauerkraut

        def work(c):
            g = 4
            a = np.array([1, 2, 3])
            pause()
            a += 1
            print(f"c={c}, g={g}, a={a}")
            return 3

        def pause():
            greenlet.getcurrent().parent.switch()

        one = greenlet.greenlet(work)
        one.switch(13)
        with open("frame.bin", "wb") as file:
            file.write(sauerkraut.copy_frame_from_greenlet(one, serialize=True))
        """
    )
    consumer = """
        import greenlet
        import sauerkraut

        with open("frame.bin", "rb") as file:
            frame = sauerkraut.deserialize_frame(file.read())
        print("child returned", greenlet.greenlet(sauerkraut.run_frame).switch(frame))
        """
    assert program(consumer, "consumer.py") == "c=13, g=4, a=[2 3 4]\nchild returned 3\n"


def test_what_was_written_without_its_code_runs_in_its_process_only(program):
    producer = """
        import sauerkraut as skt

        def work():
            data = skt.copy_current_frame(serialize=True, exclude_immutables=True)
            return data or 7

        data = work()
        with open("frame.bin", "wb") as file:
            file.write(data)
        print(skt.deserialize_frame(data, run=True))
        """
    assert program(producer) == "7\n"
    consumer = """
        import sauerkraut as skt

        try:
            with open("frame.bin", "rb") as file:
                skt.deserialize_frame(file.read())
        except RuntimeError as error:
            print(isinstance(error, skt.ResumeError), error)
        """
    assert program(consumer, "consumer.py").startswith("True the frame was serialized with exclude")


def test_a_global_that_cannot_be_captured_stays_behind_and_is_named(tmp_path, program):
    producer = """
        import logging
        import threading
        import sauerkraut as skt

        logging.basicConfig(filename="warnings.log")
        scale, thread = 3, threading.Thread(target=print)

        def work():
            data = skt.copy_current_frame(serialize=True)
            return data or (scale, "thread" in globals(), thread is None)

        with open("frame.bin", "wb") as file:
            file.write(work())
        """
    program(producer)
    told = (tmp_path / "warnings.log").read_text()
    assert "global thread does not travel with the frame" in told
    assert "threading.Thread cannot be captured" in told
    consumer = """
        import sauerkraut as skt

        with open("frame.bin", "rb") as file:
            frame = skt.deserialize_frame(file.read())
        try:
            skt.run_frame(frame)
        except NameError as error:
            print(error)
        """
    assert program(consumer, "consumer.py") == "name 'thread' is not defined\n"
