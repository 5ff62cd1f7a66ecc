// Futures and ends of children under races, sequences, deaths and load.
#include "support/property.h"
// GoogleTest and rapidcheck first; see property.h.

#include <gmock/gmock.h>
#include <poll.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "futures/future_worker.h"
#include "futures/raw_child.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

// Copies of one shared_future are waited on by several threads while the value is set. It could
// fail if only one of them were woken, or if one saw the value before what was written before it.
GAUNTLET_CASE(FuturesRaces, SharedFutureCopies_SetWhileAllWait_AllSeeWhatWasWrittenBefore,
              .clause = "ISO C++20 [futures.state] (make ready synchronizes with the wait)") {
  const std::uint64_t rounds = context.amount(150, 3000, 60'000);
  in_worker(context, [&](Worker& worker) {
    for (std::uint64_t round = 1; round <= rounds; ++round) {
      std::uint64_t plain = 0;
      std::promise<std::uint64_t> promise;
      const std::shared_future<std::uint64_t> future = promise.get_future().share();
      std::atomic<int> wrong{0};
      std::vector<std::thread> waiters;
      for (int i = 0; i < 3; ++i) {
        waiters.emplace_back([&wrong, &plain, round, mine = future] {
          if (mine.get() != round || plain != round) ++wrong;
        });
      }
      plain = round;
      promise.set_value(round);
      for (std::thread& waiter : waiters) waiter.join();
      if (!worker.expect(wrong == 0, "a waiter saw another value, or stale memory")) return;
      worker.step();
    }
  });
}

// One promise, several threads that set: they behave as if they took turns. It could fail with two
// successes, or with a value that is mixed from two.
GAUNTLET_CASE(FuturesRaces, PromiseSetByManyThreads_ExactlyOneSucceeds,
              .clause = "ISO C++20 [futures.promise] (as though they acquire a single mutex)") {
  const std::uint64_t rounds = context.amount(150, 3000, 60'000);
  in_worker(context, [&](Worker& worker) {
    for (std::uint64_t round = 0; round < rounds; ++round) {
      std::promise<std::string> promise;
      auto future = promise.get_future();
      std::atomic<int> winner{-1};
      std::atomic<int> wins{0};
      std::atomic<bool> go{false};
      std::vector<std::thread> setters;
      for (int i = 0; i < 4; ++i) {
        setters.emplace_back([&, i] {
          while (!go) std::this_thread::yield();
          try {
            promise.set_value(std::string(100, static_cast<char>('a' + i)));
            winner = i;
            ++wins;
          } catch (const std::future_error&) {
          }
        });
      }
      go = true;
      for (std::thread& setter : setters) setter.join();
      const std::string told = future.get();
      const bool right = wins == 1 && told == std::string(100, static_cast<char>('a' + winner));
      if (!worker.expect(right, std::to_string(wins) + " successes, told " + told)) return;
      worker.step();
    }
  });
}

// Two threads wait for one child: the end is given to one of them, and the other is told that there
// is nothing. It could fail if both took it.
GAUNTLET_CASE(FuturesRaces, WaitidByTwoThreads_OneTakesTheChildTheOtherGetsEchild,
              .clause = "POSIX.1-2024 waitid() (status of one child to one thread)") {
  const std::uint64_t rounds = context.amount(40, 600, 10'000);
  in_worker(context, [&](Worker& worker) {
    for (std::uint64_t round = 0; round < rounds; ++round) {
      const RawChild child([] { return 5; });
      std::atomic<int> taken{0};
      std::atomic<int> none{0};
      const auto take = [&] {
        siginfo_t info{};
        if (::waitid(P_PID, child.id(), &info, WEXITED) == 0) {
          ++taken;
        } else if (errno == ECHILD) {
          ++none;
        }
      };
      std::thread first(take);
      std::thread second(take);
      first.join();
      second.join();
      if (!worker.expect(taken == 1 && none == 1, std::to_string(taken) + " took it")) return;
      worker.step();
    }
  });
}

// Any status comes back in its low 8 bits, and any signal that ends a process as that signal.
GAUNTLET_CASE(FuturesProperties, AnyEndOfAChild_IsToldAsItWas,
              .clause = "POSIX.1-2024 waitid() (si_code, si_status)") {
  const PropertyAmount amount{.tests = context.amount(40, 600, 10'000), .size = 50};
  check_property(context, amount, [&] {
    const int status = *rc::gen::inRange(-1000, 1000);
    const int signal = *rc::gen::element(0, SIGKILL, SIGTERM, SIGUSR1, SIGHUP, SIGALRM);
    const RawChild child([&] {
      if (signal == 0) return status;
      ::signal(signal, SIG_DFL);
      ::raise(signal);
      return 0;
    });
    siginfo_t info{};
    RC_ASSERT(::waitid(P_PID, child.id(), &info, WEXITED) == 0);
    RC_ASSERT(info.si_code == (signal == 0 ? CLD_EXITED : CLD_KILLED));
    RC_ASSERT(info.si_status == (signal == 0 ? status & 0xff : signal));
  });
}

// A child that is killed while its parent sleeps in waitid(): the parent is told, by what signal.
// It could fail if the wait were for an exit only.
GAUNTLET_CASE(FuturesCrashes, ChildKilledWhileItsParentWaits_ParentIsToldTheSignal,
              .clause = "POSIX.1-2024 waitid(); <signal.h> CLD_KILLED") {
  const Shared<std::atomic<pid_t>> victim;
  ChildCall parent(context, [&]() -> long {
    const RawChild child([] { return RawChild::sleep_on(); });
    victim->store(child.pid());
    siginfo_t info{};
    if (::waitid(P_PID, child.id(), &info, WEXITED) != 0) return -1;
    return info.si_code == CLD_KILLED ? info.si_status : 1000 + info.si_code;
  });
  ASSERT_TRUE(parent.is_asleep());
  context.fault_planned();
  ASSERT_GT(victim->load(), 0);
  ASSERT_THAT(::kill(victim->load(), SIGKILL), SyscallSucceeds());
  context.fault_fired();
  EXPECT_THAT(parent.finish(), SyscallSucceedsWithValue(SIGKILL));
}

// The child of a parent that is killed goes to another parent, and a pidfd still tells its end. It
// could fail if the descriptor were tied to the parent.
GAUNTLET_CASE(FuturesCrashes, ParentKilled_PidfdOfItsChildStillTellsTheEnd,
              .clause = "pidfd_open(2); POSIX.1-2024 _Exit() (children get a new parent)") {
  const Shared<std::atomic<pid_t>> orphan;
  ChildCall parent(context, [&]() -> long {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(RawChild::sleep_on());
    orphan->store(child);
    return ::pause();
  });
  ASSERT_TRUE(parent.is_asleep());
  ASSERT_GT(orphan->load(), 0);
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, orphan->load(), 0)));
  ASSERT_TRUE(pidfd.valid()) << errno_name(errno);
  ASSERT_TRUE(parent.kill());
  pollfd ended = {pidfd.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 0), 0) << "the child died with its parent";
  ASSERT_THAT(::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0),
              SyscallSucceeds());
  EXPECT_EQ(::poll(&ended, 1, Deadline::after(kCallPatience).poll_timeout_ms()), 1);
}

// Hundreds of children that have ended and were not waited for keep every status.
GAUNTLET_CASE(FuturesOverload, ManyZombies_KeepEachItsStatus,
              .clause = "wait(2) NOTES (zombies); POSIX.1-2024 waitid()") {
  const std::uint64_t count = context.amount(150, 500, 2000);
  std::vector<std::unique_ptr<RawChild>> children;
  for (std::uint64_t i = 0; i < count; ++i) {
    children.push_back(std::make_unique<RawChild>([i] { return static_cast<int>(i * 7 % 256); }));
    if (!children.back()->forked()) return context.not_run("processes", "a larger RLIMIT_NPROC");
  }
  for (std::uint64_t i = count; i-- > 0;) {
    siginfo_t info{};
    ASSERT_THAT(::waitid(P_PID, children[i]->id(), &info, WEXITED), SyscallSucceeds());
    EXPECT_EQ(info.si_status, static_cast<int>(i * 7 % 256)) << "child " << i;
  }
}

// More functions of std::async than cores: each has its answer.
GAUNTLET_CASE(FuturesOverload, ManyAsyncs_EachHasItsAnswer,
              .clause = "ISO C++20 [futures.async] (launch::async)") {
  const std::uint64_t count = context.amount(100, 300, 1000);
  in_worker(context, [&](Worker& worker) {
    std::vector<std::future<std::uint64_t>> answers;
    for (std::uint64_t i = 0; i < count; ++i) {
      answers.push_back(std::async(std::launch::async, [i] { return i * i; }));
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      worker.expect(answers[i].get() == i * i, "function " + std::to_string(i));
    }
  });
}

}  // namespace
}  // namespace gauntlet
