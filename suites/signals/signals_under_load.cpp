// Signals in races, in crashes, past their limits, and in random sequences.
#include "support/property.h"
// GoogleTest and rapidcheck first; see property.h.

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "base/limits.h"
#include "cases/context.h"
#include "signals/caught.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

// Past RLIMIT_SIGPENDING sigqueue() refuses, kill() does not, and what was accepted is taken whole.
GAUNTLET_CASE(SignalsOverload, SigqueuePastRlimitSigpending_FailsWithEagainAndLosesNothing,
              .clause = "POSIX.1-2024 sigqueue() ERRORS [EAGAIN]; getrlimit(2) RLIMIT_SIGPENDING") {
  const int signal = SIGRTMIN;
  const Catcher catcher({signal, SIGUSR1});
  const Blocked blocked({signal, SIGUSR1});
  constexpr rlim_t kLimit = 30;  // others of this user may hold a part of it, or all
  const LoweredLimit limit(RLIMIT_SIGPENDING, kLimit);
  if (!limit.lowered()) return context.not_run("RLIMIT_SIGPENDING to be lowered", "run unconfined");
  int accepted = 0;
  CallOutcome outcome;
  while (accepted <= static_cast<int>(kLimit)) {
    outcome = outcome_of(::sigqueue(::getpid(), signal, value_of(accepted)));
    if (outcome.failed) break;
    ++accepted;
  }
  EXPECT_THAT(outcome, SyscallFailsWithErrno(EAGAIN));
  EXPECT_LE(accepted, static_cast<int>(kLimit));
  EXPECT_THAT(::kill(::getpid(), SIGUSR1), SyscallSucceeds()) << "kill() needs no room";
  EXPECT_TRUE(is_pending(SIGUSR1));
  const sigset_t set = set_of({signal});
  const timespec zero{};
  siginfo_t info{};
  for (int i = 0; i < accepted; ++i) {
    ASSERT_THAT(::sigtimedwait(&set, &info, &zero), SyscallSucceedsWithValue(signal));
    EXPECT_EQ(info.si_value.sival_int, i);
  }
  EXPECT_THAT(::sigtimedwait(&set, &info, &zero), SyscallFailsWithErrno(EAGAIN));
}

// Children end while the parent sleeps in ppoll() with SIGCHLD let in: each end is heard. It could
// fail when an end falls between the look at the children and the sleep.
GAUNTLET_CASE(SignalsRaces, ChildrenEndWhileTheParentGoesToSleep_EachIsReaped,
              .clause = "POSIX.1-2024 ppoll() DESCRIPTION (sigmask); waitpid()") {
  const std::uint64_t rounds = context.amount(40, 1000, 20'000);
  const Catcher catcher({SIGCHLD});
  const Blocked blocked({SIGCHLD});
  sigset_t none;
  sigemptyset(&none);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    ASSERT_GT(pid, 0);
    const Deadline deadline = Deadline::after(kCallPatience);
    while (::waitpid(pid, nullptr, WNOHANG) == 0) {
      const timespec left = deadline.as_timeout();
      ASSERT_EQ(::ppoll(nullptr, 0, &left, &none), -1) << "round " << round << ": it was not heard";
    }
  }
}

// A process whose signalfd is watched by an epoll that it shares with its parent is killed: the
// parent goes on (Linux before d80e731ecab4 used the wait queue of the dead).
GAUNTLET_CASE(SignalsCrashes, OwnerOfAWatchedSignalfdKilled_ParentGoesOn,
              .clause = "signalfd(2), epoll(7); Linux d80e731ecab4") {
  const std::uint64_t rounds = context.amount(5, 100, 2000);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const UniqueFd watch(::epoll_create1(EPOLL_CLOEXEC));
    ChildCall child(context, [&] {
      const sigset_t set = set_of({SIGUSR2});
      ::sigprocmask(SIG_BLOCK, &set, nullptr);
      const int fd = ::signalfd(-1, &set, SFD_CLOEXEC);
      epoll_event event{};
      event.events = EPOLLIN;
      if (::epoll_ctl(watch.get(), EPOLL_CTL_ADD, fd, &event) != 0) return -1L;
      return static_cast<long>(::epoll_wait(watch.get(), &event, 1, -1));
    });
    ASSERT_TRUE(child.is_asleep());
    EXPECT_TRUE(child.kill());
    epoll_event event{};
    EXPECT_THAT(::epoll_wait(watch.get(), &event, 1, 0), SyscallSucceedsWithValue(0));
  }
}

// A child that is killed in its own handler is a child that was killed: its parent is told.
GAUNTLET_CASE(SignalsCrashes, ProcessKilledInsideAHandler_ParentIsTold,
              .clause = "POSIX.1-2024 waitid(); XSH 2.4.3 Signal Actions") {
  ChildCall child(context, [] {
    const Catcher catcher({SIGUSR2}, 0, [](int) {
      for (;;) ::pause();
    });
    return static_cast<long>(::raise(SIGUSR2));
  });
  ASSERT_TRUE(child.is_asleep());
  EXPECT_TRUE(child.kill());
}

struct MaskCommand {
  enum class Op : std::uint8_t { block, unblock, raise, take };
  Op op = Op::raise;
  int signal = SIGUSR1;
};

void showValue(const MaskCommand& command, std::ostream& out) {
  constexpr const char* kNames[] = {"block", "unblock", "raise", "take"};
  out << kNames[static_cast<std::size_t>(command.op)] << "(" << command.signal << ")";
}

rc::Gen<MaskCommand> mask_commands() {
  using Op = MaskCommand::Op;
  return rc::gen::build<MaskCommand>(
      rc::gen::set(&MaskCommand::op,
                   rc::gen::element(Op::block, Op::unblock, Op::raise, Op::raise, Op::take)),
      rc::gen::set(&MaskCommand::signal, rc::gen::element(SIGUSR1, SIGUSR2, SIGTERM)));
}

/// Which standard signals are blocked, and which pend.
struct MaskModel {
  std::set<int> blocked;
  std::set<int> pending;
  int delivered = 0;
};

void step(MaskModel& model, const MaskCommand& command) {
  const sigset_t set = set_of({command.signal});
  const timespec zero{};
  switch (command.op) {
    case MaskCommand::Op::block:
      ::sigprocmask(SIG_BLOCK, &set, nullptr);
      model.blocked.insert(command.signal);
      break;
    case MaskCommand::Op::unblock:
      ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
      model.blocked.erase(command.signal);
      model.delivered += static_cast<int>(model.pending.erase(command.signal));
      break;
    case MaskCommand::Op::raise:
      ::raise(command.signal);
      if (model.blocked.contains(command.signal)) {
        model.pending.insert(command.signal);
      } else {
        ++model.delivered;
      }
      break;
    case MaskCommand::Op::take:
      if (!model.blocked.contains(command.signal)) break;  // undefined (sigtimedwait)
      RC_ASSERT((::sigtimedwait(&set, nullptr, &zero) == command.signal) ==
                (model.pending.erase(command.signal) == 1));
      break;
  }
}

// Any sequence of blocking, unblocking, raising and taking does to the signals what it does to two
// sets: what is blocked, and what pends once.
GAUNTLET_CASE(SignalsProperties, BlockUnblockRaiseTake_AgreeWithASetOfPendingSignals,
              .clause = "POSIX.1-2024 XSH 2.4.1; sigprocmask(), sigpending(), sigtimedwait()") {
  const PropertyAmount amount{.tests = context.amount(60, 1000, 20'000), .size = 60};
  check_property(context, amount, [] {
    const auto commands = *rc::gen::container<std::vector<MaskCommand>>(mask_commands());
    const Catcher catcher({SIGUSR1, SIGUSR2, SIGTERM});
    const Blocked restored({});
    MaskModel model;
    for (const MaskCommand& command : commands) {
      step(model, command);
      for (const int signal : {SIGUSR1, SIGUSR2, SIGTERM}) {
        RC_ASSERT(is_pending(signal) == model.pending.contains(signal));
        RC_ASSERT(is_blocked(signal) == model.blocked.contains(signal));
      }
      RC_ASSERT(Catcher::count() == model.delivered);
    }
    // What still pends is taken, so that it does not come to the next sequence.
    const std::set<int> left = model.pending;
    for (const int signal : left) step(model, {MaskCommand::Op::take, signal});
  });
}

}  // namespace
}  // namespace gauntlet
