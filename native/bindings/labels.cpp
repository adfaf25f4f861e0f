// Labels of code objects, and whether one that was made before is still right.
#include "../capture/stack.hpp"
#include "../wire/control.hpp"
#include "bindings.hpp"
#include "text.hpp"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;

namespace sauerkraut::bindings {

namespace {

std::string raw_bytes(nb::handle object)
{
  const nb::bytes bytes = nb::cast<nb::bytes>(object);
  return {bytes.c_str(), bytes.size()};
}

// A label as sauerkraut.frames makes it: a dict with the schema's field names.
wire::CodeLabel label_of(const nb::dict& fields)
{
  wire::CodeLabel label;
  label.module = utf8(fields["module"]);
  label.qualname = utf8(fields["qualname"]);
  label.path = nb::cast<std::vector<std::uint32_t>>(fields["path"]);
  label.fingerprint = raw_bytes(fields["fingerprint"]);
  if (!fields["embedded"].is_none()) {
    label.embedded = raw_bytes(fields["embedded"]);
  }
  label.layout = raw_bytes(fields["layout"]);
  if (!fields["globals_module"].is_none()) {
    label.globals_module = utf8(fields["globals_module"]);
  }
  label.function = utf8(fields["function"]);
  label.file = utf8(fields["file"]);
  label.first_line = nb::cast<std::uint32_t>(fields["first_line"]);
  label.source = utf8(fields["source"]);
  return label;
}

// The object that a weak reference leads to, or None.
nb::object referent(const nb::object& reference)
{
  return reference();
}

// A label that was made, and what must still hold for it to be right.
struct KnownLabel {
  nb::object code;            // weak reference
  nb::object globals_module;  // whose globals the code runs with
  nb::object carry;
  bool sources;
  nb::tuple scope;   // names that lead to the function around it; empty: it is carried along
  nb::object outer;  // weak reference to that function's code; None: only a search can tell
  nb::object label;
};

PyObject* item(PyObject* dict, PyObject* key)
{
  PyObject* found = PyDict_GetItemWithError(dict, key);
  if (found == nullptr && PyErr_Occurred() != nullptr) {
    throw nb::python_error();
  }
  return found;
}

// The globals of a module that is imported, or null.
PyObject* globals_of_module(PyObject* name)
{
  PyObject* modules = PyImport_GetModuleDict();
  PyObject* module = modules != nullptr && PyDict_Check(modules) ? item(modules, name) : nullptr;
  return module != nullptr && PyModule_Check(module) ? PyModule_GetDict(module) : nullptr;
}

// Whether the names lead from `globals` through classes to a plain function that runs `code`.
bool leads_to(PyObject* globals, const nb::tuple& scope, PyObject* code)
{
  PyObject* found = nullptr;
  for (const nb::handle name : scope) {
    if (found != nullptr) {
      if (!PyType_Check(found) || !PyType_HasFeature((PyTypeObject*)found, Py_TPFLAGS_HEAPTYPE)) {
        return false;
      }
      globals = reinterpret_cast<PyTypeObject*>(found)->tp_dict;
    }
    found = item(globals, name.ptr());
    if (found == nullptr) {
      return false;
    }
  }
  return found != nullptr && Py_IS_TYPE(found, &PyFunction_Type) &&
         PyFunction_GET_CODE(found) == code;
}

bool holds(const KnownLabel& known, PyObject* code, PyObject* globals, nb::handle carry,
           bool sources)
{
  return known.sources == sources && known.carry.equal(carry) && referent(known.code).is(code) &&
         globals_of_module(known.globals_module.ptr()) == globals &&
         (known.scope.size() == 0 ||
          (!known.outer.is_none() && leads_to(globals, known.scope, referent(known.outer).ptr())));
}

// The labels of the frames as far as they are known, else None; and the places of those.
nb::tuple known_labels(const capture::Stack& stack, const nb::dict& known, nb::handle carry,
                       bool sources)
{
  nb::list labels = new_list();
  nb::list unknown = new_list();
  const capture::FrameState* before = nullptr;
  for (const capture::FrameState& frame : stack.frames) {
    PyObject* code = frame.code.get();
    if (before != nullptr && before->code.get() == code &&
        before->globals.get() == frame.globals.get()) {  // a recursion
      const nb::object same = labels[labels.size() - 1];
      if (same.is_none()) {
        unknown.append(labels.size());
      }
      labels.append(same);
      continue;
    }
    before = &frame;
    const nb::object key = nb::steal(PyLong_FromVoidPtr(code));
    if (!key.is_valid()) {
      throw nb::python_error();
    }
    PyObject* found = item(known.ptr(), key.ptr());
    const auto* entry = found != nullptr ? nb::cast<const KnownLabel*>(nb::handle(found)) : nullptr;
    const bool good = entry != nullptr && holds(*entry, code, frame.globals.get(), carry, sources);
    if (!good) {
      unknown.append(labels.size());
    }
    labels.append(good ? entry->label : nb::none());
  }
  return nb::make_tuple(labels, unknown);
}

// A code object that a name of a function led to.
struct KnownCode {
  nb::object code;  // weak reference
  nb::object module;
  nb::tuple scope;  // names that lead to the function

  // The code object, if the names still lead there; `globals` are then those of the module.
  nb::object find(PyObject*& globals) const
  {
    nb::object found = referent(code);
    globals = globals_of_module(module.ptr());
    const bool leads =
        !found.is_none() && globals != nullptr && leads_to(globals, scope, found.ptr());
    return leads ? found : nb::none();
  }
};

// For each label its code and globals, None where `known` does not lead to it, and the places of
// the labels that lack one of them.
nb::tuple known_codes(const wire::Control& control, const nb::dict& known)
{
  nb::list codes = new_list();
  nb::list namespaces = new_list();
  nb::list unknown = new_list();
  for (const wire::CodeLabel& label : control.labels) {
    nb::object code = nb::none();
    nb::object globals = nb::none();
    if (label.path.empty() && label.globals_module == label.module) {
      const std::string key = label.module + '\0' + label.qualname + '\0' + label.fingerprint;
      PyObject* found = item(known.ptr(), nb::bytes(key.data(), key.size()).ptr());
      PyObject* namespace_ = nullptr;
      code = found != nullptr ? nb::cast<const KnownCode*>(nb::handle(found))->find(namespace_)
                              : nb::none();
      if (!code.is_none()) {
        globals = nb::borrow(namespace_);
      }
    }
    if (code.is_none()) {
      unknown.append(codes.size());
    }
    codes.append(code);
    namespaces.append(globals);
  }
  return nb::make_tuple(codes, namespaces, unknown);
}

}  // namespace

void bind_labels(nb::module_& m)
{
  nb::class_<wire::CodeLabel>(m, "CodeLabel",
                              "Where a code object is found again, and what people call it.")
      .def(
          "__init__",
          [](wire::CodeLabel* self, const nb::dict& fields) {
            new (self) wire::CodeLabel(label_of(fields));
          },
          "fields"_a, nb::sig("def __init__(self, fields: dict[str, typing.Any]) -> None"))
      .def_prop_ro(
          "globals_by_value",
          [](const wire::CodeLabel& self) { return !self.globals_module.has_value(); },
          "Whether the code runs with globals of no module.");

  nb::class_<KnownLabel>(m, "KnownLabel", "A label, and what must still hold for it to be right.")
      .def(
          "__init__",
          [](KnownLabel* self, nb::object code, nb::object globals_module, nb::object carry,
             bool sources, nb::tuple scope, nb::object outer, nb::object label) {
            new (self)
                KnownLabel{std::move(code),  std::move(globals_module), std::move(carry), sources,
                           std::move(scope), std::move(outer),          std::move(label)};
          },
          "code"_a, "globals_module"_a, "carry"_a, "sources"_a, "scope"_a, "outer"_a.none(),
          "label"_a,
          nb::sig("def __init__(self, code: weakref.ref[types.CodeType], globals_module: str, "
                  "carry: str, sources: bool, scope: tuple[str, ...], "
                  "outer: weakref.ref[types.CodeType] | None, label: CodeLabel) -> None"))
      .def_prop_ro(
          "label", [](const KnownLabel& self) { return self.label; },
          nb::sig("def label(self) -> CodeLabel"))
      .def_prop_ro(
          "code", [](const KnownLabel& self) { return self.code; },
          nb::sig("def code(self) -> weakref.ref[types.CodeType]"));
  nb::class_<KnownCode>(m, "KnownCode", "A code object that a name of a function led to.")
      .def(
          "__init__",
          [](KnownCode* self, nb::object code, nb::object module, nb::tuple scope) {
            new (self) KnownCode{std::move(code), std::move(module), std::move(scope)};
          },
          "code"_a, "module"_a, "scope"_a,
          nb::sig("def __init__(self, code: weakref.ref[types.CodeType], module: str, "
                  "scope: tuple[str, ...]) -> None"))
      .def(
          "find",
          [](const KnownCode& self) {
            PyObject* globals = nullptr;
            return self.find(globals);
          },
          "The code object, if the name still leads to it; else None.",
          nb::sig("def find(self) -> types.CodeType | None"));
  m.def("known_codes", known_codes, "control"_a, "known"_a,
        "Code and globals of each reference of a control section, None where `known` (by module, "
        "name and fingerprint, with zeros between them) does not lead to them, and the numbers of "
        "those references.",
        nb::sig("def known_codes(control: Control, known: dict[bytes, KnownCode]) "
                "-> tuple[list[types.CodeType], list[object], list[int]]"));
  m.def("known_labels", known_labels, "stack"_a, "known"_a, "carry"_a, "sources"_a,
        "The label of each frame, None where `known` (by the id of the code) has none that holds, "
        "and the numbers of those frames.",
        nb::sig("def known_labels(stack: Stack, known: dict[int, KnownLabel], carry: str, "
                "sources: bool) -> tuple[list[CodeLabel], list[int]]"));
}

}  // namespace sauerkraut::bindings
