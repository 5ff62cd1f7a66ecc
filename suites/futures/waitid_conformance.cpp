// A child's end as a value: what waitid() tells, when, and how often.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include "base/limits.h"
#include "cases/context.h"
#include "futures/raw_child.h"
#include "process/process.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

// The exit status, and that it was an exit.
GAUNTLET_CASE(FuturesConformance, Waitid_ChildExits_TellsStatusAndCldExited,
              .clause = "POSIX.1-2024 waitid(); <signal.h> CLD_EXITED") {
  const RawChild child([] { return 42; });
  ASSERT_TRUE(child.forked());
  siginfo_t info{};
  ASSERT_THAT(::waitid(P_PID, child.id(), &info, WEXITED), SyscallSucceedsWithValue(0));
  EXPECT_EQ(info.si_signo, SIGCHLD);
  EXPECT_EQ(info.si_pid, child.pid());
  EXPECT_EQ(info.si_code, CLD_EXITED);
  EXPECT_EQ(info.si_status, 42);
  EXPECT_EQ(info.si_uid, ::getuid());
}

// Linux, like all systems of old, gives waitid() the low 8 bits; so it gives them to waitpid().
GAUNTLET_CASE(FuturesConformance, Waitid_StatusOver255_OnlyTheLowEightBitsArrive,
              .clause = "_exit(2) (status & 0xFF); POSIX.1-2024 _Exit() RATIONALE") {
  for (const int status : {255, 256, 257, -1, 0x1234}) {
    const RawChild child([status] { return status; });
    ASSERT_TRUE(child.forked());
    siginfo_t info{};
    ASSERT_THAT(::waitid(P_PID, child.id(), &info, WEXITED | WNOWAIT), SyscallSucceeds());
    int word = 0;
    ASSERT_THAT(::waitpid(child.pid(), &word, 0), SyscallSucceedsWithValue(child.pid()));
    EXPECT_TRUE(WIFEXITED(word));
    EXPECT_EQ(WEXITSTATUS(word), status & 0xff);
    EXPECT_EQ(info.si_status, status & 0xff);
  }
}

GAUNTLET_CASE(FuturesConformance, Waitid_ChildKilled_TellsTheSignalAndCldKilled,
              .clause = "POSIX.1-2024 waitid(); <signal.h> CLD_KILLED") {
  for (const int signal : {SIGKILL, SIGTERM, SIGRTMIN}) {
    const RawChild child([] { return RawChild::sleep_on(); });
    ASSERT_TRUE(child.forked());
    ASSERT_THAT(::kill(child.pid(), signal), SyscallSucceeds());
    siginfo_t info{};
    ASSERT_THAT(::waitid(P_PID, child.id(), &info, WEXITED), SyscallSucceeds());
    EXPECT_EQ(info.si_code, CLD_KILLED);
    EXPECT_EQ(info.si_status, signal);
  }
}

// Without a core file (RLIMIT_CORE 0) an abnormal end is told as a plain kill.
GAUNTLET_CASE(FuturesConformance, Waitid_ChildAbortsWithoutCore_TellsCldKilled,
              .clause = "POSIX.1-2024 <signal.h> CLD_KILLED (abnormally, no core file); core(5)") {
  const RawChild child([] {
    const rlimit none{};
    ::setrlimit(RLIMIT_CORE, &none);
    ::signal(SIGABRT, SIG_DFL);
    ::abort();
    return 0;
  });
  ASSERT_TRUE(child.forked());
  siginfo_t info{};
  ASSERT_THAT(::waitid(P_PID, child.id(), &info, WEXITED), SyscallSucceeds());
  EXPECT_EQ(info.si_status, SIGABRT);
  // A core_pattern that is a pipe is fed whatever the limit is, and then it is a dump (core(5)).
  context.observed("abort_without_core", info.si_code == CLD_KILLED ? "CLD_KILLED" : "CLD_DUMPED");
  EXPECT_TRUE(info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED) << info.si_code;
}

// WNOWAIT tells and leaves: again and again, until somebody takes it.
GAUNTLET_CASE(FuturesConformance, Waitid_Wnowait_LeavesTheChildWaitable,
              .clause = "POSIX.1-2024 waitid() WNOWAIT") {
  const RawChild child([] { return 7; });
  ASSERT_TRUE(child.forked());
  for (int time = 0; time < 3; ++time) {
    siginfo_t info{};
    ASSERT_THAT(::waitid(P_PID, child.id(), &info, WEXITED | WNOWAIT), SyscallSucceeds());
    EXPECT_EQ(info.si_status, 7);
  }
  siginfo_t info{};
  ASSERT_THAT(::waitid(P_PID, child.id(), &info, WEXITED), SyscallSucceeds());
  EXPECT_THAT(::waitid(P_PID, child.id(), &info, WEXITED | WNOWAIT), SyscallFailsWithErrno(ECHILD));
}

// Nothing to tell yet: success, and no process named.
GAUNTLET_CASE(FuturesConformance, Waitid_WnohangBeforeTheEnd_SucceedsAndNamesNobody,
              .clause = "POSIX.1-2024 waitid() WNOHANG (si_signo and si_pid are 0)") {
  const RawChild child([] { return RawChild::sleep_on(); });
  ASSERT_TRUE(child.forked());
  siginfo_t info{};
  info.si_pid = 99;
  info.si_signo = 99;
  ASSERT_THAT(::waitid(P_PID, child.id(), &info, WEXITED | WNOHANG), SyscallSucceedsWithValue(0));
  EXPECT_EQ(info.si_pid, 0);
  EXPECT_EQ(info.si_signo, 0);
}

GAUNTLET_CASE(FuturesConformance, Waitid_StoppedAndContinued_AreToldToWhoAsks,
              .clause = "POSIX.1-2024 waitid() WSTOPPED, WCONTINUED") {
  const RawChild child([] { return RawChild::sleep_on(); });
  ASSERT_TRUE(child.forked());
  siginfo_t info{};
  ASSERT_THAT(::kill(child.pid(), SIGSTOP), SyscallSucceeds());
  ASSERT_THAT(::waitid(P_PID, child.id(), &info, WSTOPPED), SyscallSucceeds());
  EXPECT_EQ(info.si_code, CLD_STOPPED);
  EXPECT_EQ(info.si_status, SIGSTOP);
  info = {};
  ASSERT_THAT(::waitid(P_PID, child.id(), &info, WEXITED | WNOHANG), SyscallSucceeds());
  EXPECT_EQ(info.si_pid, 0) << "a stop was told to who asked for ends";
  ASSERT_THAT(::kill(child.pid(), SIGCONT), SyscallSucceeds());
  ASSERT_THAT(::waitid(P_PID, child.id(), &info, WCONTINUED), SyscallSucceeds());
  EXPECT_EQ(info.si_code, CLD_CONTINUED);
  EXPECT_EQ(info.si_status, SIGCONT);
}

GAUNTLET_CASE(FuturesConformance, Waitid_NoChildLeft_FailsWithEchild,
              .clause = "POSIX.1-2024 waitid() ERRORS [ECHILD]") {
  siginfo_t info{};
  EXPECT_THAT(::waitid(P_ALL, 0, &info, WEXITED), SyscallFailsWithErrno(ECHILD));
  EXPECT_THAT(::waitid(P_PID, static_cast<id_t>(::getppid()), &info, WEXITED),
              SyscallFailsWithErrno(ECHILD))
      << "a parent is no child";
}

GAUNTLET_CASE(FuturesConformance, Waitid_WithoutAnyEventOrOfAnUnknownKind_FailsWithEinval,
              .clause = "POSIX.1-2024 waitid() ERRORS [EINVAL]") {
  const RawChild child([] { return RawChild::sleep_on(); });
  ASSERT_TRUE(child.forked());
  siginfo_t info{};
  EXPECT_THAT(::waitid(P_PID, child.id(), &info, WNOHANG), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::waitid(static_cast<idtype_t>(77), child.id(), &info, WEXITED),
              SyscallFailsWithErrno(EINVAL));
}

// Whoever says that he does not want to know is not told: children leave no zombie.
GAUNTLET_CASE(FuturesConformance, Waitid_SigchldIgnored_WaitsForAllAndFailsWithEchild,
              .clause = "POSIX.1-2024 waitid() (SA_NOCLDWAIT or SIGCHLD ignored); wait(2) NOTES") {
  ChildCall parent(context, [] {
    ::signal(SIGCHLD, SIG_IGN);
    if (::fork() == 0) ::_exit(3);
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED);
  });
  EXPECT_THAT(parent.finish(), SyscallFailsWithErrno(ECHILD));
}

// A handler that runs ends the wait, and the child can be waited for again.
GAUNTLET_CASE(FuturesConformance, Waitid_Interrupted_FailsWithEintr,
              .clause = "POSIX.1-2024 waitid() ERRORS [EINTR]") {
  ChildCall parent(context, [] {
    const RawChild child([] { return RawChild::sleep_on(); });
    siginfo_t info{};
    return ::waitid(P_PID, child.id(), &info, WEXITED);
  });
  ASSERT_TRUE(parent.is_asleep());
  ASSERT_TRUE(parent.signal_and_await_handler());
  EXPECT_THAT(parent.finish(), SyscallFailsWithErrno(EINTR));
}

// Until it is waited for, a child that has ended keeps its number, and takes signals.
GAUNTLET_CASE(FuturesConformance, Zombie_KeepsItsPidUntilItIsReaped,
              .clause = "POSIX.1-2024 kill() (a zombie process can be signalled); wait(2) NOTES") {
  const RawChild child([] { return 1; });
  ASSERT_TRUE(child.forked());
  siginfo_t info{};
  ASSERT_THAT(::waitid(P_PID, child.id(), &info, WEXITED | WNOWAIT), SyscallSucceeds());
  EXPECT_THAT(::kill(child.pid(), 0), SyscallSucceeds());
  EXPECT_THAT(::kill(child.pid(), SIGKILL), SyscallSucceeds());
  ASSERT_THAT(::waitid(P_PID, child.id(), &info, WEXITED), SyscallSucceeds());
  EXPECT_EQ(info.si_code, CLD_EXITED) << "a signal changed how it had ended";
  EXPECT_EQ(info.si_status, 1);
  EXPECT_THAT(::kill(child.pid(), 0), SyscallFailsWithErrno(ESRCH));
}

}  // namespace
}  // namespace gauntlet
