#include "message.hpp"

#include <cstring>

namespace sauerkraut::watch {

namespace {

struct Header {
  std::uint32_t magic;
  Kind kind;
  std::uint32_t from;
  std::uint32_t to;
  std::uint32_t offset;
  std::uint32_t total;
  std::uint64_t number;
};

constexpr std::uint32_t magic = 0x31574b53;  // "SKW1"
constexpr std::size_t tag_size = sizeof(std::uint64_t);

}  // namespace

std::vector<std::byte> seal(const Key& key, const Message& message)
{
  const Header header{magic,          message.kind,  message.from,  message.to,
                      message.offset, message.total, message.number};
  std::vector<std::byte> datagram(sizeof(header) + message.body.size() + tag_size);
  std::memcpy(datagram.data(), &header, sizeof(header));
  if (!message.body.empty()) {
    std::memcpy(datagram.data() + sizeof(header), message.body.data(), message.body.size());
  }
  const std::span sealed(datagram.data(), datagram.size() - tag_size);
  const std::uint64_t tag = siphash(key, sealed);
  std::memcpy(datagram.data() + sealed.size(), &tag, tag_size);
  return datagram;
}

std::optional<Message> open(const Key& key, std::span<const std::byte> datagram, std::uint32_t to,
                            std::optional<std::uint64_t> number)
{
  if (datagram.size() < sizeof(Header) + tag_size) {
    return std::nullopt;
  }
  const auto sealed = datagram.first(datagram.size() - tag_size);
  std::uint64_t tag = 0;
  std::memcpy(&tag, datagram.data() + sealed.size(), tag_size);
  Header header{};
  std::memcpy(&header, sealed.data(), sizeof(header));
  // The seal last: it costs the most, and a stranger cannot know the number of a question.
  if (header.magic != magic || header.to != to || header.number != number.value_or(header.number) ||
      tag != siphash(key, sealed)) {
    return std::nullopt;
  }
  const auto body = sealed.subspan(sizeof(Header));
  return Message{header.kind,
                 header.from,
                 header.to,
                 header.offset,
                 header.total,
                 header.number,
                 {body.begin(), body.end()}};
}

}  // namespace sauerkraut::watch
