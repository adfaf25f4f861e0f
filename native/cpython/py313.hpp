// CPython 3.13's answers to the questions of adapter.hpp.
// Source of facts: Include/internal/pycore_frame.h and Python/ceval.c, tag v3.13.0.
#pragma once

#include "object_slots.hpp"
#include "since313.hpp"

namespace sauerkraut::cpython {

// Exported from 3.13 on, but declared without C linkage.
extern "C" _PyInterpreterFrame* _PyEvalFramePushAndInit(PyThreadState* state,
                                                        PyFunctionObject* function,
                                                        PyObject* locals,
                                                        PyObject* const* arguments, size_t count,
                                                        PyObject* names);

struct Layout : Since313<Layout>, ObjectSlots<Layout> {
  static PyCodeObject* code(const Frame& frame) noexcept
  {
    return reinterpret_cast<PyCodeObject*>(frame.f_executable);
  }
  static PyObject* function(const Frame& frame) noexcept { return frame.f_funcobj; }

  static Frame* push_and_init(PyThreadState* state, PyObject* function, PyObject* locals,
                              PyObject* const* arguments, std::size_t count)
  {
    return _PyEvalFramePushAndInit(state, reinterpret_cast<PyFunctionObject*>(function), locals,
                                   arguments, count, nullptr);
  }
};

// Tripwire: a layout change inside the 3.13 series stops the build, not a restart.
static_assert(offsetof(_PyInterpreterFrame, localsplus) == 72);
static_assert(offsetof(_PyInterpreterFrame, instr_ptr) == 56);
static_assert(FRAME_OWNED_BY_CSTACK == 3);

}  // namespace sauerkraut::cpython
