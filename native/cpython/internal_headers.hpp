// The only place that opens CPython's internals (Py_BUILD_CORE).
// Include it, or adapter.hpp, before anything that includes <Python.h>.
#pragma once

#ifndef Py_BUILD_CORE
#  define Py_BUILD_CORE 1
#endif

#include <Python.h>

#ifdef Py_GIL_DISABLED
#  error "free-threaded CPython is not supported: frames could change while they are read"
#endif

#include <internal/pycore_code.h>
#include <internal/pycore_frame.h>
#if PY_VERSION_HEX >= 0x030E0000
#  include <internal/pycore_interpframe.h>
#  include <internal/pycore_stackref.h>
#endif
#include <opcode.h>
