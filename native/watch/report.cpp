#include "report.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sauerkraut::watch {

namespace {

constexpr std::size_t most_waiting = 100;

// Whether a write refused only because it would have to wait.
bool would_wait(ssize_t written)
{
  return written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

// Write all of a line, which fits a pipe's atomic write, or nothing; false where it would wait.
// That standard error is closed or broken is nobody's news.
bool write_at_once(const std::string& line)
{
  struct stat status{};
  if (::fstat(STDERR_FILENO, &status) != 0) {
    return true;
  }
  if (S_ISSOCK(status.st_mode)) {
    return !would_wait(
        ::send(STDERR_FILENO, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
    // Opened once more: whether writes wait is a property that others share, the launcher included.
    const int own = ::open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own >= 0) {
      const bool waits = would_wait(::write(own, line.data(), line.size()));
      ::close(own);
      return !waits;
    }
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&ready, 1, 0) == 0) {
      return false;
    }
  }
  (void)!::write(STDERR_FILENO, line.data(), line.size());
  return true;
}

}  // namespace

void Report::say(const std::string& text)
{
  std::string line = "sauerkraut: watchdog: " + text;
  line.resize(std::min<std::size_t>(line.size(), PIPE_BUF - 1));
  waiting_.push_back(line + "\n");
  if (waiting_.size() > most_waiting) {
    waiting_.pop_front();
  }
  flush();
}

void Report::flush()
{
  while (!waiting_.empty() && write_at_once(waiting_.front())) {
    waiting_.pop_front();
  }
}

}  // namespace sauerkraut::watch
