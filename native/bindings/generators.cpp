// Generators in Python: those that the graph meets at capture, and their shells at a restart.
#include "../capture/generators.hpp"

#include "../cpython/awaitables.hpp"
#include "../resume/shells.hpp"
#include "../wire/reference.hpp"
#include "bindings.hpp"
#include "variables.hpp"

#include <nanobind/stl/optional.h>

namespace nb = nanobind;
using namespace nb::literals;

namespace sauerkraut::bindings {

namespace {

using capture::Generators;
using capture::GeneratorState;
using resume::Shells;

const GeneratorState& state_at(const Generators& generators, std::size_t place)
{
  if (place >= generators.met().size()) {
    throw nb::index_error("no such generator");
  }
  return generators.met()[place];
}

std::optional<std::size_t> place_of(Generators& generators, nb::handle generator)
{
  PyObject* object = generator.ptr();
  if (!PyGen_CheckExact(object) && !PyCoro_CheckExact(object) && !PyAsyncGen_CheckExact(object)) {
    throw nb::type_error("neither a generator nor a coroutine");
  }
  return generators.place_of(object);
}

nb::list objects_of(const Generators& generators, std::size_t place)
{
  nb::list all = new_list();
  const wire::ObjectList collected = wire::collect(state_at(generators, place));
  for (const capture::Owned& object : collected.objects()) {
    all.append(nb::borrow(object.get()));
  }
  return all;
}

nb::object make(Shells& shells, std::size_t place, nb::handle globals)
{
  PyObject* made = shells.make(place, globals.ptr());
  if (made == nullptr) {
    throw nb::python_error();
  }
  return nb::borrow(made);
}

void set_stage(nb::handle awaitable, int stage)
{
  if (cpython::awaitable_stage(awaitable.ptr()) < 0 || stage < 0 ||
      stage > static_cast<int>(cpython::AwaitableStage::ended)) {
    throw nb::value_error("no awaitable of an async generator, or no stage of one");
  }
  cpython::set_awaitable_stage(awaitable.ptr(), static_cast<cpython::AwaitableStage>(stage));
}

}  // namespace

void bind_generators(nb::module_& m)
{
  m.def(
      "awaitable_stage",
      [](nb::handle awaitable) { return cpython::awaitable_stage(awaitable.ptr()); }, "awaitable"_a,
      "How far an `asend()` or `athrow()` has come: 0 not begun, 1 begun, 2 ended; -1: not known.",
      nb::sig("def awaitable_stage(awaitable: object) -> int"));
  m.def("set_awaitable_stage", set_stage, "awaitable"_a, "stage"_a,
        nb::sig("def set_awaitable_stage(awaitable: object, stage: int) -> None"));
  nb::class_<Generators>(m, "Generators", "Generators that an object graph leads to, by place.")
      .def(nb::init<>(), "For a trial: takes running ones to be those of a stack.")
      .def(nb::init<const capture::Stack&>(), "stack"_a)
      .def("__len__", [](const Generators& self) { return self.met().size(); })
      .def("clear", &Generators::clear, "Forget those met so far.")
      .def("place_of", place_of, "generator"_a,
           "Its place, None when it has ended; raises CaptureError when it runs elsewhere.",
           nb::sig("def place_of(self, generator: object) -> int | None"))
      .def(
          "code",
          [](const Generators& self, std::size_t place) {
            return nb::borrow(state_at(self, place).frame.code.get());
          },
          "place"_a, nb::sig("def code(self, place: int) -> types.CodeType"))
      .def(
          "globals",
          [](const Generators& self, std::size_t place) {
            return nb::borrow(state_at(self, place).frame.globals.get());
          },
          "place"_a, nb::sig("def globals(self, place: int) -> dict[str, typing.Any]"))
      .def(
          "bound",
          [](const Generators& self, std::size_t place) {
            return bound_variables(state_at(self, place).frame);
          },
          "place"_a, "(slot, name, value) of its locals that have one.",
          nb::sig("def bound(self, place: int) -> list[tuple[int, str, typing.Any]]"))
      .def(
          "set_slot",
          [](Generators& self, std::size_t place, std::size_t slot, nb::handle value) {
            self.set_slot(place, slot, value.ptr());
          },
          "place"_a, "slot"_a, "value"_a.none())
      .def("objects", objects_of, "place"_a, "What its frame refers to, each once.",
           nb::sig("def objects(self, place: int) -> list[object]"));

  nb::class_<Shells>(m, "Shells", "The generators of a snapshot that is being read.")
      .def("__len__", [](Shells& self) { return self.states().size(); })
      .def("make", make, "place"_a, "globals"_a,
           "The generator in this place; it counts as running until it is woken.",
           nb::sig("def make(self, place: int, globals: dict[str, typing.Any]) -> typing.Any"))
      .def(
          "take",
          [](Shells& self, const nb::list& objects) {
            std::vector<capture::Owned> all;
            for (const nb::handle object : objects) {
              all.push_back(capture::Owned::share(object.ptr()));
            }
            self.take(std::move(all));
          },
          "objects"_a, "Take what the frame of the next generator refers to.",
          nb::sig("def take(self, objects: list[object]) -> None"))
      .def("check", &Shells::check, "stack"_a,
           "Ring 3, also whether those that run do so in `stack`; raises ResumeError.")
      .def("wake", &Shells::wake, "Give each its frame, once.");
}

}  // namespace sauerkraut::bindings
