// How C code steps into a generator, coroutine or async generator, and what it does with what
// comes out of it.
#pragma once

#include "boundary.hpp"

namespace sauerkraut::capture {

// Whether `outer`, which waits at `site`, has just stepped into `generator` by a for loop, `yield
// from`, `await`, next(), send(), throw() or close(). Sets what becomes of what comes out.
bool steps_into(const cpython::Frame& outer, const code::CallSite& site, PyObject* generator,
                Pending& pending);

}  // namespace sauerkraut::capture
