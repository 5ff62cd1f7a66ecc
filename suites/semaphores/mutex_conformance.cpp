// What pthread mutexes promise between processes: types, owners, deadlines and attributes.
#include <gmock/gmock.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "base/limits.h"
#include "cases/context.h"
#include "semaphores/shared_mutex.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

/// What trylock answers to another process; an answer of 0 keeps it locked until that one has
/// ended.
CallOutcome try_elsewhere(CaseContext& context, const SharedMutex& mutex) {
  ChildCall other(context, [&]() -> long {
    const int answer = ::pthread_mutex_trylock(mutex.get());
    if (answer == 0) ::pthread_mutex_unlock(mutex.get());
    return answer;
  });
  return other.finish();
}

constexpr timespec kLongAgo = {1, 0};
constexpr timespec kNoTimes[] = {{1, 1'000'000'000}, {1, -1}};

// A mutex in shared memory keeps other processes out, and lets them in when it is unlocked.
GAUNTLET_CASE(
    SemaphoresConformance, MutexTrylock_LockedByAnotherProcess_ReturnsEbusy,
    .clause = "POSIX.1-2024 pthread_mutex_trylock() ERRORS [EBUSY]; PTHREAD_PROCESS_SHARED") {
  const auto mutex = SharedMutex::create();
  if (!mutex) return context.not_created(mutex.error());
  ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(try_elsewhere(context, *mutex), ReturnsErrno(EBUSY));
  ASSERT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(try_elsewhere(context, *mutex), ReturnsErrno(0));
}

GAUNTLET_CASE(SemaphoresConformance, MutexLock_LockedByAnotherProcess_SleepsUntilItUnlocks,
              .clause = "POSIX.1-2024 pthread_mutex_lock() DESCRIPTION") {
  const auto mutex = SharedMutex::create();
  if (!mutex) return context.not_created(mutex.error());
  ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(0));
  ChildCall other(context, [&] { return ::pthread_mutex_lock(mutex->get()); });
  ASSERT_TRUE(other.is_asleep());
  ASSERT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(other.finish(), ReturnsErrno(0));
}

// A signal does not end the waiting: the mutex calls never answer EINTR.
GAUNTLET_CASE(
    SemaphoresConformance, MutexLock_InterruptedByAHandler_GoesOnWaiting,
    .clause = "POSIX.1-2024 pthread_mutex_lock() DESCRIPTION (shall not return [EINTR])") {
  const auto mutex = SharedMutex::create();
  if (!mutex) return context.not_created(mutex.error());
  ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(0));
  ChildCall other(context, [&] { return ::pthread_mutex_lock(mutex->get()); });
  ASSERT_TRUE(other.is_asleep());
  ASSERT_TRUE(other.signal_and_await_handler());
  ASSERT_TRUE(other.is_asleep());
  ASSERT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(other.finish(), ReturnsErrno(0));
}

// A normal mutex that its owner locks again: the owner sleeps, for ever if it must.
GAUNTLET_CASE(SemaphoresConformance, MutexLock_NormalRelockedByItsOwner_Deadlocks,
              .clause = "POSIX.1-2024 pthread_mutex_lock() table (Normal: deadlock)") {
  const auto mutex = SharedMutex::create();
  if (!mutex) return context.not_created(mutex.error());
  ChildCall owner(context, [&]() -> long {
    ::pthread_mutex_lock(mutex->get());
    return ::pthread_mutex_lock(mutex->get());
  });
  EXPECT_TRUE(owner.is_asleep());
  EXPECT_TRUE(owner.kill());
}

GAUNTLET_CASE(SemaphoresConformance, MutexLock_ErrorcheckRelockedByItsOwner_ReturnsEdeadlk,
              .clause = "POSIX.1-2024 pthread_mutex_lock() ERRORS [EDEADLK]") {
  const auto mutex = SharedMutex::create({.type = PTHREAD_MUTEX_ERRORCHECK});
  if (!mutex) return context.not_created(mutex.error());
  ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(EDEADLK));
  const timespec until = Deadline::after(kCallPatience).on_realtime();
  EXPECT_THAT(::pthread_mutex_timedlock(mutex->get(), &until), ReturnsErrno(EDEADLK));
  EXPECT_THAT(::pthread_mutex_trylock(mutex->get()), ReturnsErrno(EBUSY));
  EXPECT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(0));
}

// Unlocked by somebody else it stays locked: each kind that knows its owner refuses.
GAUNTLET_CASE(SemaphoresConformance, MutexUnlock_NotByItsOwner_ReturnsEperm,
              .clause = "POSIX.1-2024 pthread_mutex_unlock() ERRORS [EPERM]") {
  const MutexShape kinds[] = {{.type = PTHREAD_MUTEX_ERRORCHECK},
                              {.type = PTHREAD_MUTEX_RECURSIVE},
                              {.robustness = PTHREAD_MUTEX_ROBUST}};
  for (const MutexShape& kind : kinds) {
    SCOPED_TRACE(testing::Message() << "type " << kind.type << ", robust " << kind.robustness);
    const auto mutex = SharedMutex::create(kind);
    if (!mutex) return context.not_created(mutex.error());
    ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(0));
    ChildCall other(context, [&] { return ::pthread_mutex_unlock(mutex->get()); });
    EXPECT_THAT(other.finish(), ReturnsErrno(EPERM));
    EXPECT_THAT(try_elsewhere(context, *mutex), ReturnsErrno(EBUSY));
    EXPECT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(0));
  }
}

GAUNTLET_CASE(SemaphoresConformance, MutexUnlock_NotLocked_ReturnsEperm,
              .clause = "POSIX.1-2024 pthread_mutex_unlock() table (error returned)") {
  const MutexShape kinds[] = {{.type = PTHREAD_MUTEX_ERRORCHECK},
                              {.type = PTHREAD_MUTEX_RECURSIVE},
                              {.robustness = PTHREAD_MUTEX_ROBUST}};
  for (const MutexShape& kind : kinds) {
    SCOPED_TRACE(testing::Message() << "type " << kind.type << ", robust " << kind.robustness);
    const auto mutex = SharedMutex::create(kind);
    if (!mutex) return context.not_created(mutex.error());
    EXPECT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(EPERM));
    EXPECT_THAT(::pthread_mutex_trylock(mutex->get()), ReturnsErrno(0)) << "it was free";
  }
}

// As often as its owner locked it, so often it has to unlock it.
GAUNTLET_CASE(SemaphoresConformance, MutexRecursive_LockedThreeTimes_IsFreeAfterThreeUnlocks,
              .clause = "POSIX.1-2024 pthread_mutex_lock() table (Recursive: lock count)") {
  const auto mutex = SharedMutex::create({.type = PTHREAD_MUTEX_RECURSIVE});
  if (!mutex) return context.not_created(mutex.error());
  ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(0));
  ASSERT_THAT(::pthread_mutex_trylock(mutex->get()), ReturnsErrno(0));
  ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(0));
  for (int unlocks = 0; unlocks < 3; ++unlocks) {
    EXPECT_THAT(try_elsewhere(context, *mutex), ReturnsErrno(EBUSY)) << unlocks << " unlocks";
    ASSERT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(0));
  }
  EXPECT_THAT(try_elsewhere(context, *mutex), ReturnsErrno(0));
}

GAUNTLET_CASE(SemaphoresConformance, MutexTimedlock_LockedAtTheDeadline_ReturnsEtimedoutNotEarly,
              .clause = "POSIX.1-2024 pthread_mutex_timedlock() ERRORS [ETIMEDOUT]") {
  const auto mutex = SharedMutex::create();
  if (!mutex) return context.not_created(mutex.error());
  ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(0));
  const std::int64_t start_ns = monotonic_ns();
  ChildCall other(context, [&] {
    const timespec until = Deadline::after(kShortWait).on_realtime();
    return ::pthread_mutex_timedlock(mutex->get(), &until);
  });
  EXPECT_THAT(other.finish(), ReturnsErrno(ETIMEDOUT));
  EXPECT_GE(std::chrono::nanoseconds(monotonic_ns() - start_ns), kShortWait - kEarlyWakeTolerance);
  ASSERT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(try_elsewhere(context, *mutex), ReturnsErrno(0))
      << "the one who gave up left it locked";
}

GAUNTLET_CASE(SemaphoresConformance, MutexClocklock_MonotonicDeadline_ReturnsEtimedoutNotEarly,
              .clause = "POSIX.1-2024 pthread_mutex_clocklock() ERRORS [ETIMEDOUT]") {
  const auto mutex = SharedMutex::create();
  if (!mutex) return context.not_created(mutex.error());
  ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(0));
  const std::int64_t start_ns = monotonic_ns();
  ChildCall other(context, [&] {
    const timespec until = Deadline::after(kShortWait).on_monotonic();
    return ::pthread_mutex_clocklock(mutex->get(), CLOCK_MONOTONIC, &until);
  });
  EXPECT_THAT(other.finish(), ReturnsErrno(ETIMEDOUT));
  EXPECT_GE(std::chrono::nanoseconds(monotonic_ns() - start_ns), kShortWait - kEarlyWakeTolerance);
}

// A deadline long gone, and even one that is no time at all, matter only to a call that must wait.
GAUNTLET_CASE(
    SemaphoresConformance, MutexTimedlock_FreeMutex_DoesNotLookAtTheDeadline,
    .clause = "POSIX.1-2024 pthread_mutex_timedlock() DESCRIPTION (validity of abstime)") {
  const auto mutex = SharedMutex::create();
  if (!mutex) return context.not_created(mutex.error());
  EXPECT_THAT(::pthread_mutex_timedlock(mutex->get(), &kLongAgo), ReturnsErrno(0));
  ChildCall other(context, [&] { return ::pthread_mutex_timedlock(mutex->get(), &kLongAgo); });
  EXPECT_THAT(other.finish(), ReturnsErrno(ETIMEDOUT));
}

GAUNTLET_CASE(SemaphoresConformance, MutexTimedlock_LockedAndNanosecondsOutOfRange_ReturnsEinval,
              .clause = "POSIX.1-2024 pthread_mutex_timedlock() ERRORS [EINVAL]") {
  const auto mutex = SharedMutex::create();
  if (!mutex) return context.not_created(mutex.error());
  ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(0));
  for (const timespec& no_time : kNoTimes) {
    ChildCall other(context, [&] { return ::pthread_mutex_timedlock(mutex->get(), &no_time); });
    EXPECT_THAT(other.finish(), ReturnsErrno(EINVAL)) << no_time.tv_nsec << " ns";
  }
}

GAUNTLET_CASE(SemaphoresConformance, MutexClocklock_OtherClock_ReturnsEinval,
              .clause = "POSIX.1-2024 pthread_mutex_clocklock() ERRORS [EINVAL] (clock_id)") {
  const auto mutex = SharedMutex::create();
  if (!mutex) return context.not_created(mutex.error());
  EXPECT_THAT(::pthread_mutex_clocklock(mutex->get(), CLOCK_PROCESS_CPUTIME_ID, &kLongAgo),
              ReturnsErrno(EINVAL));
  EXPECT_THAT(::pthread_mutex_trylock(mutex->get()), ReturnsErrno(0)) << "it was not locked";
}

// Attributes outside of what is defined are refused, and leave what was set.
GAUNTLET_CASE(SemaphoresConformance, MutexattrSet_UnknownValue_ReturnsEinval,
              .clause =
                  "POSIX.1-2024 pthread_mutexattr_settype(), _setrobust(), _setpshared(), "
                  "_setprotocol() ERRORS [EINVAL]") {
  pthread_mutexattr_t attributes;
  ASSERT_THAT(::pthread_mutexattr_init(&attributes), ReturnsErrno(0));
  EXPECT_THAT(::pthread_mutexattr_settype(&attributes, 4711), ReturnsErrno(EINVAL));
  EXPECT_THAT(::pthread_mutexattr_setrobust(&attributes, 4711), ReturnsErrno(EINVAL));
  EXPECT_THAT(::pthread_mutexattr_setpshared(&attributes, 4711), ReturnsErrno(EINVAL));
  EXPECT_THAT(::pthread_mutexattr_setprotocol(&attributes, 4711),
              testing::AnyOf(ReturnsErrno(EINVAL), ReturnsErrno(ENOTSUP)));
  ::pthread_mutexattr_destroy(&attributes);
}

GAUNTLET_CASE(SemaphoresConformance, MutexattrInit_Fresh_HasTheDocumentedDefaults,
              .clause =
                  "POSIX.1-2024 pthread_mutexattr_getpshared(), _getrobust(), _gettype(), "
                  "_getprotocol() (default values)") {
  pthread_mutexattr_t attributes;
  ASSERT_THAT(::pthread_mutexattr_init(&attributes), ReturnsErrno(0));
  int seen = -1;
  ASSERT_THAT(::pthread_mutexattr_getpshared(&attributes, &seen), ReturnsErrno(0));
  EXPECT_EQ(seen, PTHREAD_PROCESS_PRIVATE);
  ASSERT_THAT(::pthread_mutexattr_getrobust(&attributes, &seen), ReturnsErrno(0));
  EXPECT_EQ(seen, PTHREAD_MUTEX_STALLED);
  ASSERT_THAT(::pthread_mutexattr_gettype(&attributes, &seen), ReturnsErrno(0));
  EXPECT_EQ(seen, PTHREAD_MUTEX_DEFAULT);
  ASSERT_THAT(::pthread_mutexattr_getprotocol(&attributes, &seen), ReturnsErrno(0));
  EXPECT_EQ(seen, PTHREAD_PRIO_NONE);
  ::pthread_mutexattr_destroy(&attributes);
}

GAUNTLET_CASE(SemaphoresConformance, MutexConsistent_NotRobustOrNotInconsistent_ReturnsEinval,
              .clause = "POSIX.1-2024 pthread_mutex_consistent() ERRORS [EINVAL]") {
  const auto stalled = SharedMutex::create();
  const auto robust = SharedMutex::create({.robustness = PTHREAD_MUTEX_ROBUST});
  if (!stalled || !robust) return context.not_created(stalled ? robust.error() : stalled.error());
  EXPECT_THAT(::pthread_mutex_consistent(stalled->get()), ReturnsErrno(EINVAL));
  EXPECT_THAT(::pthread_mutex_consistent(robust->get()), ReturnsErrno(EINVAL));
  ASSERT_THAT(::pthread_mutex_lock(robust->get()), ReturnsErrno(0));
  EXPECT_THAT(::pthread_mutex_consistent(robust->get()), ReturnsErrno(EINVAL));
}

// A mutex with a priority ceiling cannot be locked by whoever stands above it.
GAUNTLET_CASE(
    SemaphoresConformance, MutexLock_CeilingBelowTheCallersPriority_ReturnsEinval,
    .clause = "POSIX.1-2024 pthread_mutex_lock() ERRORS [EINVAL] (PTHREAD_PRIO_PROTECT)") {
  const int lowest = ::sched_get_priority_min(SCHED_FIFO);
  const auto mutex = SharedMutex::create({.protocol = PTHREAD_PRIO_PROTECT, .ceiling = lowest});
  if (!mutex) return context.not_created(mutex.error());
  const Shared<int> refused;
  ChildCall caller(context, [&]() -> long {
    sched_param above = {};
    above.sched_priority = lowest + 1;
    if (::sched_setscheduler(0, SCHED_FIFO, &above) != 0) {
      *refused = errno;
      return 0;
    }
    return ::pthread_mutex_lock(mutex->get());
  });
  const CallOutcome answer = caller.finish();
  if (*refused != 0) {
    return context.not_run("the SCHED_FIFO policy: " + errno_name(*refused),
                           "run as root, with real-time bandwidth for this cgroup");
  }
  EXPECT_THAT(answer, ReturnsErrno(EINVAL));
}

// Priority inheritance changes nothing of what a mutex is.
GAUNTLET_CASE(SemaphoresConformance, MutexInherit_LockedByAnotherProcess_KeepsItOutUntilUnlocked,
              .clause = "POSIX.1-2024 pthread_mutexattr_setprotocol() (PTHREAD_PRIO_INHERIT)") {
  const auto mutex = SharedMutex::create({.protocol = PTHREAD_PRIO_INHERIT});
  if (!mutex && mutex.error().system_errno == ENOTSUP) {
    return context.unsupported("pthread_mutex_init(PTHREAD_PRIO_INHERIT)", "ENOTSUP");
  }
  if (!mutex) return context.not_created(mutex.error());
  ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(try_elsewhere(context, *mutex), ReturnsErrno(EBUSY));
  ChildCall other(context, [&] { return ::pthread_mutex_lock(mutex->get()); });
  ASSERT_TRUE(other.is_asleep());
  ASSERT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(other.finish(), ReturnsErrno(0));
}

}  // namespace
}  // namespace gauntlet
