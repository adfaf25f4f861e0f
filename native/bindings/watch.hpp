// The binding function of the watch.
#pragma once

#include <nanobind/nanobind.h>

namespace sauerkraut::bindings {

void bind_watch(nanobind::module_& m);

}  // namespace sauerkraut::bindings
