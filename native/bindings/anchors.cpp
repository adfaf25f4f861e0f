#include "bindings.hpp"

#include <nanobind/nanobind.h>

#include <memory>
#include <unordered_map>
#include <utility>

namespace nb = nanobind;

namespace sauerkraut::bindings {

namespace {

// What stands in a pickle stream by name instead of by value.
struct Anchors {
  std::unordered_map<PyObject*, nb::object> names;  // addresses; the caller keeps the objects
  nb::object of_globals;                            // asked for dicts that code runs in
  nb::object of_texts;                              // told once when a set holds a string
  nb::str builtins{"__builtins__"};
  // One layout for one set; the set is kept, for its address must stay its own.
  std::unordered_map<PyObject*, std::pair<nb::object, nb::object>> sets;
};

constexpr const char* capsule_name = "sauerkraut.anchors";

bool holds_text(PyObject* set)
{
  for (nb::handle element : nb::borrow(set)) {
    if (PyUnicode_Check(element.ptr())) {
      return true;
    }
  }
  return false;
}

PyObject* layout_of(Anchors& anchors, PyObject* set)
{
  auto known = anchors.sets.find(set);
  if (known != anchors.sets.end()) {
    return Py_NewRef(known->second.second.ptr());
  }
  try {
    if (anchors.of_texts.is_valid() && holds_text(set)) {
      std::exchange(anchors.of_texts, nb::object())();
    }
    nb::object layout = describe_set(set);
    if (!layout.is_none()) {
      anchors.sets.emplace(set, std::pair(nb::borrow(set), layout));
    }
    return layout.release().ptr();
  } catch (nb::python_error& error) {
    error.restore();
    return nullptr;
  }
}

// The pickler calls this once per object, so it is a bare C function: as a Python method it
// would double the time of a graph of small objects.
PyObject* persistent_id(PyObject* capsule, PyObject* object)
{
  auto* anchors = static_cast<Anchors*>(PyCapsule_GetPointer(capsule, capsule_name));
  if (anchors == nullptr) {
    return nullptr;
  }
  if (!anchors->names.empty()) {
    auto found = anchors->names.find(object);
    if (found != anchors->names.end()) {
      return Py_NewRef(found->second.ptr());
    }
  }
  // exec() puts __builtins__ into every dict that code runs in: module globals and others.
  if (PyDict_CheckExact(object) && PyDict_GET_SIZE(object) != 0) {
    if (PyDict_GetItemWithError(object, anchors->builtins.ptr()) != nullptr) {
      return PyObject_CallOneArg(anchors->of_globals.ptr(), object);
    }
    if (PyErr_Occurred() != nullptr) {
      return nullptr;
    }
  }
  if (PyAnySet_CheckExact(object) && PySet_GET_SIZE(object) != 0) {
    return layout_of(*anchors, object);
  }
  Py_RETURN_NONE;
}

PyMethodDef persistent_id_method = {"persistent_id", persistent_id, METH_O,
                                    "Name of an anchored object, else None."};

void free_anchors(PyObject* capsule)
{
  delete static_cast<Anchors*>(PyCapsule_GetPointer(capsule, capsule_name));
}

}  // namespace

void bind_anchors(nb::module_& m)
{
  m.def(
      "persistent_id",
      [](const nb::dict& names, nb::callable of_globals, nb::callable of_texts) {
        auto anchors = std::make_unique<Anchors>();
        for (auto [address, name] : names) {
          anchors->names.emplace(static_cast<PyObject*>(PyLong_AsVoidPtr(address.ptr())),
                                 nb::borrow(name));
        }
        if (PyErr_Occurred() != nullptr) {
          throw nb::python_error();
        }
        anchors->of_globals = std::move(of_globals);
        anchors->of_texts = std::move(of_texts);
        nb::object capsule = nb::steal(PyCapsule_New(anchors.get(), capsule_name, free_anchors));
        if (!capsule.is_valid()) {
          throw nb::python_error();
        }
        anchors.release();
        return nb::steal(PyCFunction_New(&persistent_id_method, capsule.ptr()));
      },
      nb::arg("names"), nb::arg("of_globals"), nb::arg("of_texts"),
      nb::sig("def persistent_id(names: dict[int, object], of_globals: "
              "collections.abc.Callable[[dict[str, object]], str | None], of_texts: "
              "collections.abc.Callable[[], None]) -> "
              "collections.abc.Callable[[object], object]"),
      "A persistent_id for picklers: names by address; of_globals is asked for globals dicts, "
      "of_texts called when the first set with a string is met.");
}

}  // namespace sauerkraut::bindings
