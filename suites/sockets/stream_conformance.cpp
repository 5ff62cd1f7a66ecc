// What a connected stream promises: its ends, half-closes and resets, receive flags and time
// limits, on Unix sockets and TCP alike unless a case says otherwise.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <array>

#include "process/process.h"
#include "sockets/socket_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

using testing::Ge;

timeval time_limit() {
  return {.tv_sec = 0, .tv_usec = std::chrono::microseconds(kShortWait).count()};
}

// A half-close ends one direction after what was sent; the other goes on.
GAUNTLET_CASE(SocketsConformance, Shutdown_OfWriting_EndsThatDirectionOnly,
              .clause = "POSIX.1-2024 shutdown() SHUT_WR; recv() (orderly shutdown: 0)") {
  for (const SocketKind kind : kBothStreams) {
    const auto made = Connection::open(context, kind);
    if (!made) return context.not_created(made.error());
    ASSERT_THAT(send_text(made->client, "question"), SyscallSucceeds());
    ASSERT_THAT(::shutdown(made->client.get(), SHUT_WR), SyscallSucceeds());
    EXPECT_EQ(receive_text(made->server, MSG_WAITALL, 8), "question");
    EXPECT_EQ(receive_text(made->server), "");
    EXPECT_EQ(receive_text(made->server), "") << "the end is not the end the second time";
    ASSERT_THAT(send_text(made->server, "answer"), SyscallSucceedsWithValue(6));
    EXPECT_EQ(receive_text(made->client, MSG_WAITALL, 6), "answer");
    EXPECT_THAT(send_text(made->client, "x"), SyscallFailsWithErrno(EPIPE));
  }
}

GAUNTLET_CASE(SocketsConformance, Shutdown_OfReading_TheOwnReceiveIsAtTheEnd,
              .clause = "POSIX.1-2024 shutdown() SHUT_RD (disables further receive operations)") {
  for (const SocketKind kind : kBothStreams) {
    const auto made = Connection::open(context, kind);
    if (!made) return context.not_created(made.error());
    ASSERT_THAT(::shutdown(made->server.get(), SHUT_RD), SyscallSucceeds());
    EXPECT_EQ(receive_text(made->server), "");
    EXPECT_THAT(send_text(made->server, "still"), SyscallSucceedsWithValue(5));
    EXPECT_EQ(receive_text(made->client, MSG_WAITALL, 5), "still");
  }
}

// A sleeper learns of a shutdown by its own side.
GAUNTLET_CASE(SocketsConformance, Shutdown_OfReading_WakesASleepingReceive,
              .clause = "POSIX.1-2024 shutdown(); recv()") {
  for (const SocketKind kind : kBothStreams) {
    const auto made = Connection::open(context, kind);
    if (!made) return context.not_created(made.error());
    ChildCall receiver(context, [&] {
      char byte = 0;
      return ::recv(made->server.get(), &byte, 1, 0);
    });
    ASSERT_TRUE(receiver.is_asleep());
    ASSERT_THAT(::shutdown(made->server.get(), SHUT_RD), SyscallSucceeds());
    EXPECT_THAT(receiver.finish(), SyscallSucceedsWithValue(0));
  }
}

GAUNTLET_CASE(SocketsConformance, Shutdown_WithoutAPeerOrOfNothing_Fails,
              .clause = "POSIX.1-2024 shutdown() ERRORS [ENOTCONN], [EINVAL]") {
  const UniqueFd alone(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_THAT(::shutdown(alone.get(), SHUT_WR), SyscallFailsWithErrno(ENOTCONN));
  const auto made = Connection::open(context, kTcp);
  if (!made) return context.not_created(made.error());
  EXPECT_THAT(::shutdown(made->client.get(), 99), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SocketsConformance, SendAndReceive_Unconnected_FailWithEnotconn,
              .clause = "POSIX.1-2024 recv() ERRORS [ENOTCONN]; send(2) [ENOTCONN], [EPIPE]") {
  const UniqueFd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd unix_stream(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(receive_text(tcp), "<ENOTCONN>");
  EXPECT_THAT(send_text(unix_stream, "x"), SyscallFailsWithErrno(ENOTCONN));
}

// Who writes to nobody gets SIGPIPE, unless he says that EPIPE is enough.
GAUNTLET_CASE(SocketsConformance, Send_ToAPeerThatIsGone_RaisesSigpipeUnlessMsgNosignal,
              .clause = "POSIX.1-2024 send() ERRORS [EPIPE], MSG_NOSIGNAL") {
  for (const int flags : {0, static_cast<int>(MSG_NOSIGNAL)}) {
    ChildCall sender(context, [&]() -> long {
      auto pair = SocketPair::open(SOCK_STREAM);
      if (!pair) return -1;
      pair->second.reset();
      static volatile sig_atomic_t raised = 0;
      raised = 0;
      ::signal(SIGPIPE, [](int) { raised = 1; });
      const ssize_t sent = ::send(pair->first.get(), "x", 1, flags);
      return sent == -1 && errno == EPIPE ? raised : 99;
    });
    EXPECT_THAT(sender.finish(), SyscallSucceedsWithValue(flags == 0 ? 1 : 0));
  }
}

// Unread bytes make a close a reset: the peer learns that they were not read.
GAUNTLET_CASE(SocketsConformance, Close_WithUnreadBytes_PeerGetsEconnresetOnce,
              .clause = "POSIX.1-2024 recv() ERRORS [ECONNRESET]; RFC 2525 2.17; unix(7)") {
  for (const SocketKind kind : kBothStreams) {
    auto made = Connection::open(context, kind);
    if (!made) return context.not_created(made.error());
    ASSERT_THAT(send_text(made->client, "unread"), SyscallSucceeds());
    ASSERT_NE(await_events(made->server, POLLIN), 0);
    made->server.reset();
    ASSERT_NE(await_events(made->client, POLLIN), 0);
    EXPECT_EQ(receive_text(made->client), "<ECONNRESET>");
    EXPECT_EQ(receive_text(made->client), "") << "the error is told once";
    EXPECT_THAT(send_text(made->client, "x"), SyscallFailsWithErrno(EPIPE));
  }
}

// Lingering for no time throws away what is on its way and resets.
GAUNTLET_CASE(SocketsConformance, Close_TcpWithSoLingerZero_ResetsThePeer,
              .clause = "socket(7) SO_LINGER; RFC 9293 3.10.5 ABORT") {
  auto made = Connection::open(context, kTcp);
  if (!made) return context.not_created(made.error());
  const linger none{.l_onoff = 1, .l_linger = 0};
  ASSERT_THAT(::setsockopt(made->client.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none),
              SyscallSucceeds());
  made->client.reset();
  EXPECT_EQ(await_events(made->server, POLLIN) & (POLLERR | POLLHUP), POLLERR | POLLHUP);
  EXPECT_EQ(receive_text(made->server), "<ECONNRESET>");
}

// Both say at the same time that they are done; both hear it.
GAUNTLET_CASE(SocketsRaces, Shutdown_OfBothSidesAtOnce_BothGetAllBytesAndTheEnd,
              .clause = "RFC 9293 3.6 (simultaneous close); POSIX.1-2024 shutdown()") {
  const std::uint64_t rounds = context.amount(20, 300, 3000);
  for (const SocketKind kind : kBothStreams) {
    const auto bound = Bound::listening(context, kind);
    if (!bound) return context.not_created(bound.error());
    Crew crew;
    const auto say_and_hear = [](Worker& worker, const UniqueFd& fd, const std::string& expected) {
      send_text(fd, "bye");
      ::shutdown(fd.get(), SHUT_WR);
      worker.expect(receive_text(fd, MSG_WAITALL, 3) == expected, "the last bytes did not come");
      worker.expect(receive_text(fd).empty(), "the end did not come");
    };
    const auto server = crew.add([&](Worker& worker) {
      for (std::uint64_t i = 0; i < rounds; ++i) say_and_hear(worker, bound->accept(), "bye");
    });
    const auto client = crew.add([&](Worker& worker) {
      for (std::uint64_t i = 0; i < rounds; ++i) {
        const UniqueFd own = bound->client();
        if (!worker.expect(bound->connect(own) == 0, "connect: " + errno_name(errno))) return;
        say_and_hear(worker, own, "bye");
      }
    });
    if (!server || !client) return context.error("no child");
    if (!context.join(crew)) return;
  }
}

// Each stage of a connection's end has its events.
GAUNTLET_CASE(SocketsConformance, Poll_StagesOfTheEnd_AreToldByTheirEvents,
              .clause = "poll(2) POLLRDHUP, POLLHUP; POSIX.1-2024 poll()") {
  for (const SocketKind kind : kBothStreams) {
    auto made = Connection::open(context, kind);
    if (!made) return context.not_created(made.error());
    constexpr int kAll = POLLIN | POLLOUT | POLLRDHUP;
    EXPECT_EQ(events_of(made->client, kAll), POLLOUT);
    ASSERT_THAT(::shutdown(made->server.get(), SHUT_WR), SyscallSucceeds());
    EXPECT_NE(await_events(made->client, POLLRDHUP), 0);
    EXPECT_EQ(events_of(made->client, kAll), POLLIN | POLLOUT | POLLRDHUP);
    EXPECT_EQ(events_of(made->client, POLLIN), POLLIN) << "POLLRDHUP only for those who ask";
    ASSERT_THAT(::shutdown(made->client.get(), SHUT_WR), SyscallSucceeds());
    EXPECT_NE(await_events(made->client, 0) & POLLHUP, 0) << "both directions have ended";
  }
}

// EPOLLHUP needs no asking, EPOLLRDHUP does; an edge is told once.
GAUNTLET_CASE(SocketsConformance, Epoll_PeerCloses_TellsEpollrdhupAndEpollhupAsOneEdge,
              .clause = "epoll_ctl(2) EPOLLRDHUP, EPOLLHUP; epoll(7) EPOLLET") {
  auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  const UniqueFd poll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event wanted{};
  wanted.events = EPOLLRDHUP | EPOLLET;
  ASSERT_THAT(::epoll_ctl(poll.get(), EPOLL_CTL_ADD, pair->first.get(), &wanted),
              SyscallSucceeds());
  epoll_event told{};
  EXPECT_THAT(::epoll_wait(poll.get(), &told, 1, 0), SyscallSucceedsWithValue(0));
  pair->second.reset();
  ASSERT_THAT(::epoll_wait(poll.get(), &told, 1, 0), SyscallSucceedsWithValue(1));
  EXPECT_EQ(told.events, static_cast<std::uint32_t>(EPOLLRDHUP) | EPOLLHUP);
  EXPECT_THAT(::epoll_wait(poll.get(), &told, 1, 0), SyscallSucceedsWithValue(0));
}

GAUNTLET_CASE(SocketsConformance, Recv_MsgPeek_LeavesTheBytes,
              .clause = "POSIX.1-2024 recv() MSG_PEEK") {
  for (const SocketKind kind : kBothStreams) {
    const auto made = Connection::open(context, kind);
    if (!made) return context.not_created(made.error());
    ASSERT_THAT(send_text(made->client, "peek"), SyscallSucceeds());
    EXPECT_EQ(receive_text(made->server, MSG_PEEK, 2), "pe");
    EXPECT_EQ(receive_text(made->server, MSG_PEEK | MSG_WAITALL, 4), "peek");
    EXPECT_EQ(receive_text(made->server, MSG_WAITALL, 4), "peek");
    EXPECT_EQ(receive_text(made->server, MSG_DONTWAIT), "<EAGAIN>");
  }
}

// With SO_PEEK_OFF a look goes on where the last one ended, and a read moves it back.
GAUNTLET_CASE(SocketsConformance, SoPeekOff_Peeks_GoOnWhereTheLastEnded,
              .clause = "socket(7) SO_PEEK_OFF") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  if (set_option(pair->second.get(), SO_PEEK_OFF, 0) != 0) {
    return context.unsupported("SO_PEEK_OFF", errno_name(errno));
  }
  ASSERT_THAT(send_text(pair->first, "aabbcc"), SyscallSucceeds());
  EXPECT_EQ(receive_text(pair->second, MSG_PEEK, 2), "aa");
  EXPECT_EQ(receive_text(pair->second, MSG_PEEK, 2), "bb");
  EXPECT_EQ(receive_text(pair->second, 0, 2), "aa");
  EXPECT_EQ(receive_text(pair->second, MSG_PEEK, 2), "cc");
  EXPECT_EQ(int_option(pair->second.get(), SO_PEEK_OFF), 4);
}

// MSG_WAITALL sleeps for the last byte, and gives what there is when the stream ends before.
GAUNTLET_CASE(SocketsConformance, Recv_MsgWaitall_WaitsForAllOrTheEnd,
              .clause = "POSIX.1-2024 recv() MSG_WAITALL") {
  for (const SocketKind kind : kBothStreams) {
    auto made = Connection::open(context, kind);
    if (!made) return context.not_created(made.error());
    ChildCall receiver(context, [&] {
      std::array<char, 10> all;
      return ::recv(made->server.get(), all.data(), all.size(), MSG_WAITALL);
    });
    ASSERT_THAT(send_text(made->client, "12345"), SyscallSucceeds());
    ASSERT_TRUE(receiver.is_asleep());
    ASSERT_THAT(send_text(made->client, "67890"), SyscallSucceeds());
    EXPECT_THAT(receiver.finish(), SyscallSucceedsWithValue(10));
    ASSERT_THAT(send_text(made->client, "rest"), SyscallSucceeds());
    made->client.reset();
    EXPECT_EQ(receive_text(made->server, MSG_WAITALL, 10), "rest");
  }
}

GAUNTLET_CASE(SocketsConformance, MsgDontwait_OnABlockingSocket_FailsWithEagain,
              .clause = "recv(2), send(2) MSG_DONTWAIT") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  EXPECT_EQ(receive_text(pair->first, MSG_DONTWAIT), "<EAGAIN>");
  ASSERT_GT(fill_socket(pair->first, 4096), 0);
  EXPECT_EQ(::fcntl(pair->first.get(), F_GETFL) & O_NONBLOCK, 0);
}

// The limits are lower bounds: never sooner.
GAUNTLET_CASE(SocketsConformance, SoRcvtimeoAndSoSndtimeo_EndTheWaitWithEagainNotSooner,
              .clause = "POSIX.1-2024 setsockopt() SO_RCVTIMEO, SO_SNDTIMEO; socket(7)") {
  for (const SocketKind kind : kBothStreams) {
    const auto made = Connection::open(context, kind);
    if (!made) return context.not_created(made.error());
    const timeval limit = time_limit();
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
      ASSERT_THAT(::setsockopt(made->client.get(), SOL_SOCKET, option, &limit, sizeof limit),
                  SyscallSucceeds());
    }
    const std::int64_t before_ns = monotonic_ns();
    EXPECT_EQ(receive_text(made->client), "<EAGAIN>");
    const std::int64_t between_ns = monotonic_ns();
    EXPECT_THAT(std::chrono::nanoseconds(between_ns - before_ns),
                Ge(kShortWait - kEarlyWakeTolerance));
    // So large that a part is left over whatever the buffers hold.
    const std::string large(64U << 20, 'l');
    const ssize_t sent = send_text(made->client, large);
    EXPECT_GT(sent, 0) << errno_name(errno);
    EXPECT_LT(sent, static_cast<ssize_t>(large.size()));
    EXPECT_THAT(std::chrono::nanoseconds(monotonic_ns() - between_ns),
                Ge(kShortWait - kEarlyWakeTolerance));
  }
}

GAUNTLET_CASE(SocketsConformance, Recv_Interrupted_FailsWithEintrAndRestartsWhenAsked,
              .clause = "POSIX.1-2024 recv() ERRORS [EINTR]; signal(7) SA_RESTART") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  const auto receive = [&] {
    char byte = 0;
    return ::recv(pair->second.get(), &byte, 1, 0);
  };
  {
    ChildCall plain(context, receive);
    ASSERT_TRUE(plain.is_asleep());
    ASSERT_TRUE(plain.signal_and_await_handler());
    EXPECT_THAT(plain.finish(), SyscallFailsWithErrno(EINTR));
  }
  ChildCall restarting(context, receive, OnSignal::restart);
  ASSERT_TRUE(restarting.is_asleep());
  ASSERT_TRUE(restarting.signal_and_await_handler());
  ASSERT_TRUE(restarting.is_asleep());
  ASSERT_THAT(send_text(pair->first, "x"), SyscallSucceeds());
  EXPECT_THAT(restarting.finish(), SyscallSucceedsWithValue(1));
}

// With a time limit on the socket a wait is never restarted, SA_RESTART or not.
GAUNTLET_CASE(SocketsConformance, Recv_InterruptedWithATimeLimit_FailsWithEintrDespiteSaRestart,
              .clause = "signal(7) Interruption of system calls (SO_RCVTIMEO set: EINTR)") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  const timeval long_time{.tv_sec = 3600, .tv_usec = 0};
  ASSERT_THAT(
      ::setsockopt(pair->second.get(), SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof long_time),
      SyscallSucceeds());
  ChildCall receiver(
      context,
      [&] {
        char byte = 0;
        return ::recv(pair->second.get(), &byte, 1, 0);
      },
      OnSignal::restart);
  ASSERT_TRUE(receiver.is_asleep());
  ASSERT_TRUE(receiver.signal_and_await_handler());
  EXPECT_THAT(receiver.finish(), SyscallFailsWithErrno(EINTR));
}

GAUNTLET_CASE(SocketsConformance, Fionread_CountsWhatWaits,
              .clause = "unix(7) SIOCINQ, tcp(7) SIOCINQ") {
  for (const SocketKind kind : kBothStreams) {
    const auto made = Connection::open(context, kind);
    if (!made) return context.not_created(made.error());
    ASSERT_THAT(send_text(made->client, "seven77"), SyscallSucceeds());
    ASSERT_NE(await_events(made->server, POLLIN), 0);
    int waiting = -1;
    ASSERT_THAT(::ioctl(made->server.get(), FIONREAD, &waiting), SyscallSucceeds());
    EXPECT_EQ(waiting, 7);
  }
}

// Pieces gathered by one call and scattered by another are one run of bytes.
GAUNTLET_CASE(SocketsConformance, SendmsgAndRecvmsg_ManyPieces_AreGatheredAndScattered,
              .clause = "POSIX.1-2024 sendmsg(), recvmsg() (msg_iov), ERRORS [EMSGSIZE]") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  char text[] = "onetwothree";
  iovec pieces[] = {{text, 3}, {text + 3, 0}, {text + 3, 3}, {text + 6, 5}};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = 4;
  ASSERT_THAT(::sendmsg(pair->first.get(), &message, 0), SyscallSucceedsWithValue(11));
  char front[4] = {};
  char back[16] = {};
  iovec places[] = {{front, 4}, {back, 16}};
  message.msg_iov = places;
  message.msg_iovlen = 2;
  ASSERT_THAT(::recvmsg(pair->second.get(), &message, 0), SyscallSucceedsWithValue(11));
  EXPECT_EQ(std::string_view(front, 4), "onet");
  EXPECT_EQ(std::string_view(back, 7), "wothree");
  const long most = ::sysconf(_SC_IOV_MAX);
  std::vector<iovec> many(static_cast<std::size_t>(most) + 1, iovec{text, 1});
  message.msg_iov = many.data();
  message.msg_iovlen = many.size();
  EXPECT_THAT(::sendmsg(pair->first.get(), &message, MSG_NOSIGNAL),
              SyscallFailsWithErrno(EMSGSIZE));
}

GAUNTLET_CASE(SocketsConformance, TcpNodelay_IsOffAtFirstAndKeepsWhatIsSet,
              .clause = "tcp(7) TCP_NODELAY; POSIX.1-2024 <netinet/tcp.h>") {
  const auto made = Connection::open(context, kTcp);
  if (!made) return context.not_created(made.error());
  EXPECT_EQ(int_option(made->client.get(), TCP_NODELAY, IPPROTO_TCP), 0);
  ASSERT_THAT(set_option(made->client.get(), TCP_NODELAY, 1, IPPROTO_TCP), SyscallSucceeds());
  EXPECT_EQ(int_option(made->client.get(), TCP_NODELAY, IPPROTO_TCP), 1);
  EXPECT_EQ(int_option(made->server.get(), TCP_NODELAY, IPPROTO_TCP), 0);
}

// Killed inside a large send, the sender has sent a prefix; after it the stream ends.
GAUNTLET_CASE(SocketsCrashes, SenderKilledInsideALargeSend_ReceiverGetsAPrefixThenTheEnd,
              .clause = "POSIX.1-2024 send(), _Exit(); RFC 9293 3.9.1") {
  for (const SocketKind kind : kBothStreams) {
    auto made = Connection::open(context, kind);
    if (!made) return context.not_created(made.error());
    std::string message(32U << 20, 0);
    for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<char>(i * 131 >> 7);
    ChildCall sender(context, [&] { return send_text(made->client, message); });
    ASSERT_TRUE(sender.is_asleep());
    made->client.reset();
    EXPECT_TRUE(sender.kill());
    const std::string got = receive_text(made->server, MSG_WAITALL, message.size());
    EXPECT_GT(got.size(), 0U);
    EXPECT_LT(got.size(), message.size());
    EXPECT_TRUE(message.compare(0, got.size(), got) == 0) << "what came is no prefix";
    EXPECT_EQ(receive_text(made->server), "");
  }
}

// The death of the last receiver wakes a sender that sleeps for room.
GAUNTLET_CASE(SocketsCrashes, ReceiverKilled_SleepingSenderIsTold,
              .clause = "POSIX.1-2024 send() ERRORS [EPIPE], [ECONNRESET]; _Exit()") {
  for (const SocketKind kind : kBothStreams) {
    auto made = Connection::open(context, kind);
    if (!made) return context.not_created(made.error());
    ChildCall receiver(context, [&] {
      made->client.reset();
      return ::pause();
    });
    ASSERT_TRUE(receiver.is_asleep());
    made->server.reset();
    ChildCall sender(context, [&] {
      const std::string large(64U << 20, 'l');
      ssize_t sent = send_text(made->client, large);
      // What was accepted before the death is told first.
      return sent < 0 ? sent : send_text(made->client, large);
    });
    ASSERT_TRUE(sender.is_asleep());
    EXPECT_TRUE(receiver.kill());
    EXPECT_THAT(sender.finish(), SyscallFailsWithErrno(testing::AnyOf(EPIPE, ECONNRESET)));
  }
}

}  // namespace
}  // namespace gauntlet
