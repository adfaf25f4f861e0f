#include "internal_headers.hpp"
// internal_headers.hpp comes first: it opens CPython's internals.
#include "context_tokens.hpp"

#include <internal/pycore_context.h>

namespace sauerkraut::cpython {

// A tripwire on the layout: the fields are those of 3.11 to 3.15.
static_assert(sizeof(PyContextToken) == sizeof(PyObject) + 4 * sizeof(void*));

int is_used(PyObject* token)
{
  return PyContextToken_CheckExact(token) ? reinterpret_cast<PyContextToken*>(token)->tok_used : -1;
}

bool set_old_value(PyObject* token, PyObject* value)
{
  if (!PyContextToken_CheckExact(token)) {
    return false;
  }
  Py_XSETREF(reinterpret_cast<PyContextToken*>(token)->tok_oldval, Py_XNewRef(value));
  return true;
}

}  // namespace sauerkraut::cpython
