// The owner of a process-shared mutex, stopped and killed at each instruction of lock and unlock.
#include <gtest/gtest.h>
#include <time.h>

#include "process/futex.h"
#include "semaphores/sweep_objects.h"
#include "support/instruction_sweep.h"

namespace gauntlet {
namespace {

using schedule::Scenario;
using schedule::Self;

struct Object {
  pthread_mutex_t mutex;
  int inside;   ///< how many are between lock and unlock
  int entries;  ///< written by whoever is inside
};

void enter_and_leave(Self& self) {
  auto& object = self.at<Object>();
  const int answer = ::pthread_mutex_lock(&object.mutex);
  self.expect(answer == 0 || answer == EOWNERDEAD, "lock failed");
  if (answer == EOWNERDEAD) {
    self.expect(::pthread_mutex_consistent(&object.mutex) == 0, "consistent failed");
    object.inside = 0;
  }
  self.expect(++object.inside == 1, "two are inside");
  ++object.entries;
  --object.inside;
  self.expect(::pthread_mutex_unlock(&object.mutex) == 0, "unlock failed");
}

/// One is the victim; one comes after it; one comes when all is quiet and must find it usable.
Scenario contend(const char* name, const MutexShape& shape) {
  Scenario scenario;
  scenario.name = name;
  scenario.create = [shape](Self& self) {
    self.expect(make_shared_mutex(self.at<Object>().mutex, shape) == 0, "no mutex");
  };
  scenario.processes = {mortal("owner", enter_and_leave), process("other", enter_and_leave),
                        at_the_end("last", enter_and_leave)};
  scenario.judge = all_is_said;
  return scenario;
}

constexpr MutexShape kPlain{};
constexpr MutexShape kRobust{.robustness = PTHREAD_MUTEX_ROBUST};
constexpr MutexShape kInherit{.protocol = PTHREAD_PRIO_INHERIT};
constexpr MutexShape kRobustInherit{.robustness = PTHREAD_MUTEX_ROBUST,
                                    .protocol = PTHREAD_PRIO_INHERIT};

const std::vector<Allowed>& stays_locked() {
  static const std::vector<Allowed> allowed = {
      {"stuck: other in futex", "PTHREAD_MUTEX_STALLED: nobody is told, it stays locked"}};
  return allowed;
}

// Killed anywhere, a mutex that promises nothing about deaths is either free or locked for good.
GAUNTLET_CASE(SemaphoresCrashes, MutexPlain_OwnerKilledAtEachInstruction_FreeOrLockedForGood,
              .clause = "POSIX.1-2024 pthread_mutexattr_getrobust() (PTHREAD_MUTEX_STALLED)",
              .needs = {Need::ptrace}) {
  expect_kill_sweep(context, contend("mutex", kPlain), 0, stays_locked());
}

GAUNTLET_CASE(SemaphoresCrashes, MutexInherit_OwnerKilledAtEachInstruction_FreeOrLockedForGood,
              .clause = "POSIX.1-2024 pthread_mutexattr_getrobust() (PTHREAD_MUTEX_STALLED)",
              .needs = {Need::ptrace}) {
  expect_kill_sweep(context, contend("mutex, priority inheritance", kInherit), 0, stays_locked());
}

// It could fail between the two stores of lock or unlock that the kernel's robust list has to
// bridge (glibc bugs 20985 and 19402, both closed in 2.25).
GAUNTLET_CASE(SemaphoresCrashes, MutexRobust_OwnerKilledAtEachInstruction_NobodyIsEverStuck,
              .clause = "POSIX.1-2024 pthread_mutexattr_getrobust() (PTHREAD_MUTEX_ROBUST)",
              .needs = {Need::ptrace}) {
  expect_kill_sweep(context, contend("mutex, robust", kRobust), 0);
}

GAUNTLET_CASE(SemaphoresCrashes, MutexRobustInherit_OwnerKilledAtEachInstruction_NobodyIsEverStuck,
              .clause = "POSIX.1-2024 pthread_mutexattr_getrobust() (PTHREAD_MUTEX_ROBUST)",
              .needs = {Need::ptrace}) {
  expect_kill_sweep(context, contend("mutex, robust, priority inheritance", kRobustInherit), 0);
}

// The same with another process already asleep for it: it has to be woken by the death.
GAUNTLET_CASE(SemaphoresCrashes, MutexRobust_OwnerKilledBeforeASleeper_SleeperIsWoken,
              .clause = "POSIX.1-2024 pthread_mutexattr_getrobust(); get_robust_list(2)",
              .needs = {Need::ptrace}) {
  expect_preemption_and_kill_sweep(context, contend("mutex, robust", kRobust), 0);
}

GAUNTLET_CASE(SemaphoresCrashes, MutexRobustInherit_OwnerKilledBeforeASleeper_SleeperIsWoken,
              .clause = "POSIX.1-2024 pthread_mutexattr_getrobust(); get_robust_list(2)",
              .needs = {Need::ptrace}) {
  expect_preemption_and_kill_sweep(
      context, contend("mutex, robust, priority inheritance", kRobustInherit), 0);
}

GAUNTLET_CASE(SemaphoresCrashes, MutexPlain_OwnerKilledBeforeASleeper_FreeOrLockedForGood,
              .clause = "POSIX.1-2024 pthread_mutexattr_getrobust() (PTHREAD_MUTEX_STALLED)",
              .needs = {Need::ptrace}) {
  expect_preemption_and_kill_sweep(context, contend("mutex", kPlain), 0, stays_locked());
}

// The kernel frees a PI futex whose owner died, robust or not, and wakes who sleeps for it; glibc
// 2.36 has an assertion against that, and the sleeper aborts.
GAUNTLET_CASE(SemaphoresCrashes, MutexInherit_OwnerKilledBeforeASleeper_FreeOrLockedForGood,
              .clause = "POSIX.1-2024 pthread_mutexattr_getrobust() (PTHREAD_MUTEX_STALLED)",
              .needs = {Need::ptrace}) {
  expect_preemption_and_kill_sweep(
      context, contend("mutex, priority inheritance", kInherit), 0,
      {{"stuck: other in futex", "PTHREAD_MUTEX_STALLED: nobody is told, it stays locked", false}});
}

// The next owner of a robust mutex may die as well, also while it is being told of the first death.
GAUNTLET_CASE(SemaphoresCrashes, MutexRobust_HeirKilledAtEachInstruction_NobodyIsEverStuck,
              .clause = "POSIX.1-2024 pthread_mutex_consistent(), pthread_mutex_lock() EOWNERDEAD",
              .needs = {Need::ptrace}) {
  Scenario scenario = contend("mutex, robust, left by a dead owner", kRobust);
  const auto dies_inside = [](Self& self) {
    self.expect(::pthread_mutex_lock(&self.at<Object>().mutex) == 0, "lock failed");
    ++self.at<Object>().inside;  // ends with it: for the kernel that is a death
  };
  scenario.processes.insert(scenario.processes.begin(), process("first", dies_inside));
  expect_kill_sweep(context, scenario, 1);
}

void no_wake_up_is_lost(CaseContext& context, const char* name, const MutexShape& shape) {
  expect_preemption_sweep(context, contend(name, shape), 0);
}

// Unlock publishes and then wakes: who comes to sleep in between must not be forgotten.
GAUNTLET_CASE(SemaphoresRaces, MutexPlain_HeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_mutex_unlock()", .needs = {Need::ptrace}) {
  no_wake_up_is_lost(context, "mutex", kPlain);
}
GAUNTLET_CASE(SemaphoresRaces, MutexRobust_HeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_mutex_unlock()", .needs = {Need::ptrace}) {
  no_wake_up_is_lost(context, "mutex, robust", kRobust);
}
GAUNTLET_CASE(SemaphoresRaces, MutexInherit_HeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_mutex_unlock()", .needs = {Need::ptrace}) {
  no_wake_up_is_lost(context, "mutex, priority inheritance", kInherit);
}
GAUNTLET_CASE(SemaphoresRaces, MutexRobustInherit_HeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_mutex_unlock()", .needs = {Need::ptrace}) {
  no_wake_up_is_lost(context, "mutex, robust, priority inheritance", kRobustInherit);
}

GAUNTLET_CASE(SemaphoresRaces, MutexPlain_TwoHeldUp_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_mutex_lock(), pthread_mutex_unlock()",
              .needs = {Need::ptrace}) {
  expect_two_preemptions(context, contend("mutex", kPlain), 0, 1);
}

/// A robust mutex that its owner keeps until the end.
struct Kept {
  pthread_mutex_t mutex;
  FutexWord let_go;
};

void keep(Self& self) {
  auto& kept = self.at<Kept>();
  self.expect(lock_shared(kept.mutex), "lock failed");
  while (kept.let_go.load() == 0) futex_wait(kept.let_go, 0);
  self.expect(::pthread_mutex_unlock(&kept.mutex) == 0, "unlock failed");
}

/// The minute is over when everybody is quiet: time stands still until then.
void give_up(Self& self) {
  timespec until{};
  ::clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 60;
  const int answer = ::pthread_mutex_timedlock(&self.at<Kept>().mutex, &until);
  self.expect(answer == ETIMEDOUT, "it did not time out");
}

Scenario keep_and_give_up() {
  Scenario scenario;
  scenario.name = "mutex, robust, timed";
  scenario.time_stands_still = true;
  scenario.create = [](Self& self) {
    self.expect(make_shared_mutex(self.at<Kept>().mutex, kRobust) == 0, "no mutex");
  };
  scenario.processes = {process("owner", keep), mortal("waiter", give_up),
                        process("second waiter", give_up), at_the_end("end", [](Self& self) {
                          auto& kept = self.at<Kept>();
                          kept.let_go.store(1);
                          futex_wake_all(kept.let_go);
                        })};
  scenario.judge = all_is_said;
  return scenario;
}

// A waiter that others disturb before it sleeps still times out: glibc before 2.24 went to sleep
// again without its limit where another waiter had come meanwhile, and never woke (bug 20263).
GAUNTLET_CASE(SemaphoresRaces, MutexRobust_TimedWaiterHeldUpAtEachInstruction_TimesOut,
              .clause = "POSIX.1-2024 pthread_mutex_timedlock() ETIMEDOUT; glibc bug 20263",
              .needs = {Need::ptrace}) {
  expect_preemption_sweep(context, keep_and_give_up(), 1);
}
GAUNTLET_CASE(SemaphoresCrashes, MutexRobust_TimedWaiterKilledAtEachInstruction_OtherTimesOut,
              .clause = "POSIX.1-2024 pthread_mutex_timedlock() ETIMEDOUT; glibc bug 20263",
              .needs = {Need::ptrace}) {
  expect_kill_sweep(context, keep_and_give_up(), 1);
}

}  // namespace
}  // namespace gauntlet
