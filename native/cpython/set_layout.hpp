// Where the elements of a set stand in its table.
//
// The order of a set is that of its table, and the table remembers how the set grew and what was
// removed from it: equal sets may have different orders. A sum over a restored set must give the
// same bits, so a set that would come back in another order is restored slot by slot.
#pragma once

#include <Python.h>

#include <cstdint>
#include <vector>

namespace sauerkraut::cpython {

struct SetLayout {
  Py_ssize_t mask = 0;    // slots in the table, less one
  Py_ssize_t finger = 0;  // where pop() looks next
  std::vector<std::int64_t> slots;
  std::vector<std::int64_t> hashes;   // of the elements in those slots
  std::vector<std::int64_t> removed;  // slots whose element was removed
  std::vector<PyObject*> elements;    // borrowed from the set
};

// The layout of a set or frozenset whose elements can be in no cycle.
SetLayout layout_of(PyObject* set);

// Whether adding the elements of the set to an empty one, in order, gives the same table; also
// true when an element can be in a cycle, and must be restored by the pickler. -1: error set.
int is_as_if_added(PyObject* set, const SetLayout& layout);

// A new set or frozenset laid out as described; null, perhaps without an error, when an element
// has another hash here or the numbers do not fit.
PyObject* make_set(const SetLayout& layout, bool frozen);

// Lay out a set that exists and is empty; false as null above, the set then empty again.
bool lay_out(PyObject* set, const SetLayout& layout);

}  // namespace sauerkraut::cpython
