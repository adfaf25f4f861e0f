// The entries of co_exceptiontable: which units a handler covers and where it starts.
// Format: Objects/exception_handling_notes.txt of CPython.
#pragma once

#include <Python.h>

#include <vector>

namespace sauerkraut::code {

struct Handler {
  int start;  // first unit covered
  int end;    // one past the last
  int target;
  int depth;
  bool lasti;  // pushes the unit to re-raise at below the exception
};

// Entries in order; a table that ends inside an entry yields those before it.
inline std::vector<Handler> exception_table(PyObject* table)
{
  const auto* at = reinterpret_cast<const unsigned char*>(PyBytes_AS_STRING(table));
  const unsigned char* end = at + PyBytes_GET_SIZE(table);
  auto number = [&]() {
    int value = 0;
    bool more = true;
    while (more && at < end) {
      more = (*at & 64) != 0;
      value = (value << 6) | (*at++ & 63);
    }
    return value;
  };
  std::vector<Handler> handlers;
  while (at < end) {
    const int start = number();
    const int length = number();
    const int target = number();
    const int packed = number();
    handlers.push_back({start, start + length, target, packed >> 1, (packed & 1) != 0});
  }
  return handlers;
}

}  // namespace sauerkraut::code
