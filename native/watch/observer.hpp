// What beats mean: which nodes are silent, which ranks do not run. No clock, no network in here.
#pragma once

#include "clock.hpp"
#include "process.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sauerkraut::watch {

struct Node {
  std::string name;
  std::vector<std::uint32_t> ranks;
};

class Observer {
 public:
  // `timeout`: seconds of silence after which a node is lost; a quarter of it is reported. The
  // nodes are those to watch; that of rank 0 is where this runs, and never lost.
  Observer(std::vector<Node> nodes, double timeout, Time now);

  // A beat came from a node; `others`: its ranks that do not run.
  void heard(std::uint32_t rank, const std::map<std::uint32_t, State>& others, Time now);

  // A rank ends in good order: its silence means nothing.
  void parted(std::uint32_t rank);

  // Every rank has come to an agreement, so every node lived at a time before `now`.
  void agreed(Time now);

  // To be called at least every `timeout` / 12: longer pauses are this process's own, in which it
  // could hear nobody, and begin every silence anew. Returns what a person should be told.
  std::vector<std::string> look(Time now);

  // A node that was heard before has been silent for the whole timeout.
  bool lost() const { return lost_; }

  // Whether a beat told, some time ago, that the rank's process has ended.
  bool is_gone(std::uint32_t rank) const;

 private:
  struct Watched {
    Node node;
    std::optional<Time> heard;
    std::uint32_t speaker = 0;  // the rank that was heard
    bool reported = false;
    bool parted = false;  // its speaker, and nobody was heard since
  };
  struct Halted {
    State state;
    Time since;
    bool reported = false;
  };

  void look_at_node(Watched& watched, Time now, std::vector<std::string>& said);

  std::vector<Watched> nodes_;
  std::map<std::uint32_t, std::size_t> node_of_;  // by rank
  std::map<std::uint32_t, Halted> halted_;        // by rank
  std::set<std::uint32_t> parted_;
  Clock::duration timeout_;
  Time began_;
  Time looked_;
  std::pair<Time, Time> agreed_;  // the two latest agreements, older first
  bool lost_ = false;
};

}  // namespace sauerkraut::watch
