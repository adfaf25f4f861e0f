// The only place that opens CPython's internals (Py_BUILD_CORE).
// Include it, or adapter.hpp, before anything that includes <Python.h>.
#pragma once

#ifndef Py_BUILD_CORE
#  define Py_BUILD_CORE 1
#endif

#include <Python.h>

#include <internal/pycore_code.h>
#include <internal/pycore_frame.h>

#ifdef Py_GIL_DISABLED
#  error "free-threaded CPython is not supported: frames could change while they are read"
#endif
