// What both ways of driving rebuilt frames share.
#pragma once

#include "../capture/stack.hpp"
#include "../cpython/adapter.hpp"

namespace sauerkraut::resume {

using capture::FrameState;
using cpython::Frame;
using cpython::Owned;

// A function that, called with None for each parameter, makes a frame of the
// right code, globals and size. Null with a Python exception set on failure.
Owned surrogate(const FrameState& state);

// Calls a surrogate; a new reference, or null with an exception set.
PyObject* call_with_none(PyObject* function);

// Replaces locals and value stack of a fresh frame by what `state` holds, which lets go of it.
void fill_slots(Frame& frame, FrameState& state);

// Does so with a frame of the stack, and lets it wait at its call.
void fill(Frame& frame, FrameState& state);

// Makes a generator the one that runs, as sending into it does: what it handles is handled.
void step_into(PyThreadState* state, PyObject* generator);
// Undoes it for one that will not run.
void step_out(PyThreadState* state, PyObject* generator);

// What came out of a generator's frame as its caller sees it: a value it yields is a value, what
// it returns an exception. Steals `result`; null with an exception set.
PyObject* outcome(PyObject* generator, PyObject* result);

// Sets what the innermost pending call yields: a value, or null and `thrown` raised.
PyObject* first_result(PyObject* value, PyObject* thrown);

}  // namespace sauerkraut::resume
