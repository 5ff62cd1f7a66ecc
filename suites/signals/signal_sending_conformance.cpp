// What kill(), sigqueue(), tgkill() and killpg() promise: whom they reach, what they carry, and
// what they refuse.
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "cases/context.h"
#include "process/process.h"
#include "signals/caught.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

using testing::ElementsAre;

/// The number of a process that has just ended and was reaped.
pid_t nobody() {
  auto process = Process::fork([] { return 0; });
  if (!process) return -1;
  const pid_t pid = process->pid();
  return process->wait(Deadline::after(kCallPatience)) ? pid : -1;
}

long tgkill(pid_t group, pid_t thread, int signal) {
  return ::syscall(SYS_tgkill, group, thread, signal);
}

GAUNTLET_CASE(SignalsConformance, Kill_WithANumberThatIsNoSignal_FailsWithEinval,
              .clause = "POSIX.1-2024 kill() ERRORS [EINVAL]") {
  EXPECT_THAT(::kill(::getpid(), -1), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::kill(::getpid(), SIGRTMAX + 1), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SignalsConformance, Kill_OfAReapedProcess_FailsWithEsrch,
              .clause = "POSIX.1-2024 kill() ERRORS [ESRCH]") {
  const pid_t gone = nobody();
  ASSERT_GT(gone, 0);
  EXPECT_THAT(::kill(gone, SIGTERM), SyscallFailsWithErrno(ESRCH));
  EXPECT_THAT(::kill(gone, 0), SyscallFailsWithErrno(ESRCH));
}

// Signal 0 looks whether it could be sent, and sends nothing.
GAUNTLET_CASE(SignalsConformance, Kill_WithSignalZero_SendsNothing,
              .clause = "POSIX.1-2024 kill() DESCRIPTION (the null signal)") {
  ChildCall child(context, [] { return static_cast<long>(::pause()); });
  ASSERT_TRUE(child.is_asleep());
  EXPECT_THAT(::kill(child.pid(), 0), SyscallSucceeds());
  EXPECT_TRUE(child.is_asleep()) << "something was sent";
}

// A process that has ended and was not reaped still exists.
GAUNTLET_CASE(SignalsConformance, Kill_OfAZombie_Succeeds,
              .clause = "kill(2) ERRORS ESRCH (an existing process might be a zombie)") {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  ASSERT_GT(pid, 0);
  siginfo_t info{};
  ASSERT_THAT(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), SyscallSucceeds());
  EXPECT_THAT(::kill(pid, SIGTERM), SyscallSucceeds());
  EXPECT_THAT(::waitpid(pid, nullptr, 0), SyscallSucceedsWithValue(pid));
}

GAUNTLET_CASE(SignalsConformance, Kill_OfAnotherUsersProcess_FailsWithEperm,
              .clause = "POSIX.1-2024 kill() ERRORS [EPERM]") {
  const pid_t body = ::getpid();
  const auto outcome = call_as_stranger(context, [body] { return ::kill(body, SIGUSR1); });
  if (!outcome) return;
  EXPECT_THAT(*outcome, SyscallFailsWithErrno(EPERM));
}

// A signal to oneself that is not blocked is delivered before kill() returns.
GAUNTLET_CASE(SignalsConformance, Kill_OfOneselfUnblocked_IsDeliveredBeforeItReturns,
              .clause = "POSIX.1-2024 kill() DESCRIPTION (delivered before kill() returns)") {
  const Catcher catcher({SIGUSR1});
  for (int i = 1; i <= 20; ++i) {
    ASSERT_THAT(::kill(::getpid(), SIGUSR1), SyscallSucceeds());
    ASSERT_EQ(Catcher::count(), i);
  }
}

GAUNTLET_CASE(SignalsConformance, Raise_IsDeliveredBeforeItReturns,
              .clause = "POSIX.1-2024 raise() DESCRIPTION") {
  const Catcher catcher({SIGUSR2});
  EXPECT_EQ(::raise(SIGUSR2), 0);
  EXPECT_EQ(Catcher::count(), 1);
  EXPECT_NE(::raise(SIGRTMAX + 1), 0);
}

/// Two children that sleep in a process group of their own.
struct Group {
  explicit Group(CaseContext& context)
      : first(context,
              [] {
                ::setpgid(0, 0);
                return static_cast<long>(::pause());
              }),
        second(context, [leader = first.pid()] {
          // The leader may not have founded its group yet.
          while (::setpgid(0, leader) != 0 && errno == EPERM) {
          }
          return static_cast<long>(::pause());
        }) {}
  ChildCall first;
  ChildCall second;
};

// A negative process number reaches every process of the group, and nobody else.
GAUNTLET_CASE(SignalsConformance, Kill_OfANegativeNumber_ReachesAllOfTheGroup,
              .clause = "POSIX.1-2024 kill() DESCRIPTION (pid is negative)") {
  Group group(context);
  ASSERT_TRUE(group.first.is_asleep());
  ASSERT_TRUE(group.second.is_asleep());
  const Catcher catcher({SIGUSR1});
  ASSERT_THAT(::kill(-group.first.pid(), SIGUSR1), SyscallSucceeds());
  EXPECT_THAT(group.first.finish(), SyscallFailsWithErrno(EINTR));
  EXPECT_THAT(group.second.finish(), SyscallFailsWithErrno(EINTR));
  EXPECT_EQ(Catcher::count(), 0) << "it reached a process outside of the group";
}

GAUNTLET_CASE(SignalsConformance, Killpg_ReachesAllOfTheGroup,
              .clause = "POSIX.1-2024 killpg() DESCRIPTION") {
  Group group(context);
  ASSERT_TRUE(group.first.is_asleep());
  ASSERT_TRUE(group.second.is_asleep());
  ASSERT_THAT(::killpg(group.first.pid(), SIGUSR1), SyscallSucceeds());
  EXPECT_THAT(group.first.finish(), SyscallFailsWithErrno(EINTR));
  EXPECT_THAT(group.second.finish(), SyscallFailsWithErrno(EINTR));
}

GAUNTLET_CASE(SignalsConformance, Killpg_OfAGroupWithoutProcesses_FailsWithEsrch,
              .clause = "POSIX.1-2024 killpg() ERRORS [ESRCH]") {
  const pid_t gone = nobody();
  ASSERT_GT(gone, 0);
  EXPECT_THAT(::killpg(gone, SIGUSR1), SyscallFailsWithErrno(ESRCH));
}

// A session leader cannot move to another group, and nobody can join a group of another session.
GAUNTLET_CASE(SignalsConformance, Setpgid_OfASessionLeader_FailsWithEperm,
              .clause = "POSIX.1-2024 setpgid() ERRORS [EPERM]") {
  ChildCall child(context, [] {
    if (::setsid() < 0) return -1L;
    return static_cast<long>(::setpgid(0, 0));
  });
  EXPECT_THAT(child.finish(), SyscallFailsWithErrno(EPERM));
}

GAUNTLET_CASE(SignalsConformance, Setpgid_OfAStranger_FailsWithEsrch,
              .clause = "POSIX.1-2024 setpgid() ERRORS [ESRCH]") {
  const pid_t gone = nobody();
  ASSERT_GT(gone, 0);
  EXPECT_THAT(::setpgid(gone, 0), SyscallFailsWithErrno(ESRCH));
}

// The value, the sender and the code come with a queued signal.
GAUNTLET_CASE(SignalsConformance, Sigqueue_ValueSenderAndCode_ComeWithTheSignal,
              .clause = "POSIX.1-2024 sigqueue() DESCRIPTION; sigaction(2) SI_QUEUE") {
  const Catcher catcher({SIGUSR1});
  ASSERT_THAT(::sigqueue(::getpid(), SIGUSR1, value_of(-7)), SyscallSucceeds());
  ASSERT_EQ(Catcher::count(), 1);
  EXPECT_EQ(Catcher::info(0).si_code, SI_QUEUE);
  EXPECT_EQ(Catcher::info(0).si_value.sival_int, -7);
  EXPECT_EQ(Catcher::info(0).si_pid, ::getpid());
  EXPECT_EQ(Catcher::info(0).si_uid, ::getuid());
}

GAUNTLET_CASE(SignalsConformance, Sigqueue_Refusals_AreThoseOfKill,
              .clause = "POSIX.1-2024 sigqueue() ERRORS [EINVAL], [ESRCH]") {
  EXPECT_THAT(::sigqueue(::getpid(), SIGRTMAX + 1, value_of(0)), SyscallFailsWithErrno(EINVAL));
  const pid_t gone = nobody();
  ASSERT_GT(gone, 0);
  EXPECT_THAT(::sigqueue(gone, SIGUSR1, value_of(0)), SyscallFailsWithErrno(ESRCH));
  EXPECT_THAT(::sigqueue(::getpid(), 0, value_of(0)), SyscallSucceeds());
}

GAUNTLET_CASE(SignalsConformance, Sigqueue_ToAnotherUsersProcess_FailsWithEperm,
              .clause = "POSIX.1-2024 sigqueue() ERRORS [EPERM]") {
  const pid_t body = ::getpid();
  const auto outcome =
      call_as_stranger(context, [body] { return ::sigqueue(body, SIGUSR1, value_of(0)); });
  if (!outcome) return;
  EXPECT_THAT(*outcome, SyscallFailsWithErrno(EPERM));
}

// A standard signal pends once, with the value of the first.
GAUNTLET_CASE(SignalsConformance, Sigqueue_OfAStandardSignalTwice_OnePends,
              .clause = "signal(7) Standard signals (only one instance is marked as pending)") {
  const Catcher catcher({SIGUSR1});
  {
    const Blocked blocked({SIGUSR1});
    ASSERT_THAT(::sigqueue(::getpid(), SIGUSR1, value_of(1)), SyscallSucceeds());
    ASSERT_THAT(::sigqueue(::getpid(), SIGUSR1, value_of(2)), SyscallSucceeds());
  }
  ASSERT_EQ(Catcher::count(), 1);
  EXPECT_EQ(Catcher::info(0).si_value.sival_int, 1);
}

// Of several pending real-time signals the lowest-numbered is delivered first. Each handler blocks
// all of them, so that none interrupts another.
GAUNTLET_CASE(SignalsConformance, RealtimeSignals_AreDeliveredLowestNumberFirst,
              .clause = "POSIX.1-2024 XSH 2.4.2; signal(7) Real-time signals") {
  const int lowest = SIGRTMIN;
  const sigset_t all = set_of({lowest, lowest + 1, lowest + 2});
  const Catcher catcher({lowest, lowest + 1, lowest + 2}, 0, nullptr, all);
  const Blocked blocked({lowest, lowest + 1, lowest + 2});
  for (const int each : {2, 0, 1, 0, 2}) ASSERT_EQ(::raise(lowest + each), 0);
  sigset_t none;
  sigemptyset(&none);
  for (int i = 0; i < 5; ++i) ASSERT_THAT(::sigsuspend(&none), SyscallFailsWithErrno(EINTR));
  EXPECT_THAT(Catcher::signals(), ElementsAre(lowest, lowest, lowest + 1, lowest + 2, lowest + 2));
}

// Of one number they come in the order in which they were sent.
GAUNTLET_CASE(SignalsConformance, RealtimeSignalsOfOneNumber_ComeInTheOrderSent,
              .clause = "POSIX.1-2024 XSH 2.4.2 (FIFO order); signal(7) Real-time signals") {
  const int signal = SIGRTMIN + 3;
  const Blocked blocked({signal});
  for (int i = 0; i < 20; ++i) {
    ASSERT_THAT(::sigqueue(::getpid(), signal, value_of(i)), SyscallSucceeds());
  }
  const sigset_t set = set_of({signal});
  for (int i = 0; i < 20; ++i) {
    siginfo_t info{};
    ASSERT_THAT(::sigwaitinfo(&set, &info), SyscallSucceedsWithValue(signal));
    ASSERT_EQ(info.si_value.sival_int, i);
  }
  EXPECT_FALSE(is_pending(signal));
}

// Linux hands out standard signals before real-time ones; POSIX leaves it open.
GAUNTLET_CASE(SignalsConformance, StandardAndRealtimePending_StandardIsTakenFirst,
              .clause = "signal(7) Real-time signals (Linux gives priority to standard signals)") {
  const Blocked blocked({SIGUSR2, SIGRTMIN});
  ASSERT_EQ(::raise(SIGRTMIN), 0);
  ASSERT_EQ(::raise(SIGUSR2), 0);
  const sigset_t set = set_of({SIGUSR2, SIGRTMIN});
  EXPECT_THAT(::sigwaitinfo(&set, nullptr), SyscallSucceedsWithValue(SIGUSR2));
  EXPECT_THAT(::sigwaitinfo(&set, nullptr), SyscallSucceedsWithValue(SIGRTMIN));
}

GAUNTLET_CASE(SignalsConformance, Tgkill_OfAThreadOfAnotherGroup_FailsWithEsrch,
              .clause = "tgkill(2) ERRORS ESRCH, EINVAL") {
  EXPECT_THAT(tgkill(::getppid(), ::gettid(), SIGUSR1), SyscallFailsWithErrno(ESRCH));
  EXPECT_THAT(tgkill(0, ::gettid(), SIGUSR1), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(tgkill(::getpid(), -1, SIGUSR1), SyscallFailsWithErrno(EINVAL));
  const Catcher catcher({SIGUSR1});
  EXPECT_THAT(tgkill(::getpid(), ::gettid(), SIGUSR1), SyscallSucceeds());
  ASSERT_EQ(Catcher::count(), 1);
  EXPECT_EQ(Catcher::info(0).si_code, SI_TKILL);
}

}  // namespace
}  // namespace gauntlet
