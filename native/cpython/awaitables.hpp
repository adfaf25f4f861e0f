// The awaitables that step into a coroutine or an async generator: `coroutine.__await__()`,
// `asend()`, `__anext__()`, `athrow()` and `aclose()`. Their structs stand in no header: whom they
// step into is what they tell the garbage collector first, and how far they have come is their
// last field.
#pragma once

#include "refs.hpp"

#include <Python.h>

#include <cstdint>

namespace sauerkraut::cpython {

enum class Awaitable : std::uint8_t { none, of_coroutine, asend, athrow };

// Stored: never renumber.
enum class AwaitableStage : std::uint8_t { begun_not = 0, begun = 1, ended = 2 };

Awaitable awaitable_kind(PyObject* object);

// The coroutine or async generator that an awaitable steps into; borrowed, null for other objects.
PyObject* stepped_into(PyObject* object);

// Whether this athrow() is an aclose(): the end of the generator is then that of the awaitable.
bool is_close(PyObject* athrow);

// How far an asend() or athrow() has come; -1 where this CPython lays it out in another way.
int awaitable_stage(PyObject* awaitable);
void set_awaitable_stage(PyObject* awaitable, AwaitableStage stage);

// What an async generator yielded by a `yield` of its own; empty for what it handed on from
// something that it awaits.
Owned yielded_value(PyObject* result);

}  // namespace sauerkraut::cpython
