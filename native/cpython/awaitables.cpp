#include "awaitables.hpp"

#include <string_view>

namespace sauerkraut::cpython {

namespace {

struct Asend {
  PyObject_HEAD PyObject *generator, *sent;
  int stage;
};
// Until 3.14 the exception lies in one tuple, later in three fields.
struct Athrow {
#if PY_VERSION_HEX >= 0x030F0000
  PyObject_HEAD PyObject *generator, *type, *traceback, *value;
#else
  PyObject_HEAD PyObject *generator, *thrown;
#endif
  int stage;
};

// CPython does not export the types; no class made in Python is static.
bool is_static(PyObject* object, std::string_view name)
{
  const PyTypeObject* type = Py_TYPE(object);
  return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 && name == type->tp_name;
}

struct Referents {
  PyObject* first = nullptr;
  int count = 0;
};

int note(PyObject* object, void* referents)
{
  auto* found = static_cast<Referents*>(referents);
  found->first = found->count++ == 0 ? object : found->first;
  return 0;
}

Referents referents_of(PyObject* object)
{
  Referents found;
  Py_TYPE(object)->tp_traverse(object, note, &found);
  return found;
}

// The stage of an awaitable; null where its struct has another size than ours.
int* stage_of(PyObject* awaitable)
{
  const auto size = static_cast<std::size_t>(Py_TYPE(awaitable)->tp_basicsize);
  switch (awaitable_kind(awaitable)) {
    case Awaitable::asend:
      return size == sizeof(Asend) ? &reinterpret_cast<Asend*>(awaitable)->stage : nullptr;
    case Awaitable::athrow:
      return size == sizeof(Athrow) ? &reinterpret_cast<Athrow*>(awaitable)->stage : nullptr;
    default:
      return nullptr;
  }
}

}  // namespace

Awaitable awaitable_kind(PyObject* object)
{
  return is_static(object, "async_generator_asend")    ? Awaitable::asend
         : is_static(object, "async_generator_athrow") ? Awaitable::athrow
         : is_static(object, "coroutine_wrapper")      ? Awaitable::of_coroutine
                                                       : Awaitable::none;
}

PyObject* stepped_into(PyObject* object)
{
  return awaitable_kind(object) != Awaitable::none ? referents_of(object).first : nullptr;
}

bool is_close(PyObject* athrow)
{
  return referents_of(athrow).count == 1;
}

int awaitable_stage(PyObject* awaitable)
{
  const int* stage = stage_of(awaitable);
  return stage != nullptr && *stage >= 0 && *stage <= static_cast<int>(AwaitableStage::ended)
             ? *stage
             : -1;
}

void set_awaitable_stage(PyObject* awaitable, AwaitableStage stage)
{
  if (int* now = stage_of(awaitable)) {
    *now = static_cast<int>(stage);
  }
}

Owned yielded_value(PyObject* result)
{
  return is_static(result, "async_generator_wrapped_value")
             ? Owned::share(referents_of(result).first)
             : Owned();
}

}  // namespace sauerkraut::cpython
