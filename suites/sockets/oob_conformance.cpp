// Urgent data: the out-of-band byte of a stream, its mark, and where reads stop; on TCP, and on
// Unix sockets, which promise the same.
#include <gmock/gmock.h>
#include <sys/ioctl.h>

#include <functional>

#include "sockets/socket_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

/// Whether the next byte to be read is at the mark; -1 when that cannot be asked.
int at_mark(const UniqueFd& fd) {
  int at = -1;
  return ::ioctl(fd.get(), SIOCATMARK, &at) == 0 ? at : -1;
}

bool has_unix_oob() {
  const auto pair = SocketPair::open(SOCK_STREAM);
  return pair && send_text(pair->first, "u", MSG_OOB | MSG_NOSIGNAL) == 1;
}

/// The same steps on both; a system without MSG_OOB on Unix sockets is asked about TCP alone.
void on_both(CaseContext& context, const std::function<void(const Connection&)>& steps) {
  const bool unix_too = has_unix_oob();
  context.observed("unix_msg_oob", unix_too ? "yes" : "no");
  for (const SocketKind kind : {kTcp, kUnixStream}) {
    if (kind.family == AddressFamily::unix_path && !unix_too) continue;
    SCOPED_TRACE(kind.family == AddressFamily::ipv4 ? "TCP" : "Unix");
    const auto made = Connection::open(context, kind);
    if (!made) return context.not_created(made.error());
    steps(*made);
  }
}

ssize_t send_urgent(const UniqueFd& fd, std::string_view text) {
  return send_text(fd, text, MSG_OOB | MSG_NOSIGNAL);
}

GAUNTLET_CASE(SocketsConformance, MsgOob_UrgentByte_IsReceivedApartAndOnce,
              .clause = "POSIX.1-2024 send(), recv() MSG_OOB; tcp(7); Linux 314001f0bf92") {
  on_both(context, [](const Connection& made) {
    ASSERT_THAT(send_urgent(made.client, "hello!"), SyscallSucceedsWithValue(6));
    EXPECT_NE(await_events(made.server, POLLPRI), 0);
    EXPECT_EQ(receive_text(made.server, MSG_OOB), "!") << "the last byte is the urgent one";
    EXPECT_EQ(receive_text(made.server, MSG_OOB), "<EINVAL>") << "received twice";
    EXPECT_EQ(receive_text(made.server, MSG_DONTWAIT), "hello");
    EXPECT_EQ(receive_text(made.server, MSG_DONTWAIT), "<EAGAIN>");
  });
}

GAUNTLET_CASE(SocketsConformance, MsgOob_NothingUrgent_FailsWithEinval,
              .clause = "POSIX.1-2024 recv() ERRORS [EINVAL] (MSG_OOB, no out-of-band data)") {
  on_both(context, [](const Connection& made) {
    ASSERT_THAT(send_text(made.client, "plain"), SyscallSucceeds());
    EXPECT_EQ(receive_text(made.server, MSG_OOB), "<EINVAL>");
    EXPECT_EQ(receive_text(made.server), "plain");
  });
}

// A read stops at the mark and SIOCATMARK says so; the next read goes on behind it.
GAUNTLET_CASE(SocketsConformance, MsgOob_Reads_StopAtTheMark,
              .clause = "POSIX.1-2024 sockatmark(), 2.10.12; tcp(7) SIOCATMARK") {
  on_both(context, [](const Connection& made) {
    ASSERT_THAT(send_text(made.client, "before"), SyscallSucceeds());
    ASSERT_THAT(send_urgent(made.client, "!"), SyscallSucceeds());
    ASSERT_THAT(send_text(made.client, "behind"), SyscallSucceeds());
    ASSERT_NE(await_events(made.server, POLLPRI), 0);
    EXPECT_EQ(at_mark(made.server), 0);
    EXPECT_EQ(receive_text(made.server), "before");
    EXPECT_EQ(at_mark(made.server), 1);
    EXPECT_EQ(receive_text(made.server, MSG_OOB), "!");
    EXPECT_EQ(receive_text(made.server), "behind");
    EXPECT_EQ(at_mark(made.server), 0);
  });
}

// With SO_OOBINLINE the urgent byte stands in the stream, at the mark.
GAUNTLET_CASE(SocketsConformance, MsgOob_Inline_StandsInTheStreamAtTheMark,
              .clause = "POSIX.1-2024 setsockopt() SO_OOBINLINE; socket(7)") {
  on_both(context, [](const Connection& made) {
    ASSERT_THAT(set_option(made.server.get(), SO_OOBINLINE, 1), SyscallSucceeds());
    ASSERT_THAT(send_text(made.client, "before"), SyscallSucceeds());
    ASSERT_THAT(send_urgent(made.client, "!"), SyscallSucceeds());
    ASSERT_THAT(send_text(made.client, "behind"), SyscallSucceeds());
    ASSERT_NE(await_events(made.server, POLLPRI), 0);
    EXPECT_EQ(receive_text(made.server, MSG_OOB), "<EINVAL>");
    EXPECT_EQ(receive_text(made.server), "before");
    EXPECT_EQ(at_mark(made.server), 1);
    EXPECT_EQ(receive_text(made.server, MSG_WAITALL, 7), "!behind");
  });
}

// A look at the urgent byte leaves it.
GAUNTLET_CASE(SocketsConformance, MsgOob_Peeked_StaysUrgent,
              .clause = "POSIX.1-2024 recv() MSG_OOB, MSG_PEEK") {
  on_both(context, [](const Connection& made) {
    ASSERT_THAT(send_urgent(made.client, "x!"), SyscallSucceeds());
    ASSERT_NE(await_events(made.server, POLLPRI), 0);
    EXPECT_EQ(receive_text(made.server, MSG_OOB | MSG_PEEK), "!");
    EXPECT_EQ(receive_text(made.server, MSG_OOB), "!");
    EXPECT_EQ(receive_text(made.server), "x");
  });
}

// An urgent byte that was received leaves no border at the head of the queue that would hide what
// comes behind it.
GAUNTLET_CASE(SocketsConformance, MsgOob_ConsumedAtTheHead_DoesNotHideTheBytesBehind,
              .clause =
                  "POSIX.1-2024 recv(); regressions: Linux 'af_unix: Don't stop "
                  "recv(MSG_DONTWAIT) if consumed OOB skb is at the head'") {
  on_both(context, [](const Connection& made) {
    ASSERT_THAT(send_urgent(made.client, "!"), SyscallSucceeds());
    ASSERT_NE(await_events(made.server, POLLPRI), 0);
    EXPECT_EQ(receive_text(made.server, MSG_OOB), "!");
    EXPECT_EQ(receive_text(made.server, MSG_DONTWAIT), "<EAGAIN>");
    ASSERT_THAT(send_text(made.client, "behind"), SyscallSucceeds());
    ASSERT_NE(await_events(made.server, POLLIN), 0);
    EXPECT_EQ(receive_text(made.server, MSG_DONTWAIT), "behind");
  });
}

// Once there is a newer mark, the place of an urgent byte that was received is no border any more.
GAUNTLET_CASE(SocketsConformance, MsgOob_ConsumedBeforeANewerOne_IsNoBorder,
              .clause =
                  "POSIX.1-2024 recv(); regression: Linux 'af_unix: Don't stop recv() at "
                  "consumed ex-OOB skb'") {
  if (!has_unix_oob()) return context.unsupported("send(MSG_OOB) on a Unix socket", "EOPNOTSUPP");
  const auto pair = SocketPair::open(SOCK_STREAM, SOCK_NONBLOCK);
  if (!pair) return context.not_created(pair.error());
  ASSERT_THAT(send_urgent(pair->first, "first1"), SyscallSucceeds());
  EXPECT_EQ(receive_text(pair->second, MSG_OOB), "1");
  ASSERT_THAT(send_urgent(pair->first, "second2"), SyscallSucceeds());
  EXPECT_EQ(receive_text(pair->second), "firstsecond");
  EXPECT_EQ(receive_text(pair->second, MSG_OOB), "2");
}

// The second urgent byte takes the place of the first, which is a plain byte from then on.
GAUNTLET_CASE(SocketsConformance, MsgOob_ASecondUrgentByte_MovesTheMark,
              .clause = "tcp(7) urgent data; RFC 6093; Linux 314001f0bf92 (semantics of TCP)") {
  on_both(context, [](const Connection& made) {
    ASSERT_THAT(send_urgent(made.client, "a1"), SyscallSucceeds());
    ASSERT_THAT(send_urgent(made.client, "b2"), SyscallSucceeds());
    ASSERT_NE(await_events(made.server, POLLPRI), 0);
    EXPECT_EQ(receive_text(made.server, MSG_OOB), "2");
    EXPECT_EQ(receive_text(made.server, MSG_WAITALL, 3), "a1b");
    EXPECT_EQ(receive_text(made.server, MSG_DONTWAIT), "<EAGAIN>");
  });
}

}  // namespace
}  // namespace gauntlet
