// Objects that call a function while they are gone over: map(f, xs), iter(f, None), sequences
// without __iter__. Where C code goes over one and calls the same function itself, nothing in the
// frames tells which of the two calls this is.
#pragma once

#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "../code/code_map.hpp"

namespace sauerkraut::capture {

// Whether a step of `iterator` may call `inner` without a Python frame between them.
bool may_drive(PyObject* iterator, const cpython::Frame& inner);

// Whether anything that is alive may. Throws std::bad_alloc.
bool is_driven_by_any(const cpython::Frame& inner);

// Whether f(*xs), at which `outer` waits, may still be going over xs, so that `inner` is no call of
// f yet. Throws std::bad_alloc.
bool may_be_unpacking(const cpython::Frame& outer, const code::CallSite& site,
                      const cpython::Frame& inner);

}  // namespace sauerkraut::capture
