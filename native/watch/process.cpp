#include "process.hpp"

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>

namespace sauerkraut::watch {

State Process::state() const
{
  errno = 0;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  if (!file) {
    return errno == ENOENT || errno == ESRCH ? State::gone : State::runs;
  }
  std::string text;
  std::getline(file, text, '\0');
  const auto end = text.rfind(')');  // the name before it may hold anything
  if (end == std::string::npos) {
    return text.empty() ? State::gone : State::runs;  // it ended between opening and reading
  }
  std::istringstream fields(text.substr(end + 1));
  char letter = '?';
  std::string skipped;
  std::uint64_t started = 0;
  fields >> letter;
  for (int field = 0; field < 18; ++field) {
    fields >> skipped;
  }
  fields >> started;
  if (!fields || started != start || letter == 'Z' || letter == 'X' || letter == 'x') {
    return State::gone;
  }
  return letter == 'T' || letter == 't' ? State::stopped : State::runs;
}

}  // namespace sauerkraut::watch
