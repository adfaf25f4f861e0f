// Operations other than calls during which Python code runs: operators, items, attributes,
// truth values, loops, with statements, f-strings.
#pragma once

#include "boundary.hpp"

namespace sauerkraut::capture {

// Whether `outer`, which waits at `site`, runs `inner` as a special method of an operand. Sets
// what becomes of its value.
bool runs_special_method(const cpython::Frame& outer, const code::CallSite& site,
                         const cpython::Frame& inner, Pending& pending);

// str(), repr() or format() of `value` by `inner`; `how` is "__str__", "__repr__" or
// "__format__". `spec` may be null.
bool makes_text(PyObject* value, const char* how, PyObject* spec, const cpython::Frame& inner,
                Pending& pending);

// A truth value of `value` by `inner`.
bool tells_truth(PyObject* value, const cpython::Frame& inner, Pending& pending);

// Whether the next value of `iterator` is what `inner` returns: its __next__, or the function of
// a map object.
bool makes_next(PyObject* iterator, const cpython::Frame& inner);

}  // namespace sauerkraut::capture
