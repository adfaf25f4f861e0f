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

}  // namespace sauerkraut::capture
