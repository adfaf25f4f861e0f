#include "observer.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace sauerkraut::watch {

namespace {

std::string rounded(Clock::duration time)
{
  const double seconds = Seconds(time).count();
  return std::to_string(std::lround(seconds)) + " s";
}

std::string clock_time(Clock::duration ago)
{
  using std::chrono::system_clock;
  const std::time_t then = system_clock::to_time_t(
      system_clock::now() - std::chrono::duration_cast<system_clock::duration>(ago));
  std::tm parts{};
  char text[16] = "";
  if (::localtime_r(&then, &parts) != nullptr) {
    std::strftime(text, sizeof(text), "%H:%M:%S", &parts);
  }
  return text;
}

std::string named(const Node& node)
{
  std::string text = node.name + (node.ranks.size() == 1 ? " (rank " : " (ranks ");
  constexpr std::size_t shown = 8;
  for (std::size_t i = 0; i < std::min(node.ranks.size(), shown); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(node.ranks[i]);
  }
  return text + (node.ranks.size() > shown ? ", ...)" : ")");
}

}  // namespace

Observer::Observer(std::vector<Node> nodes, double timeout, Time now)
    : timeout_(lasting(timeout)), began_(now), looked_(now), agreed_(now, now)
{
  for (Node& node : nodes) {
    for (const std::uint32_t rank : node.ranks) {
      node_of_[rank] = nodes_.size();
    }
    nodes_.push_back({std::move(node), std::nullopt});
  }
}

void Observer::heard(std::uint32_t rank, const std::map<std::uint32_t, State>& others, Time now)
{
  const auto found = node_of_.find(rank);
  if (found == node_of_.end()) {
    return;
  }
  Watched& watched = nodes_[found->second];
  watched.heard = now;
  watched.speaker = rank;
  watched.parted = false;
  for (const std::uint32_t each : watched.node.ranks) {
    const auto told = others.find(each);
    const auto known = halted_.find(each);
    if (told == others.end() || parted_.contains(each)) {
      if (known != halted_.end()) {
        halted_.erase(known);
      }
    } else if (known == halted_.end() || known->second.state != told->second) {
      halted_.insert_or_assign(each, Halted{told->second, now});
    }
  }
}

void Observer::parted(std::uint32_t rank)
{
  parted_.insert(rank);
  halted_.erase(rank);
  const auto found = node_of_.find(rank);
  if (found == node_of_.end()) {
    return;
  }
  Watched& watched = nodes_[found->second];
  if (watched.heard && watched.speaker == rank) {
    watched.heard.reset();
    watched.parted = true;
    watched.reported = false;
  }
}

void Observer::agreed(Time now)
{
  // A rank comes to this agreement only after all have come to the one before, which this process
  // began after the one before that.
  for (Watched& each : nodes_) {
    if (each.heard && *each.heard < agreed_.first) {
      each.heard = agreed_.first;
    }
  }
  agreed_ = {agreed_.second, now};
}

std::vector<std::string> Observer::look(Time now)
{
  std::vector<std::string> said;
  if (now - looked_ > timeout_ / 4) {
    for (Watched& each : nodes_) {
      if (each.heard) {
        each.heard = now;
      }
    }
    for (auto& [rank, halted] : halted_) {
      halted.since = now;
    }
    began_ += now - looked_;
  }
  looked_ = now;
  for (Watched& each : nodes_) {
    look_at_node(each, now, said);
  }
  for (auto& [rank, halted] : halted_) {
    if (!halted.reported && now - halted.since >= timeout_ / 4) {
      halted.reported = true;
      const Node& node = nodes_[node_of_.at(rank)].node;
      said.push_back("rank " + std::to_string(rank) + " on " + node.name +
                     (halted.state == State::gone ? " has ended" : " is stopped by a signal") +
                     " since " + clock_time(now - halted.since));
    }
  }
  return said;
}

void Observer::look_at_node(Watched& watched, Time now, std::vector<std::string>& said)
{
  if (!watched.heard) {
    if (!watched.parted && !watched.reported && now - began_ >= timeout_) {
      watched.reported = true;
      said.push_back("no beat ever came from node " + named(watched.node) +
                     ", so it is not watched: UDP from it to rank 0 must be let through");
    }
    return;
  }
  const auto silent = now - *watched.heard;
  const auto& ranks = watched.node.ranks;
  const bool here = std::find(ranks.begin(), ranks.end(), 0U) != ranks.end();
  if (here) {
    return;
  }
  if (silent >= timeout_) {
    said.push_back("node " + named(watched.node) + " has been silent for " + rounded(silent) +
                   ", since " + clock_time(silent) + ": ending the job, start it again");
    lost_ = true;
  } else if (silent >= timeout_ / 4 && !watched.reported) {
    watched.reported = true;
    said.push_back("no beats from node " + named(watched.node) + " since " + clock_time(silent) +
                   "; after " + rounded(timeout_) + " of silence the job is ended");
  } else if (silent < timeout_ / 4 && watched.reported) {
    watched.reported = false;
    said.push_back("node " + named(watched.node) + " beats: it is watched");
  }
}

bool Observer::is_gone(std::uint32_t rank) const
{
  const auto found = halted_.find(rank);
  return found != halted_.end() && found->second.state == State::gone && found->second.reported;
}

}  // namespace sauerkraut::watch
