// Functions that exist, and what of them Python itself does not let change.
#include "bindings.hpp"

#include <Python.h>

namespace nb = nanobind;
using namespace nb::literals;

namespace sauerkraut::bindings {

namespace {

void set_closure(nb::handle function, const nb::tuple& cells)
{
  if (!PyFunction_Check(function.ptr())) {
    throw nb::type_error("not a Python function");
  }
  const auto* code = reinterpret_cast<PyCodeObject*>(PyFunction_GET_CODE(function.ptr()));
  if (cells.size() != static_cast<std::size_t>(code->co_nfreevars)) {
    throw nb::value_error("one cell for each free variable");
  }
  for (const nb::handle cell : cells) {
    if (!PyCell_Check(cell.ptr())) {
      throw nb::type_error("a closure is made of cells");
    }
  }
  if (cells.size() != 0 && PyFunction_SetClosure(function.ptr(), cells.ptr()) < 0) {
    throw nb::python_error();
  }
}

}  // namespace

void bind_functions(nb::module_& m)
{
  m.def("set_closure", set_closure, "function"_a, "cells"_a,
        nb::sig("def set_closure(function: types.FunctionType, "
                "cells: tuple[types.CellType, ...]) -> None"),
        "Give a function other cells for its free variables, in their order.");
}

}  // namespace sauerkraut::bindings
