// Masks, what pends, and the calls that wait for signals.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include <chrono>

#include "base/limits.h"
#include "cases/context.h"
#include "signals/caught.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

using std::chrono::nanoseconds;

// A blocked signal pends, and is delivered before the call that unblocks it returns.
GAUNTLET_CASE(SignalsConformance, Sigprocmask_Unblock_DeliversBeforeItReturns,
              .clause = "POSIX.1-2024 sigprocmask() DESCRIPTION (pending unblocked signals)") {
  const Catcher catcher({SIGUSR1});
  const sigset_t set = set_of({SIGUSR1});
  ASSERT_THAT(::sigprocmask(SIG_BLOCK, &set, nullptr), SyscallSucceeds());
  ASSERT_EQ(::raise(SIGUSR1), 0);
  EXPECT_EQ(Catcher::count(), 0);
  EXPECT_TRUE(is_pending(SIGUSR1));
  ASSERT_THAT(::sigprocmask(SIG_UNBLOCK, &set, nullptr), SyscallSucceeds());
  EXPECT_EQ(Catcher::count(), 1);
  EXPECT_FALSE(is_pending(SIGUSR1));
}

GAUNTLET_CASE(SignalsConformance, Sigprocmask_UnknownHow_FailsWithEinval,
              .clause = "POSIX.1-2024 sigprocmask() ERRORS [EINVAL]") {
  const sigset_t set = set_of({SIGUSR1});
  EXPECT_THAT(::sigprocmask(12345, &set, nullptr), SyscallFailsWithErrno(EINVAL));
  EXPECT_FALSE(is_blocked(SIGUSR1));
  EXPECT_THAT(::sigprocmask(12345, nullptr, nullptr), SyscallSucceeds())
      << "without a set how is not significant";
}

// SIGKILL and SIGSTOP cannot be blocked, and asking for it is no error.
GAUNTLET_CASE(SignalsConformance, Sigprocmask_OfSigkillAndSigstop_BlocksNothing,
              .clause = "POSIX.1-2024 sigprocmask() DESCRIPTION (cannot be ignored)") {
  sigset_t all;
  sigfillset(&all);
  sigset_t before;
  ASSERT_THAT(::sigprocmask(SIG_SETMASK, &all, &before), SyscallSucceeds());
  EXPECT_FALSE(is_blocked(SIGKILL));
  EXPECT_FALSE(is_blocked(SIGSTOP));
  EXPECT_TRUE(is_blocked(SIGTERM));
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}

// sigsuspend() takes what pends at once, and leaves the mask as it was.
GAUNTLET_CASE(SignalsConformance, Sigsuspend_WithASignalPending_ReturnsAndRestoresTheMask,
              .clause = "POSIX.1-2024 sigsuspend() DESCRIPTION, RETURN VALUE") {
  const Catcher catcher({SIGUSR1, SIGUSR2});
  const Blocked blocked({SIGUSR1, SIGUSR2});
  ASSERT_EQ(::raise(SIGUSR1), 0);
  ASSERT_EQ(::raise(SIGUSR2), 0);
  const sigset_t others = set_of({SIGUSR2});
  EXPECT_THAT(::sigsuspend(&others), SyscallFailsWithErrno(EINTR));
  EXPECT_EQ(Catcher::count(), 1) << "the signal that stays blocked must not come";
  EXPECT_TRUE(is_blocked(SIGUSR1));
  EXPECT_TRUE(is_pending(SIGUSR2));
}

// sigwait() takes the signal away; no handler runs.
GAUNTLET_CASE(SignalsConformance, Sigwait_PendingSignal_IsTakenWithoutItsHandler,
              .clause = "POSIX.1-2024 sigwait() DESCRIPTION") {
  const Catcher catcher({SIGUSR1});
  const Blocked blocked({SIGUSR1});
  ASSERT_EQ(::raise(SIGUSR1), 0);
  const sigset_t set = set_of({SIGUSR1, SIGUSR2});
  int signal = 0;
  EXPECT_EQ(::sigwait(&set, &signal), 0);
  EXPECT_EQ(signal, SIGUSR1);
  EXPECT_FALSE(is_pending(SIGUSR1));
  EXPECT_EQ(Catcher::count(), 0);
}

// sigwait() sleeps until one of its set comes.
GAUNTLET_CASE(SignalsConformance, Sigwait_SleepsUntilASignalOfItsSet,
              .clause = "POSIX.1-2024 sigwait() DESCRIPTION") {
  ChildCall waiter(context, []() -> long {
    const sigset_t set = set_of({SIGUSR2, SIGTERM});
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    int signal = 0;
    return ::sigwait(&set, &signal) == 0 ? signal : -1;
  });
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_THAT(::kill(waiter.pid(), SIGTERM), SyscallSucceeds());
  EXPECT_THAT(waiter.finish(), SyscallSucceedsWithValue(SIGTERM));
}

GAUNTLET_CASE(SignalsConformance, Sigtimedwait_NothingCame_FailsWithEagainNotEarly,
              .clause = "POSIX.1-2024 sigtimedwait() ERRORS [EAGAIN]") {
  const Blocked blocked({SIGUSR1});
  const sigset_t set = set_of({SIGUSR1});
  const timespec patience = Deadline::after(2 * kShortWait).as_timeout();
  const std::int64_t begun_ns = monotonic_ns();
  EXPECT_THAT(::sigtimedwait(&set, nullptr, &patience), SyscallFailsWithErrno(EAGAIN));
  EXPECT_GE(nanoseconds(monotonic_ns() - begun_ns), 2 * kShortWait - kEarlyWakeTolerance);
}

// With a time-out of zero it takes what pends, or fails at once.
GAUNTLET_CASE(SignalsConformance, Sigtimedwait_OfZero_IsATry,
              .clause = "POSIX.1-2024 sigtimedwait() DESCRIPTION (zero-valued)") {
  const Blocked blocked({SIGUSR1});
  const sigset_t set = set_of({SIGUSR1});
  const timespec zero{};
  EXPECT_THAT(::sigtimedwait(&set, nullptr, &zero), SyscallFailsWithErrno(EAGAIN));
  ASSERT_EQ(::raise(SIGUSR1), 0);
  EXPECT_THAT(::sigtimedwait(&set, nullptr, &zero), SyscallSucceedsWithValue(SIGUSR1));
}

GAUNTLET_CASE(SignalsConformance, Sigtimedwait_InvalidTime_FailsWithEinval,
              .clause = "POSIX.1-2024 sigtimedwait() ERRORS [EINVAL]") {
  const Blocked blocked({SIGUSR1});
  const sigset_t set = set_of({SIGUSR1});
  const timespec invalid{.tv_sec = 0, .tv_nsec = 1'000'000'000};
  EXPECT_THAT(::sigtimedwait(&set, nullptr, &invalid), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SignalsConformance, Sigwaitinfo_BringsWhatSigqueueSent,
              .clause = "POSIX.1-2024 sigwaitinfo() DESCRIPTION") {
  const Blocked blocked({SIGRTMIN});
  ASSERT_THAT(::sigqueue(::getpid(), SIGRTMIN, value_of(42)), SyscallSucceeds());
  const sigset_t set = set_of({SIGRTMIN});
  siginfo_t info{};
  EXPECT_THAT(::sigwaitinfo(&set, &info), SyscallSucceedsWithValue(SIGRTMIN));
  EXPECT_EQ(info.si_value.sival_int, 42);
  EXPECT_EQ(info.si_code, SI_QUEUE);
  EXPECT_EQ(info.si_pid, ::getpid());
}

/// A call with a mask of its own finds a signal that pends behind the caller's mask.
template <class Wait>
void expect_mask_is_swapped(Wait wait) {
  const Catcher catcher({SIGUSR1});
  const Blocked blocked({SIGUSR1});
  sigset_t none;
  sigemptyset(&none);
  for (int round = 1; round <= 3; ++round) {
    ASSERT_EQ(::raise(SIGUSR1), 0);
    ASSERT_TRUE(is_pending(SIGUSR1));
    EXPECT_THAT(wait(&none), SyscallFailsWithErrno(EINTR));
    EXPECT_EQ(Catcher::count(), round);
    EXPECT_TRUE(is_blocked(SIGUSR1)) << "the mask was not restored";
  }
}

// The mask and the sleep are one step: a signal that pends before is never slept over.
GAUNTLET_CASE(SignalsConformance, Ppoll_SignalPendingBehindTheMask_EndsIt,
              .clause = "POSIX.1-2024 ppoll() DESCRIPTION (sigmask)") {
  expect_mask_is_swapped([](const sigset_t* mask) { return ::ppoll(nullptr, 0, nullptr, mask); });
}

GAUNTLET_CASE(SignalsConformance, Pselect_SignalPendingBehindTheMask_EndsIt,
              .clause = "POSIX.1-2024 pselect() DESCRIPTION (sigmask)") {
  expect_mask_is_swapped(
      [](const sigset_t* mask) { return ::pselect(0, nullptr, nullptr, nullptr, nullptr, mask); });
}

GAUNTLET_CASE(SignalsConformance, EpollPwait_SignalPendingBehindTheMask_EndsIt,
              .clause = "epoll_pwait(2) DESCRIPTION (atomically)") {
  const UniqueFd watch(::epoll_create1(EPOLL_CLOEXEC));
  expect_mask_is_swapped([&](const sigset_t* mask) {
    epoll_event event{};
    return ::epoll_pwait(watch.get(), &event, 1, -1, mask);
  });
}

// What is blocked by the call's own mask does not end it.
GAUNTLET_CASE(SignalsConformance, Ppoll_SignalBlockedByItsMask_SleepsOn,
              .clause = "POSIX.1-2024 ppoll() DESCRIPTION (sigmask)") {
  ChildCall waiter(context, [] {
    const sigset_t mask = set_of({SIGUSR1});
    return static_cast<long>(::ppoll(nullptr, 0, nullptr, &mask));
  });
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_THAT(::kill(waiter.pid(), SIGUSR1), SyscallSucceeds());
  EXPECT_TRUE(waiter.is_asleep());
}

}  // namespace
}  // namespace gauntlet
