#include "bindings.hpp"

#include <cstdint>

namespace nb = nanobind;

namespace sauerkraut::bindings {

void bind_memory(nb::module_& m)
{
  m.def(
      "address_of",
      [](nb::handle view) {
        if (!PyMemoryView_Check(view.ptr())) {
          throw nb::type_error("view must be a memoryview");
        }
        return reinterpret_cast<std::uintptr_t>(PyMemoryView_GET_BUFFER(view.ptr())->buf);
      },
      nb::arg("view"), nb::sig("def address_of(view: memoryview) -> int"),
      "Address of the first item of a memoryview.");
}

}  // namespace sauerkraut::bindings
