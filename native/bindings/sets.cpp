#include "../cpython/set_layout.hpp"
#include "bindings.hpp"

#include <nanobind/nanobind.h>

#include <algorithm>

namespace nb = nanobind;

namespace sauerkraut::bindings {

namespace {

using cpython::SetLayout;

nb::bytes packed(const std::vector<std::int64_t>& numbers)
{
  return nb::bytes(numbers.data(), numbers.size() * sizeof(std::int64_t));
}

std::vector<std::int64_t> unpacked(nb::handle data)
{
  const nb::bytes bytes = nb::cast<nb::bytes>(data);
  std::vector<std::int64_t> numbers(bytes.size() / sizeof(std::int64_t));
  std::copy_n(bytes.c_str(), numbers.size() * sizeof(std::int64_t),
              reinterpret_cast<char*>(numbers.data()));
  return numbers;
}

SetLayout read(const nb::tuple& description)
{
  if (description.size() != 7) {
    throw nb::value_error("not the layout of a set");
  }
  SetLayout layout;
  layout.mask = nb::cast<Py_ssize_t>(description[1]);
  layout.finger = nb::cast<Py_ssize_t>(description[2]);
  layout.slots = unpacked(description[3]);
  layout.hashes = unpacked(description[4]);
  layout.removed = unpacked(description[5]);
  for (nb::handle element : nb::cast<nb::list>(description[6])) {
    layout.elements.push_back(element.ptr());
  }
  return layout;
}

}  // namespace

nb::object describe_set(nb::handle set)
{
  const SetLayout layout = cpython::layout_of(set.ptr());
  const int ordinary = cpython::is_as_if_added(set.ptr(), layout);
  if (ordinary < 0) {
    throw nb::python_error();
  }
  if (ordinary == 1) {
    return nb::none();
  }
  nb::list elements = new_list();
  for (PyObject* element : layout.elements) {
    elements.append(nb::borrow(element));
  }
  return nb::make_tuple(PyFrozenSet_CheckExact(set.ptr()) != 0, layout.mask, layout.finger,
                        packed(layout.slots), packed(layout.hashes), packed(layout.removed),
                        elements);
}

void bind_sets(nb::module_& m)
{
  m.def(
      "describe_set",
      [](nb::handle set) {
        if (!PyAnySet_CheckExact(set.ptr())) {
          throw nb::type_error("set must be a set or frozenset");
        }
        return describe_set(set);
      },
      nb::arg("set"),
      nb::sig(
          "def describe_set(set: set[object] | frozenset[object]) -> tuple[object, ...] | None"),
      "Where the elements stand; None when adding them in order gives the same table.");
  m.def(
      "make_set",
      [](const nb::tuple& description) {
        PyObject* made = cpython::make_set(read(description), nb::cast<bool>(description[0]));
        if (made == nullptr && PyErr_Occurred() != nullptr) {
          throw nb::python_error();
        }
        return made == nullptr ? nb::none() : nb::steal(made);
      },
      nb::arg("description"),
      nb::sig("def make_set(description: tuple[object, ...]) -> "
              "set[object] | frozenset[object] | None"),
      "A set as `describe_set` found it; None when its elements have other hashes here.");
  m.def(
      "lay_out_set",
      [](nb::handle set, const nb::tuple& description) {
        if (!PySet_CheckExact(set.ptr())) {
          throw nb::type_error("set must be a set");
        }
        const bool good = cpython::lay_out(set.ptr(), read(description));
        if (!good && PyErr_Occurred() != nullptr) {
          throw nb::python_error();
        }
        return good;
      },
      nb::arg("set"), nb::arg("description"),
      nb::sig("def lay_out_set(set: set[object], description: tuple[object, ...]) -> bool"),
      "Lay out an empty set as `describe_set` found another; False as None of `make_set`.");
}

}  // namespace sauerkraut::bindings
