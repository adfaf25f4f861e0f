// The control section in Python: labels of code, encoding, and what decoding gives.
#include "../wire/control.hpp"

#include "../capture/generators.hpp"
#include "../capture/stack.hpp"
#include "../resume/shells.hpp"
#include "bindings.hpp"
#include "labels.hpp"
#include "text.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string_view>

namespace nb = nanobind;
using namespace nb::literals;

namespace sauerkraut::bindings {

namespace {

using capture::Owned;

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

std::vector<std::string> texts(nb::handle list)
{
  std::vector<std::string> all;
  for (const nb::handle item : nb::cast<nb::list>(list)) {
    all.push_back(utf8(item));
  }
  return all;
}

// Appends the row of a local. `describe` (Python) is asked about the types that have more to tell
// than their name: arrays, and classes whose full name is not in the type itself.
void show_local(std::string_view name, std::uint32_t slot, PyObject* value,
                const nb::callable& describe, std::uint32_t& next_slot, std::string& rows)
{
  if (PyCell_Check(value)) {
    PyObject* held = PyCell_GET(value);
    value = held != nullptr ? held : Py_None;
  }
  const std::string_view type = Py_TYPE(value)->tp_name;
  if (PyType_HasFeature(Py_TYPE(value), Py_TPFLAGS_HEAPTYPE) ||
      type.find('.') != std::string_view::npos) {
    const nb::tuple told = nb::cast<nb::tuple>(describe(nb::handle(value)));
    wire::show({name, slot, utf8(told[0]), nb::cast<std::uint64_t>(told[1])}, next_slot, rows);
    return;
  }
  Py_ssize_t bytes = 0;
  if (PyUnicode_CheckExact(value)) {
    bytes = PyUnicode_GET_LENGTH(value);
  } else if (PyBytes_CheckExact(value)) {
    bytes = PyBytes_GET_SIZE(value);
  } else if (PyByteArray_CheckExact(value)) {
    bytes = PyByteArray_GET_SIZE(value);
  }
  wire::show({name, slot, type, static_cast<std::uint64_t>(bytes)}, next_slot, rows);
}

wire::FrameRows rows_of(const capture::FrameState& frame, const nb::callable& describe)
{
  auto* code = reinterpret_cast<PyCodeObject*>(frame.code.get());
  wire::FrameRows rows;
  rows.line = static_cast<std::uint32_t>(frame.line);
  rows.variables.reserve(24 * static_cast<std::size_t>(frame.local_count));
  std::uint32_t next_slot = 0;
  for (int slot = 0; slot < frame.local_count; ++slot) {
    const capture::Slot& value = frame.slots[static_cast<std::size_t>(slot)];
    const nb::handle name = PyTuple_GET_ITEM(code->co_localsplusnames, slot);
    if (value.kind == capture::Slot::Kind::null) {
      rows.unbound.push_back(utf8(name));
    } else if (value.kind == capture::Slot::Kind::object) {
      show_local(utf8(name), static_cast<std::uint32_t>(slot), value.object.get(), describe,
                 next_slot, rows.variables);
    }
  }
  return rows;
}

nb::bytes encode(const capture::Stack& stack, const capture::Generators* generators,
                 const std::string& implementation, const std::string& version, std::uint32_t magic,
                 const nb::list& labels, const nb::list& excluded, const nb::callable& describe)
{
  const std::size_t frames = stack.frames.size();
  static const std::vector<capture::GeneratorState> none;
  const std::vector<capture::GeneratorState>& met =
      generators != nullptr ? generators->met() : none;
  const bool leaves_out = excluded.size() != 0;
  if (labels.size() != frames + met.size() || (leaves_out && excluded.size() != labels.size())) {
    throw nb::value_error("one label and one list of names per frame and generator");
  }
  auto show = [&](wire::Shown& shown, const capture::FrameState& frame, std::size_t place) {
    shown.labels.push_back(&as_label(labels[place]));
    shown.rows.push_back(rows_of(frame, describe));
    if (leaves_out) {
      shown.rows.back().excluded = texts(excluded[place]);
    }
  };
  wire::Shown shown;
  shown.labels.reserve(frames);
  shown.rows.reserve(frames);
  for (std::size_t i = 0; i < frames; ++i) {
    show(shown, stack.frames[i], i);
  }
  wire::Shown held;
  for (std::size_t i = 0; i < met.size(); ++i) {
    show(held, met[i].frame, frames + i);
  }
  return to_bytes(wire::encode(stack, shown, met, held, {implementation, version, magic}));
}

nb::str to_str(std::string_view text)
{
  return nb::str(text.data(), text.size());
}

nb::dict frame_fields(const wire::FrameControl& frame, const wire::CodeLabel& label)
{
  const wire::FrameRows rows = wire::rows_of(frame);
  nb::list variables = new_list();
  for (const wire::Variable& row : wire::shown_variables(rows.variables)) {
    variables.append(nb::make_tuple(to_str(row.name), row.slot, to_str(row.type), row.bytes));
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
  fields["line"] = rows.line;
  fields["first_line"] = label.first_line;
  fields["source"] = label.source;
  fields["variables"] = variables;
  fields["excluded"] = rows.excluded;
  fields["unbound"] = rows.unbound;
  fields["slots"] = std::vector<std::uint64_t>(frame.slots.begin(), frame.slots.end());
  fields["local_count"] = frame.local_count;
  return fields;
}

nb::tuple reference_fields(const wire::CodeLabel& label)
{
  const nb::tuple reference = nb::make_tuple(
      label.module, label.qualname, nb::tuple(nb::cast(label.path)), to_bytes(label.fingerprint),
      label.embedded ? nb::object(to_bytes(*label.embedded)) : nb::none(), to_bytes(label.layout));
  return nb::make_tuple(reference, label.globals_module);
}

}  // namespace

void bind_control(nb::module_& m)
{
  m.def("encode", encode, "stack"_a, "generators"_a.none(), "implementation"_a, "version"_a,
        "magic"_a, "labels"_a, "excluded"_a, "describe"_a,
        "One label and one list of excluded names for each frame, then for each generator; no list "
        "at all where nothing was left out.",
        nb::sig("def encode(stack: Stack, generators: Generators | None, implementation: str, "
                "version: str, magic: int, labels: list[CodeLabel], excluded: list[list[str]], "
                "describe: "
                "collections.abc.Callable[[object], tuple[str, int]]) -> bytes"));

  nb::class_<wire::Control>(m, "Control", "A control section, verified in structure.")
      .def_prop_ro(
          "interpreter",
          [](const wire::Control& self) {
            return nb::make_tuple(self.interpreter.implementation, self.interpreter.version,
                                  self.interpreter.magic);
          },
          nb::sig("def interpreter(self) -> tuple[str, str, int]"))
      .def("__len__", [](const wire::Control& self) { return self.frames.size(); })
      .def_ro("objects", &wire::Control::objects, "Length of the object list.")
      .def_prop_ro(
          "frames",
          [](const wire::Control& self) {
            nb::list all = new_list();
            for (const wire::FrameControl& frame : self.frames) {
              all.append(frame_fields(frame, self.labels[frame.label]));
            }
            return all;
          },
          nb::sig("def frames(self) -> list[dict[str, typing.Any]]"))
      .def_prop_ro(
          "references",
          [](const wire::Control& self) {
            nb::list all = new_list();
            for (const wire::CodeLabel& label : self.labels) {
              all.append(reference_fields(label));
            }
            return all;
          },
          "Each code that a frame or generator runs, once: what a CodeReference holds, and the "
          "name of the module of its globals.",
          nb::sig("def references(self) -> list[tuple[tuple[str, str, tuple[int, ...], bytes, "
                  "bytes | None, bytes], str | None]]"))
      .def(
          "source",
          [](const wire::Control& self, std::size_t reference) {
            if (reference >= self.labels.size()) {
              throw nb::index_error("no such reference");
            }
            return self.labels[reference].source;
          },
          "reference"_a, "Source text of what a reference stands for, as far as it was recorded.")
      .def(
          "bind",
          [](const wire::Control& self, const nb::list& codes, const nb::list& globals,
             const nb::list& objects, resume::Shells& shells) {
            wire::bind(self, shells.states(), shells.objects());
            return wire::bind(self, owned(codes), owned(globals), owned(objects));
          },
          "codes"_a, "globals"_a, "objects"_a, "shells"_a,
          nb::sig("def bind(self, codes: list[types.CodeType], globals: list[object], "
                  "objects: list[object], shells: Shells) -> Stack"))
      .def_prop_ro(
          "generators",
          [](const wire::Control& self) {
            nb::list all = new_list();
            for (const wire::GeneratorControl& generator : self.generators) {
              nb::dict fields = frame_fields(generator.frame, self.labels[generator.frame.label]);
              fields["stage"] = generator.stage;
              all.append(fields);
            }
            return all;
          },
          nb::sig("def generators(self) -> list[dict[str, typing.Any]]"))
      .def(
          "shells",
          [](const wire::Control& self, const nb::list& codes) {
            return new resume::Shells(wire::generators_of(self, owned(codes)));
          },
          "codes"_a, nb::rv_policy::take_ownership,
          "Generators that are still to be made and filled; `codes`: one for each reference.",
          nb::sig("def shells(self, codes: list[types.CodeType]) -> Shells"));

  m.def(
      "decode", [](nb::bytes control) { return wire::decode({control.c_str(), control.size()}); },
      "control"_a);
}

}  // namespace sauerkraut::bindings
