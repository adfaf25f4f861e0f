#include "hash.hpp"

#define XXH_INLINE_ALL
#include <algorithm>
#include <utility>
#include <xxhash.h>

namespace sauerkraut::io {

struct BlockHash::State {
  XXH3_state_t xxh;
};

BlockHash::BlockHash(std::size_t block) : block_(block), state_(std::make_unique<State>())
{
  XXH3_128bits_reset(&state_->xxh);
}

BlockHash::~BlockHash() = default;

void BlockHash::close_block()
{
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state_->xxh));
  Digest& digest = digests_.emplace_back();
  std::copy(std::begin(canonical.digest), std::end(canonical.digest), digest.begin());
  XXH3_128bits_reset(&state_->xxh);
  filled_ = 0;
}

void BlockHash::update(Bytes bytes)
{
  while (!bytes.empty()) {
    const std::size_t part = std::min(bytes.size(), block_ - filled_);
    XXH3_128bits_update(&state_->xxh, bytes.data(), part);
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

std::vector<Digest> hash(Bytes bytes, std::size_t block)
{
  BlockHash hash(block);
  hash.update(bytes);
  return hash.finish();
}

}  // namespace sauerkraut::io
