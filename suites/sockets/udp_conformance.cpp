// What UDP promises, and what it says that it does not.
#include <gmock/gmock.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>

#include "sockets/socket_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

constexpr SocketKind kUdp6{.family = AddressFamily::ipv6, .type = SOCK_DGRAM};

GAUNTLET_CASE(SocketsConformance, Udp_DatagramsUpToTheLimitOfIp_ArriveAndLargerFailWithEmsgsize,
              .clause = "udp(7) ERRORS; RFC 768, RFC 791; POSIX.1-2024 send() [EMSGSIZE]") {
  constexpr std::size_t kLargest = 65535 - 20 - 8;
  const auto bound = Bound::open(context, kUdp, SOCK_NONBLOCK);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd sender = bound->client();
  ASSERT_THAT(bound->connect(sender), SyscallSucceeds());
  EXPECT_THAT(send_text(sender, std::string(kLargest + 1, 'x')), SyscallFailsWithErrno(EMSGSIZE));
  const std::string largest(kLargest, 'l');
  ASSERT_THAT(send_text(sender, largest), SyscallSucceedsWithValue(static_cast<long>(kLargest)));
  ASSERT_NE(await_events(bound->fd, POLLIN), 0);
  EXPECT_TRUE(receive_text(bound->fd, 0, kLargest + 1) == largest);
}

GAUNTLET_CASE(SocketsConformance, Udp_ShortBuffer_IsToldWithMsgTruncAndTheNextIsWhole,
              .clause = "udp(7) (the rest is lost, MSG_TRUNC); recv(2)") {
  const auto bound = Bound::open(context, kUdp);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd sender = bound->client();
  ASSERT_THAT(bound->connect(sender), SyscallSucceeds());
  ASSERT_THAT(send_text(sender, "a long one"), SyscallSucceeds());
  ASSERT_THAT(send_text(sender, ""), SyscallSucceedsWithValue(0));
  ASSERT_THAT(send_text(sender, "next"), SyscallSucceeds());
  char byte = 0;
  EXPECT_THAT(::recv(bound->fd.get(), &byte, 1, MSG_TRUNC), SyscallSucceedsWithValue(10));
  EXPECT_EQ(receive_text(bound->fd), "") << "a datagram without bytes is a datagram";
  EXPECT_EQ(receive_text(bound->fd), "next");
}

// The network's answer that nobody is there reaches who is connected, once, at the next call.
GAUNTLET_CASE(SocketsConformance, Udp_ConnectedToADeadPort_NextCallFailsWithEconnrefused,
              .clause = "udp(7) ERRORS [ECONNREFUSED]; ip(7); RFC 1122 4.1.3.3") {
  auto bound = Bound::open(context, kUdp);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd connected = bound->client();
  const UniqueFd unconnected = bound->client();
  ASSERT_THAT(bound->connect(connected), SyscallSucceeds());
  bound->fd.reset();
  EXPECT_THAT(send_text(connected, "x"), SyscallSucceedsWithValue(1));
  EXPECT_EQ(await_events(connected, POLLIN) & POLLERR, POLLERR);
  EXPECT_EQ(receive_text(connected), "<ECONNREFUSED>");
  EXPECT_EQ(receive_text(connected, MSG_DONTWAIT), "<EAGAIN>") << "told twice";
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(::sendto(unconnected.get(), "x", 1, 0, bound->address.get(), bound->address.length),
                SyscallSucceedsWithValue(1))
        << "who is not connected is told nothing";
  }
}

GAUNTLET_CASE(SocketsConformance, Udp_PortInUse_FailsWithEaddrinuseUnlessBothShareIt,
              .clause = "POSIX.1-2024 bind() [EADDRINUSE]; socket(7) SO_REUSEPORT") {
  const auto bound = Bound::open(context, kUdp);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd second = bound->client();
  ASSERT_THAT(set_option(second.get(), SO_REUSEPORT, 1), SyscallSucceeds());
  EXPECT_THAT(::bind(second.get(), bound->address.get(), bound->address.length),
              SyscallFailsWithErrno(EADDRINUSE));
}

// What does not fit is dropped without a word; what comes is whole, in the order of the loopback,
// and none of it twice.
GAUNTLET_CASE(SocketsOverload, Udp_ReceiveBufferFull_DropsWholeDatagramsAndNobodyIsTold,
              .clause = "udp(7); RFC 768 (delivery and duplicate protection not guaranteed)") {
  constexpr std::uint32_t kSent = 200;
  const auto bound = Bound::open(context, kUdp, SOCK_NONBLOCK);
  if (!bound) return context.not_created(bound.error());
  ASSERT_THAT(set_option(bound->fd.get(), SO_RCVBUF, 16 * 1024), SyscallSucceeds());
  const UniqueFd sender = bound->client();
  ASSERT_THAT(bound->connect(sender), SyscallSucceeds());
  for (std::uint32_t number = 0; number < kSent; ++number) {
    std::string datagram(1000, static_cast<char>(number));
    std::memcpy(datagram.data(), &number, sizeof number);
    ASSERT_THAT(send_text(sender, datagram), SyscallSucceedsWithValue(1000));
  }
  std::uint32_t came = 0;
  std::int64_t last = -1;
  for (std::string datagram = receive_text(bound->fd); datagram != "<EAGAIN>";
       datagram = receive_text(bound->fd)) {
    ASSERT_EQ(datagram.size(), 1000U);
    std::uint32_t number = 0;
    std::memcpy(&number, datagram.data(), sizeof number);
    EXPECT_EQ(datagram.find_first_not_of(static_cast<char>(number), sizeof number),
              std::string::npos);
    ASSERT_GT(number, last) << "twice, or out of order";
    last = number;
    ++came;
  }
  EXPECT_GT(came, 0U);
  EXPECT_LT(came, kSent) << "the buffer was never full";
  context.measured("kept_of_200_datagrams", came);
  ASSERT_THAT(send_text(sender, "and on"), SyscallSucceeds());
  ASSERT_NE(await_events(bound->fd, POLLIN), 0);
  EXPECT_EQ(receive_text(bound->fd), "and on");
}

// Every member of a group on the loopback gets a copy.
GAUNTLET_CASE(SocketsConformance, Udp_Multicast_ReachesEachMemberAndNoOther,
              .clause = "ip(7) IP_ADD_MEMBERSHIP, IP_MULTICAST_IF; RFC 1112") {
  ip_mreqn group{};
  group.imr_multiaddr.s_addr = htonl(0xefff0a0b);  // 239.255.10.11, of local scope
  group.imr_ifindex = static_cast<int>(::if_nametoindex("lo"));
  const UniqueFd first(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const UniqueFd second(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const UniqueFd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr = group.imr_multiaddr;
  for (const UniqueFd* member : {&first, &second}) {
    ASSERT_THAT(set_option(member->get(), SO_REUSEADDR, 1), SyscallSucceeds());
    ASSERT_THAT(::bind(member->get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
                SyscallSucceeds());
    if (::setsockopt(member->get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
      return context.unsupported("IP_ADD_MEMBERSHIP on lo", errno_name(errno));
    }
    socklen_t length = sizeof address;  // the port that the system chose is the second's, too
    ASSERT_THAT(::getsockname(member->get(), reinterpret_cast<sockaddr*>(&address), &length),
                SyscallSucceeds());
  }
  ASSERT_THAT(::setsockopt(sender.get(), IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof group),
              SyscallSucceeds());
  const auto send_to_group = [&](std::string_view text) {
    return ::sendto(sender.get(), text.data(), text.size(), 0,
                    reinterpret_cast<const sockaddr*>(&address), sizeof address);
  };
  ASSERT_THAT(send_to_group("all"), SyscallSucceedsWithValue(3));
  for (const UniqueFd* member : {&first, &second}) {
    ASSERT_NE(await_events(*member, POLLIN), 0);
    EXPECT_EQ(receive_text(*member), "all");
  }
  ASSERT_THAT(::setsockopt(second.get(), IPPROTO_IP, IP_DROP_MEMBERSHIP, &group, sizeof group),
              SyscallSucceeds());
  ASSERT_THAT(set_option(second.get(), IP_MULTICAST_ALL, 0, IPPROTO_IP), SyscallSucceeds());
  ASSERT_THAT(send_to_group("rest"), SyscallSucceedsWithValue(4));
  ASSERT_NE(await_events(first, POLLIN), 0);
  EXPECT_EQ(receive_text(first), "rest");
  EXPECT_EQ(receive_text(second, MSG_DONTWAIT), "<EAGAIN>");
}

// An IPv6 socket for all addresses takes IPv4 as well, unless it is told not to.
GAUNTLET_CASE(SocketsConformance, Ipv6_DualStack_TakesIpv4UnlessV6only,
              .clause = "ipv6(7) IPV6_V6ONLY; RFC 3493 5.3") {
  const auto probe = Bound::open(context, kUdp6);
  if (!probe) return context.not_created(probe.error());
  for (const int only : {0, 1}) {
    const auto fd = open_socket(kUdp6, SOCK_NONBLOCK);
    ASSERT_TRUE(fd.has_value());
    ASSERT_THAT(set_option(fd->get(), IPV6_V6ONLY, only, IPPROTO_IPV6), SyscallSucceeds());
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    ASSERT_THAT(::bind(fd->get(), reinterpret_cast<const sockaddr*>(&any), sizeof any),
                SyscallSucceeds());
    socklen_t length = sizeof any;
    ASSERT_THAT(::getsockname(fd->get(), reinterpret_cast<sockaddr*>(&any), &length),
                SyscallSucceeds());
    const auto ipv4 = socket_address(AddressFamily::ipv4, std::to_string(ntohs(any.sin6_port)));
    ASSERT_TRUE(ipv4.has_value());
    const UniqueFd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_THAT(::sendto(sender.get(), "four", 4, 0, ipv4->get(), ipv4->length),
                SyscallSucceedsWithValue(4));
    if (only == 0) {
      EXPECT_NE(await_events(*fd, POLLIN), 0);
    }
    EXPECT_EQ(receive_text(*fd), only == 0 ? "four" : "<EAGAIN>");
  }
}

}  // namespace
}  // namespace gauntlet
