// What socket(), socketpair() and the options of a fresh socket promise.
#include <gmock/gmock.h>
#include <sys/syscall.h>

#include "sockets/socket_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

using testing::Ge;

GAUNTLET_CASE(SocketsConformance, Socket_UnknownFamily_FailsWithEafnosupport,
              .clause = "POSIX.1-2024 socket() ERRORS [EAFNOSUPPORT]") {
  EXPECT_THAT(::socket(9999, SOCK_STREAM, 0), SyscallFailsWithErrno(EAFNOSUPPORT));
}

GAUNTLET_CASE(SocketsConformance, Socket_UnknownFlagInTheType_FailsWithEinval,
              .clause = "socket(2) ERRORS [EINVAL] (Invalid flags in type)") {
  constexpr int kNoSuchFlag = 0x40000000;
  static_assert((kNoSuchFlag & (SOCK_CLOEXEC | SOCK_NONBLOCK)) == 0);
  EXPECT_THAT(::socket(AF_UNIX, SOCK_STREAM | kNoSuchFlag, 0), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SocketsConformance, Socket_UnknownProtocol_FailsWithEprotonosupport,
              .clause = "POSIX.1-2024 socket() ERRORS [EPROTONOSUPPORT]") {
  EXPECT_THAT(::socket(AF_UNIX, SOCK_STREAM, 77), SyscallFailsWithErrno(EPROTONOSUPPORT));
}

GAUNTLET_CASE(SocketsConformance, Socket_CloexecAndNonblock_AreSetAndOnlyWhenAskedFor,
              .clause = "POSIX.1-2024 socket() SOCK_CLOEXEC, SOCK_NONBLOCK") {
  const UniqueFd with(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const UniqueFd without(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_TRUE(with.valid() && without.valid());
  EXPECT_EQ(::fcntl(with.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(::fcntl(with.get(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(::fcntl(without.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(::fcntl(without.get(), F_GETFL) & O_NONBLOCK, 0);
}

// A socket tells what it is.
GAUNTLET_CASE(SocketsConformance, Getsockopt_TypeDomainAndProtocol_AreWhatWasAskedFor,
              .clause = "socket(7) SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN") {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    const UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    ASSERT_TRUE(fd.valid());
    EXPECT_EQ(int_option(fd.get(), SO_TYPE), type);
    EXPECT_EQ(int_option(fd.get(), SO_DOMAIN), AF_UNIX);
    EXPECT_EQ(int_option(fd.get(), SO_PROTOCOL), 0);
    EXPECT_EQ(int_option(fd.get(), SO_ACCEPTCONN), 0);
  }
  const auto listening = Bound::listening(context, kUnixStream);
  if (!listening) return context.not_created(listening.error());
  EXPECT_EQ(int_option(listening->fd.get(), SO_ACCEPTCONN), 1);
}

GAUNTLET_CASE(SocketsConformance, Socketpair_OfAFamilyWithoutPairs_FailsWithEopnotsupp,
              .clause = "POSIX.1-2024 socketpair() ERRORS [EOPNOTSUPP]") {
  int ends[2];
  EXPECT_THAT(::socketpair(AF_INET, SOCK_STREAM, 0, ends), SyscallFailsWithErrno(EOPNOTSUPP));
}

GAUNTLET_CASE(SocketsConformance, Socketpair_ArrayOutsideMemory_FailsWithEfaultAndOpensNothing,
              .clause = "socketpair(2) ERRORS [EFAULT]") {
  const UniqueFd before(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(before.valid());
  EXPECT_THAT(::syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, nullptr),
              SyscallFailsWithErrno(EFAULT));
  const UniqueFd after(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(after.get(), before.get() + 1) << "a descriptor stayed open";
}

// Either both descriptors or none.
GAUNTLET_CASE(SocketsConformance, Socketpair_OneDescriptorBelowTheLimit_FailsWithEmfileAndOpensNone,
              .clause = "POSIX.1-2024 socketpair() ERRORS [EMFILE]") {
  const UniqueFd probe(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(probe.valid());
  CallOutcome pair;
  CallOutcome single;
  {
    const LoweredLimit limit(RLIMIT_NOFILE, static_cast<rlim_t>(probe.get()) + 2);
    if (!limit.lowered()) return context.not_run("RLIMIT_NOFILE to be lowered", "run unconfined");
    int ends[2];
    pair = outcome_of(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    single = outcome_of(::socket(AF_UNIX, SOCK_STREAM, 0));
  }
  EXPECT_THAT(pair, SyscallFailsWithErrno(EMFILE));
  EXPECT_THAT(single, SyscallSucceedsWithValue(probe.get() + 1));
}

GAUNTLET_CASE(SocketsConformance, Socketpair_BothDirections_CarryTheirOwnBytes,
              .clause = "POSIX.1-2024 socketpair() DESCRIPTION (identical, connected)") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  ASSERT_THAT(send_text(pair->first, "there"), SyscallSucceedsWithValue(5));
  ASSERT_THAT(send_text(pair->second, "and back"), SyscallSucceedsWithValue(8));
  EXPECT_EQ(receive_text(pair->first), "and back");
  EXPECT_EQ(receive_text(pair->second), "there");
}

// A healthy connection has no error to tell. One system answered EINVAL.
GAUNTLET_CASE(SocketsConformance, Getsockopt_SoErrorOfAHealthySocket_IsZero,
              .clause = "POSIX.1-2024 getsockopt() SO_ERROR; regression: microsoft/WSL#1354") {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    const auto pair = SocketPair::open(type);
    if (!pair) return context.not_created(pair.error());
    int error = -1;
    socklen_t length = sizeof error;
    EXPECT_THAT(::getsockopt(pair->first.get(), SOL_SOCKET, SO_ERROR, &error, &length),
                SyscallSucceeds());
    EXPECT_EQ(error, 0);
    EXPECT_EQ(length, sizeof error);
  }
}

GAUNTLET_CASE(SocketsConformance, Getsockopt_UnknownOption_FailsWithEnoprotoopt,
              .clause = "POSIX.1-2024 getsockopt(), setsockopt() ERRORS [ENOPROTOOPT]") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  int value = 0;
  socklen_t length = sizeof value;
  EXPECT_THAT(::getsockopt(pair->first.get(), SOL_SOCKET, 9999, &value, &length),
              SyscallFailsWithErrno(ENOPROTOOPT));
  EXPECT_THAT(::setsockopt(pair->first.get(), SOL_SOCKET, 9999, &value, length),
              SyscallFailsWithErrno(ENOPROTOOPT));
}

GAUNTLET_CASE(SocketsConformance, Setsockopt_ValueShorterThanAnInt_FailsWithEinval,
              .clause = "POSIX.1-2024 setsockopt() ERRORS [EINVAL]") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  const char value = 1;
  EXPECT_THAT(::setsockopt(pair->first.get(), SOL_SOCKET, SO_PASSCRED, &value, sizeof value),
              SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SocketsConformance, SocketCalls_OnAPlainFile_FailWithEnotsock,
              .clause = "POSIX.1-2024 send(), recv(), getsockopt(), shutdown() ERRORS [ENOTSOCK]") {
  const UniqueFd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  char byte = 0;
  EXPECT_THAT(::send(file.get(), "x", 1, 0), SyscallFailsWithErrno(ENOTSOCK));
  EXPECT_THAT(::recv(file.get(), &byte, 1, 0), SyscallFailsWithErrno(ENOTSOCK));
  EXPECT_THAT(::shutdown(file.get(), SHUT_WR), SyscallFailsWithErrno(ENOTSOCK));
  EXPECT_THAT(::listen(file.get(), 1), SyscallFailsWithErrno(ENOTSOCK));
  EXPECT_THAT(::accept(file.get(), nullptr, nullptr), SyscallFailsWithErrno(ENOTSOCK));
}

GAUNTLET_CASE(SocketsConformance, SocketCalls_OnAClosedDescriptor_FailWithEbadf,
              .clause = "POSIX.1-2024 send(), recv(), shutdown(), listen() ERRORS [EBADF]") {
  auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  const int closed = pair->first.get();
  pair->first.reset();
  char byte = 0;
  EXPECT_THAT(::send(closed, "x", 1, MSG_NOSIGNAL), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::recv(closed, &byte, 1, 0), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::shutdown(closed, SHUT_WR), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::listen(closed, 1), SyscallFailsWithErrno(EBADF));
}

GAUNTLET_CASE(SocketsConformance, Lseek_OnASocket_FailsWithEspipe,
              .clause = "POSIX.1-2024 lseek() ERRORS [ESPIPE]") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  EXPECT_THAT(::lseek(pair->first.get(), 0, SEEK_CUR), SyscallFailsWithErrno(ESPIPE));
}

// The kernel doubles what is asked for, to have room for its own records, and getsockopt() tells
// the doubled value. A tiny request gets the least that works.
GAUNTLET_CASE(SocketsConformance, Setsockopt_BufferSize_IsDoubledAndNeverUnderTheLeast,
              .clause = "socket(7) SO_SNDBUF, SO_RCVBUF (doubled; minimum 2048 and 256)") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  for (const auto& [option, least] : {std::pair(SO_SNDBUF, 2048), std::pair(SO_RCVBUF, 256)}) {
    ASSERT_THAT(set_option(pair->first.get(), option, 8192), SyscallSucceeds());
    EXPECT_EQ(int_option(pair->first.get(), option), 2 * 8192);
    ASSERT_THAT(set_option(pair->first.get(), option, 1), SyscallSucceeds());
    EXPECT_THAT(int_option(pair->first.get(), option), Ge(least));
  }
}

}  // namespace
}  // namespace gauntlet
