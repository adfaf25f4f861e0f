"""Debuggers, tracers, profilers and everything that looks at the stack see a resumed one whole."""

import bdb
import cProfile
import inspect
import io
import pdb  # noqa: T100
import pstats
import sys
import traceback
import warnings

import pytest
import scenarios
from scenarios import pausing

import sauerkraut as skt
from sauerkraut import Snapshot

# Programs that pause in calls, special methods, loops, with and try.
MIXED = ["do_nested_calls", "do_binary_operators", "do_container", "do_managers", "do_properties"]


def resumed(name, at):
    thawed = Snapshot.from_bytes(scenarios.run(name, at)[2].to_bytes()).thaw()
    thawed.check()
    pausing.begin(scenarios.scenarios[name], 0)
    return repr(thawed.run())


def check(name):
    expected, pauses, _ = scenarios.run(name)
    for at in range(1, pauses + 1, 2):
        value, _, snapshot = scenarios.run(name, at)
        assert value == expected
        assert snapshot is not None
        assert resumed(name, at) == expected


@pytest.mark.parametrize("name", MIXED)
def test_under_a_trace_function(name):
    events = set()

    def trace(frame, event, arg):
        frame.f_trace_opcodes = True
        events.add(event)
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        check(name)
    finally:
        sys.settrace(previous)
    assert {"call", "line", "return"} <= events


@pytest.mark.parametrize("name", MIXED)
def test_under_a_profile_function(name):
    events = set()
    sys.setprofile(lambda frame, event, arg: events.add(event))
    try:
        check(name)
    finally:
        sys.setprofile(None)
    assert {"call", "return", "c_call"} <= events


def test_under_cprofile():
    profile = cProfile.Profile()
    profile.enable()
    try:
        for name in MIXED:
            check(name)
    finally:
        profile.disable()
    text = io.StringIO()
    pstats.Stats(profile, stream=text).print_stats()
    assert "pausing.py" in text.getvalue()


if sys.version_info >= (3, 12):  # sys.monitoring is new there

    @pytest.mark.parametrize("name", MIXED)
    def test_under_monitoring(name):
        tool, lines = 4, set()
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(tool, "test")
        try:
            sys.monitoring.register_callback(
                tool, events.LINE, lambda code, line: lines.add((code.co_name, line)) and None
            )
            for event in (events.INSTRUCTION, events.CALL, events.PY_START, events.BRANCH):
                sys.monitoring.register_callback(tool, event, lambda *_: None)
            sys.monitoring.set_events(
                tool,
                events.LINE | events.INSTRUCTION | events.CALL | events.PY_START | events.BRANCH,
            )
            check(name)
        finally:
            sys.monitoring.set_events(tool, 0)
            sys.monitoring.free_tool_id(tool)
        assert any(function == "pause" for function, _ in lines)


def enters_and_leaves(kept):
    keep(kept)
    return [1, 2]


def calls_it(kept):
    return len(enters_and_leaves(kept))


def of_interest(events):
    names = ("keep", "enters_and_leaves", "calls_it")
    return [(name, event) for name, event in events if name in names]


LEFT = [
    *(("keep", "call"), ("keep", "return")),
    *(("enters_and_leaves", "call"), ("enters_and_leaves", "return")),
    *(("calls_it", "call"), ("calls_it", "return")),
]


@pytest.mark.parametrize("how", [sys.settrace, sys.setprofile])
def test_rebuilt_frames_are_entered_and_left(how):
    kept, events, lines = [], [], set()
    skt.call(calls_it, kept)

    def watch(frame, event, arg):
        if event in ("call", "return"):
            events.append((frame.f_code.co_name, event))
        elif event == "line":
            lines.add((frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno))
        return watch

    previous = sys.gettrace()
    how(watch)
    try:
        assert kept[0].resume() == 2
    finally:
        how(None)
        sys.settrace(previous)
    assert of_interest(events) == LEFT
    assert (("enters_and_leaves", 2) in lines) == (how is sys.settrace)


def test_a_trace_function_that_raises_where_a_frame_is_entered():
    kept = []
    skt.call(calls_it, kept)

    def watch(frame, event, arg):
        if frame.f_code is enters_and_leaves.__code__:
            raise LookupError(event)

    previous = sys.gettrace()
    sys.settrace(watch)
    try:
        with pytest.raises(LookupError, match="call"):
            kept[0].resume()
        assert sys.gettrace() is None  # as after any error of a trace function
    finally:
        sys.settrace(previous)
    assert kept[0].resume() == 2


if sys.version_info >= (3, 12):

    def test_monitoring_sees_rebuilt_frames_start():
        kept, events = [], []
        skt.call(calls_it, kept)
        tool, kinds = 4, sys.monitoring.events
        sys.monitoring.use_tool_id(tool, "test")
        try:
            for event, name in ((kinds.PY_START, "call"), (kinds.PY_RETURN, "return")):
                sys.monitoring.register_callback(
                    tool, event, lambda code, *_, name=name: events.append((code.co_name, name))
                )
            sys.monitoring.set_events(tool, kinds.PY_START | kinds.PY_RETURN)
            kept[0].resume()
        finally:
            sys.monitoring.set_events(tool, 0)
            sys.monitoring.free_tool_id(tool)
        assert sorted(of_interest(events)) == sorted(LEFT)


def callback(seen, *_):
    try:
        skt.capture(base=callback_program)
    except skt.CaptureError as error:
        seen.append(str(error))


def callback_program():
    return sum(range(3))


def test_capturing_in_a_callback_of_a_tool_is_refused():
    seen = []
    sys.setprofile(lambda *event: callback(seen) if event[1] == "c_call" else None)
    try:
        callback_program()
    finally:
        sys.setprofile(None)
    assert seen
    assert all("came in between" in each for each in seen if "base is not" not in each)


# What the functions below see must not depend on where they were captured.


def frames_of_interest(records):
    return [(name, line) for file, line, name in records if file == __file__]


def through_inspect(kept):
    keep(kept)
    return frames_of_interest((f.filename, f.lineno, f.function) for f in inspect.stack())


def through_getframe(kept):
    keep(kept)
    frame, found = sys._getframe(), []
    while frame is not None:
        found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return frames_of_interest(found)


def through_traceback(kept):
    keep(kept)
    shown = [(f.filename, f.lineno, f.name) for f in traceback.extract_stack()]
    return frames_of_interest(reversed(shown))


def keep(kept):
    snapshot = skt.capture()
    if snapshot:
        kept.append(snapshot)


class Whole:
    def __init__(self, how, kept):
        self.how, self.kept = how, kept

    def __add__(self, other):
        return self.how(self.kept)

    @property
    def middle(self):
        return self + 1


def outer(how, kept):
    whole = Whole(how, kept)
    return [
        whole.middle,
    ]


def up_to(names, last):
    return names[: [name for name, _ in names].index(last) + 1]


@pytest.mark.parametrize("how", [through_inspect, through_getframe, through_traceback])
def test_the_stack_is_shown_whole_with_its_lines(how):
    kept = []
    (expected,) = skt.call(outer, how, kept)
    (seen,) = Snapshot.from_bytes(kept[0].to_bytes()).resume()
    assert up_to(seen, "outer") == up_to(expected, "outer")
    assert [name for name, _ in up_to(seen, "outer")] == [
        how.__name__,
        "__add__",
        "middle",
        "outer",
    ]


def fails(kept):
    keep(kept)
    raise LookupError("after the restart")


def test_a_traceback_shows_the_whole_stack_with_its_lines():
    kept, shown = [], []
    for run in (
        lambda: skt.call(outer, fails, kept),
        lambda: Snapshot.from_bytes(kept[0].to_bytes()).resume(),
    ):
        with pytest.raises(LookupError) as raised:
            run()
        entries = traceback.extract_tb(raised.value.__traceback__)
        names = [entry.name for entry in entries]
        shown.append([(e.name, e.lineno, e.line) for e in entries[names.index("outer") :]])
    assert shown[0] == shown[1]
    assert [name for name, _, _ in shown[0]] == ["outer", "middle", "__add__", "fails"]


def warns(kept):
    keep(kept)
    for level in range(1, 5):
        warnings.warn(f"level {level}", stacklevel=level)


def test_warnings_find_the_line_they_are_about():
    kept, found = [], []
    for run in (
        lambda: skt.call(outer, warns, kept),
        lambda: Snapshot.from_bytes(kept[0].to_bytes()).resume(),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run()
        found.append([(str(w.message), w.filename, w.lineno) for w in caught])
    assert len(found[0]) == 4
    assert found[0] == found[1]


def debugs(kept):
    keep(kept)
    local = "seen by pdb"
    out = io.StringIO()
    debugger = pdb.Pdb(stdin=io.StringIO(COMMANDS), stdout=out, nosigint=True, readrc=False)
    debugger.use_rawinput = False
    debugger.set_trace(sys._getframe())
    local = local.upper()
    return out, local


COMMANDS = (
    "p local\nup\np self.how.__name__\nup\nup\np sorted(locals())\nwhere\ndown\nnext\ncontinue\n"
)


def test_pdb_walks_and_steps_in_a_resumed_stack():
    kept = []
    texts = []
    previous = sys.gettrace()
    for run in (
        lambda: skt.call(outer, debugs, kept),
        lambda: Snapshot.from_bytes(kept[0].to_bytes()).resume(),
    ):
        try:
            ((out, local),) = run()
        except bdb.BdbQuit:
            pytest.fail("pdb quit")
        finally:
            sys.settrace(previous)
        assert local == "SEEN BY PDB"
        texts.append(out.getvalue())
    for text in texts:
        assert "'seen by pdb'" in text
        assert "'debugs'" in text
        assert "['how', 'kept', 'whole']" in text
        assert "-> whole.middle" in text
