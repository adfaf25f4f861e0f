#include "../errors.hpp"

#include "bindings.hpp"

#include <exception>

namespace nb = nanobind;

namespace sauerkraut::bindings {

namespace {

template <typename Error>
void translate(const char* name)
{
  nb::object twin = nb::module_::import_("sauerkraut.errors").attr(name);
  nb::register_exception_translator(
      [](const std::exception_ptr& raised, void* python_type) {
        try {
          std::rethrow_exception(raised);
        } catch (const Error& error) {
          PyErr_SetString(static_cast<PyObject*>(python_type), error.what());
        }
      },
      twin.release().ptr());
}

}  // namespace

// Native errors surface as the classes of sauerkraut.errors, so that user code
// catches one hierarchy whichever layer raised.
void bind_errors(nb::module_&)
{
  translate<CaptureError>("CaptureError");
  translate<ResumeError>("ResumeError");
}

}  // namespace sauerkraut::bindings
