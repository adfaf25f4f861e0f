// XXH3-128 of bytes, one digest per block, so that damage is found where it is.
#pragma once

#include "xxh3.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sauerkraut::io {

using Bytes = std::span<const std::byte>;
using Digest = std::array<std::uint8_t, 16>;  // XXH3-128, canonical (big-endian) form

// Takes a stream in parts of any size and yields a digest per `block` bytes; the last block may
// be short, and an empty stream has no digest.
class BlockHash {
 public:
  explicit BlockHash(std::size_t block, const Xxh3& xxh3 = *xxh3_here().back());
  BlockHash(const BlockHash&) = delete;
  BlockHash& operator=(const BlockHash&) = delete;

  void update(Bytes bytes);
  std::vector<Digest> finish();

 private:
  void close_block();

  std::size_t block_;
  std::size_t filled_ = 0;
  const Xxh3& xxh3_;
  alignas(64) std::byte state_[kXxh3State];
  std::vector<Digest> digests_;
};

std::vector<Digest> hash(Bytes bytes, std::size_t block, const Xxh3& xxh3 = *xxh3_here().back());

}  // namespace sauerkraut::io
