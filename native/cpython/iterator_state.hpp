// What iterators written in C keep, for those that Python code cannot ask.
//
// Iterators of itertools are pickled with a warning on 3.12 and 3.13 and not at all later on; the
// one of OrderedDict does not tell what it goes over. Their structs stand in no header: a layout
// is used only where the size of the type agrees.
#pragma once

#include "refs.hpp"

#include <Python.h>

namespace sauerkraut::cpython {

// The fields of an iterator of itertools, as a tuple: an object as (object,), a null as None, a
// number as an int, an array as a tuple of ints. Null: an error is set, or, without one, the type
// is not known here.
Owned iterator_state(PyObject* iterator);

// Give an iterator of the same type, newly made, those fields. False: an error is set, ValueError
// when the values are none that it could have; it is then unchanged.
bool set_iterator_state(PyObject* iterator, PyObject* state);

// Whether groups of the groupby that a group belongs to are still read from it; -1: not a group.
int is_current_group(PyObject* group);

// Set the line number of a csv.reader, which Python code can only read; false: an error is set.
bool set_line_number(PyObject* reader, unsigned long number);

// What the iterator of an OrderedDict goes over: a number for each view and direction; -1: the
// type is not known here.
int ordered_iterator_kind(PyObject* iterator);

}  // namespace sauerkraut::cpython
