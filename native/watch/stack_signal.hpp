// Python stacks of this process, had by a signal: neither waits for the GIL.
#pragma once

#include <string>
#include <sys/types.h>

namespace sauerkraut::watch {

// How Python's faulthandler was told to write stacks: it handles the signals and then calls the
// handler that was there before, `count_signal`.
struct StackSignals {
  int descriptor = -1;  // of the file it writes to
  int one_thread = 0;   // signal: the thread that gets it
  int all_threads = 0;  // signal: all threads

  // What `thread` is doing, as faulthandler writes it: innermost frame first. A line in
  // parentheses where it takes no signal.
  std::string dump(pid_t thread, bool all) const;
};

// Handle `signal` by counting it, so that `dump` knows when faulthandler is done.
void count_signal(int signal);

}  // namespace sauerkraut::watch
