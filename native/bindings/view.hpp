// The memory of objects that export it.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <span>

namespace sauerkraut::bindings {

// A C-contiguous view of an object's bytes, held while the GIL is not.
class View {
 public:
  View(nanobind::handle object, bool writable)
  {
    const int flags = writable ? PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE : PyBUF_C_CONTIGUOUS;
    if (PyObject_GetBuffer(object.ptr(), &buffer_, flags) != 0) {
      throw nanobind::python_error();
    }
  }
  ~View() { PyBuffer_Release(&buffer_); }
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  std::span<std::byte> bytes() const
  {
    return {static_cast<std::byte*>(buffer_.buf), static_cast<std::size_t>(buffer_.len)};
  }

 private:
  Py_buffer buffer_;
};

}  // namespace sauerkraut::bindings
