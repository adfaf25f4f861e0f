// Whether what a snapshot has for a slot of a frame is of the kind that the bytecode counts on.
#pragma once

#include "../capture/stack.hpp"
#include "../code/kind.hpp"

namespace sauerkraut::resume {

bool is_exception(PyObject* object);

// For any slot and kind, see fits().
bool fits_exactly(const capture::Slot& slot, code::Kind kind, int units);

// `units`: how long the code is.
inline bool fits(const capture::Slot& slot, code::Kind kind, int units)
{
  return (kind == code::Kind::any && slot.object) || fits_exactly(slot, kind, units);
}

// Whether a loop can go on with what is in its two slots, which fit one by one.
bool go_together(const capture::Slot& over, code::Kind kind, const capture::Slot& place);

// What must be in a slot of this kind, for a person.
const char* wanted(code::Kind kind);

}  // namespace sauerkraut::resume
