// What pthread reader-writer locks promise between processes.
#include <gmock/gmock.h>
#include <pthread.h>

#include <chrono>

#include "base/limits.h"
#include "cases/context.h"
#include "semaphores/shared_locks.h"
#include "semaphores/sleepers.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

using LockCall = int (*)(pthread_rwlock_t*);
using TimedCall = int (*)(pthread_rwlock_t*, const timespec*);

constexpr timespec kLongAgo = {1, 0};
constexpr timespec kNoTimes[] = {{1, 1'000'000'000}, {1, -1}};

int clock_read_lock(pthread_rwlock_t* lock, const timespec* until) {
  return ::pthread_rwlock_clockrdlock(lock, CLOCK_MONOTONIC, until);
}
int clock_write_lock(pthread_rwlock_t* lock, const timespec* until) {
  return ::pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, until);
}

/// What a try answers to another process, which unlocks what it got.
CallOutcome try_elsewhere(CaseContext& context, const SharedRwlock& lock, LockCall try_lock) {
  ChildCall other(context, [&]() -> long {
    const int answer = try_lock(lock.get());
    if (answer == 0) ::pthread_rwlock_unlock(lock.get());
    return answer;
  });
  return other.finish();
}

/// Holds it by `hold`, and sees `wait` of another process sleep until the unlock.
void expect_waits(CaseContext& context, LockCall hold, LockCall wait) {
  const auto lock = make_rwlock();
  if (!lock) return context.not_created(lock.error());
  ASSERT_THAT(hold(lock->get()), ReturnsErrno(0));
  ChildCall other(context, [&] { return wait(lock->get()); });
  ASSERT_TRUE(other.is_asleep());
  ASSERT_THAT(::pthread_rwlock_unlock(lock->get()), ReturnsErrno(0));
  EXPECT_THAT(other.finish(), ReturnsErrno(0));
}

// Readers share it: several hold it at the same time, in different processes.
GAUNTLET_CASE(SemaphoresConformance, RwlockRdlock_HeldByAReader_LetsAnotherReaderIn,
              .clause = "POSIX.1-2024 pthread_rwlock_rdlock() DESCRIPTION") {
  const auto lock = make_rwlock();
  if (!lock) return context.not_created(lock.error());
  ASSERT_THAT(::pthread_rwlock_rdlock(lock->get()), ReturnsErrno(0));
  EXPECT_THAT(try_elsewhere(context, *lock, ::pthread_rwlock_rdlock), ReturnsErrno(0));
  EXPECT_THAT(try_elsewhere(context, *lock, ::pthread_rwlock_tryrdlock), ReturnsErrno(0));
}

GAUNTLET_CASE(SemaphoresConformance, RwlockWrlock_HeldByAReader_SleepsUntilItUnlocks,
              .clause = "POSIX.1-2024 pthread_rwlock_wrlock() DESCRIPTION") {
  expect_waits(context, ::pthread_rwlock_rdlock, ::pthread_rwlock_wrlock);
}

GAUNTLET_CASE(SemaphoresConformance, RwlockWrlock_HeldByAWriter_SleepsUntilItUnlocks,
              .clause = "POSIX.1-2024 pthread_rwlock_wrlock() DESCRIPTION") {
  expect_waits(context, ::pthread_rwlock_wrlock, ::pthread_rwlock_wrlock);
}

GAUNTLET_CASE(SemaphoresConformance, RwlockRdlock_HeldByAWriter_SleepsUntilItUnlocks,
              .clause = "POSIX.1-2024 pthread_rwlock_rdlock() DESCRIPTION") {
  expect_waits(context, ::pthread_rwlock_wrlock, ::pthread_rwlock_rdlock);
}

GAUNTLET_CASE(SemaphoresConformance, RwlockTrywrlock_HeldByAReader_ReturnsEbusy,
              .clause = "POSIX.1-2024 pthread_rwlock_trywrlock() ERRORS [EBUSY]") {
  const auto lock = make_rwlock();
  if (!lock) return context.not_created(lock.error());
  ASSERT_THAT(::pthread_rwlock_rdlock(lock->get()), ReturnsErrno(0));
  EXPECT_THAT(try_elsewhere(context, *lock, ::pthread_rwlock_trywrlock), ReturnsErrno(EBUSY));
  ASSERT_THAT(::pthread_rwlock_unlock(lock->get()), ReturnsErrno(0));
  EXPECT_THAT(try_elsewhere(context, *lock, ::pthread_rwlock_trywrlock), ReturnsErrno(0));
}

GAUNTLET_CASE(SemaphoresConformance, RwlockTry_HeldByAWriter_ReturnsEbusy,
              .clause =
                  "POSIX.1-2024 pthread_rwlock_tryrdlock(), pthread_rwlock_trywrlock() ERRORS "
                  "[EBUSY]") {
  const auto lock = make_rwlock();
  if (!lock) return context.not_created(lock.error());
  ASSERT_THAT(::pthread_rwlock_wrlock(lock->get()), ReturnsErrno(0));
  EXPECT_THAT(try_elsewhere(context, *lock, ::pthread_rwlock_tryrdlock), ReturnsErrno(EBUSY));
  EXPECT_THAT(try_elsewhere(context, *lock, ::pthread_rwlock_trywrlock), ReturnsErrno(EBUSY));
  EXPECT_THAT(::pthread_rwlock_trywrlock(lock->get()), ReturnsErrno(EBUSY)) << "by its own writer";
}

// One thread may hold several read locks, and has to unlock as often.
GAUNTLET_CASE(SemaphoresConformance, RwlockRdlock_ThreeTimesByOneReader_IsFreeAfterThreeUnlocks,
              .clause = "POSIX.1-2024 pthread_rwlock_rdlock() DESCRIPTION (multiple read locks)") {
  const auto lock = make_rwlock();
  if (!lock) return context.not_created(lock.error());
  for (int times = 0; times < 3; ++times) {
    ASSERT_THAT(::pthread_rwlock_rdlock(lock->get()), ReturnsErrno(0));
  }
  for (int unlocks = 0; unlocks < 3; ++unlocks) {
    EXPECT_THAT(try_elsewhere(context, *lock, ::pthread_rwlock_trywrlock), ReturnsErrno(EBUSY))
        << unlocks << " unlocks";
    ASSERT_THAT(::pthread_rwlock_unlock(lock->get()), ReturnsErrno(0));
  }
  EXPECT_THAT(try_elsewhere(context, *lock, ::pthread_rwlock_trywrlock), ReturnsErrno(0));
}

// The writer's unlock lets in every reader that waits, not one of them.
GAUNTLET_CASE(SemaphoresConformance, RwlockUnlock_OfTheWriter_LetsAllWaitingReadersIn,
              .clause = "POSIX.1-2024 pthread_rwlock_unlock() DESCRIPTION") {
  const auto lock = make_rwlock();
  if (!lock) return context.not_created(lock.error());
  ASSERT_THAT(::pthread_rwlock_wrlock(lock->get()), ReturnsErrno(0));
  const auto readers = sleepers(context, 3, [&] { return ::pthread_rwlock_rdlock(lock->get()); });
  ASSERT_THAT(::pthread_rwlock_unlock(lock->get()), ReturnsErrno(0));
  for (const auto& reader : readers) EXPECT_THAT(reader->finish(), ReturnsErrno(0));
}

void expect_times_out(CaseContext& context, LockCall hold, TimedCall timed, bool realtime) {
  const auto lock = make_rwlock();
  if (!lock) return context.not_created(lock.error());
  ASSERT_THAT(hold(lock->get()), ReturnsErrno(0));
  const std::int64_t start_ns = monotonic_ns();
  ChildCall other(context, [&] {
    const Deadline deadline = Deadline::after(kShortWait);
    const timespec until = realtime ? deadline.on_realtime() : deadline.on_monotonic();
    return timed(lock->get(), &until);
  });
  EXPECT_THAT(other.finish(), ReturnsErrno(ETIMEDOUT));
  EXPECT_GE(std::chrono::nanoseconds(monotonic_ns() - start_ns), kShortWait - kEarlyWakeTolerance);
  ASSERT_THAT(::pthread_rwlock_unlock(lock->get()), ReturnsErrno(0));
  EXPECT_THAT(try_elsewhere(context, *lock, ::pthread_rwlock_trywrlock), ReturnsErrno(0))
      << "the one who gave up left it locked";
}

GAUNTLET_CASE(SemaphoresConformance, RwlockTimedrdlock_HeldByAWriter_ReturnsEtimedoutNotEarly,
              .clause = "POSIX.1-2024 pthread_rwlock_timedrdlock() ERRORS [ETIMEDOUT]") {
  expect_times_out(context, ::pthread_rwlock_wrlock, ::pthread_rwlock_timedrdlock, true);
}

GAUNTLET_CASE(SemaphoresConformance, RwlockTimedwrlock_HeldByAReader_ReturnsEtimedoutNotEarly,
              .clause = "POSIX.1-2024 pthread_rwlock_timedwrlock() ERRORS [ETIMEDOUT]") {
  expect_times_out(context, ::pthread_rwlock_rdlock, ::pthread_rwlock_timedwrlock, true);
}

GAUNTLET_CASE(SemaphoresConformance, RwlockClockrdlock_MonotonicDeadline_ReturnsEtimedoutNotEarly,
              .clause = "POSIX.1-2024 pthread_rwlock_clockrdlock() ERRORS [ETIMEDOUT]") {
  expect_times_out(context, ::pthread_rwlock_wrlock, clock_read_lock, false);
}

GAUNTLET_CASE(SemaphoresConformance, RwlockClockwrlock_MonotonicDeadline_ReturnsEtimedoutNotEarly,
              .clause = "POSIX.1-2024 pthread_rwlock_clockwrlock() ERRORS [ETIMEDOUT]") {
  expect_times_out(context, ::pthread_rwlock_wrlock, clock_write_lock, false);
}

// A writer that gave up no longer stands in the way of readers.
GAUNTLET_CASE(SemaphoresConformance, RwlockTimedwrlock_GaveUpWaiting_LetsReadersIn,
              .clause = "POSIX.1-2024 pthread_rwlock_timedwrlock(), pthread_rwlock_rdlock()") {
  const auto lock = make_rwlock(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  if (!lock) return context.not_created(lock.error());
  ASSERT_THAT(::pthread_rwlock_rdlock(lock->get()), ReturnsErrno(0));
  ChildCall writer(context, [&] {
    const timespec until = Deadline::after(kShortWait).on_realtime();
    return ::pthread_rwlock_timedwrlock(lock->get(), &until);
  });
  ASSERT_THAT(writer.finish(), ReturnsErrno(ETIMEDOUT));
  EXPECT_THAT(try_elsewhere(context, *lock, ::pthread_rwlock_rdlock), ReturnsErrno(0));
}

GAUNTLET_CASE(SemaphoresConformance, RwlockTimed_FreeLock_DoesNotLookAtTheDeadline,
              .clause =
                  "POSIX.1-2024 pthread_rwlock_timedrdlock(), pthread_rwlock_timedwrlock() "
                  "(validity of abstime)") {
  const auto lock = make_rwlock();
  if (!lock) return context.not_created(lock.error());
  for (const TimedCall timed : {::pthread_rwlock_timedrdlock, ::pthread_rwlock_timedwrlock}) {
    ASSERT_THAT(timed(lock->get(), &kLongAgo), ReturnsErrno(0));
    ASSERT_THAT(::pthread_rwlock_unlock(lock->get()), ReturnsErrno(0));
  }
}

GAUNTLET_CASE(SemaphoresConformance, RwlockTimed_HeldAndNanosecondsOutOfRange_ReturnsEinval,
              .clause =
                  "POSIX.1-2024 pthread_rwlock_timedrdlock(), pthread_rwlock_timedwrlock() ERRORS "
                  "[EINVAL]") {
  const auto lock = make_rwlock();
  if (!lock) return context.not_created(lock.error());
  ASSERT_THAT(::pthread_rwlock_wrlock(lock->get()), ReturnsErrno(0));
  for (const TimedCall timed : {::pthread_rwlock_timedrdlock, ::pthread_rwlock_timedwrlock}) {
    for (const timespec& no_time : kNoTimes) {
      ChildCall other(context, [&] { return timed(lock->get(), &no_time); });
      EXPECT_THAT(other.finish(), ReturnsErrno(EINVAL)) << no_time.tv_nsec << " ns";
    }
  }
}

GAUNTLET_CASE(SemaphoresConformance, RwlockClock_OtherClock_ReturnsEinval,
              .clause =
                  "POSIX.1-2024 pthread_rwlock_clockrdlock(), pthread_rwlock_clockwrlock() ERRORS "
                  "[EINVAL] (clock_id)") {
  const auto lock = make_rwlock();
  if (!lock) return context.not_created(lock.error());
  EXPECT_THAT(::pthread_rwlock_clockrdlock(lock->get(), CLOCK_PROCESS_CPUTIME_ID, &kLongAgo),
              ReturnsErrno(EINVAL));
  EXPECT_THAT(::pthread_rwlock_clockwrlock(lock->get(), CLOCK_PROCESS_CPUTIME_ID, &kLongAgo),
              ReturnsErrno(EINVAL));
  EXPECT_THAT(try_elsewhere(context, *lock, ::pthread_rwlock_trywrlock), ReturnsErrno(0))
      << "it was not locked";
}

// A signal does not end the waiting: the calls never answer EINTR.
GAUNTLET_CASE(SemaphoresConformance, RwlockLock_InterruptedByAHandler_GoesOnWaiting,
              .clause =
                  "POSIX.1-2024 pthread_rwlock_rdlock(), pthread_rwlock_wrlock() (shall not return "
                  "[EINTR])") {
  for (const LockCall wait : {::pthread_rwlock_rdlock, ::pthread_rwlock_wrlock}) {
    const auto lock = make_rwlock();
    if (!lock) return context.not_created(lock.error());
    ASSERT_THAT(::pthread_rwlock_wrlock(lock->get()), ReturnsErrno(0));
    ChildCall other(context, [&] { return wait(lock->get()); });
    ASSERT_TRUE(other.is_asleep());
    ASSERT_TRUE(other.signal_and_await_handler());
    ASSERT_TRUE(other.is_asleep());
    ASSERT_THAT(::pthread_rwlock_unlock(lock->get()), ReturnsErrno(0));
    EXPECT_THAT(other.finish(), ReturnsErrno(0));
  }
}

// The writer that locks again, in either way, is refused or sleeps for ever; it never gets in.
GAUNTLET_CASE(SemaphoresConformance, RwlockLock_ByItsOwnWriter_ReturnsEdeadlkOrDeadlocks,
              .clause =
                  "POSIX.1-2024 pthread_rwlock_rdlock(), pthread_rwlock_wrlock() ERRORS [EDEADLK], "
                  "DESCRIPTION (may deadlock)") {
  for (const LockCall again : {::pthread_rwlock_rdlock, ::pthread_rwlock_wrlock}) {
    const auto lock = make_rwlock();
    if (!lock) return context.not_created(lock.error());
    ChildCall writer(context, [&]() -> long {
      ::pthread_rwlock_wrlock(lock->get());
      return again(lock->get());
    });
    if (writer.is_asleep()) {
      context.observed("write_lock_again", "deadlocks");
      EXPECT_TRUE(writer.kill());
      continue;
    }
    context.observed("write_lock_again", "EDEADLK");
    EXPECT_THAT(writer.finish(), ReturnsErrno(EDEADLK));
  }
}

// Where writers are preferred, a reader that comes after a waiting writer waits behind it.
GAUNTLET_CASE(
    SemaphoresConformance, RwlockRdlock_PreferWriterAndOneWaits_WaitsBehindIt,
    .clause = "pthread_rwlockattr_setkind_np(3) PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP") {
  const auto lock = make_rwlock(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  if (!lock) return context.not_created(lock.error());
  ASSERT_THAT(::pthread_rwlock_rdlock(lock->get()), ReturnsErrno(0));
  ChildCall writer(context, [&]() -> long {
    const int answer = ::pthread_rwlock_wrlock(lock->get());
    ::pthread_rwlock_unlock(lock->get());
    return answer;
  });
  ASSERT_TRUE(writer.is_asleep());
  EXPECT_THAT(try_elsewhere(context, *lock, ::pthread_rwlock_tryrdlock), ReturnsErrno(EBUSY));
  ChildCall reader(context, [&] { return ::pthread_rwlock_rdlock(lock->get()); });
  ASSERT_TRUE(reader.is_asleep());
  ASSERT_THAT(::pthread_rwlock_unlock(lock->get()), ReturnsErrno(0));
  EXPECT_THAT(writer.finish(), ReturnsErrno(0));
  EXPECT_THAT(reader.finish(), ReturnsErrno(0));
}

GAUNTLET_CASE(SemaphoresConformance, RwlockattrInit_Fresh_HasTheDefaultsAndRefusesUnknownValues,
              .clause =
                  "POSIX.1-2024 pthread_rwlockattr_getpshared() (default value), _setpshared() "
                  "ERRORS [EINVAL]") {
  pthread_rwlockattr_t attributes;
  ASSERT_THAT(::pthread_rwlockattr_init(&attributes), ReturnsErrno(0));
  EXPECT_THAT(::pthread_rwlockattr_setpshared(&attributes, 4711), ReturnsErrno(EINVAL));
  int seen = -1;
  ASSERT_THAT(::pthread_rwlockattr_getpshared(&attributes, &seen), ReturnsErrno(0));
  EXPECT_EQ(seen, PTHREAD_PROCESS_PRIVATE);
  ::pthread_rwlockattr_destroy(&attributes);
}

}  // namespace
}  // namespace gauntlet
