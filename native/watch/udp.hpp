// A UDP socket over IPv4, and the addresses of this machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <netinet/in.h>
#include <span>
#include <string>
#include <vector>

namespace sauerkraut::watch {

// Where a process listens: one port, at any of several addresses.
struct Place {
  std::vector<std::string> addresses;
  std::uint16_t port = 0;  // 0: nowhere

  // As the system takes them; what is no address is left out.
  std::vector<sockaddr_in> sockets() const;
};

class UdpSocket {
 public:
  // Bound to a free port of all addresses; std::system_error when there is none to be had.
  UdpSocket();
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  int descriptor() const { return descriptor_; }
  std::uint16_t port() const { return port_; }

  // Never waits and never fails: what cannot be sent is lost, as any datagram may be.
  void send(std::span<const std::byte> datagram, const sockaddr_in& to) const;

  // Take a datagram that is there; false when none is.
  bool receive(std::vector<std::byte>& datagram, sockaddr_in& from) const;

 private:
  int descriptor_;
  std::uint16_t port_ = 0;
};

// Those of the interfaces that are up, without the loopback; then that.
std::vector<std::string> own_addresses();

}  // namespace sauerkraut::watch
