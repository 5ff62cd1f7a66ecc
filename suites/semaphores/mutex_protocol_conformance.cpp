// What pthread mutexes with a priority protocol promise: ceilings, and inheritance over a death.
#include <gmock/gmock.h>
#include <pthread.h>
#include <sched.h>

#include <functional>
#include <optional>

#include "base/limits.h"
#include "cases/context.h"
#include "semaphores/shared_mutex.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

int lowest() { return ::sched_get_priority_min(SCHED_FIFO); }
int highest() { return ::sched_get_priority_max(SCHED_FIFO); }

int own_priority() {
  sched_param now = {};
  ::sched_getparam(0, &now);
  return now.sched_priority;
}

int become_real_time(int priority) {
  sched_param wanted = {};
  wanted.sched_priority = priority;
  return ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &wanted);
}

/// The answer of `call` in a child that is a real-time thread of the lowest priority. An answer of
/// EPERM before it: the case was told not_run, and there is none.
std::optional<CallOutcome> call_in_real_time(CaseContext& context,
                                             const std::function<long()>& call) {
  const Shared<int> refused;
  ChildCall child(context, [&]() -> long {
    *refused = become_real_time(lowest());
    return *refused != 0 ? 0 : call();
  });
  const CallOutcome outcome = child.finish();
  if (*refused == 0) return outcome;
  context.not_run("the SCHED_FIFO policy: " + errno_name(*refused),
                  "run as root, with real-time bandwidth for this cgroup");
  return std::nullopt;
}

MutexShape with_ceiling(int ceiling) {
  return {.protocol = PTHREAD_PRIO_PROTECT, .ceiling = ceiling};
}

// Who holds the mutex runs at its ceiling, and at its own priority before and after.
GAUNTLET_CASE(SemaphoresConformance, MutexProtect_Held_RunsAtTheCeiling,
              .clause = "POSIX.1-2024 pthread_mutexattr_getprotocol() (PTHREAD_PRIO_PROTECT)") {
  const int ceiling = lowest() + 4;
  const auto mutex = SharedMutex::create(with_ceiling(ceiling));
  if (!mutex) return context.not_created(mutex.error());
  const Shared<int> while_held;
  const auto after = call_in_real_time(context, [&]() -> long {
    if (const int error = ::pthread_mutex_lock(mutex->get()); error != 0) return -error;
    *while_held = own_priority();
    ::pthread_mutex_unlock(mutex->get());
    return own_priority();
  });
  if (!after) return;
  EXPECT_EQ(*while_held, ceiling);
  EXPECT_EQ(after->value, lowest());
}

// Of several ceilings the highest counts, for as long as that mutex is held.
GAUNTLET_CASE(SemaphoresConformance, MutexProtect_TwoHeld_RunsAtTheHigherCeiling,
              .clause =
                  "POSIX.1-2024 pthread_mutexattr_getprotocol() (the highest of the priority "
                  "ceilings)") {
  const auto low = SharedMutex::create(with_ceiling(lowest() + 2));
  const auto high = SharedMutex::create(with_ceiling(lowest() + 5));
  if (!low || !high) return context.not_created(low ? high.error() : low.error());
  struct Seen {
    int both, high_gone, none;
  };
  const Shared<Seen> seen;
  const auto answer = call_in_real_time(context, [&]() -> long {
    ::pthread_mutex_lock(low->get());
    ::pthread_mutex_lock(high->get());
    seen->both = own_priority();
    ::pthread_mutex_unlock(high->get());
    seen->high_gone = own_priority();
    ::pthread_mutex_unlock(low->get());
    seen->none = own_priority();
    return 0;
  });
  if (!answer) return;
  EXPECT_EQ(seen->both, lowest() + 5);
  EXPECT_EQ(seen->high_gone, lowest() + 2);
  EXPECT_EQ(seen->none, lowest());
}

// A lock that was refused was not taken: it leaves nothing of its ceiling behind. glibc keeps the
// ceiling counted for an ordinary thread that it refuses (seen in 2.36): when that thread becomes a
// real-time one, it stays at the ceiling after it has unlocked.
GAUNTLET_CASE(SemaphoresConformance, MutexProtect_LockRefusedBefore_FallsBackAfterUnlock,
              .clause = "POSIX.1-2024 pthread_mutexattr_getprotocol() (PTHREAD_PRIO_PROTECT)") {
  const auto mutex = SharedMutex::create(with_ceiling(lowest() + 4));
  if (!mutex) return context.not_created(mutex.error());
  const Shared<int> refused;
  ChildCall child(context, [&]() -> long {
    const int ordinary = ::pthread_mutex_lock(mutex->get());
    if (ordinary == 0) ::pthread_mutex_unlock(mutex->get());
    *refused = become_real_time(lowest());
    if (*refused != 0) return 0;
    if (const int error = ::pthread_mutex_lock(mutex->get()); error != 0) return -error;
    ::pthread_mutex_unlock(mutex->get());
    return own_priority();
  });
  const CallOutcome after = child.finish();
  if (*refused != 0) {
    return context.not_run("the SCHED_FIFO policy: " + errno_name(*refused),
                           "run as root, with real-time bandwidth for this cgroup");
  }
  EXPECT_EQ(after.value, lowest()) << "the priority after the unlock";
}

GAUNTLET_CASE(
    SemaphoresConformance, MutexSetprioceiling_NewCeiling_AnswersTheOldOne,
    .clause = "POSIX.1-2024 pthread_mutex_setprioceiling(), pthread_mutex_getprioceiling()") {
  const auto mutex = SharedMutex::create(with_ceiling(lowest() + 2));
  if (!mutex) return context.not_created(mutex.error());
  const Shared<int> seen;
  const auto answer = call_in_real_time(context, [&]() -> long {
    int old = -1;
    if (::pthread_mutex_setprioceiling(mutex->get(), lowest() + 3, &old) != 0) return -1;
    ::pthread_mutex_getprioceiling(mutex->get(), &*seen);
    return old;
  });
  if (!answer) return;
  EXPECT_THAT(*answer, SyscallSucceedsWithValue(lowest() + 2));
  EXPECT_EQ(*seen, lowest() + 3);
}

GAUNTLET_CASE(SemaphoresConformance, MutexPrioceiling_NoCeilingOrOutOfRange_ReturnsEinval,
              .clause =
                  "POSIX.1-2024 pthread_mutex_getprioceiling(), pthread_mutexattr_setprioceiling() "
                  "ERRORS [EINVAL]") {
  const auto plain = SharedMutex::create();
  if (!plain) return context.not_created(plain.error());
  int seen = -1;
  EXPECT_THAT(::pthread_mutex_getprioceiling(plain->get(), &seen), ReturnsErrno(EINVAL));
  EXPECT_THAT(::pthread_mutex_setprioceiling(plain->get(), lowest(), &seen), ReturnsErrno(EINVAL));
  pthread_mutexattr_t attributes;
  ASSERT_THAT(::pthread_mutexattr_init(&attributes), ReturnsErrno(0));
  EXPECT_THAT(::pthread_mutexattr_setprioceiling(&attributes, highest() + 1), ReturnsErrno(EINVAL));
  EXPECT_THAT(::pthread_mutexattr_setprioceiling(&attributes, -1), ReturnsErrno(EINVAL));
  ::pthread_mutexattr_destroy(&attributes);
}

GAUNTLET_CASE(SemaphoresConformance, MutexInherit_RelockedByItsOwner_ReturnsEdeadlkWhereChecked,
              .clause = "POSIX.1-2024 pthread_mutex_lock() ERRORS [EDEADLK]") {
  const auto mutex =
      SharedMutex::create({.type = PTHREAD_MUTEX_ERRORCHECK, .protocol = PTHREAD_PRIO_INHERIT});
  if (!mutex) return context.not_created(mutex.error());
  ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(EDEADLK));
  EXPECT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(EPERM));
}

// The owner dies while another already waits in the kernel: that one gets it and is told.
GAUNTLET_CASE(SemaphoresCrashes, RobustInheritOwnerKilled_SleepingWaiterGetsEownerdead,
              .clause = "POSIX.1-2024 pthread_mutex_lock() ERRORS [EOWNERDEAD]") {
  const auto mutex =
      SharedMutex::create({.robustness = PTHREAD_MUTEX_ROBUST, .protocol = PTHREAD_PRIO_INHERIT});
  const auto never = SharedMutex::create();
  if (!mutex || !never) return context.not_created(mutex ? never.error() : mutex.error());
  ASSERT_THAT(::pthread_mutex_lock(never->get()), ReturnsErrno(0));
  ChildCall owner(context, [&]() -> long {
    ::pthread_mutex_lock(mutex->get());
    return ::pthread_mutex_lock(never->get());
  });
  ASSERT_TRUE(owner.is_asleep());
  ChildCall waiter(context, [&]() -> long {
    const int answer = ::pthread_mutex_lock(mutex->get());
    if (answer == EOWNERDEAD) ::pthread_mutex_consistent(mutex->get());
    ::pthread_mutex_unlock(mutex->get());
    return answer;
  });
  ASSERT_TRUE(waiter.is_asleep());
  EXPECT_TRUE(owner.kill());
  EXPECT_THAT(waiter.finish(), ReturnsErrno(EOWNERDEAD));
  EXPECT_THAT(::pthread_mutex_trylock(mutex->get()), ReturnsErrno(0));
}

// Not robust: no special action is taken, so who waits for the dead owner waits on.
GAUNTLET_CASE(SemaphoresCrashes, StalledInheritOwnerKilled_SleepingWaiterWaitsOn,
              .clause = "POSIX.1-2024 pthread_mutexattr_getrobust() (PTHREAD_MUTEX_STALLED)") {
  const auto mutex = SharedMutex::create({.protocol = PTHREAD_PRIO_INHERIT});
  const auto never = SharedMutex::create();
  if (!mutex || !never) return context.not_created(mutex ? never.error() : mutex.error());
  ASSERT_THAT(::pthread_mutex_lock(never->get()), ReturnsErrno(0));
  ChildCall owner(context, [&]() -> long {
    ::pthread_mutex_lock(mutex->get());
    return ::pthread_mutex_lock(never->get());
  });
  ASSERT_TRUE(owner.is_asleep());
  ChildCall waiter(context, [&] { return ::pthread_mutex_lock(mutex->get()); });
  ASSERT_TRUE(waiter.is_asleep());
  EXPECT_TRUE(owner.kill());
  EXPECT_TRUE(waiter.is_asleep());
}

}  // namespace
}  // namespace gauntlet
