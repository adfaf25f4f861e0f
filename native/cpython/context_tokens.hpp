// What a contextvars.Token goes back to.
#pragma once

#include <Python.h>

namespace sauerkraut::cpython {

// Let a token that was not used restore `value`; null: leave its variable without one. False when
// it is no token.
bool set_old_value(PyObject* token, PyObject* value);

}  // namespace sauerkraut::cpython
