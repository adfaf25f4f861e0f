// Python code that runs while an attribute is read, set or deleted: properties, descriptors,
// __getattr__ and its kin.
#pragma once

#include "boundary.hpp"

namespace sauerkraut::capture {

// Whether reading `name` of `owner` runs `inner` and what it returns is the attribute; sets
// what an AttributeError still leads to.
bool reads_attribute(PyObject* owner, PyObject* name, const cpython::Frame& inner,
                     Pending& pending);

// The same for object.__getattribute__, which tries no __getattr__.
bool reads_plainly(PyObject* owner, PyObject* name, const cpython::Frame& inner);

// The same for super(): what `object` inherits from the classes behind `type`.
bool reads_inherited(PyObject* type, PyObject* object, PyObject* name, const cpython::Frame& inner);
bool reads_super(PyObject* super, PyObject* name, const cpython::Frame& inner);

// Whether setting or deleting `name` of `owner` runs `inner`, whose value is dropped; "plainly":
// as object.__setattr__ and object.__delattr__ do it.
bool sets_attribute(PyObject* owner, PyObject* name, const cpython::Frame& inner);
bool sets_plainly(PyObject* owner, PyObject* name, const cpython::Frame& inner);
bool deletes_attribute(PyObject* owner, PyObject* name, const cpython::Frame& inner);
bool deletes_plainly(PyObject* owner, PyObject* name, const cpython::Frame& inner);

}  // namespace sauerkraut::capture
