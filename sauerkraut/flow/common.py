"""Keys of a state whose values are the same on every rank: compared, and stored once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sauerkraut.checkpoint.agreement import together
from sauerkraut.errors import FlowError
from sauerkraut.flow import digest, states
from sauerkraut.flow.stores import State
from sauerkraut.group import Group


def without(state: State, keys: Sequence[str]) -> State:
    """What of a state is this rank's own."""
    return {key: value for key, value in state.items() if key not in keys}


def check(group: Group, state: State, keys: Sequence[str]) -> None:
    """Refuse a state whose shared values differ from those of rank 0. Collective.

    Raises:
        FlowError: on every rank; names key and rank.
        CaptureError: a value cannot be stored.
    """
    if group.size == 1 or not keys:
        return
    here = {key: state[key] for key in keys if key in state}
    told = together(group, "shared state", lambda: digest.of_keys(here))
    unlike = [key for key in keys if len({each.get(key) for each in told}) > 1]
    if not unlike:
        return
    # Equal values may have other digests; these few are looked at themselves.
    first = _of_rank_0(group, {key: here[key] for key in unlike if key in here})
    wrong = together(
        group,
        "shared state",
        lambda: [key for key in unlike if not _are_equal(key, first, here)],
    )
    for rank, keys_there in enumerate(wrong):
        if keys_there:
            raise FlowError(
                f"state[{keys_there[0]!r}] is shared, and differs on rank {rank} from that on rank "
                "0: compute it the same on every rank, or do not name it in shared"
            )


def spread(group: Group, state: State, keys: Sequence[str]) -> State:
    """Give every rank the shared values that rank 0 has in ``state``. Collective."""
    if group.size == 1 or not keys:
        return state
    first = _of_rank_0(group, {key: state[key] for key in keys if key in state})
    return state if group.rank == 0 else state | first


def _of_rank_0(group: Group, values: State) -> State:
    parts: tuple[bytes, bytes, list[bytes]] | None = None

    def capture() -> None:
        nonlocal parts
        if group.rank == 0:
            captured = states.capture(values, 1 << 62)
            parts = captured.control, captured.stream, [bytes(b.memory) for b in captured.blocks]
            captured.release()

    together(group, "shared state", capture)
    control, stream, blocks = group.bcast(parts) or (b"", b"", [])
    if group.rank == 0:
        return values
    return states.restore(control, stream, blocks)


def _are_equal(key: str, first: State, here: State) -> bool:
    if key not in first or key not in here:
        return False
    equal: Any = first[key] == here[key]
    if hasattr(equal, "all"):  # arrays
        equal = equal.all()
    return bool(equal)
