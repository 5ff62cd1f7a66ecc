// What sockets that keep messages apart promise: records, their borders, their limits.
#include <gmock/gmock.h>
#include <sys/un.h>

#include <array>
#include <cstring>

#include "sockets/socket_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/system_setting.h"

namespace gauntlet {
namespace {

using testing::AnyOf;

constexpr int kRecordTypes[] = {SOCK_SEQPACKET, SOCK_DGRAM};

GAUNTLET_CASE(SocketsConformance, Records_AreReceivedOneByOneAsTheyWereSent,
              .clause = "unix(7) SOCK_SEQPACKET, SOCK_DGRAM (preserves message boundaries)") {
  for (const int type : kRecordTypes) {
    const auto pair = SocketPair::open(type, SOCK_NONBLOCK);
    if (!pair) return context.not_created(pair.error());
    for (const char* const text : {"a", "bb", "ccc"}) {
      ASSERT_THAT(send_text(pair->first, text), SyscallSucceeds());
    }
    for (const char* const text : {"a", "bb", "ccc", "<EAGAIN>"}) {
      EXPECT_EQ(receive_text(pair->second), text);
    }
  }
}

// The rest of a record that is too large is gone, it is told, and the next record is whole.
GAUNTLET_CASE(SocketsConformance, Recvmsg_ShortBuffer_SetsMsgTruncAndDropsTheRest,
              .clause = "POSIX.1-2024 recvmsg() MSG_TRUNC; recv(2)") {
  for (const int type : kRecordTypes) {
    const auto pair = SocketPair::open(type);
    if (!pair) return context.not_created(pair.error());
    ASSERT_THAT(send_text(pair->first, "long record"), SyscallSucceeds());
    ASSERT_THAT(send_text(pair->first, "next"), SyscallSucceeds());
    char buffer[4];
    iovec place{.iov_base = buffer, .iov_len = sizeof buffer};
    msghdr message{};
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    ASSERT_THAT(::recvmsg(pair->second.get(), &message, 0), SyscallSucceedsWithValue(4));
    EXPECT_EQ(std::string_view(buffer, 4), "long");
    EXPECT_EQ(message.msg_flags & MSG_TRUNC, MSG_TRUNC);
    ASSERT_THAT(::recvmsg(pair->second.get(), &message, 0), SyscallSucceedsWithValue(4));
    EXPECT_EQ(message.msg_flags & MSG_TRUNC, 0);
    EXPECT_EQ(std::string_view(buffer, 4), "next");
  }
}

// Asked with MSG_TRUNC, a receive tells the record's real size; with MSG_PEEK it also stays.
GAUNTLET_CASE(SocketsConformance, Recv_WithMsgTrunc_AnswersTheRealSize,
              .clause = "recv(2) MSG_TRUNC, MSG_PEEK") {
  for (const int type : kRecordTypes) {
    const auto pair = SocketPair::open(type);
    if (!pair) return context.not_created(pair.error());
    ASSERT_THAT(send_text(pair->first, "eleven byte"), SyscallSucceedsWithValue(11));
    char byte = 0;
    EXPECT_THAT(::recv(pair->second.get(), &byte, 1, MSG_TRUNC | MSG_PEEK),
                SyscallSucceedsWithValue(11));
    EXPECT_EQ(receive_text(pair->second, MSG_PEEK), "eleven byte");
    EXPECT_THAT(::recv(pair->second.get(), &byte, 1, MSG_TRUNC), SyscallSucceedsWithValue(11));
    EXPECT_EQ(receive_text(pair->second, MSG_DONTWAIT), "<EAGAIN>");
  }
}

// Each send of a sequenced-packet socket ends a record, said or not. Whether a receive repeats
// MSG_EOR, the standard leaves to the protocol.
GAUNTLET_CASE(SocketsConformance, Seqpacket_MsgEor_EndsTheRecordAndNothingElse,
              .clause = "POSIX.1-2024 sendmsg(), recvmsg() MSG_EOR") {
  const auto pair = SocketPair::open(SOCK_SEQPACKET, SOCK_NONBLOCK);
  if (!pair) return context.not_created(pair.error());
  ASSERT_THAT(send_text(pair->first, "one", MSG_EOR | MSG_NOSIGNAL), SyscallSucceedsWithValue(3));
  ASSERT_THAT(send_text(pair->first, "two", MSG_NOSIGNAL), SyscallSucceedsWithValue(3));
  char buffer[16];
  iovec place{.iov_base = buffer, .iov_len = sizeof buffer};
  msghdr message{};
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  ASSERT_THAT(::recvmsg(pair->second.get(), &message, 0), SyscallSucceedsWithValue(3));
  context.observed("seqpacket_recv_tells_eor", (message.msg_flags & MSG_EOR) != 0 ? "yes" : "no");
  EXPECT_EQ(receive_text(pair->second), "two");
}

GAUNTLET_CASE(SocketsConformance, EmptyDatagram_IsADatagram,
              .clause = "recv(2) (zero-length datagrams)") {
  const auto pair = SocketPair::open(SOCK_DGRAM, SOCK_NONBLOCK);
  if (!pair) return context.not_created(pair.error());
  ASSERT_THAT(send_text(pair->first, ""), SyscallSucceedsWithValue(0));
  ASSERT_THAT(send_text(pair->first, "after"), SyscallSucceedsWithValue(5));
  EXPECT_EQ(events_of(pair->second, POLLIN), POLLIN);
  EXPECT_EQ(receive_text(pair->second), "");
  EXPECT_EQ(receive_text(pair->second), "after");
  EXPECT_EQ(receive_text(pair->second), "<EAGAIN>");
}

// A record must fit into the send buffer as a whole, and is never cut to fit.
GAUNTLET_CASE(SocketsConformance, Send_OfARecordOverTheSendBuffer_FailsWithEmsgsize,
              .clause = "POSIX.1-2024 send() ERRORS [EMSGSIZE]; unix(7) SO_SNDBUF") {
  for (const int type : kRecordTypes) {
    const auto pair = SocketPair::open(type, SOCK_NONBLOCK);
    if (!pair) return context.not_created(pair.error());
    ASSERT_THAT(set_option(pair->first.get(), SO_SNDBUF, 16 * 1024), SyscallSucceeds());
    const auto buffer = static_cast<std::size_t>(int_option(pair->first.get(), SO_SNDBUF));
    EXPECT_THAT(send_text(pair->first, std::string(buffer + 1, 'x')),
                SyscallFailsWithErrno(EMSGSIZE));
    EXPECT_EQ(receive_text(pair->second), "<EAGAIN>");
    EXPECT_THAT(send_text(pair->first, std::string(buffer / 2, 'x')), SyscallSucceeds());
  }
}

// A bound datagram socket holds as many datagrams as max_dgram_qlen says; the next sender is
// refused or sleeps until one is taken.
GAUNTLET_CASE(SocketsOverload, UnixDatagrams_QueueFull_SendersWaitUntilOneIsTaken,
              .clause = "unix(7) /proc/sys/net/unix/max_dgram_qlen; send(2) [EAGAIN]") {
  const auto limit = system_number("/proc/sys/net/unix/max_dgram_qlen");
  if (!limit) return context.unsupported("max_dgram_qlen", "nothing to read");
  const auto bound = Bound::open(context, kUnixDatagram);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd sender = bound->client();
  ASSERT_THAT(bound->connect(sender), SyscallSucceeds());
  const long fit = fill_socket(sender, 1);
  // The limit is on those that wait before one more is let in.
  EXPECT_THAT(fit, AnyOf(*limit, *limit + 1));
  EXPECT_EQ(events_of(sender, POLLOUT), 0);
  // Another sender's own buffer is empty: it is the receiver's queue that is full.
  const UniqueFd other = bound->client();
  ASSERT_THAT(bound->connect(other), SyscallSucceeds());
  ChildCall waiting(context, [&] { return send_text(other, "late"); });
  ASSERT_TRUE(waiting.is_asleep());
  for (long i = 0; i < fit; ++i) EXPECT_EQ(receive_text(bound->fd), "f");
  EXPECT_THAT(waiting.finish(), SyscallSucceedsWithValue(4));
  EXPECT_EQ(receive_text(bound->fd), "late");
  EXPECT_EQ(events_of(sender, POLLOUT), POLLOUT);
}

GAUNTLET_CASE(SocketsConformance, Sendto_DatagramToAnAddress_ArrivesWithTheSendersName,
              .clause = "POSIX.1-2024 sendto(), recvfrom()") {
  for (const SocketKind kind : {kUnixDatagram, kUdp}) {
    const auto receiver = Bound::open(context, kind);
    const auto sender = Bound::open(context, kind);
    if (!receiver) return context.not_created(receiver.error());
    if (!sender) return context.not_created(sender.error());
    ASSERT_THAT(
        ::sendto(sender->fd.get(), "hi", 2, 0, receiver->address.get(), receiver->address.length),
        SyscallSucceedsWithValue(2));
    SocketAddress from;
    from.length = sizeof from.storage;
    char buffer[8];
    ASSERT_THAT(::recvfrom(receiver->fd.get(), buffer, sizeof buffer, 0, from.get(), &from.length),
                SyscallSucceedsWithValue(2));
    EXPECT_TRUE(from == sender->address);
  }
}

GAUNTLET_CASE(SocketsConformance, Send_DatagramWithoutAnAddress_Fails,
              .clause = "POSIX.1-2024 send() ERRORS [EDESTADDRREQ]; send(2) [ENOTCONN]") {
  for (const SocketKind kind : {kUnixDatagram, kUdp}) {
    const auto fd = open_socket(kind);
    if (!fd) return context.not_created(fd.error());
    EXPECT_THAT(send_text(*fd, "x"), SyscallFailsWithErrno(AnyOf(EDESTADDRREQ, ENOTCONN)));
  }
}

// A connected datagram socket takes from its peer only.
GAUNTLET_CASE(SocketsConformance, Connect_OfADatagramSocket_KeepsOthersOut,
              .clause = "POSIX.1-2024 connect() DESCRIPTION (limits the remote sender)") {
  for (const SocketKind kind : {kUnixDatagram, kUdp}) {
    const auto receiver = Bound::open(context, kind, SOCK_NONBLOCK);
    const auto peer = Bound::open(context, kind);
    const auto outsider = Bound::open(context, kind);
    if (!receiver) return context.not_created(receiver.error());
    if (!peer) return context.not_created(peer.error());
    if (!outsider) return context.not_created(outsider.error());
    ASSERT_THAT(peer->connect(receiver->fd), SyscallSucceeds());
    const auto send_from = [&](const Bound& from, std::string_view text) {
      return ::sendto(from.fd.get(), text.data(), text.size(), MSG_NOSIGNAL,
                      receiver->address.get(), receiver->address.length);
    };
    // Unix refuses the outsider (EPERM); UDP lets him send to nobody.
    EXPECT_THAT(
        send_from(*outsider, "out"),
        AnyOf(SyscallSucceedsWithValue(3), SyscallFailsWithErrno(AnyOf(EPERM, ECONNREFUSED))));
    ASSERT_THAT(send_from(*peer, "peer"), SyscallSucceedsWithValue(4));
    EXPECT_EQ(receive_text(receiver->fd), "peer");
    EXPECT_EQ(receive_text(receiver->fd), "<EAGAIN>");
  }
}

// The peer of a datagram socket can be changed and taken away.
GAUNTLET_CASE(SocketsConformance, Connect_OfADatagramSocketToNobody_DissolvesTheAssociation,
              .clause = "POSIX.1-2024 connect() DESCRIPTION; connect(2) AF_UNSPEC") {
  for (const SocketKind kind : {kUnixDatagram, kUdp}) {
    const auto first = Bound::open(context, kind, SOCK_NONBLOCK);
    const auto second = Bound::open(context, kind, SOCK_NONBLOCK);
    if (!first) return context.not_created(first.error());
    if (!second) return context.not_created(second.error());
    const UniqueFd sender = first->client();
    ASSERT_THAT(first->connect(sender), SyscallSucceeds());
    ASSERT_THAT(second->connect(sender), SyscallSucceeds());
    ASSERT_THAT(send_text(sender, "2"), SyscallSucceeds());
    EXPECT_EQ(receive_text(first->fd), "<EAGAIN>");
    EXPECT_EQ(receive_text(second->fd), "2");
    sockaddr nobody{};
    nobody.sa_family = AF_UNSPEC;
    ASSERT_THAT(::connect(sender.get(), &nobody, sizeof nobody), SyscallSucceeds());
    EXPECT_THAT(send_text(sender, "x"), SyscallFailsWithErrno(AnyOf(EDESTADDRREQ, ENOTCONN)));
  }
}

GAUNTLET_CASE(SocketsConformance, Send_ToAUnixReceiverThatClosed_FailsWithEconnrefused,
              .clause = "unix(7) ERRORS [ECONNREFUSED]; connect(2)") {
  auto bound = Bound::open(context, kUnixDatagram);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd sender = bound->client();
  ASSERT_THAT(bound->connect(sender), SyscallSucceeds());
  bound->fd.reset();
  EXPECT_THAT(send_text(sender, "x"), SyscallFailsWithErrno(ECONNREFUSED));
  EXPECT_THAT(bound->connect(bound->client()), SyscallFailsWithErrno(ECONNREFUSED));
}

GAUNTLET_CASE(SocketsConformance, Seqpacket_PeerCloses_GivesTheRestThenTheEnd,
              .clause = "POSIX.1-2024 recv(), send() ERRORS [EPIPE]; unix(7)") {
  auto pair = SocketPair::open(SOCK_SEQPACKET);
  if (!pair) return context.not_created(pair.error());
  ASSERT_THAT(send_text(pair->first, "rest"), SyscallSucceeds());
  pair->first.reset();
  EXPECT_EQ(receive_text(pair->second), "rest");
  EXPECT_EQ(receive_text(pair->second), "");
  EXPECT_THAT(send_text(pair->second, "x"), SyscallFailsWithErrno(EPIPE));
}

// Several messages in one call: each is told its own size, and the call says how many went.
GAUNTLET_CASE(SocketsConformance, SendmmsgAndRecvmmsg_SeveralMessages_AreCountedAndMeasured,
              .clause = "sendmmsg(2), recvmmsg(2)") {
  const auto pair = SocketPair::open(SOCK_DGRAM, SOCK_NONBLOCK);
  if (!pair) return context.not_created(pair.error());
  char text[] = "abcdef";
  std::array<iovec, 3> pieces{iovec{text, 1}, iovec{text + 1, 2}, iovec{text + 3, 3}};
  std::array<mmsghdr, 4> messages{};
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  ASSERT_THAT(::sendmmsg(pair->first.get(), messages.data(), 3, 0), SyscallSucceedsWithValue(3));
  for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(messages[i].msg_len, i + 1);
  std::array<std::array<char, 8>, 4> buffers{};
  std::array<iovec, 4> places{};
  for (std::size_t i = 0; i < places.size(); ++i) {
    places[i] = {buffers[i].data(), buffers[i].size()};
    messages[i] = {};
    messages[i].msg_hdr.msg_iov = &places[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  ASSERT_THAT(::recvmmsg(pair->second.get(), messages.data(), 4, 0, nullptr),
              SyscallSucceedsWithValue(3));
  EXPECT_EQ(std::string_view(buffers[2].data(), messages[2].msg_len), "def");
  EXPECT_THAT(::recvmmsg(pair->second.get(), messages.data(), 4, 0, nullptr),
              SyscallFailsWithErrno(EAGAIN));
}

// Several write records of many sizes to one socket: none is cut or mixed with another. It could
// fail if room were found for a part of a record only.
GAUNTLET_CASE(SocketsRaces, RecordsOfManySenders_ComeWholeAndEachSendersInOrder,
              .clause = "unix(7) SOCK_SEQPACKET, SOCK_DGRAM") {
  constexpr std::uint32_t kSenders = 3;
  constexpr std::size_t kLargest = 3000;
  const std::uint64_t each = context.amount(300, 5000, 50000);
  for (const int type : kRecordTypes) {
    auto pair = SocketPair::open(type);
    if (!pair) return context.not_created(pair.error());
    ASSERT_THAT(set_option(pair->first.get(), SO_SNDBUF, 16 * 1024), SyscallSucceeds());
    Crew crew;
    for (std::uint32_t sender = 0; sender < kSenders; ++sender) {
      const auto added = crew.add([&, sender, random = context.random(sender)](Worker& w) mutable {
        for (std::uint32_t number = 0; number < each; ++number) {
          const std::uint32_t head[2] = {sender, number};
          std::string record(random.between(sizeof head, kLargest),
                             static_cast<char>(sender * 31 + number));
          std::memcpy(record.data(), head, sizeof head);
          const ssize_t sent = send_text(pair->first, record);
          if (!w.expect(sent == static_cast<ssize_t>(record.size()), "a record was cut")) return;
        }
      });
      if (!added) return context.error("no child: " + describe(added.error()));
    }
    const auto added = crew.add([&](Worker& worker) {
      std::uint32_t next[kSenders] = {};
      for (std::uint64_t i = 0; i < kSenders * each; ++i) {
        const std::string record = receive_text(pair->second);
        std::uint32_t head[2] = {kSenders, 0};
        std::memcpy(head, record.data(), std::min(record.size(), sizeof head));
        const char mark = static_cast<char>(head[0] * 31 + head[1]);
        const bool whole = head[0] < kSenders && head[1] == next[head[0]] &&
                           record.find_first_not_of(mark, sizeof head) == std::string::npos;
        if (!worker.expect(whole, "record " + std::to_string(i) + " is torn or out of order")) {
          return;
        }
        ++next[head[0]];
      }
    });
    if (!added) return context.error("no child: " + describe(added.error()));
    if (!context.join(crew)) return;
  }
}

// Some look while others take. It could fail as gVisor did (96112bd75), when a look went on reading
// a record that had been taken and freed.
GAUNTLET_CASE(SocketsRaces, PeekersAgainstReceivers_SeeWholeRecords,
              .clause = "recv(2) MSG_PEEK; regression: gVisor 96112bd75") {
  const std::uint64_t count = context.amount(400, 8000, 80000);
  auto pair = SocketPair::open(SOCK_SEQPACKET);
  if (!pair) return context.not_created(pair.error());
  const auto look = [&](Worker& worker, int flags) {
    for (;;) {
      const std::string record = receive_text(pair->second, flags);
      if (record.empty()) return;
      const bool whole = record.find_first_not_of(record[0]) == std::string::npos &&
                         record.size() == std::size_t{100} + static_cast<unsigned char>(record[0]);
      if (!worker.expect(whole, "a record of " + std::to_string(record.size()) + " is not whole")) {
        return;
      }
    }
  };
  Crew crew;
  for (const int flags : {static_cast<int>(MSG_PEEK), 0, 0}) {
    const auto added = crew.add([&, flags](Worker& worker) {
      pair->first.reset();
      look(worker, flags);
    });
    if (!added) return context.error("no child: " + describe(added.error()));
  }
  pair->second.reset();
  for (std::uint64_t i = 0; i < count; ++i) {
    const unsigned char mark = static_cast<unsigned char>(1 + i % 200);
    ASSERT_THAT(send_text(pair->first, std::string(100 + mark, static_cast<char>(mark))),
                SyscallSucceeds());
  }
  pair->first.reset();
  context.join(crew);
}

}  // namespace
}  // namespace gauntlet
