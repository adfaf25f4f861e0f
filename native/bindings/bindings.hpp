// Every binding file's view of nanobind, and the list of binding functions.
#pragma once

#include <nanobind/nanobind.h>

namespace sauerkraut::bindings {

void bind_anchors(nanobind::module_& m);
void bind_contexts(nanobind::module_& m);
void bind_control(nanobind::module_& m);
void bind_errors(nanobind::module_& m);
void bind_functions(nanobind::module_& m);
void bind_generators(nanobind::module_& m);
void bind_memory(nanobind::module_& m);
void bind_plain(nanobind::module_& m);
void bind_iterators(nanobind::module_& m);
void bind_sections(nanobind::module_& m);
void bind_sets(nanobind::module_& m);
void bind_stack(nanobind::module_& m);
void bind_io(nanobind::module_& m);
void bind_labels(nanobind::module_& m);
void bind_liveness(nanobind::module_& m);

// An empty list; nanobind's own constructor leaves a null one when memory is out.
inline nanobind::list new_list()
{
  PyObject* list = PyList_New(0);
  if (list == nullptr) {
    throw nanobind::python_error();
  }
  return nanobind::steal<nanobind::list>(list);
}

// The layout of a set for `make_set`, or None when it needs none.
nanobind::object describe_set(nanobind::handle set);

}  // namespace sauerkraut::bindings
