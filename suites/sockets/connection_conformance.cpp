// What listen(), accept() and connect() promise, of Unix sockets and of TCP.
#include <gmock/gmock.h>

#include <atomic>
#include <optional>

#include "sockets/socket_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

using testing::AnyOf;

/// An address where a socket was bound and nobody listens.
int connect_to_bound(const Bound& bound) { return bound.connect(bound.client()); }

GAUNTLET_CASE(SocketsConformance, Listen_OfADatagramSocket_FailsWithEopnotsupp,
              .clause = "POSIX.1-2024 listen() ERRORS [EOPNOTSUPP]") {
  const auto bound = Bound::open(context, kUnixDatagram);
  if (!bound) return context.not_created(bound.error());
  EXPECT_THAT(::listen(bound->fd.get(), 1), SyscallFailsWithErrno(EOPNOTSUPP));
  EXPECT_THAT(::accept(bound->fd.get(), nullptr, nullptr), SyscallFailsWithErrno(EOPNOTSUPP));
}

GAUNTLET_CASE(SocketsConformance, Listen_OfAnUnboundUnixSocket_FailsWithEinval,
              .clause = "POSIX.1-2024 listen() ERRORS [EDESTADDRREQ], [EINVAL]") {
  const auto bound = Bound::open(context, kUnixStream);
  if (!bound) return context.not_created(bound.error());
  EXPECT_THAT(::listen(bound->client().get(), 1),
              SyscallFailsWithErrno(AnyOf(EDESTADDRREQ, EINVAL)));
}

GAUNTLET_CASE(SocketsConformance, Listen_OfAConnectedSocket_FailsWithEinval,
              .clause = "POSIX.1-2024 listen() ERRORS [EINVAL] (already connected)") {
  const auto made = Connection::open(context, kUnixStream);
  if (!made) return context.not_created(made.error());
  EXPECT_THAT(::listen(made->server.get(), 1), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SocketsConformance, Connect_BoundButNotListening_FailsWithEconnrefused,
              .clause = "POSIX.1-2024 connect() ERRORS [ECONNREFUSED]") {
  for (const SocketKind kind : kBothStreams) {
    const auto bound = Bound::open(context, kind);
    if (!bound) return context.not_created(bound.error());
    EXPECT_THAT(connect_to_bound(*bound), SyscallFailsWithErrno(ECONNREFUSED));
  }
}

GAUNTLET_CASE(SocketsConformance, Connect_ASecondTime_FailsWithEisconn,
              .clause = "POSIX.1-2024 connect() ERRORS [EISCONN]") {
  for (const SocketKind kind : kBothStreams) {
    const auto bound = Bound::listening(context, kind);
    if (!bound) return context.not_created(bound.error());
    const UniqueFd client = bound->client();
    ASSERT_THAT(bound->connect(client), SyscallSucceeds());
    EXPECT_THAT(bound->connect(client), SyscallFailsWithErrno(EISCONN));
  }
}

GAUNTLET_CASE(SocketsConformance, Connect_ToASocketOfAnotherType_FailsWithEprototype,
              .clause = "POSIX.1-2024 connect() ERRORS [EPROTOTYPE]") {
  const auto bound = Bound::listening(context, kUnixStream);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd datagram(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_THAT(bound->connect(datagram), SyscallFailsWithErrno(EPROTOTYPE));
}

GAUNTLET_CASE(SocketsConformance, Accept_OfASocketThatDoesNotListen_FailsWithEinval,
              .clause = "POSIX.1-2024 accept() ERRORS [EINVAL]") {
  for (const SocketKind kind : kBothStreams) {
    const auto bound = Bound::open(context, kind);
    if (!bound) return context.not_created(bound.error());
    EXPECT_THAT(::accept(bound->fd.get(), nullptr, nullptr), SyscallFailsWithErrno(EINVAL));
  }
}

GAUNTLET_CASE(SocketsConformance, Accept4_UnknownFlag_FailsWithEinval,
              .clause = "accept(2) ERRORS [EINVAL] (invalid value in flags)") {
  const auto bound = Bound::listening(context, kUnixStream);
  if (!bound) return context.not_created(bound.error());
  EXPECT_THAT(::accept4(bound->fd.get(), nullptr, nullptr, 1), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SocketsConformance, Accept_NothingPendingNonblocking_FailsWithEagain,
              .clause = "POSIX.1-2024 accept() ERRORS [EAGAIN]") {
  for (const SocketKind kind : kBothStreams) {
    const auto bound = Bound::listening(context, kind, 8, SOCK_NONBLOCK);
    if (!bound) return context.not_created(bound.error());
    EXPECT_THAT(::accept(bound->fd.get(), nullptr, nullptr), SyscallFailsWithErrno(EAGAIN));
    EXPECT_EQ(events_of(bound->fd, POLLIN), 0);
  }
}

GAUNTLET_CASE(SocketsConformance, Accept_NothingPending_SleepsUntilAConnect,
              .clause = "POSIX.1-2024 accept() DESCRIPTION (shall block)") {
  for (const SocketKind kind : kBothStreams) {
    const auto bound = Bound::listening(context, kind);
    if (!bound) return context.not_created(bound.error());
    ChildCall acceptor(context, [&] { return ::accept(bound->fd.get(), nullptr, nullptr); });
    ASSERT_TRUE(acceptor.is_asleep());
    const UniqueFd client = bound->client();
    ASSERT_THAT(bound->connect(client), SyscallSucceeds());
    EXPECT_THAT(acceptor.finish(), SyscallSucceeds());
  }
}

// The new socket has the flags that accept4() was given, and none of the listening one.
GAUNTLET_CASE(SocketsConformance, Accept4_Flags_AreThoseOfTheCallNotOfTheListener,
              .clause = "accept(2) (Linux: flags such as O_NONBLOCK are not inherited)") {
  const auto bound = Bound::listening(context, kUnixStream, 8, SOCK_NONBLOCK);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd first = bound->client();
  const UniqueFd second = bound->client();
  ASSERT_THAT(bound->connect(first), SyscallSucceeds());
  ASSERT_THAT(bound->connect(second), SyscallSucceeds());
  const UniqueFd plain(::accept(bound->fd.get(), nullptr, nullptr));
  const UniqueFd flagged(
      ::accept4(bound->fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  EXPECT_EQ(::fcntl(plain.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(::fcntl(plain.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(::fcntl(flagged.get(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(::fcntl(flagged.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

// A connection is there before it is accepted: what is sent meanwhile waits, in the order in which
// the clients came.
GAUNTLET_CASE(SocketsConformance, Accept_AfterConnectAndSend_FindsTheBytesInOrderOfArrival,
              .clause = "POSIX.1-2024 accept() DESCRIPTION (first connection on the queue)") {
  for (const SocketKind kind : kBothStreams) {
    const auto bound = Bound::listening(context, kind);
    if (!bound) return context.not_created(bound.error());
    for (const char* const text : {"first", "second", "third"}) {
      const UniqueFd client = bound->client();
      ASSERT_THAT(bound->connect(client), SyscallSucceeds());
      ASSERT_THAT(send_text(client, text), SyscallSucceeds());
    }
    for (const char* const text : {"first", "second", "third"}) {
      const UniqueFd server = bound->accept();
      ASSERT_TRUE(server.valid());
      EXPECT_EQ(receive_text(server), text);
      EXPECT_EQ(receive_text(server), "") << "its client has gone";
    }
  }
}

// A full queue of Unix connections refuses who may not wait, and lets the others sleep.
GAUNTLET_CASE(SocketsConformance, Connect_UnixBacklogFull_SleepsUntilAnAcceptOrFailsWithEagain,
              .clause = "connect(2) ERRORS [EAGAIN]; unix(7)") {
  const auto bound = Bound::listening(context, kUnixStream, 0);
  if (!bound) return context.not_created(bound.error());
  std::vector<UniqueFd> clients;
  CallOutcome outcome;
  while (!outcome.failed && clients.size() < 8) {
    clients.push_back(bound->client(SOCK_NONBLOCK));
    outcome = outcome_of(bound->connect(clients.back()));
  }
  ASSERT_THAT(outcome, SyscallFailsWithErrno(EAGAIN)) << "a backlog of 0 took all";
  ChildCall waiting(context, [&] { return bound->connect(bound->client()); });
  ASSERT_TRUE(waiting.is_asleep());
  EXPECT_TRUE(bound->accept().valid());
  EXPECT_THAT(waiting.finish(), SyscallSucceeds());
}

GAUNTLET_CASE(SocketsConformance, Connect_AsleepWhenTheListenerCloses_FailsWithEconnrefused,
              .clause = "connect(2) ERRORS [ECONNREFUSED]") {
  auto bound = Bound::listening(context, kUnixStream, 0);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd first = bound->client();
  ASSERT_THAT(bound->connect(first), SyscallSucceeds());
  ChildCall waiting(context, [&] {
    bound->fd.reset();
    return bound->connect(bound->client());
  });
  ASSERT_TRUE(waiting.is_asleep());
  bound->fd.reset();
  EXPECT_THAT(waiting.finish(), SyscallFailsWithErrno(ECONNREFUSED));
}

// Who was never accepted is told that nobody ever will be there.
GAUNTLET_CASE(SocketsConformance, Close_OfAListenerWithPendingClients_ResetsThem,
              .clause = "POSIX.1-2024 close(); recv() ERRORS [ECONNRESET]") {
  for (const SocketKind kind : kBothStreams) {
    auto bound = Bound::listening(context, kind);
    if (!bound) return context.not_created(bound.error());
    const UniqueFd client = bound->client();
    ASSERT_THAT(bound->connect(client), SyscallSucceeds());
    bound->fd.reset();
    EXPECT_NE(await_events(client, POLLIN), 0);
    EXPECT_EQ(receive_text(client), "<ECONNRESET>");
  }
}

// A connect() that may not wait goes on by itself, and the socket says how it ended.
GAUNTLET_CASE(SocketsConformance, Connect_TcpNonblocking_EndsWritableWithoutAnError,
              .clause = "POSIX.1-2024 connect() ERRORS [EINPROGRESS]; getsockopt() SO_ERROR") {
  const auto bound = Bound::listening(context, kTcp);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd client = bound->client(SOCK_NONBLOCK);
  const CallOutcome begun = outcome_of(bound->connect(client));
  EXPECT_THAT(begun, AnyOf(SyscallSucceeds(), SyscallFailsWithErrno(EINPROGRESS)));
  EXPECT_EQ(await_events(client, POLLOUT), POLLOUT);
  EXPECT_EQ(int_option(client.get(), SO_ERROR), 0);
  SocketAddress peer;
  peer.length = sizeof peer.storage;
  ASSERT_THAT(::getpeername(client.get(), peer.get(), &peer.length), SyscallSucceeds());
  EXPECT_TRUE(peer == bound->address);
}

// The error of a connection that failed later is told once.
GAUNTLET_CASE(SocketsConformance, Connect_TcpNonblockingRefused_IsToldOnceBySoError,
              .clause = "POSIX.1-2024 getsockopt() SO_ERROR (and clears it); connect()") {
  const auto bound = Bound::open(context, kTcp);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd client = bound->client(SOCK_NONBLOCK);
  const CallOutcome begun = outcome_of(bound->connect(client));
  if (begun.failed && begun.error == ECONNREFUSED) return;  // it was told at once
  ASSERT_THAT(begun, SyscallFailsWithErrno(EINPROGRESS));
  EXPECT_EQ(await_events(client, POLLOUT) & POLLERR, POLLERR);
  EXPECT_EQ(int_option(client.get(), SO_ERROR), ECONNREFUSED);
  EXPECT_EQ(int_option(client.get(), SO_ERROR), 0);
}

GAUNTLET_CASE(SocketsConformance, Bind_TcpPortZero_ChoosesAFreePort,
              .clause = "ip(7) Address format (port 0: ephemeral); POSIX.1-2024 bind()") {
  const auto first = Bound::listening(context, kTcp);
  const auto second = Bound::listening(context, kTcp);
  if (!first) return context.not_created(first.error());
  if (!second) return context.not_created(second.error());
  EXPECT_NE(first->name(), "0");
  EXPECT_NE(first->name(), second->name());
}

// A port where somebody listens is nobody else's, with SO_REUSEADDR neither.
GAUNTLET_CASE(SocketsConformance, Bind_TcpPortInUse_FailsWithEaddrinuse,
              .clause = "POSIX.1-2024 bind() [EADDRINUSE]; socket(7) SO_REUSEADDR (listening)") {
  const auto bound = Bound::listening(context, kTcp);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd plain = bound->client();
  EXPECT_THAT(::bind(plain.get(), bound->address.get(), bound->address.length),
              SyscallFailsWithErrno(EADDRINUSE));
  const UniqueFd reusing = bound->client();
  ASSERT_THAT(set_option(reusing.get(), SO_REUSEADDR, 1), SyscallSucceeds());
  EXPECT_THAT(::bind(reusing.get(), bound->address.get(), bound->address.length),
              SyscallFailsWithErrno(EADDRINUSE));
}

// After a connection that the server closed first its port rests. A server that sets SO_REUSEADDR
// can start again at once; Linux asks that it was set on the one before as well.
GAUNTLET_CASE(SocketsConformance, Bind_TcpPortInTimeWait_NeedsSoReuseaddr,
              .clause = "socket(7), ip(7) SO_REUSEADDR; RFC 9293 3.6 TIME-WAIT") {
  const auto address = [&]() -> std::optional<SocketAddress> {
    const auto bound = Bound::listening(context, kTcp);
    if (!bound || set_option(bound->fd.get(), SO_REUSEADDR, 1) != 0) return std::nullopt;
    const UniqueFd client = bound->client();
    if (bound->connect(client) != 0) return std::nullopt;
    UniqueFd server = bound->accept();
    server.reset();  // closes first, so that it is the one that waits
    if (receive_text(client) != "") return std::nullopt;
    return bound->address;
  }();
  ASSERT_TRUE(address.has_value());
  const UniqueFd plain(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_THAT(::bind(plain.get(), address->get(), address->length),
              SyscallFailsWithErrno(EADDRINUSE));
  const UniqueFd reusing(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_THAT(set_option(reusing.get(), SO_REUSEADDR, 1), SyscallSucceeds());
  EXPECT_THAT(::bind(reusing.get(), address->get(), address->length), SyscallSucceeds());
  EXPECT_THAT(::listen(reusing.get(), 1), SyscallSucceeds());
}

// All who bind with SO_REUSEPORT share the port; without it nobody joins them.
GAUNTLET_CASE(SocketsConformance, SoReuseport_SharesThePortAmongThoseWhoSetIt,
              .clause = "socket(7) SO_REUSEPORT") {
  const UniqueFd first(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd second(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd outsider(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_THAT(set_option(first.get(), SO_REUSEPORT, 1), SyscallSucceeds());
  ASSERT_THAT(set_option(second.get(), SO_REUSEPORT, 1), SyscallSucceeds());
  const auto port = bind_fresh(first.get(), AddressFamily::ipv4, context.scope());
  if (!port) return context.not_created(port.error());
  const SocketAddress address = *address_of(first.get());
  EXPECT_THAT(::bind(second.get(), address.get(), address.length), SyscallSucceeds());
  EXPECT_THAT(::listen(first.get(), 1), SyscallSucceeds());
  EXPECT_THAT(::listen(second.get(), 1), SyscallSucceeds());
  EXPECT_THAT(::bind(outsider.get(), address.get(), address.length),
              SyscallFailsWithErrno(EADDRINUSE));
}

// Out of descriptors the connection is not lost: it waits to be accepted.
GAUNTLET_CASE(SocketsOverload, Accept_WithoutAFreeDescriptor_FailsWithEmfileAndLosesNobody,
              .clause = "POSIX.1-2024 accept() ERRORS [EMFILE]") {
  for (const SocketKind kind : kBothStreams) {
    const auto bound = Bound::listening(context, kind);
    if (!bound) return context.not_created(bound.error());
    const UniqueFd client = bound->client();
    ASSERT_THAT(bound->connect(client), SyscallSucceeds());
    ASSERT_THAT(send_text(client, "patient"), SyscallSucceeds());
    CallOutcome refused;
    {
      const LoweredLimit limit(RLIMIT_NOFILE, static_cast<rlim_t>(client.get()) + 1);
      if (!limit.lowered()) return context.not_run("RLIMIT_NOFILE to be lowered", "run unconfined");
      refused = outcome_of(::accept(bound->fd.get(), nullptr, nullptr));
    }
    EXPECT_THAT(refused, SyscallFailsWithErrno(EMFILE));
    const UniqueFd server = bound->accept();
    ASSERT_TRUE(server.valid());
    EXPECT_EQ(receive_text(server), "patient");
  }
}

// A client that died in the queue is accepted like the others, and has ended.
GAUNTLET_CASE(SocketsCrashes, ClientKilledBeforeItIsAccepted_IsAcceptedWithItsBytesThenTheEnd,
              .clause = "POSIX.1-2024 accept(), _Exit()") {
  for (const SocketKind kind : kBothStreams) {
    const auto bound = Bound::listening(context, kind);
    if (!bound) return context.not_created(bound.error());
    ChildCall client(context, [&]() -> long {
      const UniqueFd own = bound->client();
      if (bound->connect(own) != 0 || send_text(own, "last words") < 0) return -1;
      return ::pause();
    });
    ASSERT_TRUE(client.is_asleep());
    EXPECT_TRUE(client.kill());
    const UniqueFd server = bound->accept();
    ASSERT_TRUE(server.valid());
    EXPECT_EQ(receive_text(server), "last words");
    EXPECT_EQ(receive_text(server), "");
  }
}

// The death of the only listener refuses who sleeps in connect() and resets who waits in the queue.
GAUNTLET_CASE(SocketsCrashes, ListenerKilled_PendingClientsAreResetAndSleepersRefused,
              .clause = "POSIX.1-2024 _Exit(); connect() [ECONNREFUSED]; recv() [ECONNRESET]") {
  auto bound = Bound::listening(context, kUnixStream, 0);
  if (!bound) return context.not_created(bound.error());
  ChildCall listener(context, [] { return ::pause(); });
  ASSERT_TRUE(listener.is_asleep());
  bound->fd.reset();
  const UniqueFd pending = bound->client();
  ASSERT_THAT(bound->connect(pending), SyscallSucceeds());
  ChildCall sleeper(context, [&] { return bound->connect(bound->client()); });
  ASSERT_TRUE(sleeper.is_asleep());
  EXPECT_TRUE(listener.kill());
  EXPECT_THAT(sleeper.finish(), SyscallFailsWithErrno(ECONNREFUSED));
  EXPECT_EQ(receive_text(pending), "<ECONNRESET>");
}

// Several processes accept on one socket: each connection goes to one of them. It could fail if a
// wake-up were given to one who finds the queue empty while another sleeps on.
GAUNTLET_CASE(SocketsRaces, ManyAcceptOnOneSocket_EachConnectionIsAcceptedOnce,
              .clause = "POSIX.1-2024 accept()") {
  constexpr std::size_t kAcceptors = 3;
  const std::uint64_t connections = context.amount(60, 600, 6000);
  const auto bound = Bound::listening(context, kUnixStream, 4);
  if (!bound) return context.not_created(bound.error());
  const Shared<std::atomic<std::uint64_t>> accepted;
  Crew crew;
  for (std::size_t i = 0; i < kAcceptors; ++i) {
    const auto added = crew.add([&](Worker& worker) {
      for (;;) {
        const UniqueFd server = bound->accept();
        if (!worker.expect(server.valid(), "accept: " + errno_name(errno))) return;
        const std::string text = receive_text(server);
        if (text == "stop") return;
        if (!worker.expect(text == "hello", "a connection brought '" + text + "'")) return;
        ++*accepted;
      }
    });
    if (!added) return context.error("no child: " + describe(added.error()));
  }
  for (std::uint64_t i = 0; i < connections + kAcceptors; ++i) {
    const UniqueFd client = bound->client();
    ASSERT_THAT(bound->connect(client), SyscallSucceeds());
    ASSERT_THAT(send_text(client, i < connections ? "hello" : "stop"), SyscallSucceeds());
  }
  context.join(crew);
  EXPECT_EQ(accepted->load(), connections);
}

}  // namespace
}  // namespace gauntlet
