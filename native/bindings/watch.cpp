#include "../watch/watch.hpp"

#include "../watch/question.hpp"
#include "../watch/siphash.hpp"
#include "bindings.hpp"
#include "view.hpp"
#include "watch.hpp"

#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <tuple>

namespace nb = nanobind;
using namespace nb::literals;

namespace sauerkraut::bindings {

namespace {

using watch::Beats;
using watch::Key;
using watch::Node;
using watch::Place;
using watch::StackSignals;
using watch::Watch;

using PlaceGiven = std::pair<std::vector<std::string>, std::uint16_t>;
using ProcessGiven = std::tuple<std::uint32_t, int, std::uint64_t>;
using NodeGiven = std::pair<std::string, std::vector<std::uint32_t>>;

Key key_of(const nb::bytes& bytes)
{
  Key key;
  if (bytes.size() != key.size()) {
    throw nb::value_error("key must have 16 bytes");
  }
  std::copy_n(static_cast<const std::byte*>(bytes.data()), key.size(), key.begin());
  return key;
}

Place place_of(const PlaceGiven& given)
{
  return {given.first, given.second};
}

// A Watch with what it will be started with.
struct Prepared {
  Watch watch;
  std::optional<Beats> beats;
};

void prepare_beats(Prepared& self, double timeout, const PlaceGiven& observer,
                   const std::vector<ProcessGiven>& of_node, const std::vector<NodeGiven>& nodes)
{
  Beats beats;
  beats.timeout = timeout;
  beats.observer = place_of(observer);
  for (const auto& [rank, pid, start] : of_node) {
    beats.of_node.push_back({rank, pid, start});
  }
  for (const auto& [name, ranks] : nodes) {
    beats.nodes.push_back({name, ranks});
  }
  self.beats = std::move(beats);
}

nb::dict ask_stacks(const nb::bytes& key, std::uint32_t asker,
                    const std::map<std::uint32_t, PlaceGiven>& ranks, bool all_threads,
                    double patience)
{
  const Key secret = key_of(key);
  std::map<std::uint32_t, Place> places;
  for (const auto& [rank, place] : ranks) {
    places[rank] = place_of(place);
  }
  std::map<std::uint32_t, std::string> answers;
  {
    nb::gil_scoped_release unlocked;
    answers = watch::ask(secret, asker, places, all_threads, patience);
  }
  nb::dict told;
  for (const auto& [rank, text] : answers) {
    told[nb::int_(rank)] = nb::bytes(text.data(), text.size());
  }
  return told;
}

}  // namespace

void bind_watch(nb::module_& m)
{
  nb::class_<Prepared>(m, "Watch",
                       "A thread that answers for this process and beats; never takes the GIL.")
      .def(nb::init<>())
      .def_prop_ro("port", [](const Prepared& self) { return self.watch.port(); })
      .def("beat", prepare_beats, "timeout"_a, "observer"_a, "of_node"_a, "nodes"_a,
           "Before `start`: beat to where rank 0 listens, for the processes (rank, PID, start) of "
           "this node; rank 0 watches the nodes (name, ranks).")
      .def(
          "start",
          [](Prepared& self, const nb::bytes& key, std::uint32_t rank,
             std::tuple<int, int, int> signals) {
            const auto& [descriptor, one, all] = signals;
            self.watch.start(key_of(key), rank, StackSignals{descriptor, one, all}, self.beats);
          },
          "key"_a, "rank"_a, "signals"_a,
          "Answer for the calling thread. Signals: the file that faulthandler writes to, those for "
          "one thread and for all.")
      .def(
          "answer_for_caller", [](Prepared& self) { self.watch.answer_for_caller(); },
          "Answer for the calling thread, and not for the one that called `start`.")
      .def(
          "stop",
          [](Prepared& self) {
            nb::gil_scoped_release unlocked;
            self.watch.stop();
          },
          "End the thread; twice is once.")
      .def(
          "agreed", [](Prepared& self) { self.watch.agreed(); },
          "Every rank has come to an agreement, so all of them live.")
      .def_prop_ro("lost", [](const Prepared& self) { return self.watch.lost(); })
      .def(
          "is_gone",
          [](const Prepared& self, std::uint32_t rank) { return self.watch.is_gone(rank); },
          "rank"_a);

  m.def("own_addresses", watch::own_addresses, "IPv4, the loopback last.");
  m.def("count_signal", watch::count_signal, "signal"_a,
        "Handle a signal by counting it; then have faulthandler handle it, chained.");
  m.def("ask_stacks", ask_stacks, "key"_a, "asker"_a, "ranks"_a, "all_threads"_a, "patience"_a,
        nb::sig("def ask_stacks(key: bytes, asker: int, ranks: collections.abc.Mapping[int, "
                "tuple[collections.abc.Sequence[str], int]], all_threads: bool, patience: float) "
                "-> dict[int, bytes]"),
        "What faulthandler writes on other ranks (addresses and port); without those that do not "
        "answer within so many seconds each.");
  m.def(
      "siphash",
      [](const nb::bytes& key, nb::handle data) {
        const View view(data, false);
        return watch::siphash(key_of(key), view.bytes());
      },
      "key"_a, "data"_a, nb::sig("def siphash(key: bytes, data: typing_extensions.Buffer) -> int"),
      "SipHash-2-4, which seals datagrams: for tests.");
}

}  // namespace sauerkraut::bindings
