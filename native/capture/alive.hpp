// What is certainly alive: C code may have given up an operand that still lies in its slot.
#pragma once

#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "../code/code_map.hpp"
#include "../cpython/refs.hpp"

namespace sauerkraut::capture {

// What the global or the local is bound to that an operand of the call at `site` was loaded from;
// null where it came from elsewhere. `place` counts from the lowest operand.
PyObject* named_operand(const cpython::Frame& outer, const code::CallSite& site, int place);

// All objects that the garbage collector knows, as a list. Throws std::bad_alloc.
cpython::Owned all_objects();

}  // namespace sauerkraut::capture
