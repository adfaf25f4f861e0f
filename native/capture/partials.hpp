// functools.partial between a call and the function that runs.
#pragma once

#include "boundary.hpp"

namespace sauerkraut::capture {

// The function of a plain functools.partial; empty for every other object.
Owned function_of_partial(PyObject* object);

// What lies in the slot of the callable while a call is under way.
enum class Slotted {
  callable,   // what was called
  handed_on,  // the argument of a partial whose function runs
  unknown,    // the argument of something else that was called
};

// On CPython 3.11 and 3.12 a partial of one argument, called with others, lays that argument over
// itself. What the code names tells most often that this did not happen; else only the partials
// that exist can tell what was called, which takes the time of looking at all objects.
Slotted look_behind(PyObject* slot, const cpython::Frame& outer, const code::CallSite& site,
                    const cpython::Frame& inner);

}  // namespace sauerkraut::capture
