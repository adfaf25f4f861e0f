// Owned: one strong reference to a Python object, or null.
#pragma once

#include <Python.h>

#include <utility>

namespace sauerkraut::cpython {

class Owned {
 public:
  Owned() noexcept = default;
  Owned(const Owned& other) noexcept : object_(other.object_) { Py_XINCREF(object_); }
  Owned(Owned&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Owned& operator=(Owned other) noexcept
  {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Owned() { Py_XDECREF(object_); }

  // Takes over the reference that the caller holds (a "new reference").
  static Owned take(PyObject* object) noexcept
  {
    Owned owned;
    owned.object_ = object;
    return owned;
  }

  // Adds a reference to one that somebody else keeps (a "borrowed reference").
  static Owned share(PyObject* object) noexcept
  {
    Py_XINCREF(object);
    return take(object);
  }

  PyObject* get() const noexcept { return object_; }
  PyObject* release() noexcept { return std::exchange(object_, nullptr); }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

}  // namespace sauerkraut::cpython
