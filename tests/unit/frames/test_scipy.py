"""Callbacks of SciPy: those of its Python code resume, those of compiled code are refused by name.

What is here is the table in docs/limits.md.
"""

import pytest

import sauerkraut as skt
from sauerkraut import CaptureError, Snapshot

pytest.importorskip("scipy", reason="missing: SciPy; pip install scipy")
import numpy as np
from scipy import integrate, optimize

pytestmark = pytest.mark.filterwarnings("ignore")  # of solvers that do not like the problems


calls = at = 0
kept = None


def pause():
    """Captures up to the innermost `skt.call` in the call number `at`."""
    global calls, kept
    calls += 1
    if calls == at and (snapshot := skt.capture()):
        kept = snapshot


def decays(t, y):
    pause()
    return -0.5 * y


def bowl(x):
    pause()
    return float((x[0] - 1) ** 2 + 2 * (x[1] + 0.5) ** 2)


def equations(x):
    pause()
    return np.array([x[0] + 0.5 * x[1] - 1.0, 0.3 * x[0] ** 3 + x[1] - 0.5])


def line(x, a=1.0, b=-0.3):
    pause()
    return a * x**3 + b


def solve(method):
    return lambda: integrate.solve_ivp(decays, (0, 1), [1.0, 2.0], method=method).y.tolist()


def minimise(method):
    return lambda: optimize.minimize(bowl, [0.2, 0.1], method=method).x.tolist()


def root(method):
    return lambda: optimize.root(equations, [0.4, 0.1], method=method).x.tolist()


def least_squares(method):
    return lambda: optimize.least_squares(equations, [0.4, 0.1], method=method).x.tolist()


def scalar_root(method, **given):
    return lambda: optimize.root_scalar(line, method=method, **given).root


def scalar_minimum(method, **given):
    return lambda: float(optimize.minimize_scalar(lambda x: line(x) ** 2, method=method, **given).x)


RESUMES = {
    **{f"solve_ivp {m}": solve(m) for m in ("RK23", "RK45", "DOP853", "Radau", "BDF")},
    **{
        f"minimize {m}": minimise(m)
        for m in ("Nelder-Mead", "Powell", "CG", "BFGS", "L-BFGS-B", "COBYLA", "COBYQA", "SLSQP")
    },
    "root broyden1": root("broyden1"),
    "root df-sane": root("df-sane"),
    "least_squares trf": least_squares("trf"),
    "least_squares dogbox": least_squares("dogbox"),
    "root_scalar newton": scalar_root("newton", x0=0.5),
    "root_scalar secant": scalar_root("secant", x0=0.5, x1=0.6),
    "root_scalar toms748": scalar_root("toms748", bracket=(0, 1)),
    "minimize_scalar brent": scalar_minimum("brent"),
    "minimize_scalar bounded": scalar_minimum("bounded", bounds=(0, 1)),
}
REFUSED = {
    "solve_ivp LSODA": solve("LSODA"),
    "odeint": lambda: integrate.odeint(lambda y, t: decays(t, y), [1.0], [0, 1]).tolist(),
    "quad": lambda: integrate.quad(line, 0, 1)[0],
    "minimize TNC": minimise("TNC"),
    "root hybr": root("hybr"),
    "root lm": root("lm"),
    "least_squares lm": least_squares("lm"),
    "curve_fit": lambda: optimize.curve_fit(line, np.arange(5.0), np.arange(5.0))[0].tolist(),
    "brentq": lambda: optimize.brentq(line, 0, 1),
}
AT_SOME_CALLS = {
    "minimize trust-constr": minimise("trust-constr"),
    "root krylov": root("krylov"),
    "differential_evolution": lambda: optimize.differential_evolution(
        bowl, [(-2, 2), (-2, 2)], maxiter=2, rng=1
    ).x.tolist(),
}


def run(program, place):
    global calls, at, kept
    calls, at, kept = 0, place, None
    return skt.call(program), calls, kept


def resumed(snapshot):
    global at
    at = 0
    return Snapshot.from_bytes(snapshot.to_bytes()).resume()


@pytest.mark.parametrize("name", RESUMES)
def test_resumes(name):
    expected, count, _ = run(RESUMES[name], 0)
    for place in sorted({1, (count + 1) // 2, count}):
        value, _, snapshot = run(RESUMES[name], place)
        assert value == expected
        assert resumed(snapshot) == expected


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_by_name(name):
    _, count, _ = run(REFUSED[name], 0)
    with pytest.raises(CaptureError, match=r"was entered from C by .* called in .*scipy"):
        run(REFUSED[name], (count + 1) // 2)


@pytest.mark.parametrize("name", AT_SOME_CALLS)
def test_resumes_or_is_refused_by_name(name):
    expected, count, _ = run(AT_SOME_CALLS[name], 0)
    places = range(1, count + 1, max(1, count // 12))
    told = []
    for place in places:
        try:
            _, _, snapshot = run(AT_SOME_CALLS[name], place)
        except Exception as error:
            refused = error
            while not isinstance(refused, CaptureError):  # SciPy tells what it takes it for
                refused = refused.__context__
            told.append(str(refused))
        else:
            assert resumed(snapshot) == expected
    assert 0 < len(told) < len(places)
    assert all(" cannot be captured; " in each for each in told)
