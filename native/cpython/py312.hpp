// CPython 3.12's answers to the questions of adapter.hpp.
// Source of facts: Include/internal/pycore_frame.h and Python/ceval.c, tag v3.12.1.
#pragma once

#include "since312.hpp"
#include "until312.hpp"

namespace sauerkraut::cpython {

struct Layout : Since312<Layout>, Until312<Layout> {
  static constexpr int compare_shift = 4;  // of the operator in the argument of COMPARE_OP
  static constexpr int compare_to_bool = 0;
  static PyObject* function(const Frame& frame) noexcept { return frame.f_funcobj; }
};

// Tripwire: a layout change inside the 3.12 series stops the build, not a restart.
static_assert(offsetof(_PyInterpreterFrame, localsplus) == 72);
static_assert(offsetof(_PyInterpreterFrame, prev_instr) == 56);
static_assert(FRAME_OWNED_BY_CSTACK == 3);

}  // namespace sauerkraut::cpython
