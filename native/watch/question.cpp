#include "question.hpp"

#include "clock.hpp"
#include "message.hpp"

#include <algorithm>
#include <poll.h>
#include <random>
#include <vector>

namespace sauerkraut::watch {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t at_once = 64;  // ranks that are asked at a time: their answers are one burst
constexpr auto again = 250ms;        // a datagram without an answer is lost
constexpr std::uint32_t largest_answer = 1 << 20;
constexpr int most_at_once = 1024;  // datagrams between two looks at the clock

struct Asked {
  std::vector<sockaddr_in> places;
  std::string answer;
  bool complete = false;
  Time since;  // when it was first asked
  Time sent;
};

}  // namespace

std::map<std::uint32_t, std::string> ask(const Key& key, std::uint32_t asker,
                                         const std::map<std::uint32_t, Place>& ranks,
                                         bool all_threads, double patience)
{
  const UdpSocket socket;
  std::random_device chance;
  const std::uint64_t number = (std::uint64_t{chance()} << 32) | chance();
  std::map<std::uint32_t, Asked> active;
  std::map<std::uint32_t, std::string> answers;

  const auto send = [&](std::uint32_t rank, Asked& asked) {
    const Message question{Kind::ask,
                           asker,
                           rank,
                           static_cast<std::uint32_t>(asked.answer.size()),
                           0,
                           number,
                           {std::byte{all_threads}}};
    const auto datagram = seal(key, question);
    for (const sockaddr_in& place : asked.places) {
      socket.send(datagram, place);
    }
    asked.sent = Clock::now();
  };
  const auto take = [&](const Message& message, const sockaddr_in& from) {
    const auto found = active.find(message.from);
    if (message.kind != Kind::tell || found == active.end() ||
        message.offset != found->second.answer.size() || message.total > largest_answer) {
      return;
    }
    Asked& asked = found->second;
    asked.answer.append(reinterpret_cast<const char*>(message.body.data()), message.body.size());
    asked.places = {from};
    asked.complete = asked.answer.size() >= message.total;
    if (!asked.complete && !message.body.empty()) {
      send(message.from, asked);
    }
  };

  auto next = ranks.begin();
  std::vector<std::byte> datagram;
  sockaddr_in from{};
  while (next != ranks.end() || !active.empty()) {
    while (next != ranks.end() && active.size() < at_once) {
      Asked& asked = active[next->first];
      asked.places = next->second.sockets();
      asked.since = Clock::now();
      send(next->first, asked);
      ++next;
    }
    pollfd ready{socket.descriptor(), POLLIN, 0};
    (void)::poll(&ready, 1, 50);
    for (int i = 0; i < most_at_once && socket.receive(datagram, from); ++i) {
      if (const auto message = open(key, datagram, asker, number)) {
        take(*message, from);
      }
    }
    const Time now = Clock::now();
    for (auto each = active.begin(); each != active.end();) {
      Asked& asked = each->second;
      if (asked.complete) {
        answers[each->first] = std::move(asked.answer);
      }
      if (asked.complete || now - asked.since > lasting(patience)) {
        each = active.erase(each);
        continue;
      }
      if (now - asked.sent > again) {
        send(each->first, asked);
      }
      ++each;
    }
  }
  return answers;
}

}  // namespace sauerkraut::watch
