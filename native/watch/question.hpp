// Ask ranks where they stand, and wait for their answers.
#pragma once

#include "siphash.hpp"
#include "udp.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace sauerkraut::watch {

// Returns what each rank answered, as its `StackSignals::dump` gave it; ranks that do not answer
// within `patience` seconds are left out. Needs no GIL.
std::map<std::uint32_t, std::string> ask(const Key& key, std::uint32_t asker,
                                         const std::map<std::uint32_t, Place>& ranks,
                                         bool all_threads, double patience);

}  // namespace sauerkraut::watch
