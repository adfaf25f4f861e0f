// What a contextvars.Token goes back to.
#pragma once

#include <Python.h>

namespace sauerkraut::cpython {

// Whether a token was used; -1: it is no token.
int is_used(PyObject* token);

// Let a token that was not used restore `value`; null: leave its variable without one. False when
// it is no token.
bool set_old_value(PyObject* token, PyObject* value);

}  // namespace sauerkraut::cpython
