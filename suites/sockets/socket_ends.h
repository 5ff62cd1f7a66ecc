// Sockets of the cases of this method: pairs, servers, connections, and what the cases do with
// them.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "cases/context.h"
#include "subjects/support/socket_address.h"

namespace gauntlet {

/// Two connected Unix sockets. After fork each process owns a copy of both.
struct SocketPair {
  UniqueFd first;
  UniqueFd second;

  static Result<SocketPair> open(int type, int flags = 0) {
    int ends[2];
    if (::socketpair(AF_UNIX, type | flags | SOCK_CLOEXEC, 0, ends) != 0) {
      return fail_system("socketpair");
    }
    return SocketPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
  }
};

/// A socket that is bound to a fresh address, and the clients that reach it.
class Bound {
 public:
  static Result<Bound> open(const CaseContext& context, SocketKind kind, int flags = 0) {
    Result<UniqueFd> fd = open_socket(kind, flags);
    if (!fd) return tl::unexpected<Error>(fd.error());
    Result<std::string> name = bind_fresh(fd->get(), kind.family, context.scope());
    if (!name) return tl::unexpected<Error>(name.error());
    Result<SocketAddress> address = socket_address(kind.family, *name);
    if (!address) return tl::unexpected<Error>(address.error());
    return Bound(kind, std::move(*fd), std::move(*name), *address);
  }
  static Result<Bound> listening(const CaseContext& context, SocketKind kind, int backlog = 8,
                                 int flags = 0) {
    Result<Bound> bound = open(context, kind, flags);
    if (bound && ::listen(bound->fd.get(), backlog) != 0) return fail_system("listen");
    return bound;
  }
  Bound(Bound&& other) noexcept
      : fd(std::move(other.fd)),
        address(other.address),
        kind_(other.kind_),
        name_(std::exchange(other.name_, std::string())) {}
  Bound& operator=(Bound&&) = delete;
  ~Bound() {
    if (!name_.empty() && leaves_a_file(kind_.family)) ::unlink(name_.c_str());
  }

  const std::string& name() const { return name_; }
  UniqueFd client(int flags = 0) const {
    Result<UniqueFd> made = open_socket(kind_, flags);
    return made ? std::move(*made) : UniqueFd();
  }
  int connect(const UniqueFd& client) const {
    return ::connect(client.get(), address.get(), address.length);
  }
  UniqueFd accept(int flags = 0) const {
    return UniqueFd(::accept4(fd.get(), nullptr, nullptr, flags | SOCK_CLOEXEC));
  }

  UniqueFd fd;
  SocketAddress address;

 private:
  Bound(SocketKind kind, UniqueFd socket, std::string name, const SocketAddress& at)
      : fd(std::move(socket)), address(at), kind_(kind), name_(std::move(name)) {}
  SocketKind kind_;
  std::string name_;
};

/// Both ends of a connection that was made by an address.
struct Connection {
  UniqueFd client;
  UniqueFd server;

  static Result<Connection> open(const CaseContext& context, SocketKind kind) {
    const Result<Bound> bound = Bound::listening(context, kind);
    if (!bound) return tl::unexpected<Error>(bound.error());
    Connection made;
    made.client = bound->client();
    if (!made.client.valid() || bound->connect(made.client) != 0) return fail_system("connect");
    made.server = bound->accept();
    if (!made.server.valid()) return fail_system("accept4");
    return made;
  }
};

inline constexpr SocketKind kUnixStream{.family = AddressFamily::unix_path, .type = SOCK_STREAM};
inline constexpr SocketKind kUnixDatagram{.family = AddressFamily::unix_path, .type = SOCK_DGRAM};
inline constexpr SocketKind kTcp{.family = AddressFamily::ipv4, .type = SOCK_STREAM};
inline constexpr SocketKind kUdp{.family = AddressFamily::ipv4, .type = SOCK_DGRAM};
inline constexpr SocketKind kBothStreams[] = {kUnixStream, kTcp};

/// The value of an option that is an int; -1 when the call fails.
inline int int_option(int fd, int option, int level = SOL_SOCKET) {
  int value = 0;
  socklen_t length = sizeof value;
  return ::getsockopt(fd, level, option, &value, &length) == 0 ? value : -1;
}
inline int set_option(int fd, int option, int value, int level = SOL_SOCKET) {
  return ::setsockopt(fd, level, option, &value, sizeof value);
}

inline ssize_t send_text(const UniqueFd& fd, std::string_view text, int flags = MSG_NOSIGNAL) {
  return ::send(fd.get(), text.data(), text.size(), flags);
}
/// What one recv() brings; "" at the end of the stream, "<ENAME>" when it fails.
inline std::string receive_text(const UniqueFd& fd, int flags = 0, std::size_t most = 4096) {
  std::string text(most, '\0');
  const ssize_t got = ::recv(fd.get(), text.data(), most, flags);
  if (got < 0) return "<" + errno_name(errno) + ">";
  text.resize(static_cast<std::size_t>(got));
  return text;
}

/// What poll() says of the descriptor now.
inline int events_of(const UniqueFd& fd, int wanted) {
  pollfd ready{.fd = fd.get(), .events = static_cast<short>(wanted), .revents = 0};
  return ::poll(&ready, 1, 0) < 0 ? -1 : ready.revents;
}
/// Waits for one of the events and answers those seen; 0 when none came in time.
inline int await_events(const UniqueFd& fd, int wanted) {
  pollfd ready{.fd = fd.get(), .events = static_cast<short>(wanted), .revents = 0};
  const Deadline deadline = Deadline::after(kCallPatience);
  int count = 0;
  do {
    count = ::poll(&ready, 1, deadline.poll_timeout_ms());
  } while (count < 0 && errno == EINTR);
  return count == 1 ? ready.revents : 0;
}

/// Sends `size` bytes at a time without waiting until there is room for no more; how many sends
/// were accepted, -1 when it ended with another error than EAGAIN.
inline long fill_socket(const UniqueFd& fd, std::size_t size) {
  const std::string block(size, 'f');
  for (long sent = 0; sent < 1'000'000; ++sent) {
    if (send_text(fd, block, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) continue;
    return errno == EAGAIN ? sent : -1;
  }
  return -1;
}

}  // namespace gauntlet
