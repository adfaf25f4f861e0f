#include "../cpython/context_tokens.hpp"
#include "bindings.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace sauerkraut::bindings {

void bind_contexts(nb::module_& m)
{
  m.def(
      "is_used",
      [](nb::handle token) {
        const int used = cpython::is_used(token.ptr());
        if (used < 0) {
          throw nb::type_error("not a contextvars.Token");
        }
        return used != 0;
      },
      "token"_a, nb::sig("def is_used(token: object) -> bool"),
      "Whether a contextvars.Token was used: its own text, which says so, shows the program's "
      "values.");
  m.def(
      "set_old_value",
      [](nb::handle token, const nb::tuple& value) {
        if (!cpython::set_old_value(token.ptr(), value.size() > 0 ? value[0].ptr() : nullptr)) {
          throw nb::type_error("not a contextvars.Token");
        }
      },
      "token"_a, "value"_a,
      nb::sig("def set_old_value(token: object, value: tuple[typing.Any, ...]) -> None"),
      "Let an unused contextvars.Token restore the item of `value`; empty: no value at all.");
}

}  // namespace sauerkraut::bindings
