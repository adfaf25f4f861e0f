#include "stack_signal.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <mutex>
#include <sys/syscall.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace sauerkraut::watch {

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 1s;
constexpr std::size_t largest = 64 * 1024;

std::atomic<unsigned> counted{0};
static_assert(std::atomic<unsigned>::is_always_lock_free, "counted in a signal handler");
std::mutex one_at_a_time;

void count(int)
{
  counted.fetch_add(1);
}

// Have `signal` interrupt no system call of the program where that can be: chained, faulthandler
// registers itself without SA_RESTART, and anew in each of its handlers, which is waited for.
void restart_calls(int signal)
{
  struct sigaction action{};
  for (int waited = 0; waited < 100; ++waited) {  // ms
    if (::sigaction(signal, nullptr, &action) != 0) {
      return;
    }
    if (action.sa_handler != count) {
      action.sa_flags |= SA_RESTART;
      (void)::sigaction(signal, &action, nullptr);
      return;
    }
    std::this_thread::sleep_for(1ms);
  }
}

char state_of_thread(pid_t thread)
{
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string text;
  std::getline(file, text);
  const auto end = text.rfind(')');
  return end == std::string::npos || end + 2 >= text.size() ? '?' : text[end + 2];
}

}  // namespace

void count_signal(int signal)
{
  struct sigaction action{};
  action.sa_handler = count;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (::sigaction(signal, &action, nullptr) != 0) {
    throw std::system_error(errno, std::generic_category());
  }
}

std::string StackSignals::dump(pid_t thread, bool all) const
{
  const std::lock_guard alone(one_at_a_time);  // of this process: there is one file
  if (::ftruncate(descriptor, 0) != 0 || ::lseek(descriptor, 0, SEEK_SET) != 0) {
    return "(no file to write its stack to)";
  }
  const int signal = all ? all_threads : one_thread;
  restart_calls(signal);
  const unsigned before = counted.load();
  if (::syscall(SYS_tgkill, ::getpid(), thread, signal) != 0) {
    return "(its thread has ended)";
  }
  const auto until = std::chrono::steady_clock::now() + patience;
  while (counted.load() == before && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(1ms);
  }
  if (counted.load() == before) {
    return std::string("(its thread takes no signal; state ") + state_of_thread(thread) + ")";
  }
  std::string text(largest, '\0');
  const ssize_t size = ::pread(descriptor, text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

}  // namespace sauerkraut::watch
