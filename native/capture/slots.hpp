// Reads the slots of a frame as they are.
#pragma once

#include "../cpython/adapter.hpp"
#include "stack.hpp"

namespace sauerkraut::capture {

inline std::vector<Slot> read_slots(const cpython::Frame& frame, int count)
{
  using cpython::Layout;
  std::vector<Slot> slots;
  slots.reserve(static_cast<std::size_t>(count));
  for (int slot = 0; slot < count; ++slot) {
    slots.push_back(Layout::is_number_at(frame, slot)
                        ? Slot{Slot::Kind::number, {}, Layout::number_at(frame, slot)}
                        : Slot::of(Layout::object_at(frame, slot)));
  }
  return slots;
}

// What locals() returns in a function each time, where it was called and matters: somebody else has
// it, or it holds more than the variables (exec put it there). From CPython 3.13 on there is none.
inline Owned kept_locals(const cpython::Frame& frame)
{
  PyObject* locals = cpython::Layout::keeps_locals ? frame.f_locals : nullptr;
  if (locals == nullptr || !PyDict_CheckExact(locals) || Py_REFCNT(locals) > 1) {
    return locals != nullptr && PyDict_CheckExact(locals) ? Owned::share(locals) : Owned();
  }
  PyObject* variables = cpython::Layout::code(frame)->co_localsplusnames;
  Py_ssize_t known = 0;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(variables); ++i) {
    known += PyDict_Contains(locals, PyTuple_GET_ITEM(variables, i)) == 1;
  }
  if (known == PyDict_GET_SIZE(locals)) {
    return Owned();  // the usual case: a debugger, or locals() that nobody kept
  }
  Owned more;
  Py_ssize_t at = 0;
  PyObject* name = nullptr;
  PyObject* value = nullptr;
  while (PyDict_Next(locals, &at, &name, &value)) {
    if (PySequence_Contains(variables, name) != 0) {
      continue;
    }
    if (!more) {
      more = Owned::take(PyDict_New());
    }
    if (more) {
      PyDict_SetItem(more.get(), name, value);
    }
  }
  PyErr_Clear();
  return more;
}

}  // namespace sauerkraut::capture
