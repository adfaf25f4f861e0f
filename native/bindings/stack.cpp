#include "../capture/stack.hpp"

#include "../capture/capture.hpp"
#include "../code/code_map.hpp"
#include "../errors.hpp"
#include "../resume/check.hpp"
#include "../resume/drive.hpp"
#include "../wire/control.hpp"
#include "bindings.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;

namespace sauerkraut::bindings {

namespace {

using capture::FrameState;
using capture::Owned;
using capture::Slot;
using capture::Stack;

nb::object to_python(const Owned& object)
{
  return nb::borrow(object ? object.get() : Py_None);
}

const FrameState& frame_at(const Stack& stack, std::size_t index)
{
  if (index >= stack.frames.size()) {
    throw nb::index_error("no such frame");
  }
  return stack.frames[index];
}

nb::object slot_name(const FrameState& frame, int slot)
{
  auto* code = reinterpret_cast<PyCodeObject*>(frame.code.get());
  return nb::borrow(PyTuple_GET_ITEM(code->co_localsplusnames, slot));
}

nb::list bound_variables(const Stack& stack, std::size_t index)
{
  const FrameState& frame = frame_at(stack, index);
  nb::list rows;
  for (int slot = 0; slot < frame.local_count; ++slot) {
    const Slot& value = frame.slots[static_cast<std::size_t>(slot)];
    if (value.kind == Slot::Kind::object) {
      rows.append(nb::make_tuple(slot, slot_name(frame, slot), to_python(value.object)));
    }
  }
  return rows;
}

nb::list unbound_variables(const Stack& stack, std::size_t index)
{
  const FrameState& frame = frame_at(stack, index);
  nb::list names;
  for (int slot = 0; slot < frame.local_count; ++slot) {
    if (frame.slots[static_cast<std::size_t>(slot)].kind == Slot::Kind::null) {
      names.append(slot_name(frame, slot));
    }
  }
  return names;
}

nb::list stack_objects(const Stack& stack, const std::vector<bool>& globals_by_value)
{
  if (globals_by_value.size() != stack.frames.size()) {
    throw nb::value_error("one flag per frame");
  }
  nb::list objects;
  const wire::ObjectList collected = wire::collect(stack, globals_by_value);
  for (const Owned& object : collected.objects()) {
    objects.append(to_python(object));
  }
  return objects;
}

std::vector<Owned> owned(const nb::list& list)
{
  std::vector<Owned> all;
  all.reserve(list.size());
  for (const nb::handle item : list) {
    all.push_back(Owned::share(item.ptr()));
  }
  return all;
}

nb::bytes to_bytes(const std::string& raw)
{
  return nb::bytes(raw.data(), raw.size());
}

// Text that is not valid Unicode cannot be put into a control section; it is written escaped.
std::string utf8(nb::handle text)
{
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data != nullptr) {
    return {data, static_cast<std::size_t>(size)};
  }
  PyErr_Clear();
  const nb::object escaped =
      nb::steal(PyUnicode_AsEncodedString(text.ptr(), "utf-8", "backslashreplace"));
  if (!escaped.is_valid()) {
    throw nb::python_error();
  }
  return {PyBytes_AS_STRING(escaped.ptr()),
          static_cast<std::size_t>(PyBytes_GET_SIZE(escaped.ptr()))};
}

std::string raw_bytes(nb::handle object)
{
  const nb::bytes bytes = nb::cast<nb::bytes>(object);
  return {bytes.c_str(), bytes.size()};
}

std::vector<std::string> texts(nb::handle list)
{
  std::vector<std::string> all;
  for (const nb::handle item : nb::cast<nb::list>(list)) {
    all.push_back(utf8(item));
  }
  return all;
}

// A label as sauerkraut.frames makes it: a dict with the schema's field names.
wire::FrameLabel label_of(const nb::dict& fields)
{
  wire::FrameLabel label;
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
  label.line = nb::cast<std::uint32_t>(fields["line"]);
  label.first_line = nb::cast<std::uint32_t>(fields["first_line"]);
  label.source = utf8(fields["source"]);
  for (const nb::handle row : nb::cast<nb::list>(fields["variables"])) {
    const nb::tuple parts = nb::cast<nb::tuple>(row);
    label.variables.push_back({utf8(parts[0]), nb::cast<std::uint32_t>(parts[1]), utf8(parts[2]),
                               nb::cast<std::uint64_t>(parts[3])});
  }
  label.excluded = texts(fields["excluded"]);
  label.unbound = texts(fields["unbound"]);
  return label;
}

nb::bytes encode_stack(const Stack& stack, const std::string& implementation,
                       const std::string& version, std::uint32_t magic, const nb::list& labels)
{
  std::vector<wire::FrameLabel> all;
  for (const nb::handle label : labels) {
    all.push_back(label_of(nb::cast<nb::dict>(label)));
  }
  if (all.size() != stack.frames.size()) {
    throw nb::value_error("one label per frame");
  }
  return to_bytes(wire::encode(stack, {implementation, version, magic}, all));
}

nb::dict frame_fields(const wire::FrameControl& frame)
{
  const wire::FrameLabel& label = frame.label;
  nb::list variables;
  for (const wire::Variable& row : label.variables) {
    variables.append(nb::make_tuple(row.name, row.slot, row.type, row.bytes));
  }
  nb::dict fields;
  fields["module"] = label.module;
  fields["qualname"] = label.qualname;
  fields["path"] = nb::tuple(nb::cast(label.path));
  fields["fingerprint"] = to_bytes(label.fingerprint);
  fields["embedded"] = label.embedded ? nb::object(to_bytes(*label.embedded)) : nb::none();
  fields["layout"] = to_bytes(label.layout);
  fields["globals_module"] = label.globals_module;
  fields["function"] = label.function;
  fields["file"] = label.file;
  fields["line"] = label.line;
  fields["first_line"] = label.first_line;
  fields["source"] = label.source;
  fields["variables"] = variables;
  fields["excluded"] = label.excluded;
  fields["unbound"] = label.unbound;
  fields["slots"] = frame.slots;
  fields["local_count"] = frame.local_count;
  return fields;
}

void bind_control(nb::module_& m)
{
  nb::class_<wire::Control>(m, "Control", "A control section, verified in structure.")
      .def_prop_ro(
          "interpreter",
          [](const wire::Control& self) {
            return nb::make_tuple(self.interpreter.implementation, self.interpreter.version,
                                  self.interpreter.magic);
          },
          nb::sig("def interpreter(self) -> tuple[str, str, int]"))
      .def_ro("objects", &wire::Control::objects, "Length of the object list.")
      .def_prop_ro(
          "frames",
          [](const wire::Control& self) {
            nb::list all;
            for (const wire::FrameControl& frame : self.frames) {
              all.append(frame_fields(frame));
            }
            return all;
          },
          nb::sig("def frames(self) -> list[dict[str, typing.Any]]"))
      .def(
          "bind",
          [](const wire::Control& self, const nb::list& codes, const nb::list& globals,
             const nb::list& objects) {
            return wire::bind(self, owned(codes), owned(globals), owned(objects));
          },
          "codes"_a, "globals"_a, "objects"_a,
          nb::sig("def bind(self, codes: list[types.CodeType], globals: list[object], "
                  "objects: list[object]) -> Stack"));

  m.def(
      "decode", [](nb::bytes control) { return wire::decode({control.c_str(), control.size()}); },
      "control"_a);
}

}  // namespace

// Thin on purpose: defaults, examples and user-level docstrings live in sauerkraut/frames/.
void bind_stack(nb::module_& m)
{
  nb::class_<Stack>(m, "Stack", "A captured call stack, outermost frame first.")
      .def("__len__", [](const Stack& self) { return self.frames.size(); })
      .def(
          "code",
          [](const Stack& self, std::size_t i) { return to_python(frame_at(self, i).code); },
          "frame"_a, nb::sig("def code(self, frame: int) -> types.CodeType"))
      .def(
          "globals",
          [](const Stack& self, std::size_t i) { return to_python(frame_at(self, i).globals); },
          "frame"_a, nb::sig("def globals(self, frame: int) -> dict[str, typing.Any]"))
      .def(
          "namespace",
          [](const Stack& self, std::size_t i) { return to_python(frame_at(self, i).locals); },
          "frame"_a, nb::sig("def namespace(self, frame: int) -> typing.Any"))
      .def(
          "line", [](const Stack& self, std::size_t i) { return frame_at(self, i).line; },
          "frame"_a)
      .def(
          "unit", [](const Stack& self, std::size_t i) { return frame_at(self, i).unit; },
          "frame"_a, "Code unit of the pending call.")
      .def(
          "depth",
          [](const Stack& self, std::size_t i) {
            const FrameState& frame = frame_at(self, i);
            return frame.slots.size() - static_cast<std::size_t>(frame.local_count);
          },
          "frame"_a, "Values on the stack below the pending call.")
      .def("bound", bound_variables, "frame"_a,
           nb::sig("def bound(self, frame: int) -> list[tuple[int, str, typing.Any]]"))
      .def("unbound", unbound_variables, "frame"_a,
           nb::sig("def unbound(self, frame: int) -> list[str]"))
      .def(
          "set_slot",
          [](Stack& self, std::size_t i, std::size_t slot, nb::handle value) {
            if (i >= self.frames.size() || slot >= self.frames[i].slots.size()) {
              throw nb::index_error("no such slot");
            }
            self.frames[i].slots[slot] = Slot::of(value.ptr());
          },
          "frame"_a, "slot"_a, "value"_a.none())
      .def("objects", stack_objects, "globals_by_value"_a,
           nb::sig("def objects(self, globals_by_value: list[bool]) -> list[object]"))
      .def("encode", encode_stack, "implementation"_a, "version"_a, "magic"_a, "labels"_a,
           nb::sig("def encode(self, implementation: str, version: str, magic: int, "
                   "labels: list[dict[str, typing.Any]]) -> bytes"))
      .def("check", [](const Stack& self) { resume::check(self); })
      .def(
          "run",
          [](const Stack& self, nb::handle value, nb::handle thrown) {
            resume::check(self);
            PyObject* raised = thrown.is_none() ? nullptr : thrown.ptr();
            if (raised != nullptr && !PyExceptionInstance_Check(raised)) {
              throw nb::type_error("throw must be an exception");
            }
            Stack stack = self;  // a frame may drop the last reference to its own snapshot
            resume::make_private(stack);
            PyObject* result = resume::drive(stack, value.ptr(), raised);
            if (result == nullptr) {
              throw nb::python_error();
            }
            return nb::steal(result);
          },
          "value"_a.none(), "thrown"_a.none(),
          nb::sig("def run(self, value: object, thrown: BaseException | None) -> typing.Any"));

  m.def(
      "capture",
      [](nb::handle innermost, nb::handle base, const nb::tuple& markers) {
        if (!PyFrame_Check(innermost.ptr())) {
          throw nb::type_error("innermost must be a frame object");
        }
        return capture::capture_stack(innermost.ptr(), base.is_none() ? nullptr : base.ptr(),
                                      markers.ptr());
      },
      "innermost"_a, "base"_a.none(), "markers"_a,
      nb::sig("def capture(innermost: types.FrameType, "
              "base: types.FrameType | types.CodeType | None, markers: tuple[types.CodeType, ...]) "
              "-> Stack"));
  m.def(
      "probe",
      [](nb::handle frame) {
        if (!PyFrame_Check(frame.ptr())) {
          throw nb::type_error("probe needs a frame object");
        }
        const auto [code, unit] = capture::probe(frame.ptr());
        return nb::make_tuple(nb::borrow(code), unit);
      },
      "frame"_a, "Code and instruction unit of a frame, read from its internal structure.",
      nb::sig("def probe(frame: types.FrameType) -> tuple[types.CodeType, int]"));
  m.def(
      "call_sites",
      [](nb::handle code) {
        if (!PyCode_Check(code.ptr())) {
          throw nb::type_error("call_sites needs a code object");
        }
        nb::list sites;
        for (const code::CallSite& site :
             code::CodeMap::of(reinterpret_cast<PyCodeObject*>(code.ptr())).call_sites()) {
          sites.append(nb::make_tuple(site.start, site.depth, site.kept));
        }
        return sites;
      },
      "code"_a, "(unit, depth, kept) of each place where a frame of this code may wait.",
      nb::sig("def call_sites(code: types.CodeType) -> list[tuple[int, int, int]]"));
  m.def("opcode_names", cpython::opcode_names, "Opcodes that the analysis knows.");
  bind_control(m);
}

}  // namespace sauerkraut::bindings
