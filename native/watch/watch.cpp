#include "watch.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace sauerkraut::watch {

namespace {

constexpr int ranks_lost = 86;           // exit status
constexpr std::size_t most_answers = 8;  // that are kept for who asks for their rest
constexpr std::size_t entry_size = 5;    // bytes of one rank in a beat
constexpr int beats_per_timeout = 12;
constexpr int most_at_once = 1024;  // datagrams between two looks at the clock
constexpr int times_parted = 3;     // said: a datagram may be lost

}  // namespace

Watch::Watch() : wakeup_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
  if (wakeup_ < 0) {
    throw std::system_error(errno, std::generic_category());
  }
}

Watch::~Watch()
{
  stop();
  ::close(wakeup_);
}

void Watch::start(const Key& key, std::uint32_t rank, StackSignals signals,
                  std::optional<Beats> beats)
{
  if (thread_) {
    throw std::system_error(EALREADY, std::generic_category());
  }
  key_ = key;
  rank_ = rank;
  signals_ = signals;
  beats_ = std::move(beats);
  if (beats_) {
    observer_places_ = beats_->observer.sockets();
    if (!beats_->nodes.empty()) {
      observer_.emplace(beats_->nodes, beats_->timeout, Clock::now());
    }
  }
  process_ = ::getpid();
  answer_for_caller();
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the program's threads
  try {
    thread_ = std::make_unique<std::thread>(&Watch::run, this);
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Watch::answer_for_caller()
{
  answered_for_.store(static_cast<pid_t>(::syscall(SYS_gettid)));
}

void Watch::stop()
{
  if (!thread_) {
    return;
  }
  if (process_ != ::getpid()) {
    (void)thread_.release();  // the thread stayed in the parent
    return;
  }
  const std::uint64_t one = 1;
  (void)!::write(wakeup_, &one, sizeof(one));
  thread_->join();
  thread_.reset();
  if (beats_) {
    Message message;  // to rank 0
    message.kind = Kind::part;
    message.from = rank_;
    for (int i = 0; i < times_parted; ++i) {
      tell_observer(message);
    }
  }
}

void Watch::tell_observer(const Message& message) const
{
  const auto datagram = seal(key_, message);
  for (const sockaddr_in& place : observer_places_) {
    socket_.send(datagram, place);
  }
}

void Watch::agreed()
{
  const std::lock_guard guard(observing_);
  if (observer_) {
    observer_->agreed(Clock::now());
  }
}

bool Watch::is_gone(std::uint32_t rank) const
{
  const std::lock_guard guard(observing_);
  return observer_ && observer_->is_gone(rank);
}

void Watch::run()
{
  const auto period = lasting(beats_ ? beats_->timeout / beats_per_timeout : 0);
  Time due = Clock::now();
  std::vector<std::byte> datagram;
  sockaddr_in from{};
  while (true) {
    int wait = -1;
    if (beats_) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(due - Clock::now());
      wait = static_cast<int>(std::clamp<long long>(left.count() + 1, 0, 60'000));
    }
    pollfd ready[] = {{wakeup_, POLLIN, 0}, {socket_.descriptor(), POLLIN, 0}};
    (void)::poll(ready, 2, wait);
    if (ready[0].revents != 0) {
      return;
    }
    for (int i = 0; i < most_at_once && socket_.receive(datagram, from); ++i) {
      if (const auto message = open(key_, datagram, rank_)) {
        take(*message, from);
      }
      if (beats_ && Clock::now() >= due) {
        break;  // an answer may take a second
      }
    }
    if (beats_ && Clock::now() >= due) {
      due = Clock::now() + period;
      beat();
      observe();
    }
  }
}

void Watch::take(const Message& message, const sockaddr_in& from)
{
  if (message.kind == Kind::ask) {
    answer(message, from);
  } else if (message.kind == Kind::beat) {
    std::map<std::uint32_t, State> others;
    for (std::size_t at = 0; at + entry_size <= message.body.size(); at += entry_size) {
      std::uint32_t rank = 0;
      std::memcpy(&rank, message.body.data() + at, sizeof(rank));
      others[rank] = static_cast<State>(message.body[at + sizeof(rank)]);
    }
    const std::lock_guard guard(observing_);
    if (observer_) {
      observer_->heard(message.from, others, Clock::now());
    }
  } else if (message.kind == Kind::part) {
    const std::lock_guard guard(observing_);
    if (observer_) {
      observer_->parted(message.from);
    }
  }
}

void Watch::answer(const Message& question, const sockaddr_in& asker)
{
  auto found = std::find_if(answers_.begin(), answers_.end(),
                            [&](const auto& each) { return each.first == question.number; });
  if (found == answers_.end()) {
    const bool all = !question.body.empty() && question.body[0] != std::byte{0};
    answers_.emplace_back(question.number, signals_.dump(answered_for_.load(), all));
    if (answers_.size() > most_answers) {
      answers_.pop_front();
    }
    found = std::prev(answers_.end());
  }
  const std::string& text = found->second;
  const std::size_t offset = std::min<std::size_t>(question.offset, text.size());
  const std::size_t size = std::min(largest_body, text.size() - offset);
  const auto* first = reinterpret_cast<const std::byte*>(text.data()) + offset;
  const Message told{Kind::tell,
                     rank_,
                     question.from,
                     static_cast<std::uint32_t>(offset),
                     static_cast<std::uint32_t>(text.size()),
                     question.number,
                     {first, first + size}};
  socket_.send(seal(key_, told), asker);
}

// The lowest rank of the node that runs speaks for it.
void Watch::beat()
{
  Message message;  // to rank 0
  message.kind = Kind::beat;
  message.from = rank_;
  for (const Process& each : beats_->of_node) {
    const State state = each.rank == rank_ ? State::runs : each.state();
    if (state == State::runs) {
      if (each.rank < rank_) {
        return;
      }
    } else if (message.body.size() + entry_size <= largest_body) {
      const auto* rank = reinterpret_cast<const std::byte*>(&each.rank);
      message.body.insert(message.body.end(), rank, rank + sizeof(each.rank));
      message.body.push_back(static_cast<std::byte>(state));
    }
  }
  tell_observer(message);
}

void Watch::observe()
{
  std::vector<std::string> said;
  {
    const std::lock_guard guard(observing_);
    if (!observer_ || lost_at_) {
      said.clear();
    } else {
      said = observer_->look(Clock::now());
      if (observer_->lost()) {
        lost_at_ = Clock::now();
      }
    }
  }
  report_.flush();
  for (const std::string& each : said) {
    report_.say(each);
  }
  if (lost_at_) {
    lost_.store(true);  // told first: the main thread may end the process at once
    if (Clock::now() - *lost_at_ > lasting(grace)) {
      ::_exit(ranks_lost);
    }
  }
}

}  // namespace sauerkraut::watch
