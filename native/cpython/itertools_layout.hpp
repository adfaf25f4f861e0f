// What the iterators of itertools keep, field by field: their structs stand in no header.
//
// A layout is used only where the size of the type agrees with it.
#pragma once

#include "refs.hpp"

#include <Python.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace sauerkraut::cpython {

// Later versions have more fields behind some of these.
struct Accumulate {
  PyObject_HEAD PyObject *total, *it, *function, *initial;
};
struct Batched {
  PyObject_HEAD PyObject* it;
  Py_ssize_t size;
#if PY_VERSION_HEX >= 0x030D0000
  bool strict;
#endif
};
struct Chain {
  PyObject_HEAD PyObject *source, *active;
};
struct Combinations {
  PyObject_HEAD PyObject* pool;
  Py_ssize_t* indices;
  PyObject* result;
  Py_ssize_t r;
  int stopped;
};
struct Compress {
  PyObject_HEAD PyObject *data, *selectors;
};
struct Count {
  PyObject_HEAD Py_ssize_t small;
  PyObject *large, *step;
};
struct Cycle {
  PyObject_HEAD PyObject *it, *saved;
  Py_ssize_t index;
#if PY_VERSION_HEX < 0x030E0000
  int first_pass;
#endif
};
struct While {
  PyObject_HEAD PyObject *function, *it;
  long flag;
};
struct Applied {
  PyObject_HEAD PyObject *function, *it;
};
struct GroupBy {
  PyObject_HEAD PyObject *it, *function, *target, *key, *value;
  const void* group;
};
struct Group {
  PyObject_HEAD PyObject *parent, *target;
};
struct Slice {
  PyObject_HEAD PyObject* it;
  Py_ssize_t next, stop, step, done;
};
struct Pairwise {
  PyObject_HEAD PyObject *it, *last;
};
struct Permutations {
  PyObject_HEAD PyObject* pool;
  Py_ssize_t *indices, *cycles;
  PyObject* result;
  Py_ssize_t r;
  int stopped;
};
struct Product {
  PyObject_HEAD PyObject* pools;
  Py_ssize_t* indices;
  PyObject* result;
  int stopped;
};
struct Repeat {
  PyObject_HEAD PyObject* element;
  Py_ssize_t left;
};
struct Tee {
  PyObject_HEAD PyObject* data;
  int index;
  PyObject* weak;
};
struct TeeData {
  PyObject_HEAD PyObject* it;
  int read, running;
  PyObject *next, *values[57];
};
struct ZipLongest {
  PyObject_HEAD Py_ssize_t size, active;
  PyObject *its, *result, *fill;
};

constexpr Py_ssize_t tee_cells = 57;

enum class Kind {
  object,
  maybe_object,
  iterator,
  maybe_iterator,
  tuple,
  maybe_tuple,
  list,
  number,     // Py_ssize_t
  whole,      // int
  flag,       // long
  truth,      // bool
  array,      // of Py_ssize_t, owned
  cells,      // of a tee
  iterators,  // a tuple with nulls
};

struct Field {
  Kind kind;
  std::size_t offset;
  Py_ssize_t (*length)(PyObject* iterator) = nullptr;  // of an array
};

struct FreeMemory {
  void operator()(Py_ssize_t* memory) const noexcept { PyMem_Free(memory); }
};

struct Value {
  Owned object;
  Py_ssize_t number = 0;
  std::vector<Py_ssize_t> array;
  std::vector<Owned> objects;
  std::unique_ptr<Py_ssize_t, FreeMemory> room;  // of PyMem, what an array is written to
};

using Values = std::vector<Value>;

struct Layout {
  std::size_t size;
  std::vector<Field> fields;
  bool (*fits)(const Values& values) = nullptr;
};

template <typename T>
T& at(PyObject* object, std::size_t offset)
{
  return *reinterpret_cast<T*>(reinterpret_cast<char*>(object) + offset);
}

template <typename T>
const T* as(PyObject* object)
{
  return reinterpret_cast<const T*>(object);
}

// A type of itertools that is kept for good; null where it has none of that name.
PyTypeObject* itertools_type(const char* name);

// The layout of exactly this type; null: it has none, or another size here.
const Layout* layout_of(PyTypeObject* type);

}  // namespace sauerkraut::cpython
