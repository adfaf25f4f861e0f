// The fast locals of a captured frame by name.
#pragma once

#include "../capture/stack.hpp"
#include "bindings.hpp"

#include <nanobind/nanobind.h>

namespace sauerkraut::bindings {

inline nanobind::object slot_name(const capture::FrameState& frame, int slot)
{
  auto* code = reinterpret_cast<PyCodeObject*>(frame.code.get());
  return nanobind::borrow(PyTuple_GET_ITEM(code->co_localsplusnames, slot));
}

// (slot, name, value) of those that have one.
inline nanobind::list bound_variables(const capture::FrameState& frame)
{
  nanobind::list rows = new_list();
  for (int slot = 0; slot < frame.local_count; ++slot) {
    const capture::Slot& value = frame.slots[static_cast<std::size_t>(slot)];
    if (value.kind == capture::Slot::Kind::object) {
      rows.append(
          nanobind::make_tuple(slot, slot_name(frame, slot), nanobind::borrow(value.object.get())));
    }
  }
  return rows;
}

}  // namespace sauerkraut::bindings
