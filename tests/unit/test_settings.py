"""Settings that the environment of a job makes."""

import pytest

from sauerkraut.settings import Settings


@pytest.mark.parametrize(
    ("environment", "latency"),
    [
        ({}, 5.0),
        ({"SAUERKRAUT_GRACE": "120"}, 30.0),
        ({"SAUERKRAUT_GRACE": "2"}, 0.5),
        ({"SAUERKRAUT_GRACE": "120", "SAUERKRAUT_SIGNAL_LATENCY": "1"}, 1.0),
    ],
)
def test_signals_take_effect_within_a_quarter_of_the_grace_time(monkeypatch, environment, latency):
    for name in ("SAUERKRAUT_GRACE", "SAUERKRAUT_SIGNAL_LATENCY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_environment().signal_latency == latency


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("SAUERKRAUT_GRACE", value) for value in ("soon", "0", "-3")),
        *(("SAUERKRAUT_OWNER_TOUCH", value) for value in ("soon", "0", "-3", "61", "nan")),
    ],
)
def test_a_time_that_means_nothing_is_refused_by_name(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=name):
        Settings.from_environment()
