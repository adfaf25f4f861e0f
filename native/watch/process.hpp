// Whether other processes of this machine run.
#pragma once

#include <cstdint>

namespace sauerkraut::watch {

enum class State : char {
  runs = 'r',
  stopped = 's',  // by a signal or a debugger
  gone = 'g',
};

// Told apart from later processes with the same PID by its start, in clock ticks after boot.
struct Process {
  std::uint32_t rank = 0;
  int pid = 0;
  std::uint64_t start = 0;

  State state() const;
};

}  // namespace sauerkraut::watch
