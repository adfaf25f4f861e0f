"""What undoes a change of a context: kept with what it goes back to, without side effects."""

import contextvars
import datetime as dt
import decimal

import numpy as np
import pytest

from sauerkraut import _native
from sauerkraut.errors import CaptureError
from sauerkraut.objects import graph
from tests.unit.objects.crossing import round_trip

variable = contextvars.ContextVar("variable")


class Silent:
    def __repr__(self):
        raise AssertionError("asked")


SILENT = Silent()
quiet = contextvars.ContextVar("quiet", default=SILENT)


def test_a_capture_and_what_is_given_up_change_nothing():
    with decimal.localcontext() as current, np.errstate(over="ignore") as _:
        token = variable.set(1)
        manager = decimal.localcontext()
        frozen = graph.freeze([token, manager, current])
        variable.reset(token)
        actions = []
        graph.thaw(frozen, actions=actions)
        assert variable.get("unset") == "unset"
        assert decimal.getcontext() is current
        assert np.geterr()["over"] == "ignore"
        assert len(actions) == 2


def test_a_token_goes_back_also_where_its_variable_is_set_already():
    token = variable.set(1)
    (back,) = round_trip(token)
    assert back.old_value is contextvars.Token.MISSING
    variable.reset(back)
    assert variable.get("unset") == "unset"


def test_no_value_of_a_variable_is_asked_for_its_text():
    token = quiet.set(Silent())
    (back,) = round_trip(token)
    assert back.var is quiet
    quiet.reset(back)
    assert type(quiet.get()) is Silent


def test_a_value_that_leads_to_its_token():
    first = variable.set(held := [1])
    token = variable.set(2)
    held.append(token)
    (back,) = round_trip(token)
    assert back.old_value[1] is back
    variable.reset(token)
    variable.reset(first)


def test_pointers_of_c_libraries_are_refused_by_name():
    with pytest.raises(CaptureError, match=r"PyCapsule cannot be captured; it is a pointer of a C"):
        graph.freeze([{"api": dt.datetime_CAPI}])


def test_only_tokens_have_an_old_value():
    with pytest.raises(TypeError, match="Token"):
        _native.set_old_value(object(), ())
