"""Control state changed with care, its hashes put right, never crashes the interpreter."""

import os

import fuzz


def test_changed_control_state_never_crashes():
    executions = int(os.environ.get("SAUERKRAUT_FUZZ", "3000"))
    counts, crashed = fuzz.fuzz(executions)
    print(dict(counts))
    assert crashed == []
    assert sum(counts.values()) == executions
    # Most changes must come as far as the third ring: else this tests the container only.
    assert counts["ring 3"] + counts["ran"] > 0.2 * executions
