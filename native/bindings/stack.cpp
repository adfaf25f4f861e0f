#include "../capture/stack.hpp"

#include "../capture/abandon.hpp"
#include "../capture/capture.hpp"
#include "../code/code_map.hpp"
#include "../errors.hpp"
#include "../resume/check.hpp"
#include "../resume/containers.hpp"
#include "../resume/drive.hpp"
#include "../resume/shells.hpp"
#include "../wire/control.hpp"
#include "bindings.hpp"
#include "labels.hpp"
#include "variables.hpp"

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

nb::list unbound_variables(const Stack& stack, std::size_t index)
{
  const FrameState& frame = frame_at(stack, index);
  nb::list names = new_list();
  for (int slot = 0; slot < frame.local_count; ++slot) {
    if (frame.slots[static_cast<std::size_t>(slot)].kind == Slot::Kind::null) {
      names.append(slot_name(frame, slot));
    }
  }
  return names;
}

nb::list stack_objects(const Stack& stack, const nb::list& labels)
{
  if (labels.size() != stack.frames.size()) {
    throw nb::value_error("one label per frame");
  }
  std::vector<bool> globals_by_value;
  for (const nb::handle label : labels) {
    globals_by_value.push_back(!as_label(label).globals_module);
  }
  nb::list objects = new_list();
  const wire::ObjectList collected = wire::collect(stack, globals_by_value);
  for (const Owned& object : collected.objects()) {
    objects.append(to_python(object));
  }
  return objects;
}

Stack capture_suspended(const nb::list& frames, nb::handle base, const nb::tuple& markers,
                        nb::handle greenlet)
{
  for (const nb::handle frame : frames) {
    if (!PyFrame_Check(frame.ptr())) {
      throw nb::type_error("frames must be frame objects");
    }
  }
  if (!PyType_Check(greenlet.ptr())) {
    throw nb::type_error("greenlet must be a class");
  }
  return capture::capture_suspended(frames.ptr(), base.is_none() ? nullptr : base.ptr(),
                                    markers.ptr(), greenlet.ptr());
}

}  // namespace

// Thin on purpose: defaults, examples and user-level docstrings live in sauerkraut/frames/.
void bind_stack(nb::module_& m)
{
  nb::class_<Stack>(m, "Stack", "A captured call stack, outermost frame first.")
      .def(nb::init<>(), "A stack without frames.")
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
      .def(
          "bound",
          [](const Stack& self, std::size_t i) { return bound_variables(frame_at(self, i)); },
          "frame"_a, nb::sig("def bound(self, frame: int) -> list[tuple[int, str, typing.Any]]"))
      .def("unbound", unbound_variables, "frame"_a,
           nb::sig("def unbound(self, frame: int) -> list[str]"))
      .def(
          "set_slot",
          [](Stack& self, std::size_t i, std::size_t slot, nb::handle value) {
            if (i >= self.frames.size() || slot >= self.frames[i].slots.size()) {
              throw nb::index_error("no such slot");
            }
            capture::put_in_slot(self.frames[i], slot, value.ptr());
          },
          "frame"_a, "slot"_a, "value"_a.none())
      .def("objects", stack_objects, "labels"_a,
           "What the frames refer to, each once; globals where a label is of no module.",
           nb::sig("def objects(self, labels: list[CodeLabel]) -> list[object]"))
      .def("check", [](const Stack& self) { resume::check(self); })
      .def(
          "run",
          [](Stack& self, nb::handle value, nb::handle thrown, resume::Shells* shells) {
            resume::check(self);
            PyObject* raised = thrown.is_none() ? nullptr : thrown.ptr();
            if (raised != nullptr && !PyExceptionInstance_Check(raised)) {
              throw nb::type_error("throw must be an exception");
            }
            // The frames take over what is in it, so that objects live as long as they did.
            Stack stack = std::exchange(self, Stack{});
            resume::make_private(stack);
            if (shells != nullptr) {
              shells->hand_over();
            }
            PyObject* result = resume::drive(stack, value.ptr(), raised);
            if (result == nullptr) {
              throw nb::python_error();
            }
            return nb::steal(result);
          },
          "value"_a.none(), "thrown"_a.none(), "shells"_a.none() = nb::none(),
          "Run the frames, once; `shells` are those of the generators they run.",
          nb::sig("def run(self, value: object, thrown: BaseException | None, "
                  "shells: Shells | None = None) -> typing.Any"));

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
  m.def("capture_suspended", capture_suspended, "frames"_a, "base"_a.none(), "markers"_a,
        "greenlet"_a,
        nb::sig("def capture_suspended(frames: list[types.FrameType], base: types.FrameType | "
                "types.CodeType | None, markers: tuple[types.CodeType, ...], "
                "greenlet: type) -> Stack"));
  m.def(
      "abandon",
      [](Stack& stack, capture::Generators& generators, nb::handle end) {
        if (!capture::abandon(std::exchange(stack, Stack{}), generators, end.ptr())) {
          throw nb::python_error();
        }
      },
      "stack"_a, "generators"_a, "end"_a,
      "Leave the frames of `stack`, running no handler of theirs; `end` raises in them.",
      nb::sig("def abandon(stack: Stack, generators: Generators, "
              "end: collections.abc.Callable[[], object]) -> None"));
  m.def(
      "declare_transparent",
      [](nb::handle callable) { capture::declare_transparent(callable.ptr()); }, "callable"_a);
  m.def(
      "untraced",
      [](nb::handle function) {
        PyThreadState* state = PyThreadState_Get();
        PyThreadState_EnterTracing(state);
        PyObject* result = PyObject_CallNoArgs(function.ptr());
        PyThreadState_LeaveTracing(state);
        if (result == nullptr) {
          throw nb::python_error();
        }
        return nb::steal(result);
      },
      "function"_a, "Call a function unseen by trace, profile and monitoring functions.",
      nb::sig("def untraced(function: collections.abc.Callable[[], typing.Any]) -> typing.Any"));
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
        nb::list sites = new_list();
        for (const code::CallSite& site :
             code::CodeMap::of(reinterpret_cast<PyCodeObject*>(code.ptr())).call_sites()) {
          sites.append(nb::make_tuple(site.start, site.depth, site.kept));
        }
        return sites;
      },
      "code"_a, "(unit, depth, kept) of each place where a frame of this code may wait.",
      nb::sig("def call_sites(code: types.CodeType) -> list[tuple[int, int, int]]"));
  m.def("opcode_names", cpython::opcode_names, "Opcodes that the analysis knows.");
}

}  // namespace sauerkraut::bindings
