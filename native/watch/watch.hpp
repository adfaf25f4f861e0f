// The thread of one rank that answers and beats while the program computes. It never takes the GIL.
#pragma once

#include "clock.hpp"
#include "message.hpp"
#include "observer.hpp"
#include "process.hpp"
#include "report.hpp"
#include "stack_signal.hpp"
#include "udp.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <sys/types.h>
#include <thread>
#include <utility>
#include <vector>

namespace sauerkraut::watch {

// Whom a rank beats to, and for whom. Only where the job is watched.
struct Beats {
  double timeout = 60;           // seconds; a beat every twelfth of it
  Place observer;                // where rank 0 listens
  std::vector<Process> of_node;  // those of the ranks of this node, lowest first, that it sees
  std::vector<Node> nodes;       // of the observer: those that it watches; else empty
};

class Watch {
 public:
  // Listens from now on, and heeds nothing before `start`. std::system_error: no socket.
  Watch();
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  std::uint16_t port() const { return socket_.port(); }

  // Answer for the calling thread, and beat where `beats` are given. std::system_error: no thread.
  void start(const Key& key, std::uint32_t rank, StackSignals signals, std::optional<Beats> beats);

  // Answer for the thread that calls this, from now on.
  void answer_for_caller();

  // End the thread, and tell rank 0 that this rank is not lost; a second call does nothing, nor
  // does one in a forked child.
  void stop();

  // Every rank has come to an agreement.
  void agreed();

  // Whether a node is lost: then the process is to end with 86, and will after `grace` seconds.
  bool lost() const { return lost_.load(); }

  // Whether the process of a rank has ended, as far as beats told.
  bool is_gone(std::uint32_t rank) const;

  static constexpr double grace = 5;

 private:
  void run();
  void take(const Message& message, const sockaddr_in& from);
  void answer(const Message& question, const sockaddr_in& asker);
  void beat();
  void tell_observer(const Message& message) const;
  void observe();

  UdpSocket socket_;
  int wakeup_;  // an eventfd
  Key key_{};
  std::uint32_t rank_ = 0;
  StackSignals signals_;
  std::optional<Beats> beats_;
  std::vector<sockaddr_in> observer_places_;
  pid_t process_ = 0;  // that has the thread
  std::atomic<pid_t> answered_for_{0};
  std::unique_ptr<std::thread> thread_;
  std::deque<std::pair<std::uint64_t, std::string>> answers_;  // by number of the question
  mutable std::mutex observing_;
  std::optional<Observer> observer_;
  Report report_;
  std::atomic<bool> lost_{false};
  std::optional<Time> lost_at_;
};

}  // namespace sauerkraut::watch
