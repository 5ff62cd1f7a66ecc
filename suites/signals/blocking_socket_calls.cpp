// Calls that sleep on a socket, with and without a time-out of the socket.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>

#include "pipes/pipe_ends.h"
#include "signals/blocking_calls.h"
#include "support/scratch_directory.h"

namespace gauntlet {
namespace {

/// Whether the socket has a time-out (of an hour) for the direction that sleeps.
enum class Timeout : std::uint8_t { none, an_hour };

bool set_timeout(int fd, int option, Timeout timeout) {
  if (timeout == Timeout::none) return true;
  const timeval hour{.tv_sec = 3600, .tv_usec = 0};
  return ::setsockopt(fd, SOL_SOCKET, option, &hour, sizeof hour) == 0;
}

struct Pair {
  UniqueFd mine;
  UniqueFd other;
};

std::shared_ptr<Pair> make_pair(CaseContext& context, int type) {
  int ends[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) {
    context.not_created(system_error("socketpair"));
    return nullptr;
  }
  return std::make_shared<Pair>(Pair{UniqueFd(ends[0]), UniqueFd(ends[1])});
}

template <class Receive>
Situation receive(CaseContext& context, Timeout timeout, Receive receive_one) {
  const auto pair = make_pair(context, SOCK_STREAM);
  if (!pair) return {};
  EXPECT_TRUE(set_timeout(pair->mine.get(), SO_RCVTIMEO, timeout));
  return {.call = [pair, receive_one] { return static_cast<long>(receive_one(pair->mine.get())); },
          .complete = [pair] { EXPECT_EQ(::send(pair->other.get(), "x", 1, 0), 1); }};
}

template <class Send>
Situation send(CaseContext& context, Timeout timeout, Send send_one) {
  const auto pair = make_pair(context, SOCK_STREAM);
  if (!pair) return {};
  EXPECT_TRUE(set_timeout(pair->mine.get(), SO_SNDTIMEO, timeout));
  const long filled = fill(pair->mine.get());
  if (filled <= 0) {
    context.error("the socket could not be filled");
    return {};
  }
  return {.call = [pair, send_one] { return static_cast<long>(send_one(pair->mine.get())); },
          .complete =
              [pair, filled] { read_up_to(pair->other.get(), static_cast<std::size_t>(filled)); }};
}

long recv_one(int fd) {
  char byte = 0;
  return ::recv(fd, &byte, 1, 0);
}
long recvfrom_one(int fd) {
  char byte = 0;
  return ::recvfrom(fd, &byte, 1, 0, nullptr, nullptr);
}
long recvmsg_one(int fd) {
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return ::recvmsg(fd, &message, 0);
}
long recvmmsg_one(int fd, timespec* timeout) {
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  mmsghdr messages{};
  messages.msg_hdr.msg_iov = &part;
  messages.msg_hdr.msg_iovlen = 1;
  return ::recvmmsg(fd, &messages, 1, 0, timeout);
}
long send_one(int fd) { return ::send(fd, "x", 1, 0); }
long sendto_one(int fd) { return ::sendto(fd, "x", 1, 0, nullptr, 0); }
long sendmsg_one(int fd) {
  char byte = 'x';
  iovec part{.iov_base = &byte, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return ::sendmsg(fd, &message, 0);
}

template <auto Call, Timeout kTimeout>
Situation receive_by(CaseContext& context) {
  return receive(context, kTimeout, Call);
}
template <auto Call, Timeout kTimeout>
Situation send_by(CaseContext& context) {
  return send(context, kTimeout, Call);
}
template <Timeout kTimeout>
Situation recvmmsg(CaseContext& context) {
  return receive(context, kTimeout, [](int fd) { return recvmmsg_one(fd, nullptr); });
}
Situation recvmmsg_with_argument(CaseContext& context) {
  return receive(context, Timeout::none, [](int fd) {
    timespec hour = an_hour();
    return recvmmsg_one(fd, &hour);
  });
}

/// A stream listener at a path of its own.
struct Listener {
  ScratchDirectory directory;
  UniqueFd fd;
  sockaddr_un address{};

  const sockaddr* where() const { return reinterpret_cast<const sockaddr*>(&address); }
  UniqueFd connect_without_waiting() const {
    UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(client.get(), where(), sizeof address) != 0) client.reset();
    return client;
  }
};

std::shared_ptr<Listener> listen_at_path(CaseContext& context) {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) {
    context.not_created(directory.error());
    return nullptr;
  }
  auto made = std::make_shared<Listener>(
      Listener{.directory = std::move(*directory),
               .fd = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))});
  made->address.sun_family = AF_UNIX;
  const std::string path = made->directory.file("s");
  std::strncpy(made->address.sun_path, path.c_str(), sizeof made->address.sun_path - 1);
  if (::bind(made->fd.get(), made->where(), sizeof made->address) != 0 ||
      ::listen(made->fd.get(), 0) != 0) {
    context.not_created(system_error("listen"));
    return nullptr;
  }
  return made;
}

template <Timeout kTimeout>
Situation accept_unix(CaseContext& context) {
  const auto listener = listen_at_path(context);
  if (!listener) return {};
  EXPECT_TRUE(set_timeout(listener->fd.get(), SO_RCVTIMEO, kTimeout));
  const auto kept = std::make_shared<UniqueFd>();
  return {.call = [listener]() -> long {
            return ::accept(listener->fd.get(), nullptr, nullptr) < 0 ? -1 : 0;
          },
          .complete =
              [listener, kept] {
                *kept = listener->connect_without_waiting();
                EXPECT_TRUE(kept->valid());
              }};
}

// A connect() to a listener whose backlog is full sleeps until somebody accepts.
template <Timeout kTimeout>
Situation connect_unix(CaseContext& context) {
  const auto listener = listen_at_path(context);
  if (!listener) return {};
  const auto waiting = std::make_shared<std::vector<UniqueFd>>();
  constexpr int kMostBacklog = 64;
  bool full = false;
  for (int i = 0; i < kMostBacklog && !full; ++i) {
    waiting->push_back(listener->connect_without_waiting());
    full = !waiting->back().valid();
  }
  if (!full) {
    context.error("the backlog was never full");
    return {};
  }
  return {.call = [listener, waiting]() -> long {
            const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
            if (!set_timeout(client.get(), SO_SNDTIMEO, kTimeout)) return -1;
            return ::connect(client.get(), listener->where(), sizeof listener->address);
          },
          .complete =
              [listener] {
                const UniqueFd accepted(::accept(listener->fd.get(), nullptr, nullptr));
                EXPECT_TRUE(accepted.valid());
              }};
}

/// A socket of its own port on loopback.
std::shared_ptr<UniqueFd> bind_loopback(CaseContext& context, int type, sockaddr_in& address) {
  auto fd = std::make_shared<UniqueFd>(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* where = reinterpret_cast<sockaddr*>(&address);
  if (!fd->valid() || ::bind(fd->get(), where, size) != 0 ||
      ::getsockname(fd->get(), where, &size) != 0) {
    context.not_created(system_error("bind"));
    return nullptr;
  }
  return fd;
}

Situation recv_udp(CaseContext& context) {
  sockaddr_in address;
  const auto fd = bind_loopback(context, SOCK_DGRAM, address);
  if (!fd) return {};
  return {.call = [fd] { return recv_one(fd->get()); },
          .complete =
              [address] {
                const UniqueFd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                EXPECT_EQ(::sendto(sender.get(), "x", 1, 0,
                                   reinterpret_cast<const sockaddr*>(&address), sizeof address),
                          1);
              }};
}

Situation accept_tcp(CaseContext& context) {
  sockaddr_in address;
  const auto fd = bind_loopback(context, SOCK_STREAM, address);
  if (!fd) return {};
  EXPECT_EQ(::listen(fd->get(), 1), 0);
  const auto client = std::make_shared<UniqueFd>();
  return {.call = [fd]() -> long { return ::accept(fd->get(), nullptr, nullptr) < 0 ? -1 : 0; },
          .complete =
              [address, client] {
                client->reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
                EXPECT_EQ(::connect(client->get(), reinterpret_cast<const sockaddr*>(&address),
                                    sizeof address),
                          0);
              }};
}

Situation recv_tcp(CaseContext& context) {
  sockaddr_in address;
  const auto listener = bind_loopback(context, SOCK_STREAM, address);
  if (!listener) return {};
  EXPECT_EQ(::listen(listener->get(), 1), 0);
  const auto client = std::make_shared<UniqueFd>(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client->get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
  const auto server = std::make_shared<UniqueFd>(::accept(listener->get(), nullptr, nullptr));
  return {.call = [server] { return recv_one(server->get()); },
          .complete = [client] { EXPECT_EQ(::send(client->get(), "x", 1, 0), 1); }};
}

}  // namespace

std::span<const BlockingCall> socket_calls() {
  constexpr Timeout kNone = Timeout::none;
  constexpr Timeout kHour = Timeout::an_hour;
  static constexpr BlockingCall kCalls[] = {
      {"Accept", "accept(unix)", "accept(2)", kEintr, kGoesOn, kGoesOn, accept_unix<kNone>},
      {"AcceptWithReceiveTimeout", "accept(unix), SO_RCVTIMEO", "accept(2)", kEintr, kEintr, kEintr,
       accept_unix<kHour>},
      {"AcceptTcp", "accept(tcp)", "accept(2)", kEintr, kGoesOn, kGoesOn, accept_tcp},
      {"Connect", "connect(unix)", "connect(2)", kEintr, kGoesOn, kGoesOn, connect_unix<kNone>},
      {"ConnectWithSendTimeout", "connect(unix), SO_SNDTIMEO", "connect(2)", kEintr, kEintr, kEintr,
       connect_unix<kHour>},
      {"Recv", "recv(unix)", "recv(2)", kEintr, kGoesOn, kGoesOn, receive_by<recv_one, kNone>},
      {"RecvWithReceiveTimeout", "recv(unix), SO_RCVTIMEO", "recv(2)", kEintr, kEintr, kEintr,
       receive_by<recv_one, kHour>},
      {"RecvTcp", "recv(tcp)", "recv(2)", kEintr, kGoesOn, kGoesOn, recv_tcp},
      {"RecvUdp", "recv(udp)", "recv(2)", kEintr, kGoesOn, kGoesOn, recv_udp},
      {"Recvfrom", "recvfrom(unix)", "recvfrom(2)", kEintr, kGoesOn, kGoesOn,
       receive_by<recvfrom_one, kNone>},
      {"RecvfromWithReceiveTimeout", "recvfrom(unix), SO_RCVTIMEO", "recvfrom(2)", kEintr, kEintr,
       kEintr, receive_by<recvfrom_one, kHour>},
      {"Recvmsg", "recvmsg(unix)", "recvmsg(2)", kEintr, kGoesOn, kGoesOn,
       receive_by<recvmsg_one, kNone>},
      {"RecvmsgWithReceiveTimeout", "recvmsg(unix), SO_RCVTIMEO", "recvmsg(2)", kEintr, kEintr,
       kEintr, receive_by<recvmsg_one, kHour>},
      {"Recvmmsg", "recvmmsg(unix)", "recvmmsg(2)", kEintr, kGoesOn, kGoesOn, recvmmsg<kNone>},
      {"RecvmmsgWithReceiveTimeout", "recvmmsg(unix), SO_RCVTIMEO", "recvmmsg(2)", kEintr, kEintr,
       kEintr, recvmmsg<kHour>},
      {"RecvmmsgWithTimeoutArgument", "recvmmsg(unix, timeout)", "recvmmsg(2)", kEintr, kEintr,
       kEintr, recvmmsg_with_argument},
      {"Send", "send(unix)", "send(2)", kEintr, kGoesOn, kGoesOn, send_by<send_one, kNone>},
      {"SendWithSendTimeout", "send(unix), SO_SNDTIMEO", "send(2)", kEintr, kEintr, kEintr,
       send_by<send_one, kHour>},
      {"Sendto", "sendto(unix)", "sendto(2)", kEintr, kGoesOn, kGoesOn, send_by<sendto_one, kNone>},
      {"SendtoWithSendTimeout", "sendto(unix), SO_SNDTIMEO", "sendto(2)", kEintr, kEintr, kEintr,
       send_by<sendto_one, kHour>},
      {"Sendmsg", "sendmsg(unix)", "sendmsg(2)", kEintr, kGoesOn, kGoesOn,
       send_by<sendmsg_one, kNone>},
      {"SendmsgWithSendTimeout", "sendmsg(unix), SO_SNDTIMEO", "sendmsg(2)", kEintr, kEintr, kEintr,
       send_by<sendmsg_one, kHour>},
  };
  return kCalls;
}

}  // namespace gauntlet
