#include "hash.hpp"

#include <algorithm>
#include <utility>

namespace sauerkraut::io {

BlockHash::BlockHash(std::size_t block, const Xxh3& xxh3) : block_(block), xxh3_(xxh3)
{
  xxh3_.reset(state_);
}

void BlockHash::close_block()
{
  std::uint8_t canonical[16];
  xxh3_.digest(state_, canonical);
  std::copy(std::begin(canonical), std::end(canonical), digests_.emplace_back().begin());
  xxh3_.reset(state_);
  filled_ = 0;
}

void BlockHash::update(Bytes bytes)
{
  while (!bytes.empty()) {
    const std::size_t part = std::min(bytes.size(), block_ - filled_);
    xxh3_.update(state_, bytes.data(), part);
    bytes = bytes.subspan(part);
    filled_ += part;
    if (filled_ == block_) {
      close_block();
    }
  }
}

std::vector<Digest> BlockHash::finish()
{
  if (filled_ > 0) {
    close_block();
  }
  return std::exchange(digests_, {});
}

std::vector<Digest> hash(Bytes bytes, std::size_t block, const Xxh3& xxh3)
{
  BlockHash hash(block, xxh3);
  hash.update(bytes);
  return hash.finish();
}

}  // namespace sauerkraut::io
