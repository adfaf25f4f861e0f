// CPython 3.13's answers to the questions of adapter.hpp.
// Source of facts: Include/internal/pycore_frame.h and Python/ceval.c, tag v3.13.0.
#pragma once

#include "internal_headers.hpp"

#include <opcode.h>

namespace sauerkraut::cpython {

// Both are exported from 3.13 on, but declared without C linkage or not at all.
extern "C" {
_PyInterpreterFrame* _PyEvalFramePushAndInit(PyThreadState* state, PyFunctionObject* function,
                                             PyObject* locals, PyObject* const* arguments,
                                             size_t count, PyObject* names);
void _PyEval_FrameClearAndPop(PyThreadState* state, _PyInterpreterFrame* frame);
}

struct Layout {
  using Frame = _PyInterpreterFrame;

  static constexpr bool null_below_callable = false;  // callable, then self or NULL (gh-112354)
  static constexpr bool load_fast_checks = false;
  static constexpr bool pushes_frames = true;
  static constexpr bool attribute_makes_methods = true;  // LOAD_ATTR with arg & 1
  static constexpr int intrinsic_list_to_tuple = 6;
  static bool is_return_generator(int opcode) noexcept { return opcode == RETURN_GENERATOR; }

  static Frame* frame_of(PyFrameObject* object) noexcept { return object->f_frame; }
  static Frame* current(PyThreadState* state) noexcept { return state->current_frame; }
  static void set_current(PyThreadState* state, Frame* frame) noexcept
  {
    state->current_frame = frame;
  }

  static bool is_c_shim(const Frame* frame) noexcept
  {
    return frame != nullptr && frame->owner == FRAME_OWNED_BY_CSTACK;
  }
  static Frame* caller(const Frame& frame) noexcept
  {
    Frame* previous = frame.previous;
    while (is_c_shim(previous)) {
      previous = previous->previous;
    }
    return previous;
  }
  static bool entered_from_c(const Frame& frame) noexcept { return is_c_shim(frame.previous); }

  static bool is_init_shim(const Frame& frame) noexcept
  {
    return frame.f_funcobj == nullptr || !PyFunction_Check(frame.f_funcobj);
  }

  static PyCodeObject* code(const Frame& frame) noexcept
  {
    return reinterpret_cast<PyCodeObject*>(frame.f_executable);
  }
  static PyObject* function(const Frame& frame) noexcept { return frame.f_funcobj; }
  static bool is_generator(const Frame& frame) noexcept
  {
    return frame.owner == FRAME_OWNED_BY_GENERATOR;
  }

  // instr_ptr is the instruction being executed; 3.11 and 3.12 kept the one before the next.
  static int unit(const Frame& frame) noexcept
  {
    return static_cast<int>(frame.instr_ptr - _PyCode_CODE(code(frame)));
  }
  static void wait_at(Frame& frame, int start, int /*next*/) noexcept { go_on_at(frame, start); }
  static void go_on_at(Frame& frame, int next) noexcept
  {
    frame.instr_ptr = _PyCode_CODE(code(frame)) + next;
  }

  static int saved_depth(const Frame& frame) noexcept
  {
    return frame.stacktop < 0 ? -1 : frame.stacktop - code(frame)->co_nlocalsplus;
  }
  static void set_depth(Frame& frame, int depth) noexcept
  {
    frame.stacktop = code(frame)->co_nlocalsplus + depth;
  }

  static int& recursion_remaining(PyThreadState* state) noexcept
  {
    return state->py_recursion_remaining;
  }

  // Makes a frame whose arguments are all None; null with an exception set on failure.
  static Frame* push(PyThreadState* state, PyObject* function, PyObject* locals)
  {
    auto* callee = reinterpret_cast<PyFunctionObject*>(function);
    const int count = reinterpret_cast<PyCodeObject*>(callee->func_code)->co_argcount;
    PyObject* nothing[256];
    PyObject** arguments = count <= 256 ? nothing : PyMem_New(PyObject*, count);
    if (arguments == nullptr) {
      PyErr_NoMemory();
      return nullptr;
    }
    for (int i = 0; i < count; ++i) {
      arguments[i] = Py_NewRef(Py_None);
    }
    Py_INCREF(function);  // stolen, as are locals and the arguments
    Frame* frame =
        _PyEvalFramePushAndInit(state, callee, Py_XNewRef(locals), arguments, count, nullptr);
    if (arguments != nothing) {
      PyMem_Free(arguments);
    }
    return frame;
  }
  static void pop(PyThreadState* state, Frame* frame) { _PyEval_FrameClearAndPop(state, frame); }

  static Py_ssize_t request_code_extra(freefunc free)
  {
    return PyUnstable_Eval_RequestCodeExtraIndex(free);
  }
  static int get_code_extra(PyObject* code, Py_ssize_t index, void** extra)
  {
    return PyUnstable_Code_GetExtra(code, index, extra);
  }
  static int set_code_extra(PyObject* code, Py_ssize_t index, void* extra)
  {
    return PyUnstable_Code_SetExtra(code, index, extra);
  }
};

// Tripwire: a layout change inside the 3.13 series stops the build, not a restart.
static_assert(offsetof(_PyInterpreterFrame, localsplus) == 72);

}  // namespace sauerkraut::cpython
