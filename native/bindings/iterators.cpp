#include "../cpython/iterator_state.hpp"
#include "bindings.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace sauerkraut::bindings {

void bind_iterators(nb::module_& m)
{
  m.def(
      "iterator_state",
      [](nb::handle iterator) -> nb::object {
        cpython::Owned state = cpython::iterator_state(iterator.ptr());
        if (!state && PyErr_Occurred() != nullptr) {
          throw nb::python_error();
        }
        return state ? nb::steal(state.release()) : nb::none();
      },
      "iterator"_a,
      nb::sig("def iterator_state(iterator: object) -> tuple[typing.Any, ...] | None"),
      "Fields of an iterator of itertools; None when its type is not known here.");
  m.def(
      "set_iterator_state",
      [](nb::handle iterator, nb::handle state) {
        if (!cpython::set_iterator_state(iterator.ptr(), state.ptr())) {
          throw nb::python_error();
        }
      },
      "iterator"_a, "state"_a,
      nb::sig("def set_iterator_state(iterator: object, state: tuple[typing.Any, ...]) -> None"),
      "Give a new iterator the fields that `iterator_state` found in another of its type.");
  m.def(
      "is_current_group", [](nb::handle group) { return cpython::is_current_group(group.ptr()); },
      "group"_a, nb::sig("def is_current_group(group: object) -> int"),
      "1: a groupby still gives the items of this group; 0: not any more; -1: no group.");
  m.def(
      "set_line_number",
      [](nb::handle reader, unsigned long number) {
        if (!cpython::set_line_number(reader.ptr(), number)) {
          throw nb::python_error();
        }
      },
      "reader"_a, "number"_a, nb::sig("def set_line_number(reader: object, number: int) -> None"),
      "Set the line number of a csv.reader.");
  m.def(
      "ordered_iterator_kind",
      [](nb::handle iterator) { return cpython::ordered_iterator_kind(iterator.ptr()); },
      "iterator"_a, nb::sig("def ordered_iterator_kind(iterator: object) -> int"),
      "A number for what an iterator of an OrderedDict goes over; -1 when it is not known here.");
}

}  // namespace sauerkraut::bindings
