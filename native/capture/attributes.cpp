#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "attributes.hpp"
#include "operands.hpp"

namespace sauerkraut::capture {

namespace {

// Whether `type` finds the special method `name` where `ancestor` does.
bool inherits(PyTypeObject* type, PyTypeObject& ancestor, const char* name)
{
  PyObject* found = on_type(type, name);
  return found != nullptr && is_same_method(found, on_type(&ancestor, name));
}

// Whether `found`, the value of a class attribute, is a property whose `part` is `inner`,
// running on `owner`.
bool is_property(PyObject* found, const char* part, PyObject* owner, const Frame& inner)
{
  if (found == nullptr || Py_TYPE(found) != &PyProperty_Type || owner != argument(inner, 0)) {
    return false;
  }
  const Owned function = Owned::take(PyObject_GetAttrString(found, part));
  PyErr_Clear();
  return runs(function.get(), inner);
}

// Whether `found` is a descriptor whose `method` is `inner`, running for `owner`.
bool is_descriptor(PyObject* found, const char* method, PyObject* owner, const Frame& inner)
{
  return owner == argument(inner, 1) && is_special_method(inner, found, method);
}

// The value of a class attribute without binding it; null when the class has none.
Owned in_class(PyObject* type, PyObject* name)
{
  const Owned text = Owned::take(PyUnicode_InternFromString("__dict__"));
  const Owned table = Owned::take(text ? PyType_Type.tp_getattro(type, text.get()) : nullptr);
  Owned found = Owned::take(table ? PyObject_GetItem(table.get(), name) : nullptr);
  PyErr_Clear();
  return found;
}

bool is_module_getattr(PyObject* owner, PyObject* name, const Frame& inner)
{
  if (!PyModule_Check(owner) || name != argument(inner, 0)) {
    return false;
  }
  PyObject* found = PyDict_GetItemString(PyModule_GetDict(owner), "__getattr__");
  return runs(found, inner);
}

// Whether `inner` is the __getattr__ that the class of `owner` asks for `name` at the end, and not
// one that a getter in C asks for another name on the way.
bool is_last_resort(PyObject* owner, PyObject* name, const Frame& inner)
{
  if (!is_special_method(inner, owner, "__getattr__")) {
    return false;
  }
  PyObject* getter = on_type(Py_TYPE(owner), name);
  PyObject* asked = argument(inner, 1);
  const bool is_name = asked != nullptr && PyUnicode_Check(asked) && PyUnicode_Check(name) &&
                       PyUnicode_Compare(asked, name) == 0;
  return is_name || getter == nullptr || Py_TYPE(getter) == &PyMemberDescr_Type;
}

}  // namespace

bool reads_plainly(PyObject* owner, PyObject* name, const Frame& inner)
{
  if (owner == nullptr || name == nullptr) {
    return false;
  }
  PyObject* found = on_type(Py_TYPE(owner), name);
  return is_property(found, "fget", owner, inner) || is_descriptor(found, "__get__", owner, inner);
}

bool reads_attribute(PyObject* owner, PyObject* name, const Frame& inner, Pending& pending)
{
  if (owner == nullptr || name == nullptr) {
    return false;
  }
  PyTypeObject* type = Py_TYPE(owner);
  bool found = is_special_method(inner, owner, "__getattribute__");
  if (is_last_resort(owner, name, inner)) {
    return !found;  // one function for both: nothing tells which of the two calls this is
  }
  if (is_module_getattr(owner, name, inner)) {
    return true;
  }
  const bool is_class = inherits(type, PyType_Type, "__getattribute__");
  if (!found && (is_class || inherits(type, PyBaseObject_Type, "__getattribute__"))) {
    found = reads_plainly(owner, name, inner);
    if (!found && is_class) {
      PyObject* attribute = on_type(reinterpret_cast<PyTypeObject*>(owner), name);
      found = is_descriptor(attribute, "__get__", Py_None, inner);
    }
  }
  if (found && on_type(type, "__getattr__") != nullptr) {
    pending.continuation = Continuation::attribute;
    pending.object = Owned::take(PyTuple_Pack(2, owner, name));
  }
  return found;
}

bool reads_inherited(PyObject* type, PyObject* object, PyObject* name, const Frame& inner)
{
  if (type == nullptr || object == nullptr) {
    return false;
  }
  const bool of_class = PyType_Check(object) && PyType_Check(type) &&
                        PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(object),
                                         reinterpret_cast<PyTypeObject*>(type));
  PyTypeObject* start = of_class ? reinterpret_cast<PyTypeObject*>(object) : Py_TYPE(object);
  PyObject* order = start->tp_mro;
  const Py_ssize_t count = order != nullptr ? PyTuple_GET_SIZE(order) : 0;
  Py_ssize_t place = 0;
  while (place < count && PyTuple_GET_ITEM(order, place) != type) {
    ++place;
  }
  for (++place; place < count; ++place) {
    if (const Owned found = in_class(PyTuple_GET_ITEM(order, place), name)) {
      return is_property(found.get(), "fget", object, inner) ||
             is_descriptor(found.get(), "__get__", of_class ? Py_None : object, inner);
    }
  }
  return false;
}

bool reads_super(PyObject* super, PyObject* name, const Frame& inner)
{
  auto member = [&](const char* which) {
    const Owned text = Owned::take(PyUnicode_InternFromString(which));
    Owned found = Owned::take(text ? PyObject_GenericGetAttr(super, text.get()) : nullptr);
    PyErr_Clear();
    return found;
  };
  const Owned type = member("__thisclass__");
  const Owned object = member("__self__");
  return reads_inherited(type.get(), object.get(), name, inner);
}

bool sets_plainly(PyObject* owner, PyObject* name, const Frame& inner)
{
  if (owner == nullptr || name == nullptr) {
    return false;
  }
  PyObject* found = on_type(Py_TYPE(owner), name);
  return is_property(found, "fset", owner, inner) || is_descriptor(found, "__set__", owner, inner);
}

bool sets_attribute(PyObject* owner, PyObject* name, const Frame& inner)
{
  return is_special_method(inner, owner, "__setattr__") ||
         (owner != nullptr && inherits(Py_TYPE(owner), PyBaseObject_Type, "__setattr__") &&
          sets_plainly(owner, name, inner));
}

bool deletes_plainly(PyObject* owner, PyObject* name, const Frame& inner)
{
  if (owner == nullptr || name == nullptr) {
    return false;
  }
  PyObject* found = on_type(Py_TYPE(owner), name);
  return is_property(found, "fdel", owner, inner) ||
         is_descriptor(found, "__delete__", owner, inner);
}

bool deletes_attribute(PyObject* owner, PyObject* name, const Frame& inner)
{
  return is_special_method(inner, owner, "__delattr__") ||
         (owner != nullptr && inherits(Py_TYPE(owner), PyBaseObject_Type, "__delattr__") &&
          deletes_plainly(owner, name, inner));
}

}  // namespace sauerkraut::capture
