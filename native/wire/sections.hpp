// The section table of a snapshot in one piece (docs/format.md): 64 bytes for each section with its
// kind, offset, length and XXH3-128, in the order in which they follow each other, aligned.
#pragma once

#include "../io/hash.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sauerkraut::wire {

struct Section {
  std::uint32_t kind = 0;
  io::Bytes bytes;
};

// The table of sections that follow a header and this table.
std::string section_table(const std::vector<Section>& sections);

// The sections of `snapshot`, whose table of `count` sections begins behind the header. Throws
// ResumeError when they are not where or what they were.
std::vector<Section> sections(io::Bytes snapshot, std::size_t count);

}  // namespace sauerkraut::wire
