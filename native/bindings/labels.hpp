// Labels of code objects, given by Python.
#pragma once

#include "../wire/control.hpp"

#include <nanobind/nanobind.h>

namespace sauerkraut::bindings {

inline const wire::CodeLabel& as_label(nanobind::handle object)
{
  if (!nanobind::isinstance<wire::CodeLabel>(object) || !nanobind::inst_ready(object)) {
    throw nanobind::type_error("labels must be of CodeLabel");
  }
  return *nanobind::inst_ptr<wire::CodeLabel>(object);
}

}  // namespace sauerkraut::bindings
