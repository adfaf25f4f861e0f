"""Whether a step that says what it depends on has to run again: its inputs and its outputs."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence

from sauerkraut.errors import CorruptCheckpoint, FlowError, ResumeError
from sauerkraut.flow import digest, reach
from sauerkraut.flow.record import INDEX, StepRecord
from sauerkraut.flow.step import Step
from sauerkraut.flow.stores import Commit, History, State


def check(steps: Sequence[Step]) -> None:
    """Refuse steps that depend on later ones; raises ValueError."""
    for index, step in enumerate(steps):
        later = {each.name for each in steps[index + 1 :]}.intersection(step.depends or ())
        if later:
            raise ValueError(
                f"step {index} {step.name!r} depends on {min(later)!r}, which is a later step: "
                "name earlier steps and keys of the state"
            )


def named(steps: Sequence[Step]) -> frozenset[str]:
    """What steps depend on: earlier ones, and keys of the state."""
    return frozenset(name for step in steps for name in step.depends or ())


def inputs(steps: Sequence[Step], records: Sequence[StepRecord], index: int, state: State) -> str:
    """Digest of all that step ``index`` depends on; empty when it is not known.

    Its code and parameters, those of the steps that it names (and what these depend on, if they
    say) with the values of the keys that they set, and the values of the keys that it names.

    Raises:
        FlowError: it names what is neither an earlier step nor a key of the state.
    """
    names = steps[index].depends
    if names is None:
        return ""
    refuse_unknown(steps, index, state)
    parts = [_of_step(records[index])]
    before = {step.name: number for number, step in enumerate(steps[:index])}
    for name in names:
        if name in before:
            earlier = records[before[name]]
            if earlier.outputs is None:  # it did not run, or nobody depended on it then
                return ""
            parts.append(f"step {name} {_of_step(earlier)} {earlier.inputs}")
            parts += [_of_key(key, state) for key in earlier.outputs]
        else:
            parts.append(_of_key(name, state))
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def refuse_unknown(steps: Sequence[Step], index: int, state: State) -> None:
    """Refuse names that step ``index`` depends on and that mean nothing.

    Raises:
        FlowError: it names what is neither an earlier step nor a key of the state.
    """
    before = [step.name for step in steps[:index]]
    for name in steps[index].depends or ():
        if name not in before and name not in state:
            raise FlowError(
                f"step {index} {steps[index].name!r} depends on {name!r}, which is neither an "
                f"earlier step ({_listed(before)}) nor a key of the state ({_listed(state)})"
            )


def _of_key(key: str, state: State) -> str:
    return f"key {key} {digest.of(state[key]) if key in state else 'absent'}"


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(repr, names)) or "there are none"


def _of_step(record: StepRecord) -> str:
    return f"{record.identity.code} {record.identity.params}"


def changed(before: Mapping[str, str], state: State) -> tuple[str, ...] | None:
    """Keys of a state that were set, changed or removed since ``before``, their digests then.

    None: among them is one that is no text, which no record can name.
    """
    keys = [key for key, now in digest.of_keys(state).items() if before.get(key) != now]
    keys += [key for key in before if key not in state]
    return tuple(keys) if all(type(key) is str for key in keys) else None


def result_of(history: History, name: str, wanted: str) -> tuple[tuple[str, ...], State] | None:
    """What a step left when its inputs were the ``wanted`` ones. Collective where the store is.

    Returns:
        The keys that it set, changed or removed, and the state after it; None: not known.
    """
    for each in history.commits:
        found = _where(each, name)
        if found is not None and found.inputs == wanted and found.outputs is not None:
            with contextlib.suppress(CorruptCheckpoint, ResumeError):  # so the step makes it again
                return found.outputs, each.load(False)
    return None


def unsure_keys(
    steps: Sequence[Step], records: Sequence[StepRecord], index: int, outputs: Sequence[str]
) -> frozenset[str]:
    """Keys that step ``index`` may have set to the value that was there: its code names them.

    Not those that it surely set, nor those that are among its inputs.
    """
    step = steps[index]
    named: set[str] = set().union(*map(reach.texts_in, (step.function, step.load, step.save)))
    names = set(step.depends or ())
    of_steps = [each.outputs or () for each in records[:index] if each.name in names]
    return frozenset(named - names - {INDEX, *outputs}.union(*of_steps))


def are_alike(keys: Iterable[str], held: State, state: State) -> bool:
    """Whether two states say the same under these keys: then it does not matter who set them."""
    return all(_of_key(key, held) == _of_key(key, state) for key in keys)


def give(outputs: Iterable[str], held: State, state: State) -> None:
    """Do to ``state`` what a step did that left ``held``: set or remove the keys that it set."""
    for key in outputs:
        if key in held:
            state[key] = held[key]
        else:
            state.pop(key, None)


def of_all_ranks(outputs: Sequence[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """Keys that a step changed on any rank, of those of each; None: not known on one."""
    known = [each for each in outputs if each is not None]
    if len(known) < len(outputs):
        return None
    return tuple(dict.fromkeys(key for each in known for key in each))


def _where(commit: Commit, name: str) -> StepRecord | None:
    """What is known of a step, if this is the commit after it."""
    record = commit.record
    if record.begins:
        return None
    last = len(record.steps) if record.finished else record.index
    if not 0 < last <= len(record.steps) or record.steps[last - 1].name != name:
        return None
    step = record.steps[last - 1]
    return step if step.when is not None else None
