// What CPython 3.13 and later answer alike.
#pragma once

#include "internal_headers.hpp"
#include "since312.hpp"

namespace sauerkraut::cpython {

// Exported from 3.13 on, but declared without C linkage.
extern "C" void _PyEval_FrameClearAndPop(PyThreadState* state, _PyInterpreterFrame* frame);

template <typename Layout>
struct Since313 : Since312<Layout> {
  using Frame = _PyInterpreterFrame;

  static constexpr bool null_below_callable = false;  // callable, then self or NULL (gh-112354)
  static constexpr bool close_returns_value = true;   // what the generator returned (gh-104770)
  static constexpr bool pushes_frames = true;
  static constexpr int compare_shift = 5;         // of the operator in the argument of COMPARE_OP
  static constexpr int compare_to_bool = 16;      // flag there: the result becomes a bool
  static constexpr bool exit_keeps_self = false;  // a with statement keeps a bound __exit__
  static constexpr int item_operator = -1;        // BINARY_OP that fetches an item
  static constexpr bool loops_by_index = false;   // a loop keeps an iterator, in one slot
  static constexpr bool keeps_locals = false;     // locals() is a new dict each time (PEP 667)
  static bool can_be_indexed(PyObject*) noexcept { return false; }
  static bool is_return_generator(int opcode) noexcept { return opcode == RETURN_GENERATOR; }

  static Frame* current(PyThreadState* state) noexcept { return state->current_frame; }
  static void set_current(PyThreadState* state, Frame* frame) noexcept
  {
    state->current_frame = frame;
  }

  // instr_ptr is the instruction being executed; 3.11 and 3.12 kept the one before the next.
  static int unit(const Frame& frame) noexcept
  {
    return static_cast<int>(frame.instr_ptr - _PyCode_CODE(Layout::code(frame)));
  }
  static void wait_at(Frame& frame, int start, int /*next*/) noexcept { go_on_at(frame, start); }
  static void go_on_at(Frame& frame, int next) noexcept
  {
    frame.instr_ptr = _PyCode_CODE(Layout::code(frame)) + next;
  }

  // A suspended generator stands behind its yield, one not started behind the RETURN_GENERATOR.
  static int suspended_unit(const Frame& frame) noexcept { return unit(frame) - 1; }
  static bool is_suspended(int state) noexcept { return FRAME_STATE_SUSPENDED(state); }
  static std::int8_t suspended_state(bool delegates) noexcept
  {
    return delegates ? FRAME_SUSPENDED_YIELD_FROM : FRAME_SUSPENDED;
  }

  // Makes a frame whose arguments are all None; null with an exception set on failure.
  static Frame* push(PyThreadState* state, PyObject* function, PyObject* locals)
  {
    using SlotType = typename Layout::SlotType;
    const int count = reinterpret_cast<PyCodeObject*>(PyFunction_GET_CODE(function))->co_argcount;
    SlotType nothing[256];
    SlotType* arguments = count <= 256 ? nothing : PyMem_New(SlotType, count);
    if (arguments == nullptr) {
      PyErr_NoMemory();
      return nullptr;
    }
    for (int i = 0; i < count; ++i) {
      arguments[i] = Layout::slot_from(Py_NewRef(Py_None));
    }
    // The function, the locals and the arguments are stolen.
    Frame* frame = Layout::push_and_init(state, Py_NewRef(function), Py_XNewRef(locals), arguments,
                                         static_cast<std::size_t>(count));
    if (arguments != nothing) {
      PyMem_Free(arguments);
    }
    return frame;
  }
  static void pop(PyThreadState* state, Frame* frame) { _PyEval_FrameClearAndPop(state, frame); }
};

}  // namespace sauerkraut::cpython
