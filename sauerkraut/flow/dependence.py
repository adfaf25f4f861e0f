"""Whether a step that says what it depends on has to run again: its inputs and its outputs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from sauerkraut.flow import digest
from sauerkraut.flow.record import StepRecord
from sauerkraut.flow.step import Step
from sauerkraut.flow.stores import Commit, History, State


def inputs(steps: Sequence[Step], records: Sequence[StepRecord], index: int, state: State) -> str:
    """Digest of all that step ``index`` depends on; empty when it does not say what that is.

    Its code and parameters, those of the steps that it names (and what these depend on, if they
    say), and the values of the keys of the state that it names.
    """
    names = steps[index].depends
    if names is None:
        return ""
    parts = [_of_step(records[index])]
    before = {step.name: number for number, step in enumerate(steps[:index])}
    for name in names:
        if name in before:
            earlier = records[before[name]]
            parts.append(f"step {name} {_of_step(earlier)} {earlier.inputs}")
        else:
            held = digest.of(state[name]) if name in state else "absent"
            parts.append(f"key {name} {held}")
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def joined(inputs: Sequence[str]) -> str:
    """The inputs of all ranks as one; empty when they are."""
    if len(inputs) == 1 or not inputs[0]:
        return inputs[0]
    return hashlib.blake2b("\n".join(inputs).encode(), digest_size=16).hexdigest()


def _of_step(record: StepRecord) -> str:
    said = record.identity
    return f"{said.source or said.bytecode} {said.params}"


def changed(before: Mapping[str, str], state: State) -> tuple[str, ...]:
    """Keys of a state that were set or changed since ``digest.of_keys`` told what they were."""
    return tuple(key for key, now in digest.of_keys(state).items() if before.get(key) != now)


def results(history: History, name: str, wanted: str) -> State | None:
    """What a step set in the state when its inputs were the ``wanted`` ones; None: not known."""
    for each in history.commits:
        found = _where(each, name)
        if found is not None and found.inputs == wanted:
            held = each.load(False)
            return {key: held[key] for key in found.outputs if key in held}
    return None


def _where(commit: Commit, name: str) -> StepRecord | None:
    """What is known of a step, if this is the commit after it."""
    record = commit.record
    last = len(record.steps) if record.finished else record.index
    if not 0 < last <= len(record.steps) or record.steps[last - 1].name != name:
        return None
    step = record.steps[last - 1]
    return step if step.when is not None else None
