// A process as a descriptor: readable at its end, waitable, and never another process.
#include <gmock/gmock.h>
#include <poll.h>

#include "base/limits.h"
#include "cases/context.h"
#include "futures/raw_child.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

#ifndef P_PIDFD
#define P_PIDFD static_cast<idtype_t>(3)
#endif

namespace gauntlet {
namespace {

int ready(int pidfd, int timeout_ms) {
  pollfd ended = {pidfd, POLLIN, 0};
  const int count = ::poll(&ended, 1, timeout_ms);
  return count == 1 ? ended.revents : count;
}

constexpr int kPatienceMs = 1000 * static_cast<int>(kCallPatience.count());

GAUNTLET_CASE(FuturesConformance, Pidfd_BecomesReadableWhenTheProcessEnds,
              .clause = "pidfd_open(2) (poll: readable when the process terminates)") {
  const RawChild child([] { return RawChild::sleep_on(); });
  ASSERT_TRUE(child.forked());
  const UniqueFd pidfd = child.open_pidfd();
  ASSERT_TRUE(pidfd.valid()) << errno_name(errno);
  EXPECT_EQ(ready(pidfd.get(), 0), 0) << "readable while it runs";
  ChildCall waiter(context, [&] { return ready(pidfd.get(), kPatienceMs); });
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_THAT(::kill(child.pid(), SIGKILL), SyscallSucceeds());
  EXPECT_THAT(waiter.finish(), SyscallSucceedsWithValue(testing::Ne(0)));
  EXPECT_NE(ready(pidfd.get(), kPatienceMs) & POLLIN, 0) << "a zombie has ended";
}

// A stop is no end.
GAUNTLET_CASE(FuturesConformance, Pidfd_OfAStoppedProcess_IsNotReadable,
              .clause = "pidfd_open(2) (readable when the process terminates)") {
  const RawChild child([] { return RawChild::sleep_on(); });
  ASSERT_TRUE(child.forked());
  const UniqueFd pidfd = child.open_pidfd();
  ASSERT_TRUE(pidfd.valid());
  siginfo_t info{};
  ASSERT_THAT(::kill(child.pid(), SIGSTOP), SyscallSucceeds());
  ASSERT_THAT(::waitid(P_PID, child.id(), &info, WSTOPPED), SyscallSucceeds());
  EXPECT_EQ(ready(pidfd.get(), 0), 0);
}

GAUNTLET_CASE(FuturesConformance, WaitidPidfd_TellsTheEndOfThatProcess,
              .clause = "pidfd_open(2); waitid(2) P_PIDFD") {
  const RawChild other([] { return 1; });
  const RawChild child([] { return 9; });
  ASSERT_TRUE(child.forked());
  const UniqueFd pidfd = child.open_pidfd();
  ASSERT_TRUE(pidfd.valid());
  siginfo_t info{};
  ASSERT_THAT(::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED), SyscallSucceeds());
  EXPECT_EQ(info.si_pid, child.pid());
  EXPECT_EQ(info.si_status, 9);
}

// A descriptor that does not block says EAGAIN where waitid() would sleep.
GAUNTLET_CASE(FuturesConformance, WaitidPidfd_NonblockingBeforeTheEnd_FailsWithEagain,
              .clause = "waitid(2) ERRORS EAGAIN; pidfd_open(2) PIDFD_NONBLOCK") {
  const RawChild child([] { return RawChild::sleep_on(); });
  ASSERT_TRUE(child.forked());
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid(), O_NONBLOCK)));
  if (!pidfd.valid()) return context.unsupported("pidfd_open(PIDFD_NONBLOCK)", errno_name(errno));
  siginfo_t info{};
  EXPECT_THAT(::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED),
              SyscallFailsWithErrno(EAGAIN));
}

// The descriptor outlives the process and names nobody else: there is nothing to wait for, and
// nothing to signal.
GAUNTLET_CASE(FuturesConformance, Pidfd_OfAReapedChild_IsReadableAndNamesNobody,
              .clause = "pidfd_open(2); pidfd_send_signal(2) ERRORS ESRCH; waitid(2) ECHILD") {
  const RawChild child([] { return 0; });
  ASSERT_TRUE(child.forked());
  const UniqueFd pidfd = child.open_pidfd();
  ASSERT_TRUE(pidfd.valid());
  siginfo_t info{};
  ASSERT_THAT(::waitid(P_PID, child.id(), &info, WEXITED), SyscallSucceeds());
  EXPECT_NE(ready(pidfd.get(), 0) & POLLIN, 0);
  EXPECT_THAT(::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED),
              SyscallFailsWithErrno(ECHILD));
  EXPECT_THAT(::syscall(SYS_pidfd_send_signal, pidfd.get(), 0, nullptr, 0),
              SyscallFailsWithErrno(ESRCH));
}

GAUNTLET_CASE(FuturesConformance, PidfdOpen_OfAReapedChild_FailsWithEsrch,
              .clause = "pidfd_open(2) ERRORS ESRCH") {
  const RawChild child([] { return 0; });
  ASSERT_TRUE(child.forked());
  siginfo_t info{};
  ASSERT_THAT(::waitid(P_PID, child.id(), &info, WEXITED), SyscallSucceeds());
  EXPECT_THAT(::syscall(SYS_pidfd_open, child.pid(), 0), SyscallFailsWithErrno(ESRCH));
}

GAUNTLET_CASE(FuturesConformance, PidfdOpen_WrongArguments_FailWithEinval,
              .clause = "pidfd_open(2) ERRORS EINVAL") {
  EXPECT_THAT(::syscall(SYS_pidfd_open, ::getpid(), ~0U), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::syscall(SYS_pidfd_open, 0, 0), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::syscall(SYS_pidfd_open, -1, 0), SyscallFailsWithErrno(EINVAL));
}

// It is closed on exec, as every descriptor of a new kind.
GAUNTLET_CASE(FuturesConformance, PidfdOpen_SetsCloseOnExec,
              .clause = "pidfd_open(2) (the close-on-exec flag is set)") {
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  ASSERT_TRUE(pidfd.valid());
  EXPECT_THAT(::fcntl(pidfd.get(), F_GETFD), SyscallSucceedsWithValue(FD_CLOEXEC));
}

// Only a parent may wait; a pidfd that was handed over gives no right to it.
GAUNTLET_CASE(FuturesConformance, WaitidPidfd_ByOneWhoIsNotTheParent_FailsWithEchild,
              .clause = "waitid(2) ERRORS ECHILD") {
  const RawChild child([] { return 0; });
  ASSERT_TRUE(child.forked());
  const UniqueFd pidfd = child.open_pidfd();
  ASSERT_TRUE(pidfd.valid());
  ChildCall sibling(context, [&] {
    siginfo_t info{};
    return ::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED);
  });
  EXPECT_THAT(sibling.finish(), SyscallFailsWithErrno(ECHILD));
}

}  // namespace
}  // namespace gauntlet
