#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "alive.hpp"
#include "driving.hpp"
#include "operands.hpp"
#include "partials.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <unordered_set>
#include <vector>

namespace sauerkraut::capture {

namespace {

// What `object` refers to, as the garbage collector sees it.
std::vector<Owned> referents(PyObject* object)
{
  std::vector<Owned> found;
  traverseproc traverse = Py_TYPE(object)->tp_traverse;
  if (traverse != nullptr && PyObject_IS_GC(object) != 0) {
    traverse(
        object,
        [](PyObject* referent, void* all) {
          static_cast<std::vector<Owned>*>(all)->push_back(Owned::share(referent));
          return 0;
        },
        &found);
  }
  return found;
}

// Whether `inner` runs a function of the class of its first argument: one of those that C code
// looks up by itself, or any.
bool is_method(const Frame& inner, bool special)
{
  PyObject* self = argument(inner, 0);
  PyObject* order = self != nullptr ? Py_TYPE(self)->tp_mro : nullptr;
  for (Py_ssize_t i = 0; order != nullptr && i < PyTuple_GET_SIZE(order); ++i) {
    auto* type = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(order, i));
    const Owned table =
        Owned::take(PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__dict__"));
    const Owned items = Owned::take(table ? PyMapping_Items(table.get()) : nullptr);
    PyErr_Clear();
    for (Py_ssize_t at = 0; items && at < PyList_GET_SIZE(items.get()); ++at) {
      PyObject* item = PyList_GET_ITEM(items.get(), at);
      const char* name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(item, 0));
      PyErr_Clear();
      if (runs(PyTuple_GET_ITEM(item, 1), inner) &&
          (!special || (name != nullptr && std::strncmp(name, "__", 2) == 0))) {
        return true;
      }
    }
  }
  return false;
}

bool is_c_function(PyObject* callable)
{
  return PyCFunction_Check(callable) || Py_IS_TYPE(callable, &PyMethodDescr_Type) ||
         Py_IS_TYPE(callable, &PyWrapperDescr_Type) || PyType_Check(callable);
}

// Whether a C callable calls methods of what it is given by fixed names only, but for callables.
bool looks_up_special_methods_only(PyObject* callable)
{
  const char* type = Py_TYPE(callable)->tp_name;
  return is_c_function(callable) || std::strncmp(type, "functools.", 10) == 0 ||
         std::strcmp(type, "operator.itemgetter") == 0;
}

// Looks for a way from iterators to a function, at each object once.
class Search {
 public:
  explicit Search(const Frame& inner) : inner_(inner) {}

  // Whether a step of `iterator` may call the function without a Python frame between them.
  bool drives(PyObject* iterator);

 private:
  bool calls(PyObject* callable);
  bool calls_what_it_holds(PyObject* callable);
  bool may_use(PyObject* part) { return calls(part) || (PyIter_Check(part) != 0 && drives(part)); }

  const Frame& inner_;
  std::unordered_set<PyObject*> called_;  // what has been looked at
  std::unordered_set<PyObject*> driven_;
};

// Whether an argument that a C callable keeps is called by it.
bool Search::calls_what_it_holds(PyObject* holder)
{
  const auto held = referents(holder);
  return std::any_of(held.begin(), held.end(), [&](const Owned& each) {
    if (PyTuple_CheckExact(each.get()) || PyDict_CheckExact(each.get())) {
      return called_.insert(each.get()).second && calls_what_it_holds(each.get());
    }
    return calls(each.get());
  });
}

// Whether calling `callable` may; false also for what cannot be called.
bool Search::calls(PyObject* callable)
{
  if (PyFunction_Check(callable)) {
    return runs(callable, inner_);
  }
  if (PyCallable_Check(callable) == 0 || !called_.insert(callable).second) {
    return false;
  }
  if (PyMethod_Check(callable)) {
    return calls(PyMethod_GET_FUNCTION(callable));
  }
  if (PyObject* found = on_type(Py_TYPE(callable), "__call__");
      found != nullptr && PyFunction_Check(found)) {
    return runs(found, inner_);  // of a metaclass, for a class
  }
  if (const Owned function = function_of_partial(callable)) {
    return calls(function.get()) ||
           (!PyFunction_Check(function.get()) && calls_what_it_holds(callable));
  }
  PyObject* self = argument(inner_, 0);
  if (is_special_method(inner_, self, "__init__") || is_special_method(inner_, self, "__call__")) {
    if (PyType_Check(callable)) {
      auto* type = reinterpret_cast<PyTypeObject*>(callable);
      return Py_IS_TYPE(self, type) ||  // only a __new__ in Python makes objects of derived ones
             (PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) && PyObject_TypeCheck(self, type));
    }
    if (PyCFunction_Check(callable)) {  // of those that calls what it is given: operator.call
      const char* name = reinterpret_cast<PyCFunctionObject*>(callable)->m_ml->ml_name;
      return std::strcmp(name, "call") == 0;
    }
  }
  return is_method(inner_, looks_up_special_methods_only(callable)) ||
         (!is_c_function(callable) && calls_what_it_holds(callable));
}

bool Search::drives(PyObject* iterator)
{
  PyTypeObject* type = Py_TYPE(iterator);
  if (PyGen_CheckExact(iterator) || type == &PyTupleIter_Type || type == &PyListIter_Type) {
    return false;  // a frame of its own, or nothing that is called
  }
  if (PyWeakref_CheckProxy(iterator)) {  // an iterator by its type, whatever it stands for
    PyObject* referent = reinterpret_cast<PyWeakReference*>(iterator)->wr_object;
    return PyIter_Check(referent) != 0 && drives(referent);
  }
  if (PyObject* found = on_type(type, "__next__"); found != nullptr && PyFunction_Check(found)) {
    return runs(found, inner_);
  }
  if (!driven_.insert(iterator).second) {
    return false;
  }
  for (const Owned& part : referents(iterator)) {
    if (type == &PySeqIter_Type && runs(on_type(Py_TYPE(part.get()), "__getitem__"), inner_)) {
      return true;
    }
    if (PyTuple_CheckExact(part.get())) {
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(part.get()); ++i) {
        PyObject* item = PyTuple_GET_ITEM(part.get(), i);
        if (item != nullptr && may_use(item)) {
          return true;
        }
      }
    } else if (part.get() != reinterpret_cast<PyObject*>(type) && may_use(part.get())) {
      return true;
    }
  }
  return false;
}

// Whether going over an object of this type runs no Python code.
bool runs_in_c(PyTypeObject* type)
{
  static PyTypeObject* const plain[] = {&PyTuple_Type,     &PyList_Type,  &PyDict_Type,
                                        &PySet_Type,       &PyRange_Type, &PyUnicode_Type,
                                        &PyFrozenSet_Type, &PyBytes_Type, &PyGen_Type};
  return std::find(std::begin(plain), std::end(plain), type) != std::end(plain);
}

}  // namespace

bool may_drive(PyObject* iterator, const Frame& inner)
{
  return Search(inner).drives(iterator);
}

namespace {

bool finds_a_driver(const Frame& inner)
{
  const Owned all = all_objects();
  Search search(inner);
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(all.get()); ++i) {
    PyObject* object = PyList_GET_ITEM(all.get(), i);
    if (PyIter_Check(object) != 0 && search.drives(object)) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool is_driven_by_any(const Frame& inner)
{
  if (!finds_a_driver(inner)) {
    return false;
  }
  PyGC_Collect();  // it may be garbage: an iterator of frames that an error has left
  return finds_a_driver(inner);
}

bool may_be_unpacking(const Frame& outer, const code::CallSite& site, const Frame& inner)
{
  constexpr int place = 2;  // above the callable and its NULL
  if (site.waits != cpython::Waits::call_ex) {
    return false;
  }
  const auto kinds = code::CodeMap::of(Layout::code(outer)).stack(site.start);
  const auto at = static_cast<std::size_t>(site.kept) + place;
  if (at < kinds.size() && (kinds[at] == code::Kind::tuple || under_construction(kinds[at]))) {
    return false;  // made for this call, of what was gone over before
  }
  PyObject* given = operand(outer, site.kept + place);
  if (Layout::keeps_unpacked) {
    return given == nullptr || !PyTuple_CheckExact(given);
  }
  // Once it has been gone over it may no longer be there: then its slot is not to be looked into.
  PyObject* self = argument(inner, 0);
  for (const char* method : {"__iter__", "__len__", "__length_hint__"}) {
    if (given == self && is_special_method(inner, self, method)) {
      return true;
    }
  }
  if (given == named_operand(outer, site, place) && given != nullptr && runs_in_c(Py_TYPE(given))) {
    return false;
  }
  const Owned all = all_objects();
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(all.get()); ++i) {
    PyObject* object = PyList_GET_ITEM(all.get(), i);
    if (object == given) {
      return !runs_in_c(Py_TYPE(object)) &&
             (cpython::is_generator(inner) || is_driven_by_any(inner));
    }
  }
  return false;
}

}  // namespace sauerkraut::capture
