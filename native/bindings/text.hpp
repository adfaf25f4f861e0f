// Text from Python as UTF-8.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

namespace sauerkraut::bindings {

// Text that is not valid Unicode cannot be put into a control section; it is written escaped.
inline std::string utf8(nanobind::handle text)
{
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data != nullptr) {
    return {data, static_cast<std::size_t>(size)};
  }
  PyErr_Clear();
  const nanobind::object escaped =
      nanobind::steal(PyUnicode_AsEncodedString(text.ptr(), "utf-8", "backslashreplace"));
  if (!escaped.is_valid()) {
    throw nanobind::python_error();
  }
  return {PyBytes_AS_STRING(escaped.ptr()),
          static_cast<std::size_t>(PyBytes_GET_SIZE(escaped.ptr()))};
}

}  // namespace sauerkraut::bindings
