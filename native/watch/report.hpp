// What the watch tells a person, on standard error: it never waits until that is read.
#pragma once

#include <deque>
#include <string>

namespace sauerkraut::watch {

class Report {
 public:
  // Say a line: now, or where nothing is taken, at a later `flush`. Of many that wait the oldest
  // are lost.
  void say(const std::string& text);

  // Say what waits, as far as it is taken.
  void flush();

 private:
  std::deque<std::string> waiting_;
};

}  // namespace sauerkraut::watch
