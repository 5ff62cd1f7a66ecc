// Signals that the system sends: of children that end, stop and go on, and of timers.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <ctime>

#include "base/limits.h"
#include "cases/context.h"
#include "signals/caught.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

using std::chrono::nanoseconds;

pid_t fork_that_exits(int code) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(code);
  return pid;
}
pid_t fork_that_pauses() {
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (;;) ::pause();
  }
  return pid;
}
/// Waits for a blocked signal; its number, or -1 when it did not come.
int take(int signal, siginfo_t* info) {
  const sigset_t set = set_of({signal});
  const timespec patience = Deadline::after(kCallPatience).as_timeout();
  return ::sigtimedwait(&set, info, &patience);
}

GAUNTLET_CASE(SignalsConformance, Sigchld_Siginfo_TellsHowTheChildEnded,
              .clause = "POSIX.1-2024 sigaction(), signal.h SIGCHLD codes; waitid()") {
  const Catcher catcher({SIGCHLD});
  const Blocked blocked({SIGCHLD});
  siginfo_t info{};
  const pid_t exits = fork_that_exits(7);
  ASSERT_EQ(take(SIGCHLD, &info), SIGCHLD);
  EXPECT_EQ(info.si_code, CLD_EXITED);
  EXPECT_EQ(info.si_status, 7);
  EXPECT_EQ(info.si_pid, exits);
  EXPECT_THAT(::waitpid(exits, nullptr, 0), SyscallSucceedsWithValue(exits));
  const pid_t killed = fork_that_pauses();
  ASSERT_THAT(::kill(killed, SIGKILL), SyscallSucceeds());
  ASSERT_EQ(take(SIGCHLD, &info), SIGCHLD);
  EXPECT_EQ(info.si_code, CLD_KILLED);
  EXPECT_EQ(info.si_status, SIGKILL);
  EXPECT_THAT(::waitpid(killed, nullptr, 0), SyscallSucceedsWithValue(killed));
}

// SIGCHLD is a standard signal: several ends may be one signal, and none of the ends is lost.
GAUNTLET_CASE(SignalsConformance, Sigchld_OfSeveralChildren_CoalescesAndAllCanBeReaped,
              .clause = "signal(7) Standard signals; POSIX.1-2024 waitpid()") {
  const Catcher catcher({SIGCHLD});
  const Blocked blocked({SIGCHLD});
  constexpr int kChildren = 5;
  for (int i = 0; i < kChildren; ++i) ASSERT_GT(fork_that_exits(i), 0);
  int reaped = 0;
  siginfo_t info{};
  for (; reaped < kChildren; ++reaped) {
    ASSERT_THAT(::waitid(P_ALL, 0, &info, WEXITED), SyscallSucceeds());
  }
  sigset_t none;
  sigemptyset(&none);
  ASSERT_THAT(::sigsuspend(&none), SyscallFailsWithErrno(EINTR));
  EXPECT_FALSE(is_pending(SIGCHLD)) << "five ends that nobody heard of pend as one signal";
  EXPECT_THAT(::waitid(P_ALL, 0, &info, WEXITED), SyscallFailsWithErrno(ECHILD));
}

GAUNTLET_CASE(SignalsConformance, SaNocldwait_EndedChild_LeavesNoZombie,
              .clause = "POSIX.1-2024 sigaction() SA_NOCLDWAIT") {
  const Catcher catcher({SIGCHLD}, SA_NOCLDWAIT);
  ASSERT_GT(fork_that_exits(0), 0);
  EXPECT_THAT(::wait(nullptr), SyscallFailsWithErrno(ECHILD));
}

GAUNTLET_CASE(SignalsConformance, SigchldIgnored_EndedChild_LeavesNoZombie,
              .clause = "POSIX.1-2024 XSH 2.4.3 (SIGCHLD set to SIG_IGN); wait()") {
  ::signal(SIGCHLD, SIG_IGN);
  ASSERT_GT(fork_that_exits(0), 0);
  EXPECT_THAT(::wait(nullptr), SyscallFailsWithErrno(ECHILD));
  ::signal(SIGCHLD, SIG_DFL);
}

/// Stops a child, and lets it go on; what waitid() said of it.
void expect_stop_and_continuation_are_reported(pid_t pid) {
  siginfo_t info{};
  ASSERT_THAT(::kill(pid, SIGSTOP), SyscallSucceeds());
  ASSERT_THAT(::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED), SyscallSucceeds());
  EXPECT_EQ(info.si_code, CLD_STOPPED);
  EXPECT_EQ(info.si_status, SIGSTOP);
  ASSERT_THAT(::kill(pid, SIGCONT), SyscallSucceeds());
  ASSERT_THAT(::waitid(P_PID, static_cast<id_t>(pid), &info, WCONTINUED), SyscallSucceeds());
  EXPECT_EQ(info.si_code, CLD_CONTINUED);
  EXPECT_EQ(info.si_status, SIGCONT);
}

// With SA_NOCLDSTOP the parent gets no signal for a stop, and waitid() still reports it.
GAUNTLET_CASE(SignalsConformance, SaNocldstop_StopOfAChild_SendsNoSigchld,
              .clause = "POSIX.1-2024 sigaction() SA_NOCLDSTOP; waitid() WSTOPPED, WCONTINUED") {
  for (const int flags : {SA_NOCLDSTOP, 0}) {
    const Catcher catcher({SIGCHLD}, flags);
    const Blocked blocked({SIGCHLD});
    const pid_t pid = fork_that_pauses();
    ASSERT_GT(pid, 0);
    expect_stop_and_continuation_are_reported(pid);
    EXPECT_EQ(is_pending(SIGCHLD), flags == 0);
    ::kill(pid, SIGKILL);
    EXPECT_THAT(::waitpid(pid, nullptr, 0), SyscallSucceedsWithValue(pid));
  }
}

// SIGCONT takes a pending stop signal away, and a stop signal a pending SIGCONT.
GAUNTLET_CASE(SignalsConformance, StopAndContinue_DiscardEachOtherWhilePending,
              .clause = "POSIX.1-2024 XSH 2.4.1 Signal Generation and Delivery") {
  const Catcher catcher({SIGTSTP, SIGCONT});
  const Blocked blocked({SIGTSTP, SIGCONT});
  ASSERT_EQ(::raise(SIGTSTP), 0);
  ASSERT_TRUE(is_pending(SIGTSTP));
  ASSERT_EQ(::raise(SIGCONT), 0);
  EXPECT_FALSE(is_pending(SIGTSTP));
  EXPECT_TRUE(is_pending(SIGCONT));
  ASSERT_EQ(::raise(SIGTSTP), 0);
  EXPECT_FALSE(is_pending(SIGCONT));
}

// alarm() sends SIGALRM at its time, not before, and a new one answers what was left of the old.
GAUNTLET_CASE(SignalsConformance, Alarm_NewOne_AnswersWhatWasLeft,
              .clause = "POSIX.1-2024 alarm() RETURN VALUE") {
  EXPECT_EQ(::alarm(1000), 0U);
  const unsigned left = ::alarm(0);
  EXPECT_GE(left, 1U);
  EXPECT_LE(left, 1000U);
  EXPECT_EQ(::alarm(0), 0U);
}

GAUNTLET_CASE(SignalsConformance, Setitimer_Interval_SendsSigalrmAgainAndAgain,
              .clause = "POSIX.1-2024 getitimer(), setitimer() (XSI); setitimer(2)") {
  const Catcher catcher({SIGALRM});
  const Blocked blocked({SIGALRM});
  const itimerval often{.it_interval = {.tv_sec = 0, .tv_usec = 3000},
                        .it_value = {.tv_sec = 0, .tv_usec = 3000}};
  const std::int64_t begun_ns = monotonic_ns();
  ASSERT_THAT(::setitimer(ITIMER_REAL, &often, nullptr), SyscallSucceeds());
  siginfo_t info{};
  for (int i = 1; i <= 3; ++i) ASSERT_EQ(take(SIGALRM, &info), SIGALRM) << "time " << i;
  EXPECT_GE(nanoseconds(monotonic_ns() - begun_ns),
            std::chrono::milliseconds(9) - kEarlyWakeTolerance);
  const itimerval off{};
  ASSERT_THAT(::setitimer(ITIMER_REAL, &off, nullptr), SyscallSucceeds());
  const itimerval invalid{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = 1'000'000}};
  EXPECT_THAT(::setitimer(ITIMER_REAL, &invalid, nullptr), SyscallFailsWithErrno(EINVAL));
}

// A timer has one signal pending at most; what expires meanwhile is counted as overruns.
GAUNTLET_CASE(SignalsConformance, Timer_ExpiredWhilePending_IsCountedAsOverruns,
              .clause = "POSIX.1-2024 timer_getoverrun() DESCRIPTION") {
  const int signal = SIGRTMIN + 5;
  const Blocked blocked({signal});
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = signal;
  event.sigev_value.sival_int = 99;
  timer_t timer{};
  ASSERT_THAT(::timer_create(CLOCK_MONOTONIC, &event, &timer), SyscallSucceeds());
  const long period_ns = 1'000'000;
  const itimerspec often{.it_interval = {.tv_sec = 0, .tv_nsec = period_ns},
                         .it_value = {.tv_sec = 0, .tv_nsec = period_ns}};
  const std::int64_t begun_ns = monotonic_ns();
  ASSERT_THAT(::timer_settime(timer, 0, &often, nullptr), SyscallSucceeds());
  const timespec nap = Deadline::after(kShortWait).as_timeout();
  ASSERT_EQ(::clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, nullptr), 0);
  siginfo_t info{};
  ASSERT_EQ(take(signal, &info), signal);
  EXPECT_EQ(info.si_code, SI_TIMER);
  EXPECT_EQ(info.si_value.sival_int, 99);
  const int overrun = ::timer_getoverrun(timer);
  // Between the first expiration and the take at least the nap has gone by.
  EXPECT_GE(overrun, std::chrono::milliseconds(kShortWait - 2 * kEarlyWakeTolerance).count() - 1);
  EXPECT_LE(overrun, (monotonic_ns() - begun_ns) / period_ns);
  ASSERT_THAT(::timer_delete(timer), SyscallSucceeds());
  EXPECT_THAT(::timer_create(12345, &event, &timer), SyscallFailsWithErrno(EINVAL));
}

// A process that is killed while it is stopped ends, however often it was stopped before.
GAUNTLET_CASE(SignalsOverload, StopAndContinueManyTimes_SigkillStillEndsTheProcess,
              .clause = "POSIX.1-2024 XSH 2.4.1; signal.h SIGKILL (cannot be caught or ignored)") {
  const pid_t pid = fork_that_pauses();
  ASSERT_GT(pid, 0);
  const std::uint64_t pairs = context.amount(200, 2000, 20'000);
  for (std::uint64_t i = 0; i < pairs; ++i) {
    ASSERT_THAT(::kill(pid, SIGSTOP), SyscallSucceeds());
    ASSERT_THAT(::kill(pid, SIGCONT), SyscallSucceeds());
  }
  siginfo_t info{};
  ASSERT_THAT(::kill(pid, SIGSTOP), SyscallSucceeds());
  ASSERT_THAT(::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED), SyscallSucceeds());
  ASSERT_THAT(::kill(pid, SIGKILL), SyscallSucceeds());
  ASSERT_THAT(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED), SyscallSucceeds());
  EXPECT_EQ(info.si_code, CLD_KILLED);
  EXPECT_EQ(info.si_status, SIGKILL);
}

}  // namespace
}  // namespace gauntlet
