// What ranks tell each other in datagrams: sealed with the run's key, so a stray one means nothing.
#pragma once

#include "siphash.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sauerkraut::watch {

enum class Kind : std::uint32_t {
  ask = 1,   // where do you stand? body: 1 byte, whether all threads are asked for
  tell = 2,  // the answer, a part of it
  beat = 3,  // this node lives; body: its ranks that do not run
  part = 4,  // this rank ends in good order
};

struct Message {
  Kind kind{};
  std::uint32_t from = 0;    // rank
  std::uint32_t to = 0;      // rank: one address may lead to several of them
  std::uint32_t offset = 0;  // of the part in the answer
  std::uint32_t total = 0;   // bytes of the answer
  std::uint64_t number = 0;  // of the question
  std::vector<std::byte> body;
};

// Bytes of a body that travel in one frame of any network.
inline constexpr std::size_t largest_body = 1280;

std::vector<std::byte> seal(const Key& key, const Message& message);

// Nothing for bytes that are not for this rank, are no answer to this question, where there is one,
// or were not sealed with this key, whatever they are.
std::optional<Message> open(const Key& key, std::span<const std::byte> datagram, std::uint32_t to,
                            std::optional<std::uint64_t> number = std::nullopt);

}  // namespace sauerkraut::watch
