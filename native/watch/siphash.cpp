#include "siphash.hpp"

#include <bit>
#include <cstring>

namespace sauerkraut::watch {

namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

std::uint64_t word_at(const std::byte* data)
{
  std::uint64_t word = 0;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

struct State {
  std::uint64_t a, b, c, d;

  void round()
  {
    a += b;
    b = std::rotl(b, 13) ^ a;
    a = std::rotl(a, 32);
    c += d;
    d = std::rotl(d, 16) ^ c;
    a += d;
    d = std::rotl(d, 21) ^ a;
    c += b;
    b = std::rotl(b, 17) ^ c;
    c = std::rotl(c, 32);
  }

  void take(std::uint64_t word)
  {
    d ^= word;
    round();
    round();
    a ^= word;
  }
};

}  // namespace

std::uint64_t siphash(const Key& key, std::span<const std::byte> data)
{
  const std::uint64_t low = word_at(key.data());
  const std::uint64_t high = word_at(key.data() + 8);
  State state{low ^ 0x736f6d6570736575, high ^ 0x646f72616e646f6d, low ^ 0x6c7967656e657261,
              high ^ 0x7465646279746573};
  const std::size_t whole = data.size() / 8 * 8;
  for (std::size_t at = 0; at < whole; at += 8) {
    state.take(word_at(data.data() + at));
  }
  std::uint64_t last = static_cast<std::uint64_t>(data.size()) << 56;
  for (std::size_t at = whole; at < data.size(); ++at) {
    last |= std::to_integer<std::uint64_t>(data[at]) << (8 * (at - whole));
  }
  state.take(last);
  state.c ^= 0xff;
  for (int i = 0; i < 4; ++i) {
    state.round();
  }
  return state.a ^ state.b ^ state.c ^ state.d;
}

}  // namespace sauerkraut::watch
