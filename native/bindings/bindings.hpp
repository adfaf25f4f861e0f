// Every binding file's view of nanobind, and the list of binding functions.
#pragma once

#include <nanobind/nanobind.h>

namespace sauerkraut::bindings {

void bind_anchors(nanobind::module_& m);
void bind_control(nanobind::module_& m);
void bind_errors(nanobind::module_& m);
void bind_plain(nanobind::module_& m);
void bind_iterators(nanobind::module_& m);
void bind_sets(nanobind::module_& m);
void bind_stack(nanobind::module_& m);
void bind_io(nanobind::module_& m);
void bind_liveness(nanobind::module_& m);

// The layout of a set for `make_set`, or None when it needs none.
nanobind::object describe_set(nanobind::handle set);

}  // namespace sauerkraut::bindings
