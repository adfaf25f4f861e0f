// C++ errors with a Python twin of the same name in sauerkraut/errors.py.
#pragma once

#include <stdexcept>

namespace sauerkraut {

struct CaptureError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct ResumeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace sauerkraut
