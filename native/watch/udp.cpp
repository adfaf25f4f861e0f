#include "udp.hpp"

#include "message.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace sauerkraut::watch {

namespace {

constexpr std::size_t most_addresses = 8;
constexpr std::size_t largest_datagram = largest_body + 256;

}  // namespace

std::vector<sockaddr_in> Place::sockets() const
{
  std::vector<sockaddr_in> found;
  for (const std::string& address : addresses) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    if (port != 0 && inet_pton(AF_INET, address.c_str(), &to.sin_addr) == 1) {
      found.push_back(to);
    }
  }
  return found;
}

UdpSocket::UdpSocket()
    : descriptor_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))
{
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t size = sizeof(own);
  auto* address = reinterpret_cast<sockaddr*>(&own);
  if (descriptor_ < 0 || ::bind(descriptor_, address, size) != 0 ||
      ::getsockname(descriptor_, address, &size) != 0) {
    const int error = errno;
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
    throw std::system_error(error, std::generic_category());
  }
  port_ = ntohs(own.sin_port);
}

UdpSocket::~UdpSocket()
{
  ::close(descriptor_);
}

void UdpSocket::send(std::span<const std::byte> datagram, const sockaddr_in& to) const
{
  (void)::sendto(descriptor_, datagram.data(), datagram.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&to), sizeof(to));
}

bool UdpSocket::receive(std::vector<std::byte>& datagram, sockaddr_in& from) const
{
  for (int attempt = 0; attempt < 16; ++attempt) {
    datagram.resize(largest_datagram);
    socklen_t size = sizeof(from);
    const ssize_t received = ::recvfrom(descriptor_, datagram.data(), datagram.size(), 0,
                                        reinterpret_cast<sockaddr*>(&from), &size);
    if (received >= 0) {
      datagram.resize(static_cast<std::size_t>(received));
      return true;
    }
    // Anything else than "none there" is the answer to a datagram sent before: nobody listened.
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return false;
    }
  }
  return false;
}

std::vector<std::string> own_addresses()
{
  std::vector<std::string> found;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) == 0) {
    for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
      const bool usable = each->ifa_addr != nullptr && each->ifa_addr->sa_family == AF_INET &&
                          (each->ifa_flags & IFF_UP) != 0 && (each->ifa_flags & IFF_LOOPBACK) == 0;
      if (usable && found.size() < most_addresses) {
        char text[INET_ADDRSTRLEN];
        const auto* address = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
        if (::inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text)) != nullptr) {
          found.emplace_back(text);
        }
      }
    }
    ::freeifaddrs(first);
  }
  found.emplace_back("127.0.0.1");
  return found;
}

}  // namespace sauerkraut::watch
