// What sigaction() promises: flags, masks, dispositions, and what of it outlives fork and exec.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/limits.h"
#include "cases/context.h"
#include "process/entry.h"
#include "process/process.h"
#include "signals/caught.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

using testing::ElementsAre;

/// How a child that runs `body` ends.
ExitStatus end_of(CaseContext& context, const std::function<int()>& body) {
  auto process = Process::fork(body);
  if (!process) {
    context.error("fork: " + describe(process.error()));
    return {};
  }
  const auto end = process->wait(Deadline::after(kCallPatience));
  EXPECT_TRUE(end.has_value()) << "the child did not end";
  return end ? *end : ExitStatus{};
}

GAUNTLET_CASE(SignalsConformance, Sigaction_OfSigkillOrSigstop_FailsWithEinval,
              .clause = "POSIX.1-2024 sigaction() ERRORS [EINVAL]") {
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  EXPECT_THAT(::sigaction(SIGKILL, &ignore, nullptr), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::sigaction(SIGSTOP, &ignore, nullptr), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::sigaction(0, &ignore, nullptr), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::sigaction(SIGRTMAX + 1, &ignore, nullptr), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SignalsConformance, Sigaction_OldAction_IsWhatWasSet,
              .clause = "POSIX.1-2024 sigaction() DESCRIPTION (oact)") {
  struct sigaction set = {};
  set.sa_handler = SIG_IGN;
  set.sa_flags = SA_RESTART;
  set.sa_mask = set_of({SIGUSR2});
  ASSERT_THAT(::sigaction(SIGUSR1, &set, nullptr), SyscallSucceeds());
  struct sigaction old = {};
  ASSERT_THAT(::sigaction(SIGUSR1, nullptr, &old), SyscallSucceeds());
  EXPECT_EQ(old.sa_handler, SIG_IGN);
  EXPECT_EQ(old.sa_flags & SA_RESTART, SA_RESTART);
  EXPECT_EQ(sigismember(&old.sa_mask, SIGUSR2), 1);
  EXPECT_EQ(sigismember(&old.sa_mask, SIGUSR1), 0);
}

// Who sent a signal with kill() is told to a handler that asks for it.
GAUNTLET_CASE(SignalsConformance, SaSiginfo_OfKill_TellsTheSender,
              .clause = "POSIX.1-2024 sigaction() SA_SIGINFO; sigaction(2) SI_USER") {
  const Catcher catcher({SIGUSR1});
  const Blocked blocked({SIGUSR1});
  const pid_t body = ::getpid();
  ChildCall sender(context, [body] { return ::kill(body, SIGUSR1); });
  const pid_t pid = sender.pid();
  ASSERT_THAT(sender.finish(), SyscallSucceeds());
  sigset_t none;
  sigemptyset(&none);
  ASSERT_THAT(::sigsuspend(&none), SyscallFailsWithErrno(EINTR));
  ASSERT_EQ(Catcher::count(), 1);
  EXPECT_EQ(Catcher::info(0).si_signo, SIGUSR1);
  EXPECT_EQ(Catcher::info(0).si_code, SI_USER);
  EXPECT_EQ(Catcher::info(0).si_pid, pid);
  EXPECT_EQ(Catcher::info(0).si_uid, ::getuid());
}

// SA_RESETHAND: the handler runs once, then the default action is back.
GAUNTLET_CASE(SignalsConformance, SaResethand_SecondSignal_HasTheDefaultAction,
              .clause = "POSIX.1-2024 sigaction() SA_RESETHAND") {
  const ExitStatus end = end_of(context, [] {
    const Catcher catcher({SIGUSR1}, static_cast<int>(SA_RESETHAND));
    ::raise(SIGUSR1);
    if (Catcher::count() != 1) return 1;
    ::raise(SIGUSR1);
    return 2;
  });
  EXPECT_TRUE(end.signalled && end.signal == SIGUSR1) << describe(end);
}

void raise_again(int signal) {
  if (Catcher::count() < 3) ::raise(signal);
}

// SA_NODEFER: the handler is interrupted by its own signal.
GAUNTLET_CASE(SignalsConformance, SaNodefer_SignalInItsOwnHandler_IsDeliveredAtOnce,
              .clause = "POSIX.1-2024 sigaction() SA_NODEFER") {
  static int deepest;
  static int depth;
  deepest = depth = 0;
  const Catcher catcher({SIGUSR1}, SA_NODEFER, [](int signal) {
    deepest = std::max(deepest, ++depth);
    raise_again(signal);
    --depth;
  });
  ASSERT_EQ(::raise(SIGUSR1), 0);
  EXPECT_EQ(Catcher::count(), 3);
  EXPECT_EQ(deepest, 3);
}

// Without it the signal waits until the handler has returned.
GAUNTLET_CASE(SignalsConformance, WithoutSaNodefer_SignalInItsOwnHandler_WaitsForItsEnd,
              .clause = "POSIX.1-2024 sigaction() DESCRIPTION (signal mask during the handler)") {
  static int deepest;
  static int depth;
  deepest = depth = 0;
  const Catcher catcher({SIGUSR1}, 0, [](int signal) {
    deepest = std::max(deepest, ++depth);
    raise_again(signal);
    --depth;
  });
  ASSERT_EQ(::raise(SIGUSR1), 0);
  EXPECT_EQ(Catcher::count(), 3);
  EXPECT_EQ(deepest, 1);
}

// Signals of sa_mask wait while the handler runs, and the mask is as before afterwards.
GAUNTLET_CASE(SignalsConformance, SaMask_OtherSignal_WaitsForTheHandlersEnd,
              .clause = "POSIX.1-2024 sigaction() DESCRIPTION (sa_mask)") {
  static bool waited;
  waited = false;
  const Catcher catcher(
      {SIGUSR1, SIGUSR2}, 0,
      [](int signal) {
        if (signal != SIGUSR1) return;
        ::raise(SIGUSR2);
        waited = Catcher::count() == 1 && is_pending(SIGUSR2);
      },
      set_of({SIGUSR2}));
  ASSERT_EQ(::raise(SIGUSR1), 0);
  EXPECT_TRUE(waited);
  EXPECT_THAT(Catcher::signals(), ElementsAre(SIGUSR1, SIGUSR2));
  EXPECT_FALSE(is_blocked(SIGUSR2));
}

// SA_ONSTACK: the handler runs on the stack that sigaltstack() named.
GAUNTLET_CASE(SignalsConformance, SaOnstack_Handler_RunsOnTheAlternateStack,
              .clause = "POSIX.1-2024 sigaction() SA_ONSTACK; sigaltstack()") {
  static std::uintptr_t where;
  where = 0;
  std::vector<char> memory(static_cast<std::size_t>(SIGSTKSZ) * 2);
  stack_t stack{};
  stack.ss_sp = memory.data();
  stack.ss_size = memory.size();
  ASSERT_THAT(::sigaltstack(&stack, nullptr), SyscallSucceeds());
  for (const int flags : {SA_ONSTACK, 0}) {
    const Catcher catcher({SIGUSR1}, flags, [](int) {
      char local = 0;
      where = reinterpret_cast<std::uintptr_t>(&local);
    });
    ASSERT_EQ(::raise(SIGUSR1), 0);
    const auto bottom = reinterpret_cast<std::uintptr_t>(memory.data());
    const bool on_it = where >= bottom && where < bottom + memory.size();
    EXPECT_EQ(on_it, flags == SA_ONSTACK);
  }
  stack.ss_flags = SS_DISABLE;
  ASSERT_THAT(::sigaltstack(&stack, nullptr), SyscallSucceeds());
}

// A pending signal that becomes ignored is discarded, blocked or not.
GAUNTLET_CASE(SignalsConformance, PendingSignalSetToIgnored_IsDiscarded,
              .clause = "POSIX.1-2024 XSH 2.4.3 Signal Actions, SIG_IGN") {
  const Catcher catcher({SIGUSR1});
  const Blocked blocked({SIGUSR1});
  ASSERT_EQ(::raise(SIGUSR1), 0);
  ASSERT_TRUE(is_pending(SIGUSR1));
  ::signal(SIGUSR1, SIG_IGN);
  EXPECT_FALSE(is_pending(SIGUSR1));
}

// What the default action ignores is discarded as well.
GAUNTLET_CASE(SignalsConformance, PendingSigchldSetToDefault_IsDiscarded,
              .clause = "POSIX.1-2024 XSH 2.4.3 Signal Actions, SIG_DFL") {
  const Catcher catcher({SIGCHLD});
  const Blocked blocked({SIGCHLD});
  ASSERT_EQ(::raise(SIGCHLD), 0);
  ASSERT_TRUE(is_pending(SIGCHLD));
  ::signal(SIGCHLD, SIG_DFL);
  EXPECT_FALSE(is_pending(SIGCHLD));
}

/// What this program sees of signals when it was started by exec; a bit each.
int after_exec(std::span<const std::string> /*arguments*/) {
  struct sigaction caught = {};
  struct sigaction ignored = {};
  ::sigaction(SIGUSR1, nullptr, &caught);
  ::sigaction(SIGUSR2, nullptr, &ignored);
  return (is_pending(SIGUSR1) ? 1 : 0) | (is_blocked(SIGUSR1) ? 2 : 0) |
         (caught.sa_handler == SIG_DFL ? 4 : 0) | (ignored.sa_handler == SIG_IGN ? 8 : 0);
}
const RegisterWorkerEntry kAfterExec("signals_after_exec", after_exec);

// Pending signals and the mask outlive exec; handlers become default, what is ignored stays so.
GAUNTLET_CASE(SignalsConformance, Exec_PendingMaskAndIgnoredStay_HandlersDoNot,
              .clause = "POSIX.1-2024 exec DESCRIPTION; execve(2); signal(7)") {
  const ExitStatus end = end_of(context, [] {
    const Catcher catcher({SIGUSR1});
    ::signal(SIGUSR2, SIG_IGN);
    const Blocked blocked({SIGUSR1});
    ::raise(SIGUSR1);
    ::execl("/proc/self/exe", "gauntlet", "--gauntlet_worker=signals_after_exec", nullptr);
    return 127;
  });
  ASSERT_FALSE(end.signalled) << describe(end);
  EXPECT_TRUE(end.code & 1) << "the pending signal is gone";
  EXPECT_TRUE(end.code & 2) << "the mask is gone";
  EXPECT_TRUE(end.code & 4) << "the handler is not the default";
  EXPECT_TRUE(end.code & 8) << "what was ignored is not";
}

// A child inherits the mask and the handlers, and nothing that pends.
GAUNTLET_CASE(SignalsConformance, Fork_ChildHasTheMaskAndNoPendingSignals,
              .clause = "POSIX.1-2024 fork() DESCRIPTION (pending signals, signal mask)") {
  const Catcher catcher({SIGUSR1});
  const Blocked blocked({SIGUSR1});
  ASSERT_EQ(::raise(SIGUSR1), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const bool right = !is_pending(SIGUSR1) && is_blocked(SIGUSR1);
    ::_exit(right ? 0 : 1);
  }
  ASSERT_GT(pid, 0);
  int status = -1;
  ASSERT_THAT(::waitpid(pid, &status, 0), SyscallSucceedsWithValue(pid));
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(is_pending(SIGUSR1));
}

}  // namespace
}  // namespace gauntlet
